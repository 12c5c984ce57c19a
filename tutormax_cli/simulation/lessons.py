"""Sessions as they were held: who came, how late, how it went."""

from dataclasses import dataclass

import numpy as np

from tutormax_cli.simulation import parameters as p
from tutormax_cli.simulation.behaviour import Company
from tutormax_cli.simulation.bookings import BOOKED_DAYS, Bookings, book
from tutormax_cli.simulation.calendars import DAY, MINUTE, MINUTES_PER_DAY
from tutormax_cli.simulation.identities import rank_within
from tutormax_cli.simulation.streams import Bools, Floats, Ints, Times, chance, normal, uniform
from tutormax_cli.simulation.timetable import PITCHES

_NEVER = np.datetime64("NaT", "us")


@dataclass(frozen=True, slots=True)
class Lessons:
    """Sessions and what became of them, one element per session, by tutor and time.

    `start`, `booked_at` and `asked_at` are UTC; `state` is the tutor's disengagement at the time; `number` counts the
    pair's sessions from its first, whether recorded or before the world. A session `started` unless it was a no-show or
    lies ahead, and `ended` unless it is going on.
    """

    bookings: Bookings
    start: Times
    booked_at: Times
    asked_at: Times
    state: Floats
    duration: Ints
    number: Ints
    no_show: Bools
    started: Bools
    ended: Bools
    late: Ints
    technical: Bools

    def __len__(self) -> int:
        return len(self.start)

    @property
    def actual_start(self) -> Times:
        """When the session began; NaT where it did not."""
        return np.where(self.started, self.start + self.late * MINUTE, np.datetime64("NaT", "us"))

    @property
    def end(self) -> Times:
        """When the session ended, or would have."""
        return self.start + (self.late + self.duration) * MINUTE


def hold_lessons(company: Company) -> Lessons:
    """Book and hold the sessions of a chunk."""
    calendar, tutors, world = company.calendar, company.tutors, company.calendar.world
    bookings = book(company)
    start = calendar.utc(tutors.city[bookings.tutor], bookings.minute)
    booked_at = _booked_at(company, bookings)
    ended_at = company.behaviour.ended_at[bookings.tutor]
    kept = (booked_at < world.end) & (np.isnat(ended_at) | (start < ended_at)) & (start >= world.first_day)
    rows = np.flatnonzero(kept)
    rows = rows[np.lexsort((start[rows], bookings.tutor[rows]))]
    # Bookings stand by pair, and no move puts a session past the pair's next one.
    number = company.timetable.runs.before[bookings.run] + rank_within(bookings.run)
    return _hold(company, bookings.take(rows), start[rows], booked_at[rows], number[rows])


def _booked_at(company: Company, bookings: Bookings) -> Times:
    """Tell when each session was booked, which is after the tutor came."""
    tutors = company.tutors
    shortest, longest = BOOKED_DAYS
    minutes = (uniform(bookings.key, "lead") * (longest - shortest) * MINUTES_PER_DAY).astype(np.int64)
    booked_at = company.calendar.utc(tutors.city[bookings.tutor], bookings.was) - shortest * DAY - minutes * MINUTE
    return np.maximum(booked_at, tutors.onboarded_at[bookings.tutor] + 60 * MINUTE)


def _hold(company: Company, bookings: Bookings, start: Times, booked_at: Times, number: Ints) -> Lessons:
    """Tell what became of the sessions, given in order of tutor and start."""
    tutor, key, end = bookings.tutor, bookings.key, company.calendar.world.end
    day = bookings.minute // MINUTES_PER_DAY
    state = np.maximum(company.behaviour.disengagement[tutor, day], 0.0)
    duration = _durations(company, bookings)
    late = _late_minutes(company, bookings, state)
    absent = uniform(key, "no-show") < _no_show_chance(company, bookings, state)
    absent |= day >= company.behaviour.stop_day[tutor]
    started = ~absent & (start + late * MINUTE < end)
    asked_at = company.calendar.utc(company.tutors.city[tutor], bookings.asked)
    return Lessons(
        bookings=bookings,
        start=start,
        booked_at=booked_at,
        asked_at=np.where(bookings.moved, asked_at, _NEVER),
        state=state,
        duration=duration,
        number=number,
        no_show=absent & (start + p.LATE_LIMIT * MINUTE <= end),
        started=started,
        ended=started & (start + (late + duration) * MINUTE <= end),
        late=np.where(started, late, 0),
        technical=started & chance(key, "technical", p.TECHNICAL_ISSUES),
    )


def _durations(company: Company, bookings: Bookings) -> Ints:
    """Give each pupil's usual length of a session, in minutes."""
    runs = company.timetable.runs
    pitch = company.timetable.slots.pitch[runs.slot]
    longer = uniform(runs.key, "longer") < np.array([pitch.longer_share for pitch in PITCHES])[pitch]
    minutes = np.array([pitch.minutes for pitch in PITCHES])[pitch, longer.astype(np.int64)]
    return np.asarray(minutes[bookings.run])


def _no_show_chance(company: Company, bookings: Bookings, state: Floats) -> Floats:
    """Give the chance that the tutor doesn't appear: more on Mondays and in the morning."""
    weekday = (bookings.minute // MINUTES_PER_DAY + company.calendar.first_weekday) % 7
    morning = bookings.minute % MINUTES_PER_DAY < 12 * 60
    factor = np.where(weekday == 0, p.NO_SHOW_MONDAY, 1.0) * np.where(morning, p.NO_SHOW_MORNING, 1.0)
    habit = company.tutors.habit_no_show[bookings.tutor]
    return np.asarray(p.NO_SHOW * habit * factor * np.exp(p.NO_SHOW_SLOPE * state))


def _late_minutes(company: Company, bookings: Bookings, state: Floats) -> Ints:
    """Draw minutes of delay: none for most, else exponential, cut off where it would count as absence."""
    likely = p.LATE * company.tutors.habit_late[bookings.tutor] * np.exp(p.LATE_SLOPE * state)
    mean = p.LATE_MEAN + p.LATE_MEAN_SLOPE * state
    inside = 1.0 - np.exp(-(p.LATE_LIMIT - 1) / mean)
    minutes = 1 + np.floor(-mean * np.log1p(-inside * uniform(bookings.key, "minutes late"))).astype(np.int64)
    return np.where(chance(bookings.key, "late", likely), minutes, 0)


def engagement(company: Company, lessons: Lessons) -> Floats:
    """Give the engagement of each session, 0..1, NaN where it did not end."""
    usual = p.ENGAGEMENT + company.tutors.habit_engagement[lessons.bookings.tutor]
    noise = p.ENGAGEMENT_NOISE * normal(lessons.bookings.key, "engagement")
    score = usual - p.ENGAGEMENT_SLOPE * lessons.state + noise - 0.05 * lessons.technical
    return np.where(lessons.ended, np.round(np.clip(score, 0.0, 1.0), 3), np.nan)


def objectives_met(company: Company, lessons: Lessons) -> "np.ma.MaskedArray[tuple[int, ...], np.dtype[np.bool_]]":
    """Tell whether each session met its objectives, masked where nobody said."""
    odds = p.OBJECTIVES + 0.5 * company.tutors.quality[lessons.bookings.tutor] - p.OBJECTIVES_SLOPE * lessons.state
    met = uniform(lessons.bookings.key, "objectives") < 1.0 / (1.0 + np.exp(-odds))
    known = lessons.ended & ~chance(lessons.bookings.key, "objectives unknown", p.OBJECTIVES_UNKNOWN)
    return np.ma.MaskedArray(met & known, mask=~known)
