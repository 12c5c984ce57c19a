"""The words for evidence, and which way each points: "3 sessions last week, usually 14" is worse than usual."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Formatter

Numbers = Mapping[str, float]

BAD_RESCHEDULE_RATE, BAD_NO_SHOW_RATE, BAD_RATING, GOOD_RATING = 0.15, 0.05, 3.5, 4.5
"""Beyond these a number by itself is bad (the red flags of the evaluation) or good."""

_SHARES = {"reschedule_rate_usual"}
_FINE = {"engagement_recent", "engagement_usual"}
_ONE_OF_MANY = re.compile(r"(?<![\d.,])1 ([\w-]+)s\b")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words with numbers to be filled in.

    `worse` tells from the numbers which way the phrase points, and how far: above 0 what it says is worse than it was
    or should be, below 0 better, 0 as usual; None where it points nowhere.
    """

    words: str
    worse: Callable[[Numbers], float | None]

    @property
    def keys(self) -> frozenset[str]:
        """The evidence that the phrase can't do without."""
        return frozenset(_keys(self.words))

    def fill(self, numbers: Numbers) -> str:
        """Write the phrase out."""
        text = self.words.format_map({key: shown(key, value) for key, value in numbers.items()})
        return _ONE_OF_MANY.sub(r"1 \1", text)


def shown(key: str, value: float) -> str:
    """Write a number without needless decimals: 14, 4.5; a share as 5%."""
    if key in _SHARES:
        return f"{100 * value:.0f}%"
    if key in _FINE:
        return f"{value:.2f}"
    return f"{value:.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"


def _keys(words: str) -> list[str]:
    return [key for _, key, _, _ in Formatter().parse(words) if key]


def _against_usual(words: str, now: str | None = None, usual: str | None = None) -> Phrase:
    """Compare two numbers, in the order of the words unless they are named: who falls below the usual does worse."""
    first, second = _keys(words)
    now, usual = now or first, usual or second

    def worse(numbers: Numbers) -> float:
        if shown(now, numbers[now]) == shown(usual, numbers[usual]):
            return 0.0
        return 1 - numbers[now] / numbers[usual] if numbers[usual] else -math.inf

    return Phrase(words, worse)


def _rate(part: str, whole: str) -> Callable[[Numbers], float | None]:
    return lambda numbers: numbers[part] / numbers[whole] if numbers.get(whole) else None


def _one(key: str) -> Callable[[Numbers], float | None]:
    return lambda numbers: numbers.get(key)


def _in_itself(words: str, measure: Callable[[Numbers], float | None], *, good: float, bad: float) -> Phrase:
    """Judge one number: good from `good` on, bad beyond `bad`; what lies between points nowhere."""
    sign = math.copysign(1, bad - good)

    def worse(numbers: Numbers) -> float | None:
        value = measure(numbers)
        if value is None or sign * good < sign * value <= sign * bad:
            return None
        return 1.0 if sign * value > sign * bad else -1.0

    return Phrase(words, worse)


def _rescheduled(numbers: Numbers) -> float | None:
    """Compare the share of the last two weeks with the usual one; without that, only none at all tells something."""
    now = _rate("rescheduled_14_days", "scheduled_14_days")(numbers)
    usual = numbers.get("reschedule_rate_usual")
    if now is None or usual is None:
        return -1.0 if now == 0 else None
    return now - usual


_FIRST_RATING = _one("first_session_rating")

COMPONENTS: dict[str, tuple[str, tuple[Phrase, ...]]] = {
    "engagement_decline": (
        "engagement",
        (
            _against_usual("{sessions_last_7_days} sessions last week, usually {sessions_usual_7_days}"),
            _against_usual("{logins_last_7_days} logins last week, usually {logins_usual_7_days}"),
            _against_usual("engagement {engagement_recent}, usually {engagement_usual}"),
            # For newcomers, of whom nothing is usual yet.
            _in_itself("{sessions_last_7_days} sessions last week", _one("sessions_last_7_days"), good=10, bad=5),
            _in_itself("{logins_last_7_days} logins last week", _one("logins_last_7_days"), good=5, bad=2),
        ),
    ),
    "performance_trend": (
        "ratings",
        (
            _against_usual("rated {rating_recent}, usually {rating_usual}"),
            _in_itself("rated {rating_recent} lately", _one("rating_recent"), good=GOOD_RATING, bad=BAD_RATING),
        ),
    ),
    "reschedule_pattern": (
        "reschedules",
        (
            Phrase("{rescheduled_14_days} of {scheduled_14_days} rescheduled in 14 days", _rescheduled),
            _in_itself(
                "usually {reschedule_rate_usual} rescheduled",
                _one("reschedule_rate_usual"),
                good=0,
                bad=BAD_RESCHEDULE_RATE,
            ),
        ),
    ),
    "first_session_quality": (
        "first sessions",
        (
            _in_itself("first sessions rated {first_session_rating}", _FIRST_RATING, good=GOOD_RATING, bad=BAD_RATING),
            _in_itself("{first_sessions_rated} ratings", _FIRST_RATING, good=GOOD_RATING, bad=BAD_RATING),
        ),
    ),
    "no_show_risk": (
        "no-shows",
        (
            _in_itself(
                "{no_shows_28_days} no-shows of {scheduled_28_days} in 4 weeks",
                _rate("no_shows_28_days", "scheduled_28_days"),
                good=0,
                bad=BAD_NO_SHOW_RATE,
            ),
        ),
    ),
    "tenure_risk": ("tenure", (Phrase("{tenure_days} days with us", lambda numbers: None),)),
    "availability_reduction": (
        "availability",
        (
            _against_usual(
                "{hours_per_week_before} → {hours_per_week_now} hours a week",
                now="hours_per_week_now",
                usual="hours_per_week_before",
            ),
        ),
    ),
}
"""A component's name for people, and the phrases about its evidence, the most telling first.

A phrase all of whose numbers stand in one before it is its substitute, for when numbers of that one are unknown.
"""
