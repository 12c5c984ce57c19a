"""The report on one tutor."""

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.database.report_world import (
    AS_OF,
    DAY,
    add_at_work,
    add_intervention,
    add_prediction,
    add_sessions,
    add_tutor,
)
from tutormax_cli.errors import UsageError
from tutormax_cli.reports.render import Format, render
from tutormax_cli.reports.risk_data import Selection, assess
from tutormax_cli.reports.tutor import tutor_report
from tutormax_cli.reports.tutor_data import read_history

COMPONENTS = {"engagement_decline": 41, "reschedule_pattern": 22, "tenure_risk": -3}
FACTORS = {
    "calibrated": True,
    "baseline": 12,
    "components": [{"component": name, "points": points, "evidence": {}} for name, points in COMPONENTS.items()],
}


def document(db: Session, tutor_id: str, as_of: Any = AS_OF) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(render(tutor_report(read_history(db, tutor_id, as_of)), Format.JSON))
    return parsed


def test_the_points_sum_to_the_score(db: Session) -> None:
    add_at_work(db, "a", None)
    add_prediction(db, "a", 72, contributing_factors=FACTORS)
    found = document(db, "a")
    assert found["standing"]["score"] == 72
    assert sum(row["points"] for row in found["points"]) == 72
    assert [row["component"] for row in found["points"]] == ["baseline", *COMPONENTS]


def test_change_and_level_since_come_from_the_history(db: Session) -> None:
    add_at_work(db, "a", 80)
    for weeks, score in ((1, 78), (2, 90), (3, 60), (4, 79)):
        add_prediction(db, "a", score, AS_OF - weeks * 7 * DAY)
    found = document(db, "a")["standing"]
    assert found == {"score": 80, "level": "Critical", "change": 2, "level_since": "2026-05-18T00:00:00Z"}


def test_since_compares_as_the_weekly_report_does(db: Session) -> None:
    add_at_work(db, "a", 70)
    for days, score in ((0.3, 69), (7, 60), (20, 50), (21, 40), (100, 30)):
        add_prediction(db, "a", score, AS_OF - days * DAY)
    for days in (0.1, 7, 19, 20.5, 35, 99):
        since = AS_OF - days * DAY
        history = read_history(db, "a", AS_OF, since)
        (standing,) = assess(db, AS_OF, Selection(0, since=since)).standings
        assert history.previous_score == standing.previous_score, days


def test_twelve_weeks_oldest_first(db: Session) -> None:
    add_tutor(db, "a")
    # The instant of a week's beginning is in that week, the as-of instant in none.
    add_sessions(db, "a", (0, 0.1, 7, 7.1, 84, 84.1))
    add_sessions(db, "a", (1,), held=False)
    add_prediction(db, "a", 70)
    add_prediction(db, "a", 60, AS_OF - 8 * DAY)
    weeks = document(db, "a")["weeks"]
    assert weeks["sessions"] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]
    assert weeks["rating"][-1] == 4.0
    assert weeks["rating"][1] is None
    assert weeks["score"] == [None] * 10 + [60, 70]


def test_nothing_later_than_as_of_is_told(db: Session) -> None:
    add_at_work(db, "a", 80)
    add_prediction(db, "a", 30, AS_OF - 14 * DAY)
    add_intervention(db, "a", "recognition", AS_OF - 20 * DAY)
    add_intervention(db, "a", "peer_mentoring", AS_OF - 2 * DAY)
    found = document(db, "a", AS_OF - 10 * DAY)
    assert found["standing"]["score"] == 30
    assert found["weeks"]["sessions"] == [0] * 12
    assert [task["type"] for task in found["interventions"]] == ["recognition"]


def test_interventions_open_and_past(db: Session) -> None:
    add_at_work(db, "a", 80)
    done = AS_OF - 30 * DAY
    add_intervention(
        db, "a", "manager_coaching", done - DAY, status="completed", completed_date=done, outcome="improved"
    )
    add_intervention(db, "a", "retention_interview", AS_OF - timedelta(hours=3), assigned_to="Marcus")
    text = render(tutor_report(read_history(db, "a", AS_OF)), Format.TABLE, width=80)
    assert text.index("retention interview") < text.index("manager coaching")
    assert "improved" in text


def test_silence_is_told_as_in_the_weekly_report(db: Session) -> None:
    names = ("stopped", "long_ago", "missed", "idle", "working")
    for tutor_id in names:
        add_tutor(db, tutor_id)
        add_prediction(db, tutor_id, 60)
    add_sessions(db, "stopped", (7.1,))
    add_sessions(db, "long_ago", (100,))
    add_sessions(db, "missed", (2,), held=False)
    add_sessions(db, "working", (2, 9))
    silent = {row.tutor_id for row in assess(db, AS_OF, Selection(min_score=0)).silent}
    histories = {tutor_id: read_history(db, tutor_id, AS_OF) for tutor_id in names}
    assert {tutor_id for tutor_id, history in histories.items() if history.silent} == silent
    assert silent == {"stopped", "long_ago", "missed"}
    assert document(db, "long_ago")["recommended"]["intervention"] == "retention_interview"
    assert document(db, "missed")["recommended"]["intervention"] == "retention_interview"


def test_a_tutor_without_prediction_has_a_report_too(db: Session) -> None:
    add_tutor(db, "a")
    text = render(tutor_report(read_history(db, "a", AS_OF)), Format.TABLE, width=80)
    assert "No prediction yet: tutormax predict" in text
    assert document(db, "a")["points"] == []


def test_an_unknown_tutor_is_wrong_input_with_a_hint(db: Session) -> None:
    add_tutor(db, "tutor_00317", name="Dana Whitlock")
    with pytest.raises(UsageError, match="no tutor 'dana'") as caught:
        read_history(db, "dana", AS_OF)
    assert caught.value.hint == "did you mean tutor_00317 (Dana Whitlock; active; mathematics)?"
    with pytest.raises(UsageError) as caught:
        read_history(db, "100%_", AS_OF)
    assert "did you mean" not in (caught.value.hint or "")


def test_a_name_will_do_where_only_one_is_called_so(db: Session) -> None:
    add_tutor(db, "t1", name="Dana Whitlock")
    add_tutor(db, "t2", name="Omar Reyes")
    add_tutor(db, "t3", name="Omar Reyes", status="churned", subjects=["Latin"], churned_at=AS_OF)
    add_tutor(db, "Omar", name="t2")
    assert read_history(db, " dana  WHITLOCK ", AS_OF).tutor.tutor_id == "t1"
    assert read_history(db, "t2", AS_OF).tutor.name == "Omar Reyes"
    with pytest.raises(UsageError, match="2 tutors are called 'Omar Reyes'") as caught:
        read_history(db, "Omar Reyes", AS_OF)
    assert caught.value.hint == (
        "name one by id: t2 (Omar Reyes; active; mathematics) or t3 (Omar Reyes; churned; Latin)"
    )
    with pytest.raises(UsageError, match="there is no tutor 'Dana Whit…'") as caught:
        read_history(db, "Dana Whit…", AS_OF)
    assert (caught.value.hint or "").startswith("did you mean t1 (")


def test_every_row_of_a_file_says_whose_it_is(db: Session) -> None:
    add_at_work(db, "a", None)
    add_prediction(db, "a", 72, contributing_factors=FACTORS)
    report = tutor_report(read_history(db, "a", AS_OF))
    rows = list(csv.DictReader(io.StringIO(render(report, Format.CSV))))
    assert [row["points"] for row in rows] == ["12", "41", "22", "-3"]
    lines = [json.loads(line) for line in render(report, Format.JSONL).splitlines()]
    for row in (*rows, *lines):
        assert (row["tutor_id"], row["name"], str(row["score"]), row["level"]) == ("a", "A", "72", "High")
        assert row["as_of"] == "2026-06-01T00:00:00Z"


def test_the_status_is_that_of_the_time_and_who_has_left_needs_nothing(db: Session) -> None:
    add_at_work(db, "a", 90, status="churned", churned_at=AS_OF - DAY)
    add_prediction(db, "a", 80, AS_OF - 2 * DAY)
    found = document(db, "a")
    assert (found["status"], found["recommended"]["intervention"]) == ("churned", None)
    earlier = document(db, "a", AS_OF - 2 * DAY)
    assert (earlier["status"], earlier["recommended"]["intervention"]) == ("active", "retention_interview")


def test_who_has_left_is_with_us_until_then(db: Session) -> None:
    add_tutor(db, "a", status="churned", churned_at=AS_OF - 50 * DAY)
    add_tutor(db, "b", status="churned")
    add_sessions(db, "b", (64,))
    for tutor_id in ("a", "b"):
        text = render(tutor_report(read_history(db, tutor_id, AS_OF)), Format.TABLE)
        assert "left 12 Apr 2026 · " in text and "days with us 150 · " in text
        assert "No prediction: only active tutors have one." in text and "tutormax predict" not in text
    assert document(db, "a", AS_OF - 60 * DAY)["tenure_days"] == 140
    assert document(db, "a", AS_OF - 60 * DAY)["departed"] is None
