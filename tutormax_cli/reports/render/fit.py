"""Which columns a terminal has room for, and how wide each becomes."""

from collections.abc import Mapping, Sequence

from tutormax_cli.reports.report import Column, Kind

GAP = 2
"""Cells between two columns."""
NARROWEST = 8
"""The cells that a flexible column keeps on the narrowest terminal."""


def fit(columns: Sequence[Column], natural: Sequence[int], room: int | None) -> dict[int, int]:
    """Choose columns and give their widths by index, in order.

    `natural` are the widths that hold every cell whole; `room` is the width for all, or None for no limit.
    """
    if room is None:
        return dict(enumerate(natural))
    chosen = _chosen(columns, natural, room)
    widths = {index: natural[index] for index in chosen}
    spare = room - _total(list(widths.values()))
    return widths if spare >= 0 else _narrowed(widths, _flexible(columns, chosen), -spare)


def _chosen(columns: Sequence[Column], natural: Sequence[int], room: int) -> list[int]:
    """Take the columns that always show, then the others by priority until one has no room."""
    claims = [_claim(column, width) for column, width in zip(columns, natural, strict=True)]
    chosen = [index for index, column in enumerate(columns) if column.priority == 0]
    optional = [index for index, column in enumerate(columns) if column.priority > 0]
    for index in sorted(optional, key=lambda index: columns[index].priority):
        if _total([claims[taken] for taken in (*chosen, index)]) > room:
            break
        chosen.append(index)
    return sorted(chosen)


def _claim(column: Column, natural: int) -> int:
    """Give the width that a column must keep before an optional one is let in."""
    return min(natural, max(column.min_width, NARROWEST)) if column.flexible else natural


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * max(0, len(widths) - 1)


def _flexible(columns: Sequence[Column], chosen: Sequence[int]) -> list[int]:
    """Name the columns that give way: the flexible ones, or where there are none every text."""
    declared = [index for index in chosen if columns[index].flexible]
    return declared or [index for index in chosen if columns[index].kind in (Kind.TEXT, Kind.LIST)]


def _narrowed(widths: Mapping[int, int], flexible: Sequence[int], excess: int) -> dict[int, int]:
    """Lower the widest of the flexible columns, level with the next widest, until the excess is gone."""
    room = sum(widths[index] for index in flexible) - excess
    cap = NARROWEST
    while sum(min(widths[index], cap + 1) for index in flexible) <= room:
        cap += 1
    return {index: min(width, cap) if index in flexible else width for index, width in widths.items()}
