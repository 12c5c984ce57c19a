"""Which intervention a prediction calls for: one table of rules, the first that fits decides.

A rule recommends; people decide. Its words say what was seen, never what caused it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tutormax_cli.churn.components import Component
from tutormax_cli.database.enums import InterventionType, RiskLevel

NEWCOMER_DAYS = 60
"""Up to this tenure a tutor is new."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of a tutor when something is to be recommended.

    `dominant` is the component that adds most points to the score (None: none adds any), `silent` whether the tutor
    has held no session for a week or longer.
    """

    level: RiskLevel
    dominant: Component | None
    tenure_days: float
    silent: bool

    @property
    def is_new(self) -> bool:
        """Whether the tutor joined only lately."""
        return self.tenure_days <= NEWCOMER_DAYS

    @property
    def at_least_high(self) -> bool:
        """Whether the score is in the two upper levels."""
        return self.level.floor >= RiskLevel.HIGH.floor


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to do, within how many hours, and why in a few words."""

    intervention: InterventionType
    hours: int
    because: str

    @property
    def text(self) -> str:
        """The recommendation in words: "manager coaching within 48 h (score over 50)"."""
        return f"{self.intervention.value.replace('_', ' ')} within {self.hours} h ({self.because})"


@dataclass(frozen=True, slots=True)
class _Rule:
    applies: Callable[[Situation], bool]
    recommendation: Recommendation


def _rule(intervention: InterventionType, hours: int, because: str, applies: Callable[[Situation], bool]) -> _Rule:
    return _Rule(applies, Recommendation(intervention, hours, because))


def _mainly(component: Component) -> Callable[[Situation], bool]:
    """Fit tutors of at least medium risk whose score comes mainly from this component."""
    return lambda tutor: tutor.level is not RiskLevel.LOW and tutor.dominant is component


_HIGH, _CRITICAL = RiskLevel.HIGH.floor - 1, RiskLevel.CRITICAL.floor - 1

RULES = (
    _rule(
        InterventionType.RETENTION_INTERVIEW,
        24,
        "fell silent",
        lambda tutor: tutor.silent and tutor.level is not RiskLevel.LOW,
    ),
    # At low risk silence is most often a holiday; somebody asks nonetheless.
    _rule(InterventionType.MANAGER_COACHING, 48, "silent, at low risk", lambda tutor: tutor.silent),
    _rule(
        InterventionType.RETENTION_INTERVIEW,
        24,
        f"score over {_CRITICAL}",
        lambda tutor: tutor.level is RiskLevel.CRITICAL,
    ),
    _rule(
        InterventionType.PERFORMANCE_IMPROVEMENT_PLAN,
        72,
        f"score over {_HIGH}, mainly ratings",
        lambda tutor: tutor.at_least_high and tutor.dominant is Component.PERFORMANCE_TREND and not tutor.is_new,
    ),
    _rule(
        InterventionType.MANAGER_COACHING,
        48,
        f"score over {_HIGH}",
        lambda tutor: tutor.at_least_high,
    ),
    _rule(
        InterventionType.FIRST_SESSION_CHECKIN,
        72,
        "mainly first sessions, new tutor",
        lambda tutor: _mainly(Component.FIRST_SESSION_QUALITY)(tutor) and tutor.is_new,
    ),
    _rule(InterventionType.TRAINING_MODULE, 168, "mainly first sessions", _mainly(Component.FIRST_SESSION_QUALITY)),
    _rule(InterventionType.RESCHEDULING_ALERT, 72, "mainly reschedules", _mainly(Component.RESCHEDULE_PATTERN)),
    _rule(InterventionType.RESCHEDULING_ALERT, 72, "mainly no-shows", _mainly(Component.NO_SHOW_RISK)),
    _rule(
        InterventionType.PEER_MENTORING,
        168,
        "new to the company",
        lambda tutor: _mainly(Component.TENURE_RISK)(tutor) and tutor.is_new,
    ),
    _rule(InterventionType.TRAINING_MODULE, 168, "mainly ratings", _mainly(Component.PERFORMANCE_TREND)),
    _rule(
        InterventionType.AUTOMATED_COACHING,
        168,
        f"score over {RiskLevel.MEDIUM.floor - 1}",
        lambda tutor: tutor.level is RiskLevel.MEDIUM,
    ),
)
"""In the order in which they are tried. Nothing is recommended for a tutor whom none fits."""


def recommend(tutor: Situation) -> Recommendation | None:
    """Give the recommendation of the first rule that fits, None where none does."""
    return next((rule.recommendation for rule in RULES if rule.applies(tutor)), None)
