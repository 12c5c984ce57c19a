"""Which sessions are booked: the weekly ones of each pupil, less those nobody books, some of them moved."""

from dataclasses import dataclass

import numpy as np

from tutormax_cli.simulation import parameters as p
from tutormax_cli.simulation.behaviour import SILENT, Company
from tutormax_cli.simulation.calendars import MINUTES_PER_DAY
from tutormax_cli.simulation.streams import Bools, Ints, Keys, below, chance, subkeys, uniform

BOOKED_DAYS = (3, 9)
"""Sessions are booked at least and at most so many days ahead."""
MOVE_TRIES = 3
"""Free blocks that are tried for a moved session."""


@dataclass(frozen=True, slots=True)
class Bookings:
    """Sessions as booked, one element per session; `minute` counts from the local midnight of day 0.

    `run` and `tutor` are rows of the chunk's runs and tutors. `minute` is where the session stands now, `was` where it
    was booked first, `asked` when a move would have been asked for.
    """

    run: Ints
    tutor: Ints
    key: Keys
    minute: Ints
    was: Ints
    asked: Ints
    by_tutor: Bools

    def take(self, rows: Ints | Bools) -> "Bookings":
        """Keep these rows."""
        return Bookings(
            self.run[rows],
            self.tutor[rows],
            self.key[rows],
            self.minute[rows],
            self.was[rows],
            self.asked[rows],
            self.by_tutor[rows],
        )

    @property
    def moved(self) -> Bools:
        """Whether the session stands where it was not booked at first."""
        return np.asarray(self.minute != self.was)


def book(company: Company) -> Bookings:
    """Book the sessions of a chunk, and move some."""
    return _move(company, _book(company))


def _book(company: Company) -> Bookings:
    """Expand the runs into weekly sessions and leave out those that nobody books."""
    calendar, tutors, behaviour = company.calendar, company.tutors, company.behaviour
    slots, runs, pupils = company.timetable.slots, company.timetable.runs, behaviour.pupils
    weeks = np.where(pupils.came, pupils.weeks, 0)
    run = np.repeat(np.arange(len(weeks)), weeks)
    nth = np.arange(len(run)) - np.repeat(np.cumsum(weeks) - weeks, weeks)
    slot = runs.slot[run]
    tutor, day = slots.tutor[slot], slots.first_day[slot] + 7 * (runs.start[run] + nth)
    until = behaviour.stop_day + np.where(behaviour.ending == SILENT, p.SILENT_DAYS + 3, 0)
    works = (day < calendar.last_day) & (day > tutors.onboarded_day[tutor] + p.SETTLING_DAYS) & (day < until[tutor])
    run, nth, slot, tutor, day = (array[works] for array in (run, nth, slot, tutor, day))
    key = subkeys(runs.key[run], nth)
    held = (slots.strain[slot] < behaviour.open_share[tutor, day]) & ~company.behaviour.away[tutor, day]
    held &= ~calendar.called_off(key, tutors.city[tutor], day)
    held &= (nth == 0) | ~chance(key, "absence", p.PUPIL_ABSENCE)
    run, tutor, key = run[held], tutor[held], key[held]
    minute = day[held] * MINUTES_PER_DAY + slots.minute[slot[held]]
    return Bookings(run, tutor, key, minute, minute, minute, np.zeros(len(run), dtype=bool))


def _move(company: Company, bookings: Bookings) -> Bookings:
    """Move some sessions, at the tutor's wish or the pupil's, to a free block before the pupil's next session."""
    calendar, tutors, behaviour = company.calendar, company.tutors, company.behaviour
    tutor, day = bookings.tutor, bookings.minute // MINUTES_PER_DAY
    state = np.maximum(behaviour.disengagement[tutor, day], 0.0)
    wish = np.minimum(p.RESCHEDULE * tutors.habit_reschedule[tutor] * np.exp(p.RESCHEDULE_SLOPE * state), 0.6)
    draw = uniform(bookings.key, "move")
    asked = _asked(bookings)
    known = calendar.utc(tutors.city[tutor], asked) < calendar.world.end
    rows = np.flatnonzero((draw < wish + p.PUPIL_RESCHEDULE) & known & (day < behaviour.stop_day[tutor]))
    target = _free_blocks(company, bookings.take(rows))
    rows, target = rows[target >= 0], target[target >= 0]
    minute, by_tutor = bookings.minute.copy(), bookings.by_tutor.copy()
    minute[rows], by_tutor[rows] = target, draw[rows] < wish[rows]
    return Bookings(bookings.run, tutor, bookings.key, minute, bookings.was, asked, by_tutor)


def _asked(bookings: Bookings) -> Ints:
    """Give the local minute at which a session would be moved: up to two days before, when people are awake."""
    minute = bookings.minute - (120 + 46 * 60 * uniform(bookings.key, "notice") ** 2).astype(np.int64)
    midnight = minute // MINUTES_PER_DAY * MINUTES_PER_DAY
    return np.asarray(midnight + np.clip(minute - midnight, *p.WAKING))


def _free_blocks(company: Company, bookings: Bookings) -> Ints:
    """Find a free block for each session, the first to ask first; -1 where there is none."""
    calendar, timetable = company.calendar, company.timetable
    result = np.full(len(bookings.run), -1)
    taken = np.empty(0, dtype=np.int64)
    for attempt in range(MOVE_TRIES):
        seeking = np.flatnonzero(result < 0)
        tutor = bookings.tutor[seeking]
        choice = below(bookings.key[seeking], f"free block {attempt}", p.MAKE_UP_SLOTS)
        day = bookings.minute[seeking] // MINUTES_PER_DAY
        ahead = (timetable.free_day[tutor, choice] - day) % 7
        day += ahead
        within = np.minimum(day, calendar.last_day)
        fits = (ahead > 0) & (day < calendar.last_day) & ~company.behaviour.away[tutor, within]
        place = (tutor * (calendar.last_day + 7) + day) * p.MAKE_UP_SLOTS + choice
        fits &= ~np.isin(place, taken)
        seeking, place = seeking[fits], place[fits]
        minute = (day * MINUTES_PER_DAY + timetable.free_minute[tutor, choice])[fits]
        place, first = np.unique(place, return_index=True)
        result[seeking[first]] = minute[first]
        taken = np.concatenate([taken, place])
    return result
