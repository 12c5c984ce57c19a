"""What `stats` says of a database."""

import json
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from tests.database.report_world import AS_OF, DAY, add_at_work, add_prediction, add_sessions, add_tutor
from tutormax_cli.database.models import Base
from tutormax_cli.errors import UsageError
from tutormax_cli.reports.render import Format, render
from tutormax_cli.reports.report import Report
from tutormax_cli.reports.stats import FRESHNESS, stats, tutor_stats


def document(report: Report) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(render(report, Format.JSON))
    return parsed


def test_every_table_is_measured() -> None:
    assert list(FRESHNESS) == list(Base.metadata.tables)


def test_counts_sizes_and_freshness(db: Session) -> None:
    add_at_work(db, "a", 80)
    add_at_work(db, "b", 10, status="inactive")
    add_prediction(db, "a", 20, AS_OF - 7 * DAY)
    add_prediction(db, "a", 99, AS_OF + 7 * DAY)
    found = document(stats(db, AS_OF))
    tables = {row["table"]: row for row in found["tables"]}
    assert {name: row["rows"] for name, row in tables.items() if row["rows"]} == {
        "tutors": 2,
        "students": 1,
        "sessions": 6,
        "student_feedback": 6,
        "churn_predictions": 4,
    }
    assert found["rows"] == 19
    assert all(row["bytes"] > 0 for row in tables.values())
    assert tables["sessions"]["latest"] == "2026-05-31T00:00:00Z"
    assert tables["interventions"]["latest"] is None
    assert found["average_rating"] == 4.0
    assert {row["status"]: row["rows"] for row in found["statuses"]} == {"active": 1, "inactive": 1, "churned": 0}
    assert [row["rows"] for row in found["ratings"]] == [0, 6, 0, 0, 0]
    assert {row["level"]: row["rows"] for row in found["levels"]} == {"Critical": 1, "High": 0, "Medium": 0, "Low": 1}


def test_an_empty_database_is_whole_in_every_format(db: Session) -> None:
    report = stats(db, AS_OF)
    assert document(report)["average_rating"] is None
    assert all(render(report, format) for format in Format)


def test_two_statements_are_enough(db: Session) -> None:
    statements: list[str] = []
    event.listen(db.get_bind(), "before_cursor_execute", lambda *args: statements.append(args[2]))
    stats(db, AS_OF)
    assert len(statements) == 2


def test_one_tutor(db: Session) -> None:
    add_tutor(db, "a")
    add_sessions(db, "a", (1, 2, 40))
    add_sessions(db, "a", (3,), held=False)
    found = document(tutor_stats(db, "a", 30, AS_OF))["statistics"]
    assert found == {"total_sessions": 3, "average_rating": 4.0, "no_shows": 1, "reschedules": 0}
    with pytest.raises(UsageError, match="no tutor 'b'"):
        tutor_stats(db, "b", 30, AS_OF)
