"""One backtest of a database, with what it can be compared with where its rows are synthetic.

The oracle knows the hidden state, so no model does better; in a world without any signal nothing before a departure
tells of it, except the silence that follows. A model that beats either has seen what it could not know.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.backtesting.simulated import simulated_panel
from tutormax_cli.churn.backtest import Backtest, RiskSet, backtest, judge
from tutormax_cli.churn.features import WEEKS
from tutormax_cli.churn.hazard import HORIZONS
from tutormax_cli.churn.measures import Scores
from tutormax_cli.churn.panel import Floats, read_history
from tutormax_cli.churn.training import TRAINING_WEEKS, Trial
from tutormax_cli.churn.weekly import WEEK
from tutormax_cli.database.engine import driver_connection
from tutormax_cli.database.models import Session
from tutormax_cli.errors import TutormaxError
from tutormax_cli.seeding.record import Seeded, read_seed_record
from tutormax_cli.simulation import World, oracle

FUTURES = 100
"""Futures that the oracle looks at for each tutor and landmark."""

MOST_TUTORS = 5_000
"""Tutors of a synthetic company that oracle and floor look at; its first ones stand for all."""

HISTORY = TRAINING_WEEKS + WEEKS


class Judge(enum.StrEnum):
    """Who gave the chances that are judged."""

    MODEL = "model"
    ORACLE = "oracle"
    MODEL_WITHOUT_SIGNAL = "model, no signal"
    ORACLE_WITHOUT_SIGNAL = "oracle, no signal"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A backtest, and the figures by who gave the chances: the model, and on synthetic rows the three others."""

    as_of: datetime
    backtest: Backtest
    scores: Mapping[Judge, Mapping[RiskSet, Scores]]


Listener = Callable[[str], None]
"""Told what is being done now."""


def last_midnight(db: OrmSession, now: datetime) -> datetime:
    """Give the midnight in UTC up to which there are records: the one after the last session held, or today's."""
    held = select(Session.scheduled_start).where(Session.actual_start < now, ~Session.no_show)
    last = db.scalars(held.order_by(Session.scheduled_start.desc()).limit(1)).first()
    today = _midnight(now)
    return today if last is None else min(today, _midnight(last) + timedelta(days=1))


def compare(db: OrmSession, as_of: datetime, horizon: int, listener: Listener = lambda what: None) -> Comparison:
    """Backtest predictions over a horizon by what was known at the midnight (UTC) before `as_of`. Writes nothing.

    Raises TutormaxError where the history is too short, or too few left.
    """
    as_of = _midnight(as_of)
    listener("the panel")
    panel = read_history(db, as_of, HISTORY)
    listener("the hazards")
    found = backtest(panel, as_of, horizon)
    if found is None:
        raise _too_short(horizon, panel.observed_weeks, int(np.count_nonzero(~np.isnan(panel.departed_days))))
    scores = {Judge.MODEL: found.scores}
    runs = [run for run in read_seed_record(driver_connection(db.connection())) if run.as_of >= as_of]
    if runs:
        listener("the oracle")
        worlds = [_world(run) for run in runs]
        scores[Judge.ORACLE] = _judge_oracle(worlds, found.trial, as_of)
        listener("a world without signal")
        scores |= _without_signal(max(worlds, key=lambda world: world.tutors), as_of, horizon)
    return Comparison(as_of, found, scores)


def _midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.astimezone(UTC).date(), time(), UTC)


def _world(run: Seeded) -> World:
    return World(min(run.tutors, MOST_TUTORS), run.days, run.seed, run.as_of, run.first_tutor)


def _judge_oracle(worlds: Sequence[World], trial: Trial, as_of: datetime) -> Mapping[RiskSet, Scores]:
    """Judge the true chances by the same rows."""
    chances = np.full(len(trial.judged), np.nan)
    for world in worlds:
        known = _true_chances(world, trial, as_of)
        chances = np.where(np.isnan(known), chances, known)
    return judge(trial, chances)


def _true_chances(world: World, trial: Trial, as_of: datetime) -> Floats:
    """Give the true chance of every row of a trial, NaN where the world does not know the tutor or the time."""
    begun = world.as_of - timedelta(days=world.days)
    weeks = [week for week in np.unique(trial.judged.weeks).tolist() if as_of - week * WEEK >= begun]
    chances = np.full(len(trial.judged), np.nan)
    truth = oracle(world, [as_of - week * WEEK for week in weeks], futures=FUTURES)
    column = truth.horizons.index(trial.horizon)
    for place, week in enumerate(weeks):
        here = truth.landmark == place
        rows = np.flatnonzero(trial.judged.weeks == week)
        _, found, row = np.intersect1d(
            truth.tutor_ids[here], trial.judged.tutor_ids[rows], assume_unique=True, return_indices=True
        )
        chances[rows[row]] = truth.probabilities[here, column][found]
    return chances


def _without_signal(world: World, as_of: datetime, horizon: int) -> dict[Judge, Mapping[RiskSet, Scores]]:
    """Backtest the same company without any signal, and judge its oracle; empty where too few leave it."""
    world = replace(world, signal=False)
    found = backtest(simulated_panel(world, as_of, min(HISTORY, world.days // WEEK.days + 1)), as_of, horizon)
    if found is None:
        return {}
    truth = _judge_oracle([world], found.trial, as_of)
    return {Judge.MODEL_WITHOUT_SIGNAL: found.scores, Judge.ORACLE_WITHOUT_SIGNAL: truth}


def _too_short(horizon: int, weeks: int, departures: int) -> TutormaxError:
    shorter = [known for known in HORIZONS if known < horizon]
    hint = f"try a shorter horizon: tutormax backtest --horizon {shorter[-1]}" if shorter and weeks > 8 else None
    return TutormaxError(
        f"too little history to judge predictions over {horizon} days:"
        f" {weeks} weeks of records with {departures} departures",
        hint or "wait for more departures, or try it on synthetic data: tutormax seed --tutors 1000 --days 365",
    )
