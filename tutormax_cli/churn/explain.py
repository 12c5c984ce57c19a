"""Why a score is what it is: whole points per component that add up to it, and the JSON that keeps them.

Points are Shapley values against the average tutor: what a component adds to the score, averaged over every order in
which the components could have become known. Rounding keeps their sum (the largest-remainder method).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import factorial

import numpy as np
import numpy.typing as npt

from tutormax_cli.churn.components import EVIDENCE_DECIMALS, Component
from tutormax_cli.churn.features import FEATURES
from tutormax_cli.churn.findings import Finding
from tutormax_cli.churn.hazard import SCORED, HazardModel
from tutormax_cli.churn.logistic import Features
from tutormax_cli.churn.panel import Bools, Floats
from tutormax_cli.database.enums import RiskLevel

Integers = npt.NDArray[np.int64]

BLOCK = 4096
"""Tutors explained at a time: each takes a score per coalition of components."""


@dataclass(frozen=True, slots=True)
class Explained:
    """Scores (tutors,), the average tutor's score, and points (tutors, components): baseline + points = score."""

    scores: Integers
    baseline: int
    points: Integers


def explain_sum(contributions: Floats) -> Explained:
    """Explain scores that are the sums of contributions, shape (tutors, components), of 0..100.

    Shapley values are then what a component contributes to a score less what it contributes on average.
    """
    average = contributions.mean(axis=0) if len(contributions) else np.zeros(contributions.shape[1])
    return _in_whole_points(contributions.sum(axis=1), float(average.sum()), contributions - average)


def explain_hazards(model: HazardModel, features: Features) -> Explained:
    """Explain 100 times the chance to leave within the scored horizon; features of all active tutors, (tutors, all).

    The average tutor has the mean of each feature.
    """
    components = np.array([FEATURES[name] for name in model.features])
    standardised = model.standardised(features)
    average = standardised.mean(axis=0)
    base = model.log_odds(features.mean(axis=0, dtype=np.float64)[None])[0]
    parts = np.stack(
        [
            (standardised - average)[:, components == component] @ model.coefficients[:, components == component].T
            for component in Component
        ],
        axis=1,
    )
    blocks = [_coalition_scores(model, base, parts[first : first + BLOCK]) for first in range(0, len(parts), BLOCK)]
    scores = np.concatenate(blocks) if blocks else np.empty((0, 2 ** len(Component)))
    baseline = 100 * float(model.chances(base, (SCORED,))[0])
    return _in_whole_points(scores[:, -1], baseline, scores @ _shapley_weights(len(Component)))


def _coalition_scores(model: HazardModel, base: Floats, parts: Floats) -> Floats:
    """Score tutors as if only some components were theirs and the others the average tutor's: (tutors, coalitions)."""
    odds = base + np.tensordot(parts, _coalitions(parts.shape[1]).astype(np.float64), axes=(1, 1)).transpose(0, 2, 1)
    scores: Floats = 100 * model.chances(odds, (SCORED,))[..., 0]
    return scores


def _coalitions(players: int) -> Bools:
    """List all subsets, shape (2^players, players): first none, last all."""
    return np.asarray((np.arange(2**players)[:, None] >> np.arange(players)) % 2 == 1)


def _shapley_weights(players: int) -> Floats:
    """Give how much the worth of each coalition counts for each player, shape (2^players, players)."""
    coalitions = _coalitions(players)
    size = coalitions.sum(axis=1)[:, None] - coalitions  # of the others
    orders = np.array([factorial(others) * factorial(players - 1 - others) for others in range(players)])
    return np.asarray(np.where(coalitions, 1, -1) * orders[size] / factorial(players))


def _in_whole_points(exact_scores: Floats, exact_baseline: float, exact: Floats) -> Explained:
    """Round scores, baseline and points so that they add up."""
    scores, baseline = rounded(exact_scores), int(rounded(exact_baseline))
    points = np.floor(exact).astype(np.int64)
    # What rounding down left over goes to the largest remainders, one point each.
    left = (scores - baseline) - points.sum(axis=1)
    rank = np.argsort(np.argsort(points - exact, axis=1, kind="stable"), axis=1)
    everyone, some = np.divmod(left, points.shape[1])
    points += everyone[:, None] + (rank < some[:, None])
    return Explained(scores, baseline, points)


def factors_json(
    explained: Explained, findings: Mapping[Component, Finding], *, calibrated: bool
) -> npt.NDArray[np.bytes_]:
    """Write `contributing_factors` of every tutor as JSON: points and evidence by component."""
    columns = [
        _component_json(component, explained.points[:, position], findings[component])
        for position, component in enumerate(Component)
    ]
    head = f'{{"calibrated": {"true" if calibrated else "false"}, "baseline": {explained.baseline}, "components": ['
    return np.array([(head + ", ".join(parts) + "]}").encode() for parts in zip(*columns, strict=True)], np.bytes_)


def _component_json(component: Component, points: Integers, finding: Finding) -> list[str]:
    evidence = [
        _numbers(name, finding.evidence[name], decimals) for name, decimals in EVIDENCE_DECIMALS[component].items()
    ]
    return [
        f'{{"component": "{component}", "points": {number}, "evidence": {{{", ".join(filter(None, known))}}}}}'
        for number, *known in zip(points.tolist(), *evidence, strict=True)
    ]


def _numbers(name: str, values: Floats, decimals: int) -> list[str]:
    """Write `"name": value` for every tutor, nothing where the value is unknown."""
    return [f'"{name}": {value:.{decimals}f}' if value == value else "" for value in values.tolist()]


def levels(scores: Integers) -> Integers:
    """Give the position of each score's risk level."""
    floors = [level.floor for level in RiskLevel]
    return np.searchsorted(floors, scores, side="right").astype(np.int64) - 1


def rounded(values: npt.ArrayLike) -> Integers:
    """Round half up, as people do."""
    return np.floor(np.asarray(values) + 0.5).astype(np.int64)
