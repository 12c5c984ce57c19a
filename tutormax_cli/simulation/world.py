"""What identifies a synthetic world: how many tutors, how many days, which seed, up to when, with a signal or not."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import numpy as np

from tutormax_cli.errors import UsageError

MAX_TUTORS = 10_000_000
MAX_DAYS = 3650
EARLIEST, LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class World:
    """The arguments of one synthetic world; equal worlds have equal rows.

    Rows lie in the `days` days before `as_of`, a midnight in UTC. Tutors are numbered from `first_tutor`, so that
    a world of tutors 0..499 and one of tutors 500..599 are together the world of tutors 0..599. Without `signal` it is
    the same company, but departures fall on anybody at any time, as often: nothing can be learned from what was before.
    Raises UsageError for arguments that no world has.
    """

    tutors: int
    days: int
    seed: int
    as_of: datetime
    first_tutor: int = 0
    signal: bool = True

    def __post_init__(self) -> None:
        _within("tutors", self.tutors, 1, MAX_TUTORS)
        _within("days", self.days, 1, MAX_DAYS)
        _within("first tutor", self.first_tutor, 0, MAX_TUTORS - self.tutors)
        if self.as_of.tzinfo is None or self.as_of.astimezone(UTC).time() != time():
            raise UsageError(f"a world ends at a midnight in UTC, not at {self.as_of}", "--as-of 2026-06-01")
        if not EARLIEST <= self.as_of <= LATEST:
            raise UsageError(f"as-of lies between {EARLIEST:%Y} and {LATEST:%Y}, not in {self.as_of:%Y}")

    @property
    def end(self) -> np.datetime64:
        """The as-of instant in UTC, to the microsecond: nothing happens at it or later."""
        return np.datetime64(self.as_of.astimezone(UTC).replace(tzinfo=None), "us")

    @property
    def first_day(self) -> np.datetime64:
        """The first date of the world; day numbers everywhere in this room count from it."""
        return np.datetime64((self.as_of - timedelta(days=self.days)).astimezone(UTC).date(), "D")


def _within(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise UsageError(f"{what} must be between {low:,} and {high:,}, not {value:,}")
