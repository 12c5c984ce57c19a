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
    claims = [_claim(column, width) for column, width in zip(columns, natural, strict=True)]
    chosen = _chosen(columns, claims, room)
    widths = {index: natural[index] for index in chosen}
    flexible = _flexible(columns, chosen)
    excess = _total(list(widths.values())) - room
    if excess <= 0:
        return widths
    claimed = {index: claims[index] for index in flexible}
    narrowest = {index: min(NARROWEST, widths[index]) for index in flexible}
    enough = sum(widths[index] - claimed[index] for index in flexible) >= excess
    return _narrowed(widths, claimed if enough else narrowest, excess)


def _chosen(columns: Sequence[Column], claims: Sequence[int], room: int) -> list[int]:
    """Take the columns that always show, then the others by priority until one has no room."""
    chosen = [index for index, column in enumerate(columns) if column.priority == 0]
    optional = [index for index, column in enumerate(columns) if column.priority > 0]
    for index in sorted(optional, key=lambda index: columns[index].priority):
        if _total([claims[taken] for taken in (*chosen, index)]) > room:
            break
        chosen.append(index)
    return sorted(chosen)


def _claim(column: Column, natural: int) -> int:
    """Give the width that a column keeps before an optional one is let in, and while it can afterwards."""
    return min(natural, max(column.min_width, NARROWEST)) if column.flexible else natural


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * max(0, len(widths) - 1)


def _flexible(columns: Sequence[Column], chosen: Sequence[int]) -> list[int]:
    """Name the columns that give way: the flexible ones, or where there are none every text."""
    declared = [index for index in chosen if columns[index].flexible]
    return declared or [index for index in chosen if columns[index].kind in (Kind.TEXT, Kind.LIST)]


def _narrowed(widths: Mapping[int, int], least: Mapping[int, int], excess: int) -> dict[int, int]:
    """Lower the widest columns of those in `least`, level with the next widest, until the excess is gone."""

    def lowered(cap: int) -> dict[int, int]:
        return {index: max(least[index], min(widths[index], cap)) for index in least}

    room = sum(widths[index] for index in least) - excess
    cap = max((cap for cap in range(max(widths.values()) + 1) if sum(lowered(cap).values()) <= room), default=0)
    return {**widths, **lowered(cap)}
