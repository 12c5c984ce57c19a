"""The hidden state: each tutor's daily disengagement, the slots it keeps open, and who leaves when.

A tutor is healthy or declining, a two-state Markov chain in days. Disengagement reverts to zero or to the depth of the
decline, with noise; a poor first session adds to it (drift.py). It closes slots, and it drives the daily hazard of
leaving. None of this reaches a table; other modules turn it into what can be seen.
"""

from dataclasses import dataclass

import numpy as np

from tutormax_cli.simulation import parameters as p
from tutormax_cli.simulation.calendars import DAY, MINUTE, MINUTES_PER_DAY, Calendar
from tutormax_cli.simulation.drift import FirstSessions, drift, first_sessions, kept_open
from tutormax_cli.simulation.people import Tutors
from tutormax_cli.simulation.streams import Bools, Floats, Ints, Times, below, chance, exponential, normal, subkeys
from tutormax_cli.simulation.timetable import Timetable
from tutormax_cli.simulation.world import World

NEVER = 1 << 30
"""The day on which someone stops who doesn't."""
STAYS, SILENT, RESIGNED, ON_LEAVE = range(4)
"""How a tutor's work ends within the world."""
NIGHTLY_RECORD = 3 * 60 * MINUTE
"""The time after midnight UTC at which silent departures are recorded."""


@dataclass(frozen=True, slots=True)
class Pupils:
    """How the runs of a timetable turned out; one element per run.

    `came`: there was a first session to come to; `weeks`: the stay, after leaving early; `satisfaction` is that with
    the first session.
    """

    came: Bools
    weeks: Ints
    satisfaction: Floats


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The state of a chunk's tutors: matrices by tutor and day, vectors by tutor.

    `disengagement` and `declining` are as each day begins; `willing` is the share of slots that an engaged tutor keeps
    open; `away` is a break. From `stop_day` on the tutor does nothing; `ended_at` is when the end was recorded, NaT
    where it is not yet. `firsts` and `pupils` have an element per run.
    """

    disengagement: Floats
    declining: Bools
    willing: Floats
    away: Bools
    stop_day: Ints
    ending: Ints
    ended_at: Times
    firsts: FirstSessions
    pupils: Pupils

    @property
    def open_share(self) -> Floats:
        """The share of slots that the tutor keeps open, by tutor and day."""
        return kept_open(self.willing, self.disengagement).astype(np.float64, copy=False)


@dataclass(frozen=True, slots=True)
class Company:
    """A chunk of tutors with all that sets their days: what the rows are made from."""

    calendar: Calendar
    tutors: Tutors
    timetable: Timetable
    behaviour: Behaviour


def behave(calendar: Calendar, tutors: Tutors, timetable: Timetable) -> Behaviour:
    """Live through every day of the world."""
    away = _breaks(calendar, tutors)
    willing = _willingness(calendar, tutors)
    runs = timetable.runs
    firsts = first_sessions(calendar, tutors, timetable, away)
    lived = drift(calendar, tutors, timetable, firsts, willing)
    leaves = ~runs.established & (lived.satisfaction < p.POOR) & chance(runs.key, "leaves", p.POOR_FIRST_LEAVES)
    stop_day, ending, ended_at = _endings(calendar, tutors, lived.disengagement)
    return Behaviour(
        disengagement=lived.disengagement,
        declining=lived.declining,
        willing=willing,
        away=away,
        stop_day=stop_day,
        ending=ending,
        ended_at=ended_at,
        firsts=firsts,
        pupils=Pupils(lived.came, np.where(leaves, 1, runs.weeks), lived.satisfaction),
    )


def log_hazard(world: World, tutors: Tutors, day: Ints) -> tuple[Floats, float]:
    """Give the log of the hazard of leaving, by engaged tutor and day, and what a unit of disengagement adds to it.

    Nobody leaves on the world's first day, nor before the first session.
    """
    tenure = day[None, :] - tutors.onboarded_day[:, None]
    if world.signal:
        field = np.array([field.log_hazard for field in p.FIELDS])[tutors.field]
        newness = p.NEW_TUTOR_HAZARD * np.exp(-np.maximum(tenure, 0) / p.NEW_TUTOR_DAYS)
        level, slope = p.HAZARD_LEVEL + field[:, None] + newness, p.HAZARD_SLOPE
    else:
        level, slope = np.full(tenure.shape, np.log(p.HAZARD_WITHOUT_SIGNAL)), 0.0
    return np.where((tenure > p.SETTLING_DAYS) & (day > 0), level, -np.inf), slope


def _breaks(calendar: Calendar, tutors: Tutors) -> Bools:
    """Mark the days on which tutors are away."""
    days = np.arange(calendar.last_day + 1)
    away = np.zeros((len(tutors), len(days)), dtype=bool)
    for stretch in range(-(-len(days) // p.BREAK_EVERY_DAYS)):
        key = subkeys(tutors.key, stretch)
        start = stretch * p.BREAK_EVERY_DAYS + below(key, "break start", p.BREAK_EVERY_DAYS)
        shortest, longest = p.BREAK_DAYS
        length = shortest + below(key, "break length", longest - shortest + 1)
        length[~chance(key, "break", p.BREAK_CHANCE)] = 0
        away |= (days >= start[:, None]) & (days < (start + length)[:, None])
    return away


def _willingness(calendar: Calendar, tutors: Tutors) -> Floats:
    """Give the share of slots that engaged tutors keep open: more before examinations, and their own ups and downs."""
    weeks = np.arange(calendar.weeks + 1)
    wobble = np.exp(p.WEEK_WOBBLE * normal(subkeys(tutors.key[:, None], weeks[None, :]), "week"))
    daily = np.repeat(wobble, 7, axis=1)[:, : calendar.last_day + 1]
    season = np.maximum(calendar.season, 1.0)[tutors.city]
    return np.asarray(season * daily / (p.SLOTS_PER_BASELINE * p.FILLED_SHARE))


def _endings(calendar: Calendar, tutors: Tutors, state: Floats) -> tuple[Ints, Ints, Times]:
    """Give the day each tutor stops, how, and when that was recorded."""
    world = calendar.world
    level, slope = log_hazard(world, tutors, np.arange(world.days))
    risk = np.cumsum(np.exp(level + slope * state[:, : world.days]), axis=1)
    gone = risk > exponential(tutors.key, "departure")[:, None]
    leaves = gone.any(axis=1)
    stop = np.where(leaves, gone.argmax(axis=1), NEVER)
    ending = np.where(leaves, np.where(chance(tutors.key, "says so", p.RESIGNED_SHARE), RESIGNED, SILENT), STAYS)

    leave_day = world.days - 1 - below(tutors.key, "leave day", p.ON_LEAVE_WITHIN_DAYS)
    pauses = chance(tutors.key, "leave", p.ON_LEAVE_SHARE) & (leave_day < stop) & (leave_day > 0)
    pauses &= leave_day > tutors.onboarded_day + p.SETTLING_DAYS
    stop, ending = np.where(pauses, leave_day, stop), np.where(pauses, ON_LEAVE, ending)

    day = np.where(ending == STAYS, 0, stop)
    said = calendar.utc(tutors.city, day * MINUTES_PER_DAY + 9 * 60 + below(tutors.key, "hour of leaving", 180))
    noticed = world.first_day.astype("M8[us]") + (day + 1 + p.SILENT_DAYS) * DAY + NIGHTLY_RECORD
    recorded_at = np.where(ending == SILENT, noticed, said)
    known = (ending != STAYS) & (recorded_at < world.end)
    return stop, ending, np.where(known, recorded_at, np.datetime64("NaT", "us"))
