"""How well predictions made in the past would have done: a fit as of then, judged by what came after.

Two sets of rows stand beside the set of all active tutors. Who has been silent for a week has often left already and
only waits to be recorded; that such a tutor is found says little. The tutors still working are the ones to keep.
"""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from tutormax_cli.churn.explain import levels, rounded
from tutormax_cli.churn.hazard import SCORED
from tutormax_cli.churn.measures import Bin, Scores, calibration, scores
from tutormax_cli.churn.panel import Bools, Floats, Panel
from tutormax_cli.churn.training import Trial, rehearse, training_landmarks
from tutormax_cli.churn.weekly import WEEK
from tutormax_cli.database.enums import RiskLevel

FEWEST_TO_JUDGE = 10
"""With fewer tutors who left after the judged landmarks nothing can be said."""


class RiskSet(enum.StrEnum):
    """Whom predictions are judged on."""

    ALL = "all active tutors"
    WORKING = "with a session in the last 7 days"
    SILENT = "silent for 7 days"


@dataclass(frozen=True, slots=True)
class LevelFigures:
    """Of one risk level: the rows, and the share of them that left. Of it and those above it: the share of their rows
    that left, and the share of all who left that they hold.
    """

    level: RiskLevel
    rows: int
    left: float | None
    precision: float | None
    recall: float | None


@dataclass(frozen=True, slots=True)
class Backtest:
    """The figures of one backtest; rows are tutors at weekly landmarks.

    `judged_from` and `judged_until` are the first and the last landmark that was judged; nothing dated from the first
    one on was learned from.
    """

    trial: Trial
    judged_from: datetime
    judged_until: datetime
    scores: Mapping[RiskSet, Scores]
    calibration: tuple[Bin, ...]
    levels: tuple[LevelFigures, ...]


def backtest(panel: Panel, as_of: datetime, horizon: int) -> Backtest | None:
    """Judge predictions over a horizon (1, 7, 30 or 90 days) by the past of a panel; None where it is too short."""
    trial = rehearse(training_landmarks(panel), horizon)
    if trial is None or trial.left.sum() < FEWEST_TO_JUDGE:
        return None
    weeks = trial.judged.weeks
    return Backtest(
        trial=trial,
        judged_from=as_of - int(weeks.max()) * WEEK,
        judged_until=as_of - int(weeks.min()) * WEEK,
        scores=judge(trial, trial.chances()),
        calibration=calibration(trial.chances(), trial.left),
        levels=tuple(_levels(trial)),
    )


def judge(trial: Trial, chances: Floats) -> dict[RiskSet, Scores]:
    """Judge chances for the rows of a trial, the model's or others, by risk set; NaN leaves a row out."""
    silent = trial.judged.silent_days > WEEK.days
    known = ~np.isnan(chances)
    sets = {RiskSet.ALL: known, RiskSet.WORKING: known & ~silent, RiskSet.SILENT: known & silent}
    ids, left = trial.judged.tutor_ids, trial.left
    return {chosen: scores(chances[rows], left[rows], ids[rows]) for chosen, rows in sets.items()}


def _levels(trial: Trial) -> Iterator[LevelFigures]:
    """Give the figures of each risk level, the highest first."""
    level, left = levels(rounded(100 * trial.chances(SCORED))), trial.left
    for position in reversed(range(len(RiskLevel))):
        at, above = level == position, level >= position
        yield LevelFigures(
            level=tuple(RiskLevel)[position],
            rows=int(at.sum()),
            left=_share(left, at),
            precision=_share(left, above),
            recall=_share(above, left),
        )


def _share(part: Bools, whole: Bools) -> float | None:
    return float(part[whole].mean()) if whole.any() else None
