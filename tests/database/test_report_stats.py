"""What `stats` says of a database."""

import json
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from tests.conftest import SEEDED_WORLD
from tests.database.report_world import (
    AS_OF,
    DAY,
    add_at_work,
    add_intervention,
    add_prediction,
    add_sessions,
    add_tutor,
)
from tutormax_cli.database.models import Base
from tutormax_cli.errors import UsageError
from tutormax_cli.reports.render import Format, render
from tutormax_cli.reports.report import Report
from tutormax_cli.reports.stats import WINDOWS, stats, tutor_stats
from tutormax_cli.reports.tables import DATING


def document(report: Report) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(render(report, Format.JSON))
    return parsed


def test_every_table_is_measured() -> None:
    assert list(DATING) == list(Base.metadata.tables)


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
    assert {row["status"]: row["tutors"] for row in found["statuses"]} == {"active": 1, "inactive": 1, "churned": 0}
    assert [row["ratings"] for row in found["ratings"]] == [0, 6, 0, 0, 0]
    levels = {row["level"]: row["tutors"] for row in found["levels"]}
    assert levels == {"Critical": 1, "High": 0, "Medium": 0, "Low": 1}


def test_as_of_a_time_only_what_was_known_then_counts(db: Session) -> None:
    """What lies on the page as of a time is what the page shows in full when everything later is taken away."""
    add_at_work(db, "a", 80)
    add_at_work(db, "b", 60, status="churned", churned_at=AS_OF - DAY)
    add_tutor(db, "joined_later", onboarding_date=AS_OF - 2 * DAY)
    add_sessions(db, "a", (-3, 20, 30), held=False)
    add_sessions(db, "b", (40,))
    for ago, score in ((1, 30), (6, 55), (20, 90)):
        add_prediction(db, "a", score, AS_OF - ago * DAY)
    for ago in (1, 4, 9):
        add_intervention(db, "b", "recognition", AS_OF - ago * DAY)
    past = AS_OF - 3 * DAY
    found = document(stats(db, AS_OF, past))
    assert found["as_of"] == "2026-05-29T00:00:00Z"
    assert found["tables"] == [
        {"table": table, "rows": rows, "bytes": None, "latest": latest and f"{latest}Z"}
        for table, rows, latest in (
            ("tutors", 2, "2025-11-13T00:00:00"),
            ("students", None, None),
            ("sessions", 5, "2026-05-23T00:00:00"),
            ("student_feedback", 3, "2026-05-23T02:00:00"),
            ("tutor_performance_metrics", 0, None),
            ("churn_predictions", 2, "2026-05-26T00:00:00"),
            ("interventions", 2, "2026-05-28T00:00:00"),
            ("tutor_events", 0, None),
        )
    ]
    assert (found["rows"], found["bytes"], found["average_rating"]) == (14, None, 4.0)
    assert {row["status"]: row["tutors"] for row in found["statuses"]} == {"active": 2, "inactive": 0, "churned": 0}
    assert sum(row["ratings"] for row in found["ratings"]) == 3
    assert {row["level"]: row["tutors"] for row in found["levels"] if row["tutors"]} == {"High": 1}
    assert [week["sessions"] for week in found["weeks"]][-6:] == [1, 0, 0, 0, 0, 2]
    for table, moment in (("student_feedback", "submitted_at"), ("sessions", "scheduled_start")):
        db.execute(text(f"DELETE FROM {table} WHERE {moment} >= :past"), {"past": past})
    db.execute(text("DELETE FROM churn_predictions WHERE prediction_date > :past"), {"past": past})
    db.execute(text("DELETE FROM interventions WHERE recommended_date > :past"), {"past": past})
    db.execute(text("DELETE FROM tutors WHERE onboarding_date >= :past"), {"past": past})
    db.execute(text("UPDATE tutors SET status = 'active', churned_at = NULL"))
    then = document(stats(db, past))
    for name in ("statuses", "ratings", "tiers", "levels", "weeks", "subjects", "average_rating"):
        assert found[name] == then[name], name
    assert [row["rows"] for row in found["tables"] if row["table"] != "students"] == [
        row["rows"] for row in then["tables"] if row["table"] != "students"
    ]
    assert all(render(stats(db, AS_OF, past), format) for format in Format)


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
    assert (weeks[-1]["no_show_rate"], weeks[-1]["rating"], weeks[1]["no_show_rate"]) == (1 / 3, 4.0, None)
    assert found["subjects"] == [
        {"subject": "mathematics", "active": 2, "left": 1, "sessions": 4, "weeks": [1] + [0] * 9 + [1, 2]}
        | {"no_show_rate": 0.2, "rating": 4.0},
        {"subject": "Latin", "active": 1, "left": 0, "sessions": 0, "weeks": [0] * 12}
        | {"no_show_rate": None, "rating": None},
    ]
    assert "seeded" not in found


def test_weeks_in_which_nothing_happened_are_not_listed_but_pointed_past(db: Session) -> None:
    add_at_work(db, "a", 80)
    report = stats(db, AS_OF + 100 * DAY)
    found = document(report)
    assert (found["weeks"], found["subjects"]) == ([], [])
    assert report.notes == ("The weeks before the last session: tutormax stats --as-of 2026-06-01",)
    assert len(document(stats(db, AS_OF + 70 * DAY))["weeks"]) == 12


def test_synthetic_data_name_the_command_that_made_them(seeded_db: Session) -> None:
    found = document(stats(seeded_db, AS_OF))
    assert [row["command"] for row in found["seeded"]] == [f"tutormax seed {' '.join(SEEDED_WORLD)}"]
    (departed,) = (row["tutors"] for row in found["statuses"] if row["status"] == "churned")
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
