"""The hidden state: each tutor's daily disengagement, what it does to new pupils, and who leaves when.

A tutor is healthy or declining, a two-state Markov chain in days. Disengagement reverts to zero or to the depth of the
decline, with noise; a poor first session adds to it. It closes slots, and it drives the daily hazard of leaving. None
of this reaches a table; other modules turn it into what can be seen.
"""

from dataclasses import dataclass

import numpy as np

from tutormax_cli.simulation import parameters as p
from tutormax_cli.simulation.calendars import DAY, MINUTE, MINUTES_PER_DAY, Calendar
from tutormax_cli.simulation.people import Tutors
from tutormax_cli.simulation.streams import (
    Bools,
    Floats,
    Ints,
    Keys,
    Times,
    below,
    chance,
    exponential,
    normal,
    subkeys,
    uniform,
)
from tutormax_cli.simulation.timetable import Timetable

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

    `open_share` is the share of slots kept open, `away` a break; from `stop_day` on the tutor does nothing.
    `ended_at` is when the end was recorded, NaT where it is not yet.
    """

    disengagement: Floats
    open_share: Floats
    away: Bools
    stop_day: Ints
    ending: Ints
    ended_at: Times
    pupils: Pupils


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
    state, came, satisfaction = _drift(calendar, tutors, timetable, away, willing)
    leaves = ~runs.established & (satisfaction < p.POOR) & chance(runs.key, "leaves", p.POOR_FIRST_LEAVES)
    stop_day, ending, ended_at = _endings(calendar, tutors, state)
    return Behaviour(
        disengagement=state,
        open_share=willing * np.exp(-p.OPEN_SLOPE * np.maximum(state, 0.0)),
        away=away,
        stop_day=stop_day,
        ending=ending,
        ended_at=ended_at,
        pupils=Pupils(came, np.where(leaves, 1, runs.weeks), satisfaction),
    )


def daily_hazard(tutors: Tutors, state: Floats, day: Ints) -> Floats:
    """Give each tutor's hazard of leaving on the days of the columns of `state`; nobody leaves on the world's first."""
    field = np.array([field.log_hazard for field in p.FIELDS])[tutors.field]
    tenure = day[None, :] - tutors.onboarded_day[:, None]
    newness = p.NEW_TUTOR_HAZARD * np.exp(-np.maximum(tenure, 0) / p.NEW_TUTOR_DAYS)
    hazard = np.exp(p.HAZARD_LEVEL + p.HAZARD_SLOPE * state + field[:, None] + newness)
    return np.where((tenure > p.SETTLING_DAYS) & (day > 0), hazard, 0.0)


def called_off(calendar: Calendar, sessions: Keys, city: Ints, day: Ints) -> Bools:
    """Tell which weekly sessions fall out because school is out."""
    return uniform(sessions, "holidays") > np.minimum(calendar.season[city, day], 1.0)


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


def _drift(
    calendar: Calendar, tutors: Tutors, timetable: Timetable, away: Bools, willing: Floats
) -> tuple[Floats, Bools, Floats]:
    """Give disengagement by tutor and day, and for each run whether the pupil came and how the first session went."""
    starts = _Starts(calendar, tutors, timetable, away)
    days = calendar.world.days
    day_key = subkeys(tutors.key[:, None], np.arange(days + 1)[None, :])
    noise = p.STATE_NOISE * normal(day_key, "state")
    turn = uniform(day_key, "regime")
    onset = p.ONSET * np.array(p.ONSET_FACTORS)[tutors.archetype]
    onset *= np.array([field.onset for field in p.FIELDS])[tutors.field]
    declining = chance(tutors.key, "declining", np.array(p.DECLINING_AT_START)[tutors.archetype])
    depth = p.DEPTH[0] + (p.DEPTH[1] - p.DEPTH[0]) * uniform(tutors.key, "depth")
    state = np.where(declining, depth * uniform(tutors.key, "progress"), 0.3 * normal(tutors.key, "mood"))
    result = np.empty((len(tutors), calendar.last_day + 1))
    for day in range(days + 1):
        result[:, day] = state
        shock = starts.meet(day, state, willing[:, day])
        working = tutors.onboarded_day < day
        declining ^= working & (turn[:, day] < np.where(declining, p.RECOVERY, onset))
        level = np.where(declining, depth, 0.0)
        state = np.where(working, state + p.REVERSION * (level - state) + noise[:, day] + shock, state)
    result[:, days + 1 :] = state[:, None]
    return result, starts.came, starts.satisfaction


class _Starts:
    """The first sessions of new pupils, day by day as the state unfolds."""

    def __init__(self, calendar: Calendar, tutors: Tutors, timetable: Timetable, away: Bools) -> None:
        slots, runs = timetable.slots, timetable.runs
        tutor = slots.tutor[runs.slot]
        day = slots.first_day[runs.slot] + 7 * runs.start
        within = np.minimum(day, calendar.last_day)
        tenure = (day - tutors.onboarded_day[tutor]).astype(np.float64)
        first = subkeys(runs.key, 0)
        fits = (tenure > p.SETTLING_DAYS) & ~away[tutor, within] & (day < calendar.last_day)
        fits &= ~called_off(calendar, first, tutors.city[tutor], within)
        self._possible = fits
        self._tutor, self._strain, self._new = tutor, slots.strain[runs.slot], ~runs.established
        self._shock = p.POOR_FIRST_SHOCK + p.POOR_FIRST_NEW_SHOCK * np.exp(-np.maximum(tenure, 0) / p.NEW_TUTOR_DAYS)
        self.satisfaction = (
            tutors.quality[tutor]
            + p.PAIR_SD * normal(runs.key, "pair")
            + p.SESSION_SD * normal(first, "satisfaction")
            + p.FIRST_SESSION_SHIFT
            + p.FIRST_SESSION_NEW * np.exp(-np.maximum(tenure, 0) / p.FIRST_SESSION_DAYS)
        )
        self.came = runs.established.copy()
        self._by_day = np.argsort(day, kind="stable")
        self._bounds = np.searchsorted(day[self._by_day], np.arange(calendar.last_day + 1))
        self._last = calendar.world.days

    def meet(self, day: int, state: Floats, willing: Floats) -> Floats:
        """Hold the first sessions of a day; give what the poor ones add to each tutor's disengagement.

        The world's last day stands for the days booked ahead too, as its state does.
        """
        end = self._bounds[day + 1] if day < self._last else len(self._by_day)
        run = self._by_day[self._bounds[day] : end]
        tutor = self._tutor[run]
        here = np.maximum(state[tutor], 0.0)
        came = self._possible[run] & (self._strain[run] < willing[tutor] * np.exp(-p.OPEN_SLOPE * here))
        self.came[run] |= came
        self.satisfaction[run] -= p.SATISFACTION_SLOPE * here
        poor = came & self._new[run] & (self.satisfaction[run] < p.POOR)
        return np.bincount(tutor, self._shock[run] * poor, minlength=len(state)).astype(np.float64)


def _endings(calendar: Calendar, tutors: Tutors, state: Floats) -> tuple[Ints, Ints, Times]:
    """Give the day each tutor stops, how, and when that was recorded."""
    world = calendar.world
    hazard = daily_hazard(tutors, state[:, : world.days], np.arange(world.days))
    gone = np.cumsum(hazard, axis=1) > exponential(tutors.key, "departure")[:, None]
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
