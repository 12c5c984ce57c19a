"""The words for what goes with a score."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutormax_cli.churn.components import EVIDENCE_DECIMALS, Component
from tutormax_cli.reports.reasons import Contribution, contributions, main_reasons

SEEN: dict[Component, dict[str, float]] = {
    Component.ENGAGEMENT_DECLINE: {"sessions_last_7_days": 3, "sessions_usual_7_days": 14.0},
    Component.PERFORMANCE_TREND: {"rating_recent": 4.13, "rating_usual": 4.7},
    Component.RESCHEDULE_PATTERN: {
        "rescheduled_14_days": 5,
        "scheduled_14_days": 16,
        "reschedule_rate_usual": 0.048,
    },
    Component.FIRST_SESSION_QUALITY: {"first_session_rating": 2.6, "first_sessions_rated": 5},
    Component.NO_SHOW_RISK: {"no_shows_28_days": 2, "scheduled_28_days": 40},
    Component.TENURE_RISK: {"tenure_days": 21},
    Component.AVAILABILITY_REDUCTION: {"hours_per_week_now": 8, "hours_per_week_before": 18.0},
}
WORDS = {
    Component.ENGAGEMENT_DECLINE: ("3 sessions last week, usually 14",),
    Component.PERFORMANCE_TREND: ("rated 4.1, usually 4.7",),
    Component.RESCHEDULE_PATTERN: ("5 of 16 rescheduled in 14 days", "usually 5% rescheduled"),
    Component.FIRST_SESSION_QUALITY: ("first sessions rated 2.6", "5 ratings"),
    Component.NO_SHOW_RISK: ("2 no-shows of 40 in 4 weeks",),
    Component.TENURE_RISK: ("21 days with us",),
    Component.AVAILABILITY_REDUCTION: ("18 → 8 hours a week",),
}


@pytest.mark.parametrize("component", Component)
def test_each_component_has_words(component: Component) -> None:
    part = Contribution(component, 9, SEEN[component])
    assert part.phrases == WORDS[component]
    assert part.label and "_" not in part.label


@pytest.mark.parametrize("component", Component)
def test_every_number_that_is_kept_as_evidence_is_put_into_words(component: Component) -> None:
    everything = dict.fromkeys(EVIDENCE_DECIMALS[component], 1)
    whole = Contribution(component, 0, everything).phrases
    for key in everything:
        without = {name: value for name, value in everything.items() if name != key}
        assert Contribution(component, 0, without).phrases != whole, key


def test_what_fell_furthest_comes_first() -> None:
    evidence = {
        "sessions_last_7_days": 13,
        "sessions_usual_7_days": 14,
        "logins_last_7_days": 1,
        "logins_usual_7_days": 4.5,
        "engagement_recent": 0.5,
        "engagement_usual": 0.71,
    }
    assert Contribution("engagement_decline", 9, evidence).phrases == (
        "1 login last week, usually 4.5",
        "engagement 0.50, usually 0.71",
        "13 sessions last week, usually 14",
    )


@pytest.mark.parametrize(
    "evidence",
    [{}, {"engagement_recent": 0.3}, {"sessions_last_7_days": None, "sessions_usual_7_days": "x"}, {"other": True}],
)
def test_missing_evidence_leaves_the_components_points(evidence: dict[str, object]) -> None:
    factors = {"components": [{"component": "engagement_decline", "points": 9, "evidence": evidence}]}
    assert main_reasons(factors) == ("engagement +9 points",)


def test_of_a_newcomer_the_last_week_is_told_alone() -> None:
    seen = {"sessions_last_7_days": 1, "logins_last_7_days": 0, "engagement_recent": 0.42}
    assert Contribution("engagement_decline", 74, seen).phrases == ("1 session last week", "0 logins last week")
    busy = {"sessions_last_7_days": 20, "logins_last_7_days": 7}
    assert Contribution("engagement_decline", 9, busy).phrases == ()
    assert Contribution("engagement_decline", 9, seen | {"sessions_usual_7_days": 0.5}).phrases == (
        "0 logins last week",
    )


def test_without_a_usual_rating_the_recent_one_is_told_alone() -> None:
    assert Contribution("performance_trend", 9, {"rating_recent": 2.25}).phrases == ("rated 2.2 lately",)
    rising = {"rating_recent": 4.5, "rating_usual": 4.0}
    assert Contribution("performance_trend", 0, rising).phrases == ("rated 4.5, usually 4",)


COMPARED = [
    (Component.ENGAGEMENT_DECLINE, "sessions_last_7_days", "sessions_usual_7_days"),
    (Component.ENGAGEMENT_DECLINE, "logins_last_7_days", "logins_usual_7_days"),
    (Component.ENGAGEMENT_DECLINE, "engagement_recent", "engagement_usual"),
    (Component.PERFORMANCE_TREND, "rating_recent", "rating_usual"),
    (Component.AVAILABILITY_REDUCTION, "hours_per_week_now", "hours_per_week_before"),
]
"""What falls when things get worse, and what it is compared with."""
NUMBERS = st.integers(0, 30) | st.floats(0, 30).map(lambda value: round(value, 2))
POINTS = st.integers(-40, 80)


@given(st.sampled_from(COMPARED), NUMBERS, NUMBERS, POINTS)
def test_what_got_better_goes_with_no_risk_and_what_got_worse_with_no_relief(
    case: tuple[Component, str, str], now: float, usual: float, points: int
) -> None:
    component, now_key, usual_key = case
    found = Contribution(component, points, {now_key: now, usual_key: usual})
    if (usual - now) * points < 0:
        assert found.phrases == ()
    factors = {"components": [{"component": component, "points": points, "evidence": found.evidence}]}
    if points > 1 and not found.phrases:
        assert main_reasons(factors) == (f"{found.label} +{points} points",)


@given(NUMBERS, st.integers(1, 30), st.floats(0, 1), POINTS)
def test_fewer_reschedules_than_usual_go_with_no_risk(moved: float, booked: int, usual: float, points: int) -> None:
    evidence = {"rescheduled_14_days": moved, "scheduled_14_days": booked, "reschedule_rate_usual": usual}
    told = [
        phrase for phrase in Contribution(Component.RESCHEDULE_PATTERN, points, evidence).phrases if " of " in phrase
    ]
    assert not told or (moved / booked - usual) * points > 0 or points == 0


@st.composite
def contribution(draw: st.DrawFn) -> Contribution:
    """Draw a component with points and with evidence of which some is unknown."""
    component = draw(st.sampled_from(Component))
    known = draw(st.sets(st.sampled_from(sorted(EVIDENCE_DECIMALS[component]))))
    return Contribution(component, draw(POINTS), {key: draw(NUMBERS) for key in sorted(known)})


@given(contribution())
def test_points_choose_among_what_was_seen_and_no_points_leave_all_of_it(found: Contribution) -> None:
    everything = Contribution(found.component, 0, found.evidence).phrases
    opposite = Contribution(found.component, -found.points, found.evidence).phrases
    assert set(found.phrases) <= set(everything)
    # Whatever goes with points of either sign compares nothing.
    both = {*found.phrases} & {*opposite} if found.points else set()
    assert not [phrase for phrase in both if ", usually" in phrase or "→" in phrase]


@pytest.mark.parametrize(
    ("component", "evidence"),
    [
        (Component.RESCHEDULE_PATTERN, {"rescheduled_14_days": 0, "scheduled_14_days": 20}),
        (Component.NO_SHOW_RISK, {"no_shows_28_days": 0, "scheduled_28_days": 40}),
        (Component.FIRST_SESSION_QUALITY, {"first_session_rating": 4.8, "first_sessions_rated": 9}),
    ],
)
def test_what_is_good_is_no_reason(component: Component, evidence: dict[str, float]) -> None:
    assert Contribution(component, 9, evidence).phrases == ()
    assert Contribution(component, -9, evidence).phrases


@pytest.mark.parametrize(
    ("component", "evidence"),
    [
        (Component.NO_SHOW_RISK, {"no_shows_28_days": 25, "scheduled_28_days": 50}),
        (Component.FIRST_SESSION_QUALITY, {"first_session_rating": 2.1, "first_sessions_rated": 9}),
        (Component.RESCHEDULE_PATTERN, {"reschedule_rate_usual": 0.3}),
    ],
)
def test_what_is_bad_lowers_no_score(component: Component, evidence: dict[str, float]) -> None:
    assert Contribution(component, -9, evidence).phrases == ()
    assert Contribution(component, 9, evidence).phrases


def test_among_what_lowers_a_score_what_rose_furthest_comes_first() -> None:
    evidence = {
        "sessions_last_7_days": 15,
        "sessions_usual_7_days": 14,
        "logins_last_7_days": 9,
        "logins_usual_7_days": 4.5,
        "engagement_recent": 0.5,
        "engagement_usual": 0.71,
    }
    assert Contribution("engagement_decline", -9, evidence).phrases == (
        "9 logins last week, usually 4.5",
        "15 sessions last week, usually 14",
    )
    assert Contribution("engagement_decline", 9, evidence).phrases == ("engagement 0.50, usually 0.71",)


def test_main_reasons_are_those_that_add_most() -> None:
    points = dict(zip(Component, (4, -9, 21, 1, 5, 3, 0), strict=True))
    factors = {
        "components": [{"component": part, "points": points[part], "evidence": SEEN[part]} for part in Component]
    }
    assert main_reasons(factors) == (
        "5 of 16 rescheduled in 14 days",
        "2 no-shows of 40 in 4 weeks",
        "3 sessions last week, usually 14",
    )
    assert [part.points for part in contributions(factors)] == list(points.values())


def test_no_factors_give_no_reasons() -> None:
    assert main_reasons(None) == ()
    assert main_reasons({}) == ()
    assert main_reasons({"components": [{"component": "weather_turn", "points": 9}]}) == ("weather turn +9 points",)


def test_nothing_is_called_a_cause() -> None:
    words = " ".join(phrase for phrases in WORDS.values() for phrase in phrases)
    assert "because" not in words and "due to" not in words
