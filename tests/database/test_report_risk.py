"""The weekly risk report against rows made for it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
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
from tutormax_cli.database.enums import RiskLevel
from tutormax_cli.database.models import TutorPerformanceMetric
from tutormax_cli.reports.render import Format, render
from tutormax_cli.reports.risk import Commands, risk_report
from tutormax_cli.reports.risk_data import Selection, assess
from tutormax_cli.reports.tutor import tutor_report
from tutormax_cli.reports.tutor_data import read_history

Document = dict[str, Any]
EVERYONE = Selection(min_score=0)


def document(db: Session, selection: Selection = EVERYONE, as_of: Any = AS_OF) -> Document:
    report = risk_report(assess(db, as_of, selection), as_of)
    for format in Format:
        assert "Secret Student" not in render(report, format)
    parsed: Document = json.loads(render(report, Format.JSON))
    return parsed


def ids(rows: list[Document]) -> list[str]:
    return [row["tutor_id"] for row in rows]


def test_the_queue_is_sorted_by_score_and_cut_at_score_and_limit(db: Session) -> None:
    for tutor_id, score in {"a": 60, "b": 90, "c": 51, "d": 50, "e": 90, "f": None}.items():
        add_at_work(db, tutor_id, score)
    assert ids(document(db, Selection())["queue"]) == ["b", "e", "a", "c"]
    assert [row["rank"] for row in document(db, Selection())["queue"]] == [1, 2, 3, 4]
    assert ids(document(db, Selection(limit=2))["queue"]) == ["b", "e"]
    assert ids(document(db)["queue"]) == ["b", "e", "a", "c", "d"]
    notes = risk_report(assess(db, AS_OF, Selection(limit=2)), AS_OF).notes
    assert notes == (
        "2 more at 51 or above: tutormax risk-report --limit 4",
        "One tutor in full, by name or id: tutormax risk-report --tutor B",
    )


def test_level_and_subject_choose_tutors_but_not_the_counts(db: Session) -> None:
    add_at_work(db, "a", 60, subjects=["French", "physics"])
    add_at_work(db, "b", 90, subjects=["physics"])
    add_at_work(db, "c", 30, subjects=["french"])
    assert ids(document(db, Selection(0, subject="FRENCH"))["queue"]) == ["a", "c"]
    assert ids(document(db, Selection(0, level=RiskLevel.HIGH))["queue"]) == ["a"]
    assert ids(document(db, Selection(0, level=RiskLevel.HIGH, subject="x' OR 1=1"))["queue"]) == []
    counts = {row["level"]: row["tutors"] for row in document(db, Selection(subject="french"))["levels"]}
    assert counts == {"Critical": 1, "High": 1, "Medium": 1, "Low": 0}


def test_counts_change_and_expected_leavers(db: Session) -> None:
    for tutor_id, now, before in (("a", 80, 60), ("b", 60, 60), ("c", 20, 20)):
        add_at_work(db, tutor_id, now)
        add_prediction(db, tutor_id, before, AS_OF - 7 * DAY)
    found = document(db)
    assert [(row["level"], row["tutors"], row["change"]) for row in found["levels"]] == [
        ("Critical", 1, 1),
        ("High", 1, -1),
        ("Medium", 0, 0),
        ("Low", 1, 0),
    ]
    assert found["expected"] == [
        {"within_days": days, "leavers": 1.6, "share": round(1.6 / 3, 4)} for days in (7, 30, 90)
    ]
    assert (found["calibrated"], found["model_version"], found["tutors"]) == (True, "hazard-1", 3)
    assert found["as_of"] == "2026-06-01T00:00:00Z"
    assert found["data_until"] == "2026-05-31T00:00:00Z"


@pytest.mark.parametrize(
    ("days_before", "change"),
    [(6, None), (6.6, 10), (7, 10), (13.9, 10), (14, None), (20, None)],
)
def test_the_change_is_against_the_score_of_about_a_week_before(
    db: Session, days_before: float, change: int | None
) -> None:
    add_at_work(db, "a", 70)
    add_prediction(db, "a", 60, AS_OF - days_before * DAY)
    assert document(db)["queue"][0]["change"] == change


def test_of_several_earlier_scores_the_one_a_week_old_counts(db: Session) -> None:
    add_at_work(db, "a", 70)
    for days in range(1, 15):
        add_prediction(db, "a", 40 + days, AS_OF - days * DAY)
    assert document(db)["queue"][0]["change"] == 70 - 47


def test_since_compares_with_the_newest_score_of_the_week_until_then(db: Session) -> None:
    add_at_work(db, "a", 70)
    for days, score in ((0.3, 69), (7, 60), (20, 50), (21, 40), (40, 30)):
        add_prediction(db, "a", score, AS_OF - days * DAY)

    def change(days: float) -> int | None:
        found: int | None = document(db, Selection(0, since=AS_OF - days * DAY))["queue"][0]["change"]
        return found

    assert [change(days) for days in (0.1, 7, 19, 20, 20.5, 35, 60)] == [1, 10, 20, 20, 30, 40, None]
    levels = document(db, Selection(0, since=AS_OF - 21 * DAY))["levels"]
    assert {row["level"]: row["change"] for row in levels} == {"Critical": 0, "High": 1, "Medium": -1, "Low": 0}
    assert document(db, Selection(0, since=AS_OF - 21 * DAY))["compared_with"] == "2026-05-11T00:00:00Z"


def test_who_is_left_out_of_a_section_is_counted_with_the_command_that_shows_them(db: Session) -> None:
    for number in range(3):
        add_tutor(db, f"quiet_{number}")
        add_sessions(db, f"quiet_{number}", (9,))
    report = risk_report(assess(db, AS_OF, Selection(limit=2)), AS_OF)
    assert report.notes == ()
    for number in range(3):
        add_prediction(db, f"quiet_{number}", 60)
    typed = Commands(
        "tutormax risk-report --subject French --as-of 2026-06-01", "tutormax risk-report --as-of 2026-06-01"
    )
    report = risk_report(assess(db, AS_OF, Selection(limit=2)), AS_OF, typed)
    assert report.notes == (
        "1 more silent: tutormax risk-report --subject French --as-of 2026-06-01 --limit 3",
        "One tutor in full, by name or id: tutormax risk-report --as-of 2026-06-01 --tutor Quiet_0",
    )


def test_actions_are_those_of_the_tutors_shown(db: Session) -> None:
    for tutor_id, score in {"a": 90, "b": 80, "c": 60}.items():
        add_at_work(db, tutor_id, score)
    add_tutor(db, "quiet")
    add_sessions(db, "quiet", (9,))
    add_prediction(db, "quiet", 60)
    assert document(db)["actions"] == [
        {"action": "retention_interview", "within_hours": 24, "tutors": 3, "who": ["# 1–2", "1 silent"]},
        {"action": "manager_coaching", "within_hours": 48, "tutors": 1, "who": ["# 3"]},
    ]


def test_who_has_no_earlier_score_is_new_only_where_others_have_one(db: Session) -> None:
    add_at_work(db, "a", 70)
    assert "new" not in render(risk_report(assess(db, AS_OF, EVERYONE), AS_OF), Format.TABLE, width=80)
    add_at_work(db, "b", 60)
    add_prediction(db, "b", 60, AS_OF - 7 * DAY)
    assert "new" in render(risk_report(assess(db, AS_OF, EVERYONE), AS_OF), Format.TABLE, width=80)


def test_silent_tutors_stand_apart_whatever_their_score(db: Session) -> None:
    add_at_work(db, "working", 90)
    for tutor_id in ("stopped", "missed", "fresh", "idle", "unscored"):
        add_tutor(db, tutor_id, onboarding_date=AS_OF - 20 * DAY)
    for tutor_id, score in {"stopped": 10, "missed": 95, "fresh": 60, "idle": 55}.items():
        add_prediction(db, tutor_id, score)
    add_sessions(db, "stopped", (7.1, 9, 12))
    add_sessions(db, "missed", (0.5, 2), held=False)
    add_sessions(db, "missed", (-1, -3, -8), held=False)
    add_sessions(db, "fresh", (6.9,))
    add_sessions(db, "unscored", (8,))
    found = document(db, Selection())
    # "idle" never had anything to be absent from.
    assert ids(found["queue"]) == ["working", "fresh", "idle"]
    assert ids(found["silent"]) == ["missed", "stopped", "unscored"]
    missed, stopped, unscored = found["silent"]
    assert (missed["missed_7_days"], missed["booked_7_days"], missed["last_session"]) == (2, 2, None)
    assert (stopped["days_silent"], stopped["missed_7_days"], stopped["booked_7_days"]) == (7, 0, 0)
    assert (unscored["score"], unscored["recommended"]) == (None, "manager_coaching")
    assert (missed["recommended"], stopped["recommended"]) == ("retention_interview", "manager_coaching")


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ({"a": 90, "b": 26}, "Silent for 7 days or more: 2, contact today\n"),
        ({"a": 90, "b": 25}, "Silent for 7 days or more: 2, contact today from Medium up\n"),
        ({"a": 3, "b": None}, "Silent for 7 days or more: 2, contact in 48 h\n"),
    ],
)
def test_the_words_over_the_silent_agree_with_what_is_recommended(
    db: Session, scores: dict[str, int | None], words: str
) -> None:
    add_at_work(db, "working", 90)
    for tutor_id, score in scores.items():
        add_tutor(db, tutor_id)
        add_sessions(db, tutor_id, (9,))
        if score is not None:
            add_prediction(db, tutor_id, score)
    assert words in render(risk_report(assess(db, AS_OF, EVERYONE), AS_OF), Format.TABLE, width=80)
    found = document(db)
    assert all(row["recommended"] for row in found["silent"])
    assert sum(row["tutors"] for row in found["actions"]) == 3


def test_only_tutors_active_then_are_reported(db: Session) -> None:
    add_at_work(db, "here", 80)
    add_at_work(db, "inactive", 80, status="inactive")
    add_at_work(db, "gone", 80, status="churned", churned_at=AS_OF - DAY)
    add_at_work(db, "going", 80, status="churned", churned_at=AS_OF + DAY)
    found = document(db)
    assert ids(found["queue"]) == ["going", "here"]
    assert found["tutors"] == 2


def test_as_of_takes_the_newest_day_until_then(db: Session) -> None:
    add_at_work(db, "a", 80)
    add_prediction(db, "a", 30, AS_OF - 7 * DAY)
    add_prediction(db, "a", 40, AS_OF - 7 * DAY + timedelta(hours=30))
    earlier = AS_OF - 5 * DAY
    found = document(db, as_of=earlier)
    assert [row["score"] for row in found["queue"]] == [40]
    assert found["as_of"] == "2026-05-26T06:00:00Z"
    old = risk_report(assess(db, AS_OF + 30 * DAY, EVERYONE), AS_OF + 30 * DAY)
    assert old.notes[-1] == (
        "These predictions are 30 days old; the data end 31 May 2026; import newer sessions, then tutormax predict"
    )
    add_sessions(db, "a", (-10,))
    renewed = risk_report(assess(db, AS_OF + 30 * DAY, EVERYONE), AS_OF + 30 * DAY)
    assert renewed.notes[-1] == (
        "These predictions are 30 days old; the data end 11 Jun 2026; renew them: tutormax predict --as-of 2026-06-12"
    )
    add_sessions(db, "a", (-29,))
    fresh = risk_report(assess(db, AS_OF + 30 * DAY, EVERYONE), AS_OF + 30 * DAY)
    assert fresh.notes[-1] == "These predictions are 30 days old; renew them: tutormax predict"


def test_a_composite_is_called_uncalibrated_and_promises_no_numbers(db: Session) -> None:
    add_at_work(db, "a", None)
    unknown: dict[str, Any] = dict.fromkeys(f"window_{days}day_probability" for days in (1, 7, 30, 90))
    add_prediction(db, "a", 70, AS_OF, model_version="composite-1", **unknown)
    found = document(db)
    assert (found["calibrated"], found["expected"]) == (False, [])
    text = render(risk_report(assess(db, AS_OF, EVERYONE), AS_OF), Format.TABLE, width=80)
    assert "composite-1 · uncalibrated" in text
    assert "unknown: scores are uncalibrated" in text


def test_a_row_tells_tier_intervention_reasons_and_tenure(db: Session) -> None:
    evidence = {"sessions_last_7_days": 3, "sessions_usual_7_days": 14.0}
    part = {"component": "engagement_decline", "points": 60, "evidence": evidence}
    add_at_work(db, "a", None)
    add_prediction(db, "a", 72, contributing_factors={"calibrated": True, "baseline": 12, "components": [part]})
    for metric_id, ago, tier in (("old", 30, "Strong"), ("new", 1, "At Risk"), ("later", -1, "Exemplary")):
        db.add(
            TutorPerformanceMetric(
                metric_id=metric_id,
                tutor_id="a",
                calculation_date=AS_OF - ago * DAY,
                window="30day",
                sessions_completed=1,
                no_show_count=0,
                performance_tier=tier,
            )
        )
    add_intervention(db, "a", "recognition", AS_OF - 9 * DAY, status="cancelled")
    add_intervention(db, "a", "retention_interview", AS_OF - DAY, assigned_to="Marcus", due_date=AS_OF + DAY)
    (row,) = document(db)["queue"]
    assert row["tier"] == "At Risk"
    assert row["goes_with"] == ["3 sessions last week, usually 14"]
    assert (row["open_intervention"], row["intervention_owner"]) == ("retention_interview", "Marcus")
    assert row["intervention_due"] == "2026-06-02T00:00:00Z"
    assert row["tenure_days"] == 200
    assert (row["recommended"], row["recommended_within_hours"]) == ("manager_coaching", 48)


def test_without_predictions_every_format_is_whole(db: Session) -> None:
    add_tutor(db, "a")
    found = document(db)
    assert (found["as_of"], found["calibrated"], found["queue"], found["silent"]) == (None, None, [], [])
    report = risk_report(assess(db, AS_OF, EVERYONE), AS_OF)
    assert "No predictions yet." in render(report, Format.TABLE, width=80)
    assert render(report, Format.CSV).count("\n") == 1
    assert render(report, Format.JSONL) == ""


def test_the_number_of_statements_does_not_grow(db: Session) -> None:
    for number in range(30):
        add_at_work(db, f"t{number:02}", 70 + number % 20)
    statements: list[str] = []
    event.listen(db.get_bind(), "before_cursor_execute", lambda *args: statements.append(args[2]))
    assess(db, AS_OF, Selection(limit=30))
    assert len(statements) == 4  # one of them turns the JIT compiler off


def test_where_the_data_end_early_silence_is_not_told(db: Session) -> None:
    for tutor_id, score in (("a", 90), ("b", 10)):
        add_tutor(db, tutor_id)
        add_sessions(db, tutor_id, (8, 12))
        add_sessions(db, tutor_id, (1,), held=False)
        add_prediction(db, tutor_id, score)
    report = risk_report(assess(db, AS_OF, EVERYONE), AS_OF)
    text = render(report, Format.TABLE)
    assert text.splitlines()[2].strip() == (
        "The data end 24 May 2026, 8 days before: import newer sessions, or look at that time:"
        " tutormax predict --as-of 2026-05-25"
    )
    assert "Silent for 7 days or more: 2, but the data end too early to tell\n" in text
    assert "contact today" not in text
    assert [row["recommended"] for row in document(db)["silent"]] == ["retention_interview", None]
    assert document(db)["warning"]["text"].startswith("The data end 24 May 2026")
    page = tutor_report(read_history(db, "b", AS_OF))
    assert "The data end 24 May 2026" in render(page, Format.TABLE)
    assert json.loads(render(page, Format.JSON))["recommended"]["intervention"] is None
    add_at_work(db, "c", 10)
    assert "warning" not in document(db)


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (Selection(0, 1, RiskLevel.LOW), "1 more at Low: "),
        (Selection(5, 1, RiskLevel.LOW), "1 more at Low, 5 or above: "),
        (Selection(0, 1), "1 more at 0 or above: "),
    ],
)
def test_who_is_not_shown_is_named_by_level(db: Session, selection: Selection, words: str) -> None:
    for tutor_id in ("a", "b"):
        add_at_work(db, tutor_id, 10)
    assert risk_report(assess(db, AS_OF, selection), AS_OF).notes[0].startswith(words)
    empty = Selection(51, 1, RiskLevel.HIGH)
    assert "No tutor at High.\n" in render(risk_report(assess(db, AS_OF, empty), AS_OF), Format.TABLE)


def test_a_rising_level_has_no_tone_of_its_own(db: Session) -> None:
    add_at_work(db, "a", 10)
    add_at_work(db, "b", 80)
    add_prediction(db, "b", 80, AS_OF - 7 * DAY)
    levels = render(risk_report(assess(db, AS_OF, EVERYONE), AS_OF), Format.TABLE, width=80, color=True).splitlines()
    low = next(line for line in levels if "Low" in line)
    assert "▲1" in low and "\x1b[1;31m▲" not in low
