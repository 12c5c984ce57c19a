"""Why a score is what it is: whole points per component that add up to it, and the JSON that keeps them.

A score that is a sum has exact Shapley values against the average tutor: what a component contributes to this score
less what it contributes on average. Rounding keeps their sum (the largest-remainder method).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tutormax_cli.churn.components import EVIDENCE_DECIMALS, Component
from tutormax_cli.churn.findings import Finding
from tutormax_cli.churn.panel import Floats

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Explained:
    """Scores (tutors,), the average tutor's score, and points (tutors, components): baseline + points = score."""

    scores: Integers
    baseline: int
    points: Integers


def explain(contributions: Floats) -> Explained:
    """Round contributions of shape (tutors, components), whose rows add up to 0..100, to scores and points."""
    average = contributions.mean(axis=0) if len(contributions) else np.zeros(contributions.shape[1])
    scores, baseline = _rounded(contributions.sum(axis=1)), int(_rounded(average.sum()))
    exact = contributions - average
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


def _rounded(values: npt.ArrayLike) -> Integers:
    """Round half up, as people do."""
    return np.floor(np.asarray(values) + 0.5).astype(np.int64)
