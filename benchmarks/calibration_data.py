"""A synthetic world's rows as arrays, and the questions that its calibration asks of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tutormax_cli.columns import Coded, Column
from tutormax_cli.simulation import World, simulate
from tutormax_cli.simulation.calendars import Calendar
from tutormax_cli.simulation.parameters import EVENT_TYPES

Array = npt.NDArray[Any]
DAY = np.timedelta64(86_400_000_000, "us")
HORIZON = 30
LANDMARK_EVERY = 7


@dataclass(frozen=True, slots=True)
class Fact:
    """One line: what it is, what it should be, and what it is here."""

    name: str
    low: float
    high: float
    measured: float

    @property
    def holds(self) -> bool:
        """Whether the measured value lies within the target."""
        return bool(self.low <= self.measured <= self.high)


Facts = Iterator[Fact]


class Measured:
    """The rows of a world as plain arrays: `table["column"]`, coded columns as their codes, tutors as row numbers."""

    def __init__(self, world: World) -> None:
        self.world = world
        parts: dict[str, dict[str, list[Array]]] = {}
        tutors = 0
        for chunk in simulate(world):
            owner = {tutor: row for row, tutor in enumerate(_plain(chunk["tutors"]["tutor_id"]), tutors)}
            tutors += len(owner)
            for table, columns in chunk.items():
                for name, column in columns.items():
                    plain = _plain(column)
                    if name == "tutor_id":
                        plain = np.array([owner[tutor] for tutor in plain], dtype=np.int64)
                    parts.setdefault(table, {}).setdefault(name, []).append(plain)
        tables = {t: {name: np.concatenate(part) for name, part in columns.items()} for t, columns in parts.items()}
        self.tutors, self.students, self.sessions = tables["tutors"], tables["students"], tables["sessions"]
        self.feedback, self.events, self.interventions = (
            tables[name] for name in ("student_feedback", "tutor_events", "interventions")
        )
        self.past = self.sessions["scheduled_start"] < world.end
        self.held = ~np.isnat(self.sessions["actual_start"])

    def __len__(self) -> int:
        return len(self.tutors["name"])

    @property
    def landmarks(self) -> list[np.datetime64]:
        """Weekly times with a horizon before and after them."""
        days = range(HORIZON, self.world.days - HORIZON + 1, LANDMARK_EVERY)
        return [self.world.first_day.astype("M8[us]") + day * DAY for day in days]

    @cached_property
    def active(self) -> Array:
        """Who was active, by landmark and tutor."""
        return np.array([self.active_at(at) for at in self.landmarks])

    @cached_property
    def leaving(self) -> Array:
        """Who was active and is recorded as gone within the horizon, by landmark and tutor."""
        departed = self.tutors["churned_at"]
        soon = [(departed > at) & (departed <= at + HORIZON * DAY) for at in self.landmarks]
        return np.asarray(self.active & np.array(soon))

    def active_at(self, at: np.datetime64) -> Array:
        """Tell who was active at a time."""
        departed = self.tutors["churned_at"]
        here = (self.tutors["onboarding_date"] < at) & (self.tutors["status"] != 1)
        return np.asarray(here & (np.isnat(departed) | (departed > at)))

    def events_of(self, kind: str) -> Array:
        """Tell which events are of a type."""
        return np.asarray(self.events["event_type"] == EVENT_TYPES.index(kind))

    def mentions(self, words: str) -> Array:
        """Tell which events' metadata hold these words."""
        return np.asarray(np.strings.find(self.events["metadata"], words.encode()) >= 0)

    @cached_property
    def minute(self) -> Array:
        """Each session's local minute since the first day."""
        return self.local(self.sessions["scheduled_start"], self.sessions["tutor_id"])

    def local(self, at: Array, tutor: Array) -> Array:
        """Give the local minutes since the first day of instants, where a tutor lives."""
        offsets = Calendar(self.world).offsets
        city = self.tutors["location"][tutor]
        since = (at - self.world.first_day).astype("m8[m]").astype(np.int64)
        for _ in range(2):  # the date in UTC first, which may be the wrong one
            day = np.clip(since // 1440, 0, offsets.shape[1] - 1)
            since = (at - self.world.first_day).astype("m8[m]").astype(np.int64) + offsets[city, day]
        return np.asarray(since)


def _plain(column: Column) -> Array:
    return column.codes if isinstance(column, Coded) else np.asarray(np.ma.filled(column, 0))


def share(values: Array, these: Array) -> float:
    """Give the mean of some of the values."""
    return float(values[these].mean())


def ratio(values: Array, these: Array, others: Array) -> float:
    """Give the mean of some against the mean of others."""
    return share(values, these) / share(values, others)


def auc(score: Array, outcome: Array) -> float:
    """Give the chance that one with the outcome scores above one without, a tie counting half."""
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    positive = int(outcome.sum())
    return float((rank[outcome].sum() - positive * (positive + 1) / 2) / (positive * (len(outcome) - positive)))
