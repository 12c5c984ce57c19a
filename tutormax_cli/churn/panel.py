"""The tutor × week panel: what every tutor did in each week before as-of, as arrays.

Week 0 is the seven days that end at as-of, week 1 the seven before, and so on. A row counts in the week of its own
date, feedback in the week in which it was submitted, so a panel without its first k weeks is the panel as it stood
k weeks before (`Panel.before`): one reading serves every landmark, and none sees what came after it.
"""

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.churn.weekly import (
    WEEK,
    availability_changes,
    onboarding,
    weekly_feedback,
    weekly_logins,
    weekly_sessions,
)
from tutormax_cli.columns import Column, Columns
from tutormax_cli.database.copy import copy_out

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Ids = npt.NDArray[np.bytes_]

MICROSECONDS_PER_DAY = 86_400_000_000
MICROSECONDS_PER_WEEK = WEEK.days * MICROSECONDS_PER_DAY


@dataclass(frozen=True, slots=True)
class Panel:
    """Counters of shape (tutors, weeks), most recent week first, tutors in the order of their ids.

    A `_sum` comes with the `_count` of the values added up. `silent_days` (since the last session that was held; inf
    if the panel has none) and `hours_per_week` (as last declared; NaN if never) are states at the week's end.
    """

    tutor_ids: Ids
    tenure_days: Floats
    """Days since onboarding, shape (tutors,)."""

    scheduled: Floats
    held: Floats
    no_shows: Floats
    rescheduled: Floats
    engagement_sum: Floats
    engagement_count: Floats
    rating_sum: Floats
    rating_count: Floats
    first_rating_sum: Floats
    first_rating_count: Floats
    logins: Floats
    silent_days: Floats
    hours_per_week: Floats

    @property
    def weeks_on_board(self) -> Floats:
        """The share of each week that lies after onboarding, shape (tutors, weeks)."""
        weeks = self.tenure_days[:, None] / WEEK.days - np.arange(self.scheduled.shape[1])
        return np.clip(weeks, 0.0, 1.0)

    def before(self, weeks: int) -> "Panel":
        """Give the panel as it stood that many weeks earlier."""
        by_week = {field.name: getattr(self, field.name)[:, weeks:] for field in fields(self)[2:]}
        return replace(self, tenure_days=self.tenure_days - weeks * WEEK.days, **by_week)


def read_panel(db: OrmSession, as_of: datetime, weeks: int, population: ColumnElement[bool]) -> Panel:
    """Read the panel of the tutors in `population` from rows dated before `as_of` alone, each table once.

    Raises the memory that a hash table may take until the end of the caller's transaction.
    """
    # Room for one hash table of all tutors and weeks, else PostgreSQL sorts the rows; compiling outlasts running.
    db.execute(select(func.set_config("work_mem", "256MB", True), func.set_config("jit", "off", True)))
    connection = db.connection()
    tutors = copy_out(connection, onboarding(population))
    ids = _plain(tutors["tutor_id"])
    order = np.argsort(ids)
    grid = _Grid(ids[order], np.datetime64(as_of.astimezone(UTC).replace(tzinfo=None), "us"), weeks)
    start = as_of - weeks * WEEK
    counters: dict[str, Floats] = {}
    for statement in (weekly_sessions, weekly_feedback, weekly_logins):
        counters |= grid.counters(copy_out(connection, statement(start, as_of)))
    return Panel(
        tutor_ids=grid.tutor_ids,
        tenure_days=grid.age(tutors["onboarding_date"])[order] / MICROSECONDS_PER_DAY,
        silent_days=_silence(counters.pop("held_days_ago")),
        hours_per_week=grid.hours_per_week(copy_out(connection, availability_changes(as_of))),
        **counters,
    )


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where a value lies in a panel: the row by tutor, the column by week."""

    tutor_ids: Ids
    as_of: np.datetime64
    weeks: int

    def age(self, times: Column) -> npt.NDArray[np.int64]:
        """Give how long before as-of each time lies, in microseconds."""
        ages: npt.NDArray[np.int64] = (self.as_of - _plain(times)).astype(np.int64)
        return ages

    def counters(self, columns: Columns) -> dict[str, Floats]:
        """Spread the counters of a weekly SELECT over the panel, 0 where it has none."""
        tutor, known = self._rows(columns["tutor_id"])
        # Weeks are told by their beginning, which is the end of the next older one.
        week = self.age(columns["week"])[known] // MICROSECONDS_PER_WEEK - 1
        spread = {}
        for name in columns.keys() - {"tutor_id", "week"}:
            spread[name] = np.zeros((len(self.tutor_ids), self.weeks))
            spread[name][tutor, week] = np.nan_to_num(_plain(columns[name])[known])
        return spread

    def hours_per_week(self, changes: Columns) -> Floats:
        """Carry the hours last declared forward, from the oldest week to the most recent."""
        tutor, known = self._rows(changes["tutor_id"])
        # The instant at which a week ends belongs to the next one, hence the microsecond.
        week = np.minimum((self.age(changes["changed_at"])[known] - 1) // MICROSECONDS_PER_WEEK, self.weeks - 1)
        hours = np.full((len(self.tutor_ids), self.weeks), np.nan)
        hours[tutor, week] = _plain(changes["hours"])[known]  # of several in one cell numpy keeps the last
        for older in range(self.weeks - 1, 0, -1):
            newer = hours[:, older - 1]
            hours[:, older - 1] = np.where(np.isnan(newer), hours[:, older], newer)
        return hours

    def _rows(self, tutor_ids: Column) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Give the panel's row of every value whose tutor is in it, and which values those are."""
        wanted = _plain(tutor_ids)
        if not len(self.tutor_ids):
            return np.empty(0, np.intp), np.zeros(len(wanted), np.bool_)
        row = np.minimum(np.searchsorted(self.tutor_ids, wanted), len(self.tutor_ids) - 1)
        known = self.tutor_ids[row] == wanted
        return row[known], known


def _silence(held_days_ago: Floats) -> Floats:
    """Turn the age of each week's last session, 0 for none, to the silence at each week's end, in days."""
    last = np.where(held_days_ago > 0, held_days_ago, np.inf)
    latest = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    return latest - WEEK.days * np.arange(last.shape[1])


def _plain(column: Column) -> npt.NDArray[Any]:
    """Give a column of numbers, times or ids as an ordinary array, 0 where it is NULL."""
    assert isinstance(column, np.ndarray)
    return np.ma.filled(column, 0) if isinstance(column, np.ma.MaskedArray) else column
