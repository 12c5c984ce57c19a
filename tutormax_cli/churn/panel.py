"""The tutor × week panel: what every tutor did in each week before as-of, as arrays.

Week 0 is the seven days that end at as-of, week 1 the seven before, and so on. A row counts in the week of its own
date, feedback in the week in which it was submitted, so a panel without its first k weeks is the panel as it stood
k weeks before (`Panel.before`): one reading serves every landmark, and none sees what came after it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.churn.weekly import (
    WEEK,
    availability_changes,
    employment,
    first_scheduled,
    weekly_feedback,
    weekly_logins,
    weekly_sessions,
    worked_since,
)
from tutormax_cli.columns import Column, Columns
from tutormax_cli.database.copy import copy_out

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.bytes_]

FEWEST_WEEKS = 16
"""A history has at least the weeks that findings look at, records or not."""

_PLANNING = {
    # Room for one hash table of all tutors and weeks, else PostgreSQL sorts the rows.
    "work_mem": "256MB",
    # Compiling outlasts running.
    "jit": "off",
    # Takes the groups to be many more than they are, and then reads alone, by an index that doesn't pay.
    "parallel_setup_cost": "0",
    "parallel_tuple_cost": "0.01",
}

MICROSECONDS_PER_DAY = 86_400_000_000
MICROSECONDS_PER_WEEK = WEEK.days * MICROSECONDS_PER_DAY


@dataclass(frozen=True, slots=True)
class Panel:
    """Counters of shape (tutors, weeks), most recent week first, tutors in the order of their ids.

    A `_sum` comes with the `_count` of the values added up. `silent_days` (since the last session that was held; inf
    if the panel has none), `absent_days` (since the last login, likewise) and `hours_per_week` (as last declared; NaN
    if never) are states at the week's end.
    """

    tutor_ids: Ids
    tenure_days: Floats
    """Days since onboarding, shape (tutors,)."""
    departed_days: Floats
    """Days since the departure was recorded, shape (tutors,); NaN for who has not left, as far as is known."""

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
    absent_days: Floats
    hours_per_week: Floats

    @property
    def observed_weeks(self) -> int:
        """How many weeks of records there are: those since the oldest week for which anything was scheduled."""
        return int(np.max(np.flatnonzero(self.scheduled.any(axis=0)), initial=-1)) + 1

    @property
    def weeks_on_board(self) -> Floats:
        """The share of each week that lies after onboarding, shape (tutors, weeks); 0 before the records begin."""
        weeks = self.tenure_days[:, None] / WEEK.days - np.arange(self.scheduled.shape[1])
        return np.where(np.arange(self.scheduled.shape[1]) < self.observed_weeks, np.clip(weeks, 0.0, 1.0), 0.0)

    @property
    def active(self) -> Bools:
        """Who worked with us at as-of, shape (tutors,)."""
        return (self.tenure_days > 0) & np.isnan(self.departed_days)

    def before(self, weeks: int) -> "Panel":
        """Give the panel as it stood that many weeks earlier."""
        days = weeks * WEEK.days
        departed = np.where(self.departed_days > days, self.departed_days - days, np.nan)
        earlier = self._by_week(slice(weeks, None))
        return replace(earlier, tenure_days=self.tenure_days - days, departed_days=departed)

    def last(self, weeks: int) -> "Panel":
        """Give the panel with these most recent weeks alone."""
        return self._by_week(slice(weeks))

    def of(self, tutors: Bools | slice) -> "Panel":
        """Give the panel of some of its tutors."""
        return replace(self, **{field.name: getattr(self, field.name)[tutors] for field in fields(self)})

    def _by_week(self, weeks: slice) -> "Panel":
        return replace(self, **{field.name: getattr(self, field.name)[:, weeks] for field in fields(self)[3:]})


def read_panel(db: OrmSession, as_of: datetime, weeks: int, population: ColumnElement[bool]) -> Panel:
    """Read the panel of the tutors in `population` from rows dated before `as_of` alone, each table once.

    Sets what suits such reading for the planner, until the end of the caller's transaction.
    """
    db.execute(select(*(func.set_config(name, value, True) for name, value in _PLANNING.items())))
    connection = db.connection()
    start = as_of - weeks * WEEK
    return assemble(
        as_of,
        weeks,
        copy_out(connection, employment(population)),
        [copy_out(connection, read(start, as_of)) for read in (weekly_sessions, weekly_feedback, weekly_logins)],
        copy_out(connection, availability_changes(as_of)),
    )


def assemble(as_of: datetime, weeks: int, tutors: Columns, weekly: Iterable[Columns], changes: Columns) -> Panel:
    """Make a panel of what the SELECTs of `weekly` give; tutors that are not among `tutors` are left out."""
    ids = _plain(tutors["tutor_id"])
    order = np.argsort(ids)
    grid = _Grid(ids[order], np.datetime64(as_of.astimezone(UTC).replace(tzinfo=None), "us"), weeks)
    counters: dict[str, Floats] = {}
    for columns in weekly:
        counters |= grid.counters(columns)
    return Panel(
        tutor_ids=grid.tutor_ids,
        tenure_days=grid.age(tutors["onboarding_date"])[order] / MICROSECONDS_PER_DAY,
        departed_days=grid.departed_days(tutors["departed_at"])[order],
        silent_days=_since(counters.pop("held_days_ago")),
        absent_days=_since(counters.pop("login_days_ago")),
        hours_per_week=grid.hours_per_week(changes),
        **counters,
    )


def read_history(db: OrmSession, as_of: datetime, weeks: int, earlier: int = 0) -> Panel:
    """Read the panel of all who worked with us in the weeks before `as_of`, as far back as there are records.

    It has at least as many weeks as findings look at, and `earlier` more, so that it can be looked at as it stood then.
    """
    first = db.scalar(first_scheduled())
    recorded = ceil((as_of - first) / WEEK) if first and first < as_of else 0
    weeks = min(weeks + earlier, max(recorded, FEWEST_WEEKS + earlier))
    return read_panel(db, as_of, weeks, worked_since(as_of - weeks * WEEK, as_of))


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

    def departed_days(self, times: Column) -> Floats:
        """Give the age in days of the departures recorded before as-of; later ones nobody knows yet."""
        ages = self.age(times)
        missing = np.isnat(_plain(times))
        return np.where(~missing & (ages > 0), ages / MICROSECONDS_PER_DAY, np.nan)

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


def _since(days_ago: Floats) -> Floats:
    """Turn the age of the last of something in each week, 0 for none, to the days since at each week's end."""
    last = np.where(days_ago > 0, days_ago, np.inf)
    latest = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    return latest - WEEK.days * np.arange(last.shape[1])


def _plain(column: Column) -> npt.NDArray[Any]:
    """Give a column of numbers, times or ids as an ordinary array, 0 where it is NULL."""
    assert isinstance(column, np.ndarray)
    return np.ma.filled(column, 0) if isinstance(column, np.ma.MaskedArray) else column
