"""What goes with a score, in words with the numbers behind them: "3 sessions last week, usually 14".

The words tell what was seen, never that it is the cause. Evidence whose numbers are not all known is left out, and so
is evidence that points the other way than the points do: what got better is no sign of risk, whatever the model made
of it.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tutormax_cli.reports.phrases import COMPONENTS, Phrase

MAIN_REASONS = 3
"""How many components a line names at most."""
LEAST_POINTS = 2
"""A component that adds fewer points than this is no reason to name."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One component: the points it adds to the score (or takes from it), and what was seen."""

    component: str
    points: int
    evidence: Mapping[str, Any]

    @property
    def label(self) -> str:
        """The component's name for people."""
        label, _ = COMPONENTS.get(self.component, (self.component.replace("_", " "), ()))
        return label

    @property
    def phrases(self) -> tuple[str, ...]:
        """What was seen that goes with the points, the most telling first; empty when nothing is known to."""
        numbers = self._numbers
        worse = {phrase: phrase.worse(numbers) for phrase in self._known(numbers)}
        fitting = [phrase for phrase, found in worse.items() if self._goes_with(found)]
        # The sort is stable: of several comparisons the one that differs most comes first.
        fitting.sort(key=lambda phrase: -(worse[phrase] or 0.0) * (-1 if self.points < 0 else 1))
        return tuple(phrase.fill(numbers) for phrase in fitting)

    @property
    def _numbers(self) -> dict[str, float]:
        return {key: value for key, value in self.evidence.items() if _is_number(value)}

    def _known(self, numbers: Mapping[str, float]) -> Iterator[Phrase]:
        """List the phrases whose numbers are known, and none that would say again what one before says."""
        _, phrases = COMPONENTS.get(self.component, ("", ()))
        told: set[str] = set()
        for phrase in phrases:
            if phrase.keys <= numbers.keys() and not phrase.keys <= told:
                told |= phrase.keys
                yield phrase

    def _goes_with(self, worse: float | None) -> bool:
        """Tell whether what points that way may stand beside these points; beside none anything may."""
        return worse is None or self.points == 0 or worse * self.points > 0


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


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
