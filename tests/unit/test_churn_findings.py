from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

import numpy as np
import pytest

from tutormax_cli.churn.components import EVIDENCE_DECIMALS, Component
from tutormax_cli.churn.composite import contributions
from tutormax_cli.churn.findings import WEEKS, find
from tutormax_cli.churn.panel import Floats, Panel

AN_ORDINARY_WEEK = {
    "scheduled": 10,
    "held": 10,
    "rescheduled": 0.5,
    "engagement_sum": 8,
    "engagement_count": 10,
    "rating_sum": 17.6,
    "rating_count": 4,
    "first_rating_sum": 4,
    "first_rating_count": 1,
    "logins": 6,
    "silent_days": 1,
    "absent_days": 1,
    "hours_per_week": 20,
}


Changes = Mapping[str, Sequence[float]]


def panel(changes: Changes | None = None, tutors: int = 20) -> Panel:
    """Make a panel of tutors with ordinary weeks; `changes` replaces weeks of the first tutor, most recent first."""
    counters = {
        field.name: np.full((tutors, WEEKS), float(AN_ORDINARY_WEEK.get(field.name, 0))) for field in fields(Panel)[3:]
    }
    for name, weeks in (changes or {}).items():
        counters[name][0, : len(weeks)] = weeks
    ids = np.array([f"tutor_{number:05}".encode() for number in range(tutors)])
    return Panel(tutor_ids=ids, tenure_days=np.full(tutors, 500.0), departed_days=np.full(tutors, np.nan), **counters)


def risks(panel: Panel) -> dict[Component, float]:
    return {component: float(finding.risk[0]) for component, finding in find(panel).items()}


def score(panel: Panel) -> float:
    return float(contributions(find(panel))[0].sum())


def test_an_ordinary_tutor_is_at_no_risk() -> None:
    assert set(risks(panel()).values()) - {0.0} == {risks(panel())[Component.TENURE_RISK]}
    assert score(panel()) < 1


@pytest.mark.parametrize(
    ("component", "changes"),
    [
        (Component.ENGAGEMENT_DECLINE, {"engagement_sum": [6, 7]}),
        (Component.ENGAGEMENT_DECLINE, {"logins": [1, 1]}),
        (
            Component.ENGAGEMENT_DECLINE,
            {"scheduled": [3], "held": [3], "engagement_sum": [2.4], "engagement_count": [3]},
        ),
        (Component.PERFORMANCE_TREND, {"rating_sum": [13, 13, 13, 13]}),
        (Component.RESCHEDULE_PATTERN, {"rescheduled": [3, 3]}),
        (Component.FIRST_SESSION_QUALITY, {"first_rating_sum": [2] * 8}),
        (Component.NO_SHOW_RISK, {"no_shows": [3], "held": [7]}),
        (Component.AVAILABILITY_REDUCTION, {"hours_per_week": [12]}),
    ],
)
def test_each_sign_raises_its_own_component_alone(component: Component, changes: Changes) -> None:
    before, after = risks(panel()), risks(panel(changes))
    assert after[component] > before[component] + 0.05
    unchanged = [other for other in Component if other is not component]
    assert [after[other] for other in unchanged] == pytest.approx([before[other] for other in unchanged], abs=0.1)


def test_who_stopped_coming_and_logging_in_is_critical() -> None:
    gone: Changes = {
        "held": [0, 2],
        "no_shows": [10, 8],
        "logins": [0, 1],
        "engagement_sum": [0, 1.2],
        "engagement_count": [0, 2],
        "hours_per_week": [10],
    }
    assert score(panel(gone)) > 75


def test_a_week_without_bookings_counts_less_than_missed_ones() -> None:
    nothing: dict[str, Sequence[float]] = {"held": [0], "logins": [0], "engagement_sum": [0], "engagement_count": [0]}
    assert score(panel(nothing | {"scheduled": [0]})) < score(panel(nothing | {"no_shows": [10]})) / 2


def test_who_has_just_begun_is_not_taken_to_decline() -> None:
    nothing: Changes = {name: [0] * WEEKS for name in AN_ORDINARY_WEEK if not name.endswith(("_week", "_days"))}
    beginner = panel(nothing)
    beginner = replace(beginner, tenure_days=np.where(np.arange(20) == 0, 2.0, 500.0))
    assert risks(beginner)[Component.ENGAGEMENT_DECLINE] == 0
    assert score(beginner) < 26


def test_evidence_is_what_the_vocabulary_says() -> None:
    assert {component: found.evidence.keys() for component, found in find(panel()).items()} == {
        component: decimals.keys() for component, decimals in EVIDENCE_DECIMALS.items()
    }


def test_evidence_holds_the_plain_numbers() -> None:
    found = find(
        panel({"held": [3], "scheduled": [4, 12], "rescheduled": [2, 1], "no_shows": [1], "hours_per_week": [12]})
    )
    evidence = {key: float(values[0]) for finding in found.values() for key, values in finding.evidence.items()}
    assert evidence == pytest.approx(
        {
            "sessions_last_7_days": 3,
            "sessions_usual_7_days": 10,
            "logins_last_7_days": 6,
            "logins_usual_7_days": 6,
            "engagement_recent": 0.8,
            "engagement_usual": 0.8,
            "rating_recent": 4.4,
            "rating_usual": 4.4,
            "rescheduled_14_days": 3,
            "scheduled_14_days": 16,
            "reschedule_rate_usual": 0.05,
            "first_session_rating": 4,
            "first_sessions_rated": 8,
            "no_shows_28_days": 1,
            "scheduled_28_days": 36,
            "tenure_days": 500,
            "hours_per_week_now": 12,
            "hours_per_week_before": 20,
        }
    )


@pytest.mark.parametrize("tutors", [0, 3])
def test_knows_nothing_where_there_is_nothing(tutors: int) -> None:
    blank = {name: np.zeros((tutors, WEEKS)) for name in AN_ORDINARY_WEEK} | {"no_shows": np.zeros((tutors, WEEKS))}
    blank["hours_per_week"] += np.nan
    blank["silent_days"] += np.inf
    ids = np.array([b"a", b"b", b"c"])[:tutors]
    found = find(
        Panel(tutor_ids=ids, tenure_days=np.full(tutors, 500.0), departed_days=np.full(tutors, np.nan), **blank)
    )
    known: list[Floats] = [finding.risk for finding in found.values() if not np.isnan(finding.risk).all()]
    assert len(known) == (2 if tutors else 0)  # no decline, and tenure
