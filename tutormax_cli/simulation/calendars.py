"""Local time and the school year: UTC offsets per zone and day, and how much is taught when.

Days are numbered from the world's first date. Everything people do lies between 7:30 and 21:45 of their local day,
so one offset per local date, taken at noon, is right on the days when clocks change too.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np

from tutormax_cli.simulation.parameters import CITIES
from tutormax_cli.simulation.streams import Bools, Floats, Ints, Keys, Times, uniform
from tutormax_cli.simulation.world import World

BOOKED_AHEAD_DAYS = 9
"""Sessions are booked up to this many days ahead."""

MINUTES_PER_DAY = 1440
MINUTE, DAY = np.timedelta64(60_000_000, "us"), np.timedelta64(86_400_000_000, "us")

# Month, day from which a factor holds, and the factor: sessions against an ordinary week of term. Northern schools;
# assumed in size, required in kind (terms, holidays, exam season).
SCHOOL_YEAR = (
    ((1, 1), 0.45),
    ((1, 6), 0.98),
    ((3, 28), 0.78),
    ((4, 6), 1.02),
    ((4, 25), 1.17),
    ((6, 10), 0.92),
    ((6, 20), 0.66),
    ((8, 20), 0.82),
    ((9, 5), 1.0),
    ((10, 24), 0.84),
    ((11, 1), 1.0),
    ((12, 1), 1.12),
    ((12, 17), 0.62),
    ((12, 23), 0.30),
)
SOUTHERN_SHIFT_DAYS = 183


@dataclass(frozen=True)
class Calendar:
    """The days of a world, with those `ahead` of its end for which sessions may be booked."""

    world: World
    ahead: int = BOOKED_AHEAD_DAYS

    @property
    def last_day(self) -> int:
        """One past the last day on which a session may be booked."""
        return self.world.days + self.ahead

    @property
    def weeks(self) -> int:
        """The weeks that cover those days."""
        return -(-self.last_day // 7)

    @cached_property
    def first_weekday(self) -> int:
        """The weekday of day 0; Monday is 0."""
        return int((self.world.first_day.astype(np.int64) + 3) % 7)

    @cached_property
    def offsets(self) -> Ints:
        """Minutes ahead of UTC at local noon, by city and day; the last column is past the last day."""
        start = datetime.fromisoformat(str(self.world.first_day))
        noons = [start + timedelta(days=day, hours=12) for day in range(self.last_day + 2)]
        zones = {city.zone: _offsets(city.zone, noons) for city in CITIES}
        return np.array([zones[city.zone] for city in CITIES])

    @cached_property
    def season(self) -> Floats:
        """Sessions against an ordinary week of term, by city and day."""
        days = self.world.first_day + np.arange(self.last_day + 1)
        rows = {south: _school_factor(days - np.timedelta64(SOUTHERN_SHIFT_DAYS * south, "D")) for south in (0, 1)}
        return np.array([rows[int(city.southern)] for city in CITIES])

    def called_off(self, sessions: Keys, city: Ints, day: Ints) -> Bools:
        """Tell which weekly sessions fall out because school is out."""
        return uniform(sessions, "holidays") > np.minimum(self.season[city, day], 1.0)

    def utc(self, city: Ints, minute: Ints) -> Times:
        """Turn local minutes since the local midnight of day 0 into UTC instants."""
        day = np.clip(minute // MINUTES_PER_DAY, 0, self.last_day + 1)
        return np.asarray(self.world.first_day.astype("M8[us]") + (minute - self.offsets[city, day]) * MINUTE)


def _offsets(zone: str, noons: list[datetime]) -> list[int]:
    info = ZoneInfo(zone)
    return [int(noon.replace(tzinfo=info).utcoffset().total_seconds()) // 60 for noon in noons]  # type: ignore[union-attr]


def _school_factor(days: Times) -> Floats:
    """Look each date up among the starting dates of its own year."""
    months = days.astype("M8[M]")
    of_year = (months.astype(np.int64) % 12 + 1) * 100 + (days - months.astype("M8[D]")).astype(np.int64) + 1
    starts = [month * 100 + day for (month, day), _ in SCHOOL_YEAR]
    factors = np.array([factor for _, factor in SCHOOL_YEAR])
    return np.asarray(factors[np.searchsorted(starts, of_year, side="right") - 1])
