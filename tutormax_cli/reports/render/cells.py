"""One cell as text for people (`shown`) or as a value for machines (`plain`), and text made harmless."""

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TypeAlias, Union

from tutormax_cli.reports.report import Column, Kind, Report, Tone, Value

Plain: TypeAlias = Union[str, int, float, list["Plain"], None]  # noqa: UP007 (it names itself)
"""A value as JSON has it."""

# C0, DEL and C1 controls; line and paragraph separators; marks, embeddings, overrides and isolates that turn the
# writing direction; invisible tags; lone surrogates, which can't be encoded.
UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e007f]"
)

_BARS = "▁▂▃▄▅▆▇█"
_OPPOSITE = {Tone.BAD: Tone.GOOD, Tone.GOOD: Tone.BAD}
_BYTE_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def harmless(text: str, keep: str = "") -> str:
    r"""Show what a terminal would obey as an escape (ESC becomes \x1b), except the characters in `keep`."""
    return UNSAFE.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def plain(value: Value) -> Plain:
    """Give a cell as JSON has it: times as ISO 8601 in UTC with Z, a number that is not finite as None."""
    if isinstance(value, datetime):
        return _utc(value).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return None if _is_absent(value) else value


def shown(column: Column, value: Value) -> str:
    """Give a cell as people read it, in one line of harmless text."""
    if _is_absent(value) or value == ():
        return column.absent
    text = _SHOWN[column.kind](column, value) if column.kind in _SHOWN else str(value)
    return harmless(column.labels.get(text, text))


def phrase(column: Column, value: Value) -> str:
    """Give a fact as it stands in a line, label and value; nothing for one that has nothing to say."""
    text = shown(column, value)
    return f"{harmless(column.label)} {text}".strip() if text else ""


def headline(report: Report) -> list[str]:
    """Give the title and every fact that has something to say."""
    phrases = (phrase(column, value) for column, value in report.facts)
    return [harmless(report.title), *filter(None, phrases)]


def tone(column: Column, value: Value) -> Tone:
    """Tell how a cell should strike the reader."""
    if column.kind in (Kind.CHANGE, Kind.TREND) and isinstance(value, int | float) and value:
        return column.rising if value > 0 else _OPPOSITE.get(column.rising, column.rising)
    return column.tones.get(str(value), Tone.PLAIN)


def _is_absent(value: Value) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time in a report must know its zone")
    return moment.astimezone(UTC)


def _number(value: Value) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"not a number: {value!r}")
    return value


def _int(column: Column, value: Value) -> str:
    return f"{round(_number(value)):,}"


def _float(column: Column, value: Value) -> str:
    return f"{_number(value):,.{2 if column.digits is None else column.digits}f}"


def _percent(column: Column, value: Value) -> str:
    fraction, digits = _number(value), column.digits or 0
    least = 10.0**-digits
    if 0 < fraction < least / 200:
        return f"<{least:.{digits}f}%"
    if 1 - least / 200 < fraction < 1:
        return f">{100 - least:.{digits}f}%"
    return f"{100 * fraction:.{digits}f}%"


def _change(column: Column, value: Value) -> str:
    text = f"{_number(value):+,.{column.digits or 0}f}"
    return text.replace("-", "−") if float(text.replace(",", "")) else text[1:]


def _trend(column: Column, value: Value) -> str:
    change = _number(value)
    return "=" if change == 0 else f"{'▲' if change > 0 else '▼'}{abs(change):,.{column.digits or 0}f}"


def _flag(column: Column, value: Value) -> str:
    return "yes" if value else "no"


def _date(column: Column, value: Value) -> str:
    if not isinstance(value, date):
        raise TypeError(f"not a date: {value!r}")
    day = _utc(value) if isinstance(value, datetime) else value
    return f"{day.day} {day:%b %Y}"


def _timestamp(column: Column, value: Value) -> str:
    return f"{_date(column, value)} {_utc(value):%H:%M}" if isinstance(value, datetime) else _date(column, value)


def _bytes(column: Column, value: Value) -> str:
    size, unit = _number(value), 0
    while size >= 1000 and unit < len(_BYTE_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    digits = 1 if unit and size < 10 else 0
    return f"{size:,.{digits}f} {_BYTE_UNITS[unit]}"


def _seconds(column: Column, value: Value) -> str:
    seconds = _number(value)
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


def _list(column: Column, value: Value) -> str:
    items = value if isinstance(value, tuple) else (value,)
    return column.separator.join(column.labels.get(str(item), str(item)) for item in items)


def _spark(column: Column, value: Value) -> str:
    values = value if isinstance(value, tuple) else (value,)
    known = [_number(item) for item in values if not _is_absent(item)]
    low, high = column.bounds or (0.0, max(known, default=0.0))
    step = (high - low) / (len(_BARS) - 1) or 1.0
    bars = (" " if _is_absent(item) else _BARS[_clamp(round((_number(item) - low) / step))] for item in values)
    return "".join(bars)


def _clamp(bar: int) -> int:
    return max(0, min(len(_BARS) - 1, bar))


_SHOWN: dict[Kind, Callable[[Column, Value], str]] = {
    Kind.INT: _int,
    Kind.FLOAT: _float,
    Kind.PERCENT: _percent,
    Kind.CHANGE: _change,
    Kind.TREND: _trend,
    Kind.FLAG: _flag,
    Kind.DATE: _date,
    Kind.TIMESTAMP: _timestamp,
    Kind.BYTES: _bytes,
    Kind.SECONDS: _seconds,
    Kind.LIST: _list,
    Kind.SPARK: _spark,
}
