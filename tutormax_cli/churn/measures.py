"""How good predicted chances were, once it is known who left.

`chances` (0..1) and `left` are of shape (rows,), a row being a tutor at a landmark. See Brier (1950) for the score and
Hanley and McNeil (1982) for the area under the ROC curve as a probability.
"""

from dataclasses import dataclass

import numpy as np

from tutormax_cli.churn.panel import Bools, Floats, Ids, Ints

RESAMPLES = 200
"""How often the tutors are drawn anew for an interval."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of similar chances: how many, the mean chance, and the share that left."""

    rows: int
    predicted: float
    observed: float


@dataclass(frozen=True, slots=True)
class Scores:
    """The figures of one set of rows; None where they are not defined.

    `auc` comes with its 95 % interval; `skill` is the Brier score's against predicting the share that left for
    everyone; `top_precision` is the share that left among the tenth with the highest chances.
    """

    rows: int
    left: int
    auc: float | None
    auc_low: float | None
    auc_high: float | None
    brier: float | None
    skill: float | None
    calibration_error: float | None
    top_precision: float | None


def scores(chances: Floats, left: Bools, tutor_ids: Ids, *, resamples: int = RESAMPLES) -> Scores:
    """Judge chances; intervals come from drawing whole tutors with replacement (the same draws every time)."""
    rows, leavers = len(left), int(left.sum())
    if not rows:
        return Scores(0, 0, *[None] * 7)
    both = 0 < leavers < rows
    low, high = _auc_interval(chances, left, tutor_ids, resamples) if both and resamples else (None, None)
    brier = float(np.mean((chances - left) ** 2))
    share = leavers / rows
    return Scores(
        rows=rows,
        left=leavers,
        auc=area_under_roc(chances, left) if both else None,
        auc_low=low,
        auc_high=high,
        brier=brier,
        skill=1 - brier / (share * (1 - share)) if both else None,
        calibration_error=calibration_error(calibration(chances, left)),
        top_precision=float(left[np.argsort(-chances, kind="stable")[: max(1, round(rows / 10))]].mean()),
    )


def area_under_roc(chances: Floats, left: Bools, weights: Floats | None = None) -> float:
    """Give the probability that one who left had the higher chance than one who stayed, a tie counting half."""
    values, place = np.unique(chances, return_inverse=True)
    return _area(place, len(values), left, np.ones(len(left)) if weights is None else weights)


def _area(place: Ints, places: int, left: Bools, weights: Floats) -> float:
    leavers = np.bincount(place, weights * left, places)
    stayers = np.bincount(place, weights * ~left, places)
    below = np.cumsum(stayers) - stayers / 2
    return float((leavers @ below) / max(leavers.sum() * stayers.sum(), 1e-300))


def _auc_interval(chances: Floats, left: Bools, tutor_ids: Ids, resamples: int) -> tuple[float, float]:
    """Give the 95 % interval of the area under the curve; a tutor's rows depend on each other and stay together."""
    draws = np.random.Generator(np.random.PCG64(0))
    tutors, owner = np.unique(tutor_ids, return_inverse=True)
    values, place = np.unique(chances, return_inverse=True)
    areas = []
    for _ in range(resamples):
        times = np.bincount(draws.integers(0, len(tutors), len(tutors)), minlength=len(tutors))
        areas.append(_area(place, len(values), left, times[owner].astype(np.float64)))
    low, high = np.quantile(areas, [0.025, 0.975])
    return float(low), float(high)


def calibration(chances: Floats, left: Bools, bins: int = 10) -> tuple[Bin, ...]:
    """Cut the rows, sorted by chance, into bins of equal size."""
    order = np.argsort(chances, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return tuple(Bin(len(part), float(chances[part].mean()), float(left[part].mean())) for part in parts)


def calibration_error(bins: tuple[Bin, ...]) -> float:
    """Give how far predicted and observed shares lie apart, on average over the rows."""
    rows = sum(found.rows for found in bins)
    return sum(found.rows * abs(found.predicted - found.observed) for found in bins) / rows
