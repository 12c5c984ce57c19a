"""The seven components of a churn score, and the evidence that goes with each: the words that reports read.

The order of the components is theirs in `contributing_factors`. Evidence is numbers alone; one that is unknown is left
out there.
"""

import enum


class Component(enum.StrEnum):
    """One kind of sign that a tutor is leaving."""

    ENGAGEMENT_DECLINE = "engagement_decline"
    PERFORMANCE_TREND = "performance_trend"
    RESCHEDULE_PATTERN = "reschedule_pattern"
    FIRST_SESSION_QUALITY = "first_session_quality"
    NO_SHOW_RISK = "no_show_risk"
    TENURE_RISK = "tenure_risk"
    AVAILABILITY_REDUCTION = "availability_reduction"

    @property
    def weight(self) -> float:
        """The component's share of the composite score."""
        return _WEIGHTS[self]


_WEIGHTS = {
    Component.ENGAGEMENT_DECLINE: 0.25,
    Component.PERFORMANCE_TREND: 0.20,
    Component.RESCHEDULE_PATTERN: 0.15,
    Component.FIRST_SESSION_QUALITY: 0.15,
    Component.NO_SHOW_RISK: 0.10,
    Component.TENURE_RISK: 0.10,
    Component.AVAILABILITY_REDUCTION: 0.05,
}

EVIDENCE_DECIMALS = {
    Component.ENGAGEMENT_DECLINE: {
        "sessions_last_7_days": 0,
        "sessions_usual_7_days": 1,
        "logins_last_7_days": 0,
        "logins_usual_7_days": 1,
        "engagement_recent": 2,
        "engagement_usual": 2,
    },
    Component.PERFORMANCE_TREND: {"rating_recent": 2, "rating_usual": 2},
    Component.RESCHEDULE_PATTERN: {
        "rescheduled_14_days": 0,
        "scheduled_14_days": 0,
        "reschedule_rate_usual": 3,
    },
    Component.FIRST_SESSION_QUALITY: {"first_session_rating": 2, "first_sessions_rated": 0},
    Component.NO_SHOW_RISK: {"no_shows_28_days": 0, "scheduled_28_days": 0},
    Component.TENURE_RISK: {"tenure_days": 0},
    Component.AVAILABILITY_REDUCTION: {"hours_per_week_now": 1, "hours_per_week_before": 1},
}
"""The evidence of each component, and the decimals with which it is kept. Rates and engagement are 0..1, ratings 1..5,
`usual` numbers are of the weeks before the recent ones."""
