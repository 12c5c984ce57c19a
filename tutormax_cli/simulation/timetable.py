"""When tutors could teach: weekly slots on quarter hours, and the pupils who hold a slot for a run of weeks.

A tutor's week is cut into blocks of one length with a pause at the end of each, so no two slots overlap. The blocks
that a tutor likes best are slots, ranked; further ones stay free for moved sessions. A pupil belongs to one tutor and
one slot, so pupils' sessions don't overlap either.
"""

from dataclasses import dataclass

import numpy as np

from tutormax_cli.simulation import parameters as p
from tutormax_cli.simulation.calendars import Calendar
from tutormax_cli.simulation.people import Tutors
from tutormax_cli.simulation.streams import Bools, Floats, Ints, Keys, below, chance, exponential, subkeys, uniform


@dataclass(frozen=True, slots=True)
class Pitch:
    """A tutor's rhythm: the length of a block in quarter hours, and the lessons that fit with a pause of 15 minutes."""

    quarters: int
    minutes: tuple[int, int]
    longer_share: float
    phases: int

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """The (weekday, quarter hour of the day) at which blocks start: after school, and the days of a weekend."""
        school = [(day, 60 + i * self.quarters) for day in range(5) for i in range(25 // self.quarters)]
        return school + [(day, 36 + i * self.quarters) for day in (5, 6) for i in range(40 // self.quarters)]

    @property
    def slots(self) -> int:
        """The slots that it has room for, beside those kept for moved sessions."""
        return len(self.blocks) - p.MAKE_UP_SLOTS


PITCHES = (
    Pitch(7, (60, 90), 0.6, phases=4),
    Pitch(5, (45, 60), 0.85, phases=2),
    Pitch(4, (30, 45), 0.8, phases=2),
)
SPACIOUS_SHARE = 0.2
"""Share of tutors with few slots who take the longest lessons."""
WEEKEND_RELUCTANCE = 0.35
"""How much later weekend blocks rank, on average."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Weekly slots; every array has one element per slot, by tutor and rank.

    `tutor` is the row of the chunk's tutor; `strain` in (0, 1) grows with rank: the slot is open while the tutor
    keeps a larger share of slots open; `minute` is the local minute of the day; `first_day` its first date.
    """

    tutor: Ints
    key: Keys
    strain: Floats
    first_day: Ints
    minute: Ints
    pitch: Ints
    group: Bools


@dataclass(frozen=True, slots=True)
class Runs:
    """Pupils in slots; every array has one element per pupil, by slot and time.

    The pupil comes each week from week `start` of the slot for `weeks` weeks. The pair had `before` sessions in weeks
    before the world's first.
    """

    slot: Ints
    key: Keys
    start: Ints
    weeks: Ints
    before: Ints

    @property
    def established(self) -> Bools:
        """Whether the pupil came before."""
        return self.before > 0


@dataclass(frozen=True, slots=True)
class Timetable:
    """The slots of a chunk's tutors, their pupils, and the blocks left free: first day and minute by tutor."""

    slots: Slots
    runs: Runs
    free_day: Ints
    free_minute: Ints


def draw_timetable(calendar: Calendar, tutors: Tutors) -> Timetable:
    """Choose each tutor's slots and free blocks, and fill the slots with pupils."""
    count = np.ceil(p.SLOTS_PER_BASELINE * tutors.baseline).astype(np.int64)
    pitch = _pitches(tutors, count)
    day, minute, order = _ranked_blocks(calendar, tutors, pitch)
    rows = np.repeat(np.arange(len(tutors)), count)
    rank = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    block = order[rows, rank]
    key = subkeys(tutors.key[rows], rank)
    free = np.take_along_axis(order, count[:, None] + np.arange(p.MAKE_UP_SLOTS), axis=1)
    slots = Slots(
        tutor=rows,
        key=key,
        strain=(rank + uniform(key, "strain")) / count[rows],
        first_day=day[rows, block],
        minute=minute[rows, block],
        pitch=pitch[rows],
        group=chance(key, "group", p.GROUP_SHARE),
    )
    return Timetable(
        slots=slots,
        runs=_draw_runs(calendar, tutors, slots),
        free_day=np.take_along_axis(day, free, axis=1),
        free_minute=np.take_along_axis(minute, free, axis=1),
    )


def _pitches(tutors: Tutors, slots: Ints) -> Ints:
    """Choose the longest lessons for some of those who can, the usual ones for most, the short ones for the busiest."""
    room = [pitch.slots for pitch in PITCHES]
    draw = uniform(tutors.key, "pitch")
    usual = np.where((slots <= room[1]) & (draw < 0.9), 1, 2)
    return np.where((slots <= room[0]) & (draw < SPACIOUS_SHARE), 0, usual)


def _ranked_blocks(calendar: Calendar, tutors: Tutors, pitch: Ints) -> tuple[Ints, Ints, Ints]:
    """Give the first day and minute of each tutor's blocks, and the blocks in the tutor's order of preference."""
    grids = [np.array(pitch.blocks) for pitch in PITCHES]
    widest = max(len(grid) for grid in grids)
    padded = np.array([np.pad(grid, ((0, widest - len(grid)), (0, 0)), constant_values=-1) for grid in grids])
    weekday, quarter = padded[pitch, :, 0], padded[pitch, :, 1]
    keys = subkeys(tutors.key[:, None], np.arange(widest)[None, :])
    score = uniform(keys, "preference") + np.where(
        weekday >= 5, 2.0 * WEEKEND_RELUCTANCE * uniform(tutors.key, "weekends")[:, None], 0.0
    )
    order = np.argsort(np.where(weekday < 0, np.inf, score), axis=1, kind="stable")
    phases = np.array([pitch.phases for pitch in PITCHES])[pitch]
    start = 15 * (quarter + below(tutors.key, "phase", phases)[:, None])
    return (weekday - calendar.first_weekday) % 7, start, order


def _draw_runs(calendar: Calendar, tutors: Tutors, slots: Slots) -> Runs:
    """Fill the slots: a wait, then stays and vacancies in turn until the world's last week."""
    origin = np.maximum(-(-tutors.onboarded_day // 7), -p.LEAD_WEEKS)[slots.tutor]
    turns = (calendar.weeks + p.LEAD_WEEKS) // 4 + 4
    key = subkeys(slots.key[:, None], np.arange(turns)[None, :])
    stay = 1 + np.floor(p.RUN_SCALE_WEEKS * exponential(key, "stay") ** (1 / p.RUN_SHAPE)).astype(np.int64)
    gap = np.floor((p.GAP_WEEKS + 0.5) * exponential(key, "gap")).astype(np.int64)
    gap[:, 0] = np.floor(p.FIRST_WAIT_WEEKS * exponential(slots.key, "wait"))
    start = origin[:, None] + np.cumsum(gap, axis=1) + np.cumsum(stay, axis=1) - stay
    end = np.minimum(start + stay, calendar.weeks)
    slot, turn = np.nonzero((end > 0) & (start < calendar.weeks))
    key, start, end = key[slot, turn], start[slot, turn], end[slot, turn]
    return Runs(slot, key, np.maximum(start, 0), end - np.maximum(start, 0), _sessions_before(key, -start))


def _sessions_before(runs: Keys, weeks: Ints) -> Ints:
    """Give how many sessions pairs had in so many weeks before the world: their first, and most weeks another."""
    later = np.floor(p.HELD_WEEKS * (weeks - 1) + uniform(runs, "sessions before")).astype(np.int64)
    return np.where(weeks > 0, 1 + later, 0)
