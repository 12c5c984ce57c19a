"""What the rules of `interventions` recommend for a tutor whom a report shows."""

from collections.abc import Mapping
from typing import Any

from tutormax_cli.churn.components import Component
from tutormax_cli.database.enums import RiskLevel
from tutormax_cli.interventions.rules import Recommendation, Situation, recommend
from tutormax_cli.reports.reasons import contributions


def advice(
    level: RiskLevel | str | None, factors: Mapping[str, Any] | None, tenure_days: int | None, *, silent: bool
) -> Recommendation | None:
    """Give the recommended action, or None where the rules have none.

    Without a prediction nothing but silence is known: the tutor counts as one at low risk.
    """
    return recommend(Situation(RiskLevel(level or RiskLevel.LOW), _dominant(factors), tenure_days or 0, silent))


def _dominant(factors: Mapping[str, Any] | None) -> Component | None:
    """Name the component that adds most points, if one adds any."""
    most = max(contributions(factors), key=lambda part: part.points, default=None)
    return Component(most.component) if most and most.points > 0 and most.component in set(Component) else None
