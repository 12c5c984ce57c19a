"""What `stats` says of a database."""

import json
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from tests.conftest import SEEDED_WORLD
from tests.database.report_world import AS_OF, DAY, add_at_work, add_prediction, add_sessions, add_tutor
from tutormax_cli.database.models import Base
from tutormax_cli.errors import UsageError
from tutormax_cli.reports.render import Format, render
from tutormax_cli.reports.report import Report
from tutormax_cli.reports.stats import FRESHNESS, WINDOWS, stats, tutor_stats


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


def test_the_number_of_statements_does_not_grow(db: Session) -> None:
    statements: list[str] = []
    event.listen(db.get_bind(), "before_cursor_execute", lambda *args: statements.append(args[2]))
    stats(db, AS_OF)
    assert len(statements) == 4


def test_weeks_and_subjects(db: Session) -> None:
    add_tutor(db, "a", subjects=["mathematics", "Latin"], onboarding_date=AS_OF - 8 * DAY)
    add_tutor(db, "b", status="churned", churned_at=AS_OF - 7 * DAY)
    add_tutor(db, "c", status="churned", churned_at=AS_OF)
    add_sessions(db, "a", (0, 0.1, 7, 7.1, 84, 84.1))
    add_sessions(db, "a", (1,), held=False)
    found = document(stats(db, AS_OF))
    weeks = found["weeks"]
    assert [week["from"][:10] for week in (weeks[0], weeks[-1])] == ["2026-03-09", "2026-05-25"]
    assert [week["sessions"] for week in weeks] == [1] + [0] * 9 + [1, 2]
    assert [week["joined"] for week in weeks] == [0] * 10 + [1, 0]
    assert [week["left"] for week in weeks] == [0] * 11 + [1]
    assert (weeks[-1]["missed"], weeks[-1]["rating"], weeks[1]["missed"]) == (1 / 3, 4.0, None)
    assert found["subjects"] == [
        {"subject": "mathematics", "active": 2, "left": 1, "sessions": 4, "weeks": [1] + [0] * 9 + [1, 2]}
        | {"missed": 0.2, "rating": 4.0},
        {"subject": "Latin", "active": 1, "left": 0, "sessions": 0, "weeks": [0] * 12, "missed": None, "rating": None},
    ]
    assert "seeded" not in found


def test_synthetic_data_name_the_command_that_made_them(seeded_db: Session) -> None:
    found = document(stats(seeded_db, AS_OF))
    assert [row["command"] for row in found["seeded"]] == [f"tutormax seed {' '.join(SEEDED_WORLD)}"]
    (departed,) = (row["rows"] for row in found["statuses"] if row["status"] == "churned")
    assert 0 < sum(week["left"] for week in found["weeks"]) <= departed


def test_one_tutor(db: Session) -> None:
    add_tutor(db, "a")
    add_sessions(db, "a", (1, 2, 40))
    add_sessions(db, "a", (3,), held=False)
    found = document(tutor_stats(db, "a", WINDOWS, AS_OF))["statistics"]
    rest = {"average_rating": 4.0, "no_shows": 1, "reschedules": 0}
    assert found == [{"days_back": days, "total_sessions": n, **rest} for days, n in ((7, 3), (30, 3), (90, 4))]
    with pytest.raises(UsageError, match="no tutor 'b'"):
        tutor_stats(db, "b", WINDOWS, AS_OF)
