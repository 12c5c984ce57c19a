"""Times in ISO 8601, read by whole arrays: cells of one shape (digits here, a colon there) are read together.

Only what means one instant is a time: a date in another order, a word such as `now`, a time without an offset (unless
its time zone is told), one that the clocks skip or have twice are all refused.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from tutormax_cli.columns import Column
from tutormax_cli.errors import UsageError
from tutormax_cli.importing.cells import Bytes, Cells, Flags, Integers
from tutormax_cli.importing.faults import Reason
from tutormax_cli.importing.values import Read, Reader, Wrong, rows_where

MAX_LENGTH = 40
MAX_SHAPES = 64
"""Shapes of times that one block may mix; more than that are no times anybody wrote on purpose."""

_SHAPE = re.compile(
    rb"(?P<year>0000)-(?P<month>00)-(?P<day>00)"
    rb"([Tt ](?P<hour>00):(?P<minute>00)(:(?P<second>00)([.,](?P<fraction>0+))?)?"
    rb"(?P<zone> ?([Zz]|UTC|GMT|(?P<sign>[+-])(?P<offset_hour>00)(:?(?P<offset_minute>00))?))?)?"
)
_OTHER_ORDER = re.compile(rb"0{1,2}[./-]0{1,2}[./-]0{2,4}.*")
EXPECTED = "ISO 8601 with an offset, such as 2026-06-01T15:30:00+02:00"
_DAY = 86_400_000_000
_NAMES = ("year", "month", "day", "hour", "minute", "second", "offset_hour", "offset_minute")


def zone_of(name: str) -> ZoneInfo:
    """Find a time zone by its IANA name. Raises UsageError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"--timezone {name} is not a time zone", "such as Europe/Berlin or America/New_York") from None


def times(zone: ZoneInfo | None) -> Reader:
    """Make a reader of timestamptz; times without an offset are in `zone`, or refused."""

    def read(cells: Cells) -> Read:
        return _Times(cells, zone).read()

    return read


class _Times:
    """One column being read."""

    def __init__(self, cells: Cells, zone: ZoneInfo | None) -> None:
        self.cells, self.zone = cells, zone
        self.values = np.full(len(cells), np.datetime64("NaT", "us"))
        self.wrong: dict[Reason, list[int]] = {}

    def read(self) -> tuple[Column, list[Wrong]]:
        cells = self.cells
        fitting = (cells.sizes <= MAX_LENGTH) & ~cells.null
        self._refuse(~fitting & ~cells.null, Reason.NOT_TIME)
        matrix = Cells(cells.data, cells.starts, np.where(fitting, cells.sizes, 0), cells.null).matrix()
        for shape, rows in _by_shape(matrix, np.flatnonzero(fitting)):
            match = _SHAPE.fullmatch(shape)
            if match:
                self._read_shape(matrix[rows], rows, match)
            else:
                reason = Reason.AMBIGUOUS_DATE if _OTHER_ORDER.fullmatch(shape) else Reason.NOT_TIME
                self._refuse(rows, reason)
        return self.values, [Wrong(sorted(rows), reason, _expected(reason)) for reason, rows in self.wrong.items()]

    def _refuse(self, rows: Integers | Flags, reason: Reason) -> None:
        listed = (np.flatnonzero(rows) if rows.dtype == np.bool_ else rows).tolist()
        if listed:
            self.wrong.setdefault(reason, []).extend(listed)

    def _read_shape(self, matrix: Bytes, rows: Integers, shape: "re.Match[bytes]") -> None:
        """Read rows that are all written alike."""
        part = {name: _digits(matrix, *shape.span(name)) for name in _NAMES}
        days = _days(part["year"], part["month"], part["day"])
        valid = ~np.isnat(days) & (part["hour"] < 24) & (part["minute"] < 60) & (part["second"] < 60)
        valid &= (part["offset_hour"] < 16) & (part["offset_minute"] < 60)
        begin, end = shape.span("fraction")
        micros = _digits(matrix, begin, min(end, begin + 6)) * 10 ** max(0, 6 - (end - begin)) if end > begin else 0
        valid &= _digits(matrix, begin + 6, end) == 0 if end > begin + 6 else True
        self._refuse(rows[~valid], Reason.NOT_TIME)
        seconds = (part["hour"] * 60 + part["minute"]) * 60 + part["second"]
        values = days.astype("datetime64[us]") + (seconds * 1_000_000 + micros).astype("timedelta64[us]")
        if not shape["zone"]:
            values, rows, valid = self._zoned(values[valid], rows[valid])
        elif shape["sign"]:
            begin = shape.start("sign")
            sign = np.where(matrix[:, begin] == ord("-"), 1, -1)
            offset = (part["offset_hour"] * 60 + part["offset_minute"]) * sign * 60_000_000
            values = values + offset.astype("timedelta64[us]")
        self.values[rows[valid]] = values[valid]

    def _zoned(self, naive: npt.NDArray[np.datetime64], rows: Integers) -> tuple[Any, Integers, Flags]:
        """Give the instants of times in the zone, day by day where no clock is turned on that day."""
        if self.zone is None:
            self._refuse(rows, Reason.NO_OFFSET)
            return naive, rows, np.zeros(len(rows), np.bool_)
        days, codes = np.unique(naive.astype("datetime64[D]"), return_inverse=True)
        offsets = [_steady_offset(self.zone, day) for day in days.astype(object)]
        shift = np.array([offset or 0 for offset in offsets], "timedelta64[us]")
        steady = np.array([offset is not None for offset in offsets], np.bool_)[codes] if len(codes) else codes == 0
        instants = naive - shift[codes] if len(codes) else naive
        valid = np.ones(len(rows), np.bool_)
        for at in rows_where(~steady):
            found = _instant(self.zone, naive[at].astype(object))
            if isinstance(found, Reason):
                self._refuse(rows[at : at + 1], found)
                valid[at] = False
            else:
                instants[at] = np.datetime64(found)
        return instants, rows, valid


def _expected(reason: Reason) -> str:
    if reason is Reason.NO_OFFSET:
        return f"{EXPECTED}; or name the time zone: --timezone Europe/Berlin"
    if reason in (Reason.GAP, Reason.OVERLAP):
        return "a time that was on the clock once that day, or one with its offset"
    return EXPECTED


def _by_shape(matrix: Bytes, rows: Integers) -> Iterator[tuple[bytes, Integers]]:
    """Group rows by how they are written: the text with every digit made a 0."""
    shapes = matrix[rows]
    shapes[(shapes >= ord("0")) & (shapes <= ord("9"))] = ord("0")
    keys = np.ascontiguousarray(shapes).view(f"S{shapes.shape[1]}").ravel()
    for _ in range(MAX_SHAPES):
        if not len(rows):
            return
        alike = keys == keys[0]
        yield bytes(keys[0]), rows[alike]
        rows, keys = rows[~alike], keys[~alike]
    for key in np.unique(keys):
        yield bytes(key), rows[keys == key]


def _digits(matrix: Bytes, begin: int, end: int) -> npt.NDArray[np.int64]:
    """Read the number in some columns; 0 where the shape has no such part."""
    value = np.zeros(len(matrix), np.int64)
    for place in range(begin, end):
        value = value * 10 + (matrix[:, place].astype(np.int64) - ord("0"))
    return value


def _days(year: Integers, month: Integers, day: Integers) -> npt.NDArray[np.datetime64]:
    """Give the dates, NaT where the calendar has none."""
    real = (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)
    months = (np.where(real, (year - 1970) * 12 + month - 1, 0)).astype("datetime64[M]")
    days: npt.NDArray[np.datetime64] = months.astype("datetime64[D]") + (day - 1).astype("timedelta64[D]")
    days[~real | (days.astype("datetime64[M]") != months)] = np.datetime64("NaT", "D")
    return days


@lru_cache(maxsize=4096)
def _steady_offset(zone: ZoneInfo, day: date) -> int | None:
    """Give the offset in microseconds that holds all through a day and the hours around it, None where it changes."""
    noon = datetime(day.year, day.month, day.day, 12)
    try:
        around = [(noon + timedelta(hours=hours)).replace(tzinfo=zone).utcoffset() for hours in range(-18, 19, 3)]
    except OverflowError:
        return None
    first = around[0]
    return first // timedelta(microseconds=1) if first is not None and len(set(around)) == 1 else None


def _instant(zone: ZoneInfo, naive: datetime) -> datetime | Reason:
    """Give the instant in UTC, without its zone, of a time on a day on which clocks are turned."""
    early, late = (naive.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    assert early is not None and late is not None
    if early == late:
        try:
            return naive - early
        except OverflowError:
            return Reason.NOT_TIME
    return Reason.GAP if late > early else Reason.OVERLAP
