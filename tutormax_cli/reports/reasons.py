"""What goes with a score, in words with the numbers behind them: "3 sessions last week, usually 14".

The words tell what was seen, never that it is the cause. Evidence whose numbers are not all known is left out.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

MAIN_REASONS = 3
"""How many components a line names at most."""
LEAST_POINTS = 2
"""A component that adds fewer points than this is no reason to name."""

_WORDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "engagement_decline": (
        "engagement",
        (
            "{sessions_last_7_days} sessions last week, usually {sessions_usual_7_days}",
            "{logins_last_7_days} logins last week, usually {logins_usual_7_days}",
            "engagement {engagement_recent}, usually {engagement_usual}",
        ),
    ),
    "performance_trend": (
        "ratings",
        ("rated {rating_recent}, usually {rating_usual}", "rated {rating_recent} lately"),
    ),
    "reschedule_pattern": (
        "reschedules",
        (
            "{rescheduled_14_days} of {scheduled_14_days} rescheduled in 14 days",
            "usually {reschedule_rate_usual} rescheduled",
        ),
    ),
    "first_session_quality": (
        "first sessions",
        ("first sessions rated {first_session_rating}", "{first_sessions_rated} ratings"),
    ),
    "no_show_risk": ("no-shows", ("{no_shows_28_days} no-shows of {scheduled_28_days} in 4 weeks",)),
    "tenure_risk": ("tenure", ("{tenure_days} days with us",)),
    "availability_reduction": ("availability", ("{hours_per_week_before} → {hours_per_week_now} hours a week",)),
}
"""A component's name for people, and the phrases about its evidence, the most telling first.

A phrase all of whose numbers were already told is left out, so a plainer one may follow as the substitute.
"""

_SHARES = {"reschedule_rate_usual"}
_FINE = {"engagement_recent", "engagement_usual"}
_ONE_OF_MANY = re.compile(r"(?<![\d.,])1 ([\w-]+)s\b")


@dataclass(frozen=True, slots=True)
class Contribution:
    """One component: the points it adds to the score (or takes from it), and what was seen."""

    component: str
    points: int
    evidence: Mapping[str, Any]

    @property
    def label(self) -> str:
        """The component's name for people."""
        label, _ = _WORDS.get(self.component, (self.component.replace("_", " "), ()))
        return label

    @property
    def phrases(self) -> tuple[str, ...]:
        """What was seen, the most telling first; empty when nothing is known."""
        _, forms = _WORDS.get(self.component, ("", ()))
        known: list[str] = []
        told: set[str] = set()
        for form in forms:
            keys = set(_keys(form))
            if keys <= self._numbers.keys() and not keys <= told:
                known.append(form)
                told |= keys
        # The sort is stable: of several comparisons with the usual, the one that fell furthest comes first.
        known.sort(key=self._left_of_usual)
        return tuple(self._fill(form) for form in known)

    @property
    def _numbers(self) -> dict[str, float]:
        return {key: value for key, value in self.evidence.items() if _is_number(value)}

    def _left_of_usual(self, form: str) -> float:
        now, *usual = (self._numbers[key] for key in _keys(form))
        return now / usual[0] if usual and usual[0] and ", usually" in form else 1.0

    def _fill(self, form: str) -> str:
        text = form.format_map({key: _shown(key, value) for key, value in self._numbers.items()})
        return _ONE_OF_MANY.sub(r"1 \1", text)


def contributions(factors: Mapping[str, Any] | None) -> list[Contribution]:
    """Read the components of `contributing_factors`, in their order."""
    return [
        Contribution(str(part["component"]), int(part["points"]), part.get("evidence") or {})
        for part in (factors or {}).get("components", ())
    ]


def main_reasons(factors: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Say what goes with a score: of the components that add most, each one's most telling phrase, else its points."""
    adding = [part for part in contributions(factors) if part.points >= LEAST_POINTS]
    adding.sort(key=lambda part: -part.points)
    return tuple((*part.phrases, f"{part.label} +{part.points} points")[0] for part in adding[:MAIN_REASONS])


def _keys(form: str) -> list[str]:
    return [key for _, key, _, _ in Formatter().parse(form) if key]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shown(key: str, value: float) -> str:
    """Write a number without needless decimals: 14, 4.5; a share as 5%."""
    if key in _SHARES:
        return f"{100 * value:.0f}%"
    if key in _FINE:
        return f"{value:.2f}"
    return f"{value:.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"
