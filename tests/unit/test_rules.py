import itertools

import pytest

from tutormax_cli.churn.components import Component
from tutormax_cli.database.enums import InterventionType, RiskLevel
from tutormax_cli.interventions import Situation, recommend
from tutormax_cli.interventions.rules import RULES


def situation(
    level: RiskLevel = RiskLevel.MEDIUM,
    dominant: Component | None = Component.ENGAGEMENT_DECLINE,
    tenure_days: float = 400,
    silent: bool = False,
) -> Situation:
    return Situation(level, dominant, tenure_days, silent)


ALL = [
    Situation(level, dominant, tenure, silent)
    for level, dominant, tenure, silent in itertools.product(
        RiskLevel, (*Component, None), (0.0, 59.9, 60.0, 60.1, 4000.0), (False, True)
    )
]


@pytest.mark.parametrize(
    ("tutor", "text"),
    [
        (situation(RiskLevel.CRITICAL), "retention interview within 24 h (score over 75)"),
        (situation(RiskLevel.MEDIUM, silent=True), "retention interview within 24 h (fell silent)"),
        (situation(RiskLevel.HIGH), "manager coaching within 48 h (score over 50)"),
        (
            situation(RiskLevel.HIGH, Component.PERFORMANCE_TREND),
            "performance improvement plan within 72 h (score over 50, mainly ratings)",
        ),
        (
            situation(RiskLevel.HIGH, Component.PERFORMANCE_TREND, tenure_days=20),
            "manager coaching within 48 h (score over 50)",
        ),
        (
            situation(dominant=Component.FIRST_SESSION_QUALITY, tenure_days=20),
            "first session checkin within 72 h (mainly first sessions, new tutor)",
        ),
        (situation(dominant=Component.RESCHEDULE_PATTERN), "rescheduling alert within 72 h (mainly reschedules)"),
        (situation(RiskLevel.LOW, silent=True), "manager coaching within 48 h (silent, at low risk)"),
        (situation(dominant=Component.TENURE_RISK, tenure_days=20), "peer mentoring within 168 h (new to the company)"),
        (situation(dominant=Component.TENURE_RISK), "automated coaching within 168 h (score over 25)"),
        (situation(dominant=None), "automated coaching within 168 h (score over 25)"),
    ],
)
def test_says_what_to_do_by_when_and_why(tutor: Situation, text: str) -> None:
    recommendation = recommend(tutor)
    assert recommendation is not None
    assert recommendation.text == text


def test_recommends_something_from_medium_up_and_for_whoever_is_silent() -> None:
    for tutor in ALL:
        assert (recommend(tutor) is None) == (tutor.level is RiskLevel.LOW and not tutor.silent), tutor


def test_no_rule_is_hidden_behind_those_before_it() -> None:
    assert {recommend(tutor) for tutor in ALL} == {None, *(rule.recommendation for rule in RULES)}


def test_a_higher_level_never_gets_more_time() -> None:
    for tutor in ALL:
        higher = [Situation(level, tutor.dominant, tutor.tenure_days, tutor.silent) for level in RiskLevel]
        hours = [found.hours for level in higher if (found := recommend(level))]
        assert hours == sorted(hours, reverse=True)


def test_recommends_only_what_the_database_knows() -> None:
    assert all(isinstance(rule.recommendation.intervention, InterventionType) for rule in RULES)
