"""Who the tutors are: what they teach, how much, where, since when, and the traits that never change."""

import math
from dataclasses import dataclass

import numpy as np

from tutormax_cli.simulation import parameters as p
from tutormax_cli.simulation.calendars import MINUTES_PER_DAY, Calendar
from tutormax_cli.simulation.streams import (
    Floats,
    Ints,
    Keys,
    Times,
    below,
    choice,
    exponential,
    keys,
    normal,
    normal_quantile,
    uniform,
)
from tutormax_cli.simulation.world import World

_GOLDEN_RATIO = 0.6180339887498949


@dataclass(frozen=True, slots=True)
class Tutors:
    """A chunk of tutors; every array has one element per tutor, in order of `number`.

    `number` counts all tutors of the seed from 0. `archetype`, `field` and `city` are positions in parameters;
    `onboarded_day` is a day of the calendar, negative before the world begins; `baseline` is sessions a week;
    `quality` is the shift of pupils' satisfaction; `habit_*` are the tutor's own factors of a chance or a time.
    """

    number: Ints
    key: Keys
    archetype: Ints
    field: Ints
    city: Ints
    onboarded_day: Ints
    onboarded_at: Times
    baseline: Floats
    quality: Floats
    habit_no_show: Floats
    habit_reschedule: Floats
    habit_late: Floats
    habit_login: Floats
    habit_response: Floats
    habit_engagement: Floats

    def __len__(self) -> int:
        return len(self.number)


def draw_tutors(calendar: Calendar, numbers: Ints) -> Tutors:
    """Draw the tutors with these numbers."""
    world = calendar.world
    key = keys(world.seed, "tutor", numbers)
    archetype = _archetypes(world.seed, numbers)
    city = choice(key, "city", tuple(city.weight for city in p.CITIES))
    onboarded_day = _onboarded_day(world, key, archetype)
    minute = 9 * 60 + below(key, "onboarding minute", 8 * 60)
    return Tutors(
        number=numbers,
        key=key,
        archetype=archetype,
        field=choice(key, "field", tuple(field.share for field in p.FIELDS)),
        city=city,
        onboarded_day=onboarded_day,
        onboarded_at=_instant(calendar, city, onboarded_day, minute),
        baseline=_baseline(key),
        quality=np.array(p.QUALITY_SHIFTS)[archetype] + p.QUALITY_SD * normal(key, "quality"),
        habit_no_show=_habit(key, "no-shows", 0.5),
        habit_reschedule=_habit(key, "reschedules", 0.45),
        habit_late=_habit(key, "lateness", 0.5),
        habit_login=_habit(key, "logins", 0.25),
        habit_response=_habit(key, "responses", 0.5),
        habit_engagement=0.045 * normal(key, "engagement"),
    )


def _archetypes(seed: int, numbers: Ints) -> Ints:
    """Spread the archetypes evenly: steps of the golden ratio hold their shares in any run of tutors."""
    start = uniform(keys(seed, "archetypes"), "start")
    position = (start + numbers * _GOLDEN_RATIO) % 1.0
    return np.searchsorted(np.cumsum(p.ARCHETYPE_SHARES)[:-1], position, side="right").astype(np.int64)


def _onboarded_day(world: World, key: Keys, archetype: Ints) -> Ints:
    """Draw arrivals at a steady pace: new tutors are the latest, the others came before them or were there already.

    A company of A tutors that takes on a share r of A each day has seen A (1 + r days) tutors in all. New tutors, a
    quarter of these, are then the arrivals of the last (1 / r + days) / 4 days.
    """
    turnover = 1.0 + p.ARRIVAL_RATE * world.days
    new_days = p.ARCHETYPE_SHARES[p.NEW_TUTOR] * turnover / p.ARRIVAL_RATE
    new = world.days - 2 - np.floor(uniform(key, "arrival") * new_days)
    first_new = world.days - new_days
    within = p.ARRIVAL_RATE * first_new / ((1.0 - p.ARCHETYPE_SHARES[p.NEW_TUTOR]) * turnover)
    later = np.floor(uniform(key, "arrival") * first_new)
    before = np.floor(min(0.0, first_new) - 10.0 - p.TENURE_SCALE_DAYS * exponential(key, "tenure"))
    others = np.where(uniform(key, "arrives within") < within, later, before)
    return np.where(archetype == p.NEW_TUTOR, new, others).astype(np.int64)


def _instant(calendar: Calendar, city: Ints, day: Ints, minute: Ints) -> Times:
    return calendar.utc(city, day * MINUTES_PER_DAY + minute)


def _baseline(key: Keys) -> Floats:
    """Draw sessions a week by Wilson and Hilferty's cube-root approximation of the gamma distribution, truncated."""
    spread = 1.0 / (3.0 * math.sqrt(p.BASELINE_SHAPE))
    centre = 1.0 - 1.0 / (9.0 * p.BASELINE_SHAPE)

    def position(sessions: float) -> float:
        deviation = ((sessions / p.BASELINE_MEAN) ** (1 / 3) - centre) / spread
        return 0.5 * (1.0 + math.erf(deviation / math.sqrt(2.0)))

    low, high = position(p.BASELINE_LOW), position(p.BASELINE_HIGH)
    root = centre + spread * normal_quantile(low + (high - low) * uniform(key, "baseline"))
    return np.round(p.BASELINE_MEAN * root**3, 1)


def _habit(key: Keys, what: str, spread: float) -> Floats:
    """Draw a personal factor: log-normal with mean 1."""
    return np.asarray(np.exp(spread * normal(key, f"habit of {what}") - spread * spread / 2.0))
