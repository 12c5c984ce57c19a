"""Which day something happened on: the tutor's own day, so that an evening's work is one day in every time zone.

A day begins at the tutor's local midnight, with the offset from UTC that the tutor's zone has at as-of. That offset
holds for all of the 90 days: a change of the clocks moves a midnight by an hour for logins and sessions alike,
and no window gains or loses an hour by it. A tutor without a known zone lives in UTC.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Double, Integer, SQLColumnExpression, Text, case, cast, func, literal, select
from sqlalchemy.dialects.postgresql import BIT
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.enums import MetricWindow
from tutormax_cli.database.models import Tutor

SECONDS_PER_DAY = 86_400
LONGEST = timedelta(days=max(window.days for window in MetricWindow))
"""The longest window; nothing older is read."""

_BITS = LONGEST.days + 3
"""The days that the longest window can touch in any zone: it may begin and end within a day, a day off UTC's."""


def utc_offsets(db: OrmSession, as_of: datetime) -> dict[str, int]:
    """Give the offset from UTC in seconds at `as_of` of every zone that a tutor lives in, unless it is 0."""
    zones = db.scalars(select(Tutor.timezone).where(Tutor.timezone.is_not(None)).distinct())
    offsets = {zone: _offset(zone, as_of) for zone in zones if zone is not None}
    return {zone: seconds for zone, seconds in offsets.items() if seconds}


def _offset(zone: str, as_of: datetime) -> int:
    try:
        offset = as_of.astimezone(ZoneInfo(zone)).utcoffset()
    except (KeyError, ValueError, OSError):  # the ways in which zoneinfo says that it knows no such zone
        return 0
    return int(offset.total_seconds()) if offset else 0


def offset_of_tutor(offsets: Mapping[str, int]) -> ColumnElement[int]:
    """Give the expression for a tutor's offset from UTC in seconds."""
    return case(dict(offsets), value=Tutor.timezone, else_=0) if offsets else literal(0)


def day_mask(
    timestamp: SQLColumnExpression[datetime], offset: ColumnElement[int], as_of: datetime
) -> ColumnElement[Any]:
    """Aggregate timestamps of the longest window to a bit string with a 1 for every local day that has one.

    Masks unite with bit_or and are counted with bit_count: distinct days of several windows without a sort.
    """
    day = func.floor((func.date_part("epoch", timestamp) + offset) / literal(SECONDS_PER_DAY, Double))
    first = int((as_of - LONGEST).timestamp()) // SECONDS_PER_DAY - 1
    empty = cast(cast(literal("0" * _BITS), Text), BIT(_BITS))
    return func.bit_or(func.set_bit(empty, cast(day, Integer) - first, 1), type_=BIT(_BITS))
