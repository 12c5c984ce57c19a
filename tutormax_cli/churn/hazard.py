"""Landmark discrete-time hazards: the chance to leave in each stretch of days, of those who have not left before it.

Each stretch has a ridge-logistic regression of its own, fitted on landmarks of which it is known who left in it. The
chance to leave within h days is 1 - Π(1 - hazard), so it never falls with h. A stretch in which too few left is merged
with the next one; where there is no next one, the hazard of the stretch before goes on. Within a stretch, and beyond
the last one, the hazard a day is constant.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from json import dumps, loads
from typing import Any

import numpy as np

from tutormax_cli.churn.features import FEATURES
from tutormax_cli.churn.landmarks import Landmarks
from tutormax_cli.churn.logistic import Features, fit_logistic, softplus
from tutormax_cli.churn.panel import Floats

HORIZONS = (1, 7, 30, 90)
"""Days within which the chance to leave is told, and at which stretches end."""

SCORED = 30
"""The horizon of the score, in days."""

PENALTY = 50.0
"""The ridge penalty, on standardised features."""

ENOUGH_DEPARTURES = 30
"""With fewer recorded departures there is too little to learn from."""

ENOUGH_IN_STRETCH = 15
"""With fewer landmarks that a departure followed in a stretch it is merged with the next."""


@dataclass(frozen=True, slots=True)
class Hazard:
    """The hazard of the days (start, end]: an intercept and coefficients of the standardised features.

    `rows` and `departures` are the landmarks it was fitted on, and those among them that a departure followed.
    """

    start: int
    end: int
    intercept: float
    coefficients: tuple[float, ...]
    rows: int
    departures: int


@dataclass(frozen=True)
class HazardModel:
    """Fitted hazards, with all that is needed to score by them again.

    `centers` and `scales` standardise the features; `trained_until` (ISO 8601) is the instant before which all that
    was learned from is dated; `backtest` are the figures of an earlier fit by the same rules, on what came after it.
    """

    features: tuple[str, ...]
    centers: tuple[float, ...]
    scales: tuple[float, ...]
    hazards: tuple[Hazard, ...]
    penalty: float
    trained_until: str = ""
    backtest: Mapping[str, Any] | None = None

    @cached_property
    def text(self) -> str:
        """The model as JSON; equal models have equal texts."""
        return dumps(asdict(self), sort_keys=True)

    @cached_property
    def version(self) -> str:
        """The name under which predictions refer to it."""
        return f"hazard-{sha256(self.text.encode()).hexdigest()[:6]}"

    def log_odds(self, features: Features) -> Floats:
        """Give the log odds of every hazard, shape (rows, hazards)."""
        intercepts = np.array([hazard.intercept for hazard in self.hazards])
        odds: Floats = self.standardised(features) @ self.coefficients.T + intercepts
        return odds

    def standardised(self, features: Features) -> Floats:
        """Give the features as the coefficients want them."""
        scaled: Floats = (features.astype(np.float64) - np.array(self.centers)) / np.array(self.scales)
        return scaled

    @property
    def coefficients(self) -> Floats:
        """The coefficients, shape (hazards, features)."""
        return np.array([hazard.coefficients for hazard in self.hazards])

    def chances(self, log_odds: Floats, horizons: Sequence[int] = HORIZONS) -> Floats:
        """Give the chance to leave within each horizon, shape (..., horizons), from log odds (..., hazards)."""
        chances: Floats = -np.expm1(-softplus(log_odds) @ self._shares(horizons).T)
        # A last-bit difference between two sums must not let a chance fall.
        return np.asarray(np.maximum.accumulate(chances, axis=-1))

    def _shares(self, horizons: Sequence[int]) -> Floats:
        """Give how much of each hazard's stretch a horizon takes in, shape (horizons, hazards)."""
        shares = np.array(
            [
                [(horizon - hazard.start) / (hazard.end - hazard.start) for hazard in self.hazards]
                for horizon in horizons
            ]
        )
        last = np.arange(len(self.hazards)) == len(self.hazards) - 1
        return np.asarray(np.clip(shares, 0.0, np.where(last, np.inf, 1.0)))


def read_model(text: str) -> HazardModel:
    """Read a model from its JSON."""
    entry = _with_tuples(loads(text))
    return HazardModel(**entry | {"hazards": tuple(Hazard(**_with_tuples(hazard)) for hazard in entry["hazards"])})


def _with_tuples(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}


def fit_hazards(known: Landmarks, penalty: float = PENALTY, *, until: int = HORIZONS[-1]) -> HazardModel | None:
    """Fit hazards to landmarks, as far as it is known what followed; None where too few departures did.

    No stretch ends after `until` days, one of the horizons.
    """
    if not len(known):
        return None
    centers = known.features.mean(axis=0, dtype=np.float64)
    spread = known.features.std(axis=0, dtype=np.float64)
    scales = np.where(spread > 1e-9, spread, 1.0)
    standardised = ((known.features - centers) / scales).astype(np.float32)
    hazards = tuple(_fit(known, standardised, start, end, penalty) for start, end in _stretches(known, until))
    if not hazards:
        return None
    return HazardModel(tuple(FEATURES), tuple(centers.tolist()), tuple(scales.tolist()), hazards, penalty)


def _fit(known: Landmarks, standardised: Features, start: int, end: int, penalty: float) -> Hazard:
    chosen = (known.gone_after > start) | (start == 0)
    chosen &= known.known_days >= end
    left = known.gone_after[chosen] <= end
    intercept, *coefficients = fit_logistic(standardised[chosen], left, penalty).tolist()
    return Hazard(start, end, intercept, tuple(coefficients), len(left), int(left.sum()))


def _stretches(known: Landmarks, until: int) -> Iterator[tuple[int, int]]:
    """Give the stretches of days in which enough left, from the first day on without a gap."""
    start = 0
    for end in HORIZONS[: HORIZONS.index(until) + 1]:
        known_on = known.gone_after[known.known_days >= end]
        left = ((known_on > start) | (start == 0)) & (known_on <= end)
        stayed = known_on > end
        if left.sum() >= ENOUGH_IN_STRETCH and stayed.any():
            yield start, end
            start = end
