"""How disengagement moves: the regime that draws it, the daily noise, and the first sessions that push it.

The world lives through its days once (`drift`); the oracle lives through many futures of them by the same rules.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tutormax_cli.simulation import parameters as p
from tutormax_cli.simulation.calendars import Calendar
from tutormax_cli.simulation.people import Tutors
from tutormax_cli.simulation.streams import Bools, Floats, Ints, chance, normal, subkeys, uniform
from tutormax_cli.simulation.timetable import Timetable

Reals = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Nature:
    """What sets how a tutor's state moves: the chance a day that decline sets in, and how deep it goes."""

    onset: Floats
    depth: Floats


@dataclass(frozen=True, slots=True)
class FirstSessions:
    """The first sessions that may come to be, one element per run of the timetable.

    `possible` unless the slot is closed by then; `strain` as of the slot; `expected` is the satisfaction to expect of
    the pupils of an engaged tutor; `shock` what a poor one adds to the tutor's disengagement.
    """

    tutor: Ints
    possible: Bools
    strain: Floats
    expected: Floats
    shock: Floats
    by_day: Ints
    bounds: Ints

    def on(self, day: int) -> Ints:
        """Give the rows of a day."""
        return self.by_day[self.bounds[day] : self.bounds[day + 1]]

    def since(self, day: int) -> Ints:
        """Give the rows of a day and all later ones."""
        return self.by_day[self.bounds[day] :]


@dataclass(frozen=True, slots=True)
class Drift:
    """The state by tutor and day, as each day begins, and for each run whether the pupil came and how it went."""

    disengagement: Floats
    declining: Bools
    came: Bools
    satisfaction: Floats


def natures(tutors: Tutors) -> Nature:
    """Give each tutor's nature."""
    onset = p.ONSET * np.array(p.ONSET_FACTORS)[tutors.archetype]
    onset *= np.array([field.onset for field in p.FIELDS])[tutors.field]
    return Nature(onset, p.DEPTH[0] + (p.DEPTH[1] - p.DEPTH[0]) * uniform(tutors.key, "depth"))


def switched(declining: Bools, turn: Reals, onset: Reals) -> Bools:
    """Let decline set in or end where the uniform draw `turn` says so."""
    return np.asarray(declining ^ (turn < np.where(declining, p.RECOVERY, onset)))


def pulled(state: Reals, declining: Bools, depth: Reals) -> Reals:
    """Let the state go a day's way to its level, without noise."""
    return np.asarray(state + p.REVERSION * (np.where(declining, depth, 0.0) - state))


def kept_open(willing: Reals, state: Reals) -> Reals:
    """Give the share of slots that a tutor keeps open."""
    return np.asarray(willing * np.exp(-p.OPEN_SLOPE * np.maximum(state, 0.0)))


def first_sessions(calendar: Calendar, tutors: Tutors, timetable: Timetable, away: Bools) -> FirstSessions:
    """Tell when the runs of a timetable begin, and what is known of their first sessions before."""
    slots, runs = timetable.slots, timetable.runs
    tutor = slots.tutor[runs.slot]
    day = slots.first_day[runs.slot] + 7 * runs.start
    within = np.minimum(day, calendar.last_day)
    tenure = (day - tutors.onboarded_day[tutor]).astype(np.float64)
    newness = np.maximum(tenure, 0)
    possible = (tenure > p.SETTLING_DAYS) & ~away[tutor, within] & (day < calendar.last_day)
    possible &= ~calendar.called_off(subkeys(runs.key, 0), tutors.city[tutor], within)
    strangers = p.FIRST_SESSION_SHIFT + p.FIRST_SESSION_NEW * np.exp(-newness / p.FIRST_SESSION_DAYS)
    shock = p.POOR_FIRST_SHOCK + p.POOR_FIRST_NEW_SHOCK * np.exp(-newness / p.NEW_TUTOR_DAYS)
    by_day = np.argsort(day, kind="stable")
    return FirstSessions(
        tutor=tutor,
        possible=possible,
        strain=slots.strain[runs.slot],
        expected=tutors.quality[tutor] + strangers,
        shock=np.where(runs.established, 0.0, shock),
        by_day=by_day,
        bounds=np.searchsorted(day[by_day], np.arange(calendar.last_day + 2)),
    )


def drift(calendar: Calendar, tutors: Tutors, timetable: Timetable, firsts: FirstSessions, willing: Floats) -> Drift:
    """Live through every day of the world; the days booked ahead keep the state of its last."""
    nature, days, runs = natures(tutors), calendar.world.days, timetable.runs
    day_key = subkeys(tutors.key[:, None], np.arange(days + 1)[None, :])
    noise = p.STATE_NOISE * normal(day_key, "state")
    turn = uniform(day_key, "regime")
    declining = chance(tutors.key, "declining", np.array(p.DECLINING_AT_START)[tutors.archetype])
    started = nature.depth * uniform(tutors.key, "progress")
    state = np.where(declining, started, 0.3 * normal(tutors.key, "mood"))
    satisfaction = firsts.expected + p.PAIR_SD * normal(runs.key, "pair")
    satisfaction += p.SESSION_SD * normal(subkeys(runs.key, 0), "satisfaction")
    came = runs.established.copy()
    states = np.empty((len(tutors), calendar.last_day + 1))
    regimes = np.empty(states.shape, dtype=bool)
    for day in range(days + 1):
        states[:, day], regimes[:, day] = state, declining
        rows = firsts.on(day) if day < days else firsts.since(day)
        shock = _meet(firsts, rows, state, willing[:, day], came, satisfaction)
        working = tutors.onboarded_day < day
        declining = np.where(working, switched(declining, turn[:, day], nature.onset), declining)
        state = np.where(working, pulled(state, declining, nature.depth) + noise[:, day] + shock, state)
    states[:, days + 1 :], regimes[:, days + 1 :] = state[:, None], declining[:, None]
    return Drift(states, regimes, came, satisfaction)


def _meet(
    firsts: FirstSessions, rows: Ints, state: Floats, willing: Floats, came: Bools, satisfaction: Floats
) -> Floats:
    """Hold these first sessions, noting who came and how it went; give what they add to each tutor's disengagement."""
    tutor = firsts.tutor[rows]
    meets = firsts.possible[rows] & (firsts.strain[rows] < kept_open(willing, state)[tutor])
    came[rows] |= meets
    satisfaction[rows] -= p.SATISFACTION_SLOPE * np.maximum(state[tutor], 0.0)
    poor = meets & (satisfaction[rows] < p.POOR)
    return np.bincount(tutor, firsts.shock[rows] * poor, minlength=len(state)).astype(np.float64)
