"""The model of one as-of: hazards fitted to the past, with the figures of a rehearsal.

The rehearsal fits the same hazards as of an earlier time and judges them by what came after it, so that every model
says how well its kind did on this company. The embargo of the horizon comes by itself: what the earlier fit learns from
is known by its own time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import ceil
from typing import Any

import numpy as np

from tutormax_cli.churn.hazard import ENOUGH_DEPARTURES, SCORED, HazardModel, fit_hazards
from tutormax_cli.churn.landmarks import Landmarks, landmarks, past_landmarks
from tutormax_cli.churn.measures import scores
from tutormax_cli.churn.panel import Bools, Floats, Panel
from tutormax_cli.churn.weekly import WEEK

TRAINING_WEEKS = 52
"""Weeks before as-of that a model learns from: what was usual longer ago may no longer be."""

TRAINING_ROWS = 80_000
"""Landmarks that are plenty to learn from; of a larger company, every second, third … tutor is looked at."""

REHEARSED_WEEKS = 8
"""Landmarks at most that a fit is judged by: no more than a quarter of those that there are."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A fit judged by later landmarks: the model, the landmarks, and the days within which a tutor left or not."""

    model: HazardModel
    judged: Landmarks
    horizon: int

    @property
    def left(self) -> Bools:
        """Who left within the horizon."""
        return self.judged.gone_after <= self.horizon

    def chances(self, horizon: int | None = None) -> Floats:
        """Give what the model said of them, for the horizon or another one."""
        chances: Floats = self.model.chances(self.model.log_odds(self.judged.features), (horizon or self.horizon,))
        return chances[:, 0]


def train(panel: Panel, as_of: datetime) -> HazardModel | None:
    """Fit the model of a panel's as-of; None where there are too few departures to learn from, or nobody to score."""
    departures = np.count_nonzero(~np.isnan(panel.departed_days))
    if departures < ENOUGH_DEPARTURES or not panel.active.any():
        return None
    known = training_landmarks(panel)
    model = fit_hazards(known)
    if model is None:
        return None
    trial = rehearse(known, SCORED)
    return replace(
        model, trained_until=as_of.astimezone(UTC).isoformat(), backtest=_figures(trial, as_of) if trial else None
    )


def training_landmarks(panel: Panel) -> Landmarks:
    """Give the past landmarks of a panel, of some tutors alone where all would be more than enough."""
    weeks = past_landmarks(panel, TRAINING_WEEKS)
    expected = sum(int(np.count_nonzero(panel.before(week).active)) for week in weeks)
    return landmarks(panel.of(slice(None, None, max(1, ceil(expected / TRAINING_ROWS)))), weeks)


def rehearse(known: Landmarks, horizon: int) -> Trial | None:
    """Fit to the older landmarks alone and judge by the newer ones; None where there is too little of either."""
    newest = ceil(horizon / WEEK.days)
    oldest = int(known.weeks.max(initial=0))
    judged_weeks = min(REHEARSED_WEEKS, (oldest - newest + 1) // 4)
    if judged_weeks < 1:
        return None
    # As of the oldest landmark that is judged, nothing from it on was known.
    then = newest + judged_weeks - 1
    model = fit_hazards(as_known(known, then), until=max(horizon, SCORED))
    judged = known.of((known.weeks >= newest) & (known.weeks <= then))
    if model is None or not len(judged):
        return None
    return Trial(model, judged, horizon)


def as_known(known: Landmarks, weeks: int) -> Landmarks:
    """Give the landmarks before an earlier time, with what was known of them then."""
    earlier = known.of(known.weeks > weeks)
    since = earlier.weeks - weeks
    hidden = earlier.gone_after > since * WEEK.days
    return replace(earlier, weeks=since, gone_after=np.where(hidden, np.inf, earlier.gone_after))


def _figures(trial: Trial, as_of: datetime) -> Mapping[str, Any]:
    """Give the figures that a model carries with it."""
    found = scores(trial.chances(), trial.left, trial.judged.tutor_ids, resamples=0)
    weeks = trial.judged.weeks
    first, last = (as_of.astimezone(UTC) - int(week) * WEEK for week in (weeks.max(), weeks.min()))
    rounded = {
        name: None if (value := getattr(found, name)) is None else round(value, 4)
        for name in ("auc", "brier", "skill", "calibration_error", "top_precision")
    }
    period = {"horizon_days": trial.horizon, "from": first.isoformat(), "until": last.isoformat()}
    return {**period, "rows": found.rows, "left": found.left, **rounded}
