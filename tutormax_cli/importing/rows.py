"""Rows of a file as columns of a table, and what is wrong with the others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tutormax_cli.columns import Coded, Column
from tutormax_cli.importing.cells import Cells, Flags, Integers, repeated
from tutormax_cli.importing.faults import Fault, Reason, shown
from tutormax_cli.importing.layout import Layout
from tutormax_cli.importing.values import Wrong, row_mask, rows_where

ROOM = 1 << 26
"""The bytes that the widest cells of some rows may take together, when every row gets as many as the widest has."""


class Source(Protocol):
    """A file of rows, whatever its format."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns, none where it is empty."""

    def blocks(self) -> Iterator[tuple[Integers, list[Cells], list[Fault]]]:
        """Give some rows at a time: their lines, the cells of each column, and rows that are none."""

    def raw_rows(self) -> Iterator[tuple[int, list[str | None]]]:
        """Give every row: its line, and its cells as CSV would have them."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows as a table's columns, `read` with those that aren't among them because of their faults."""

    lines: Integers
    columns: dict[str, Column]
    faults: Sequence[Fault]
    read: int


def rows_of(source: Source, layout: Layout) -> Iterator[Rows]:
    """Read a file's rows, block by block. Raises BadFile."""
    for lines, columns, faults in source.blocks():
        cells = {name: columns[place] for name, place in layout.positions.items()}
        if faults:
            yield Rows(lines[:0], {}, faults, len(faults))
        for part in _parts(cells, len(lines)):
            taken = {name: column.take(part) for name, column in cells.items()}
            yield _read(layout, lines[part], taken)


def _parts(cells: dict[str, Cells], rows: int) -> Iterator[slice]:
    """Halve the rows until each part has room."""
    waiting = [slice(0, rows)] if rows else []
    while waiting:
        part = waiting.pop()
        count = part.stop - part.start
        width = sum(int(column.sizes[part].max()) for column in cells.values())
        if count == 1 or count * width <= ROOM:
            yield part
        else:
            middle = part.start + count // 2
            waiting += [slice(middle, part.stop), slice(part.start, middle)]


def _read(layout: Layout, lines: Integers, cells: dict[str, Cells]) -> Rows:
    """Read every column; a row is left out where any of its cells is wrong."""
    rows = len(lines)
    columns: dict[str, Column] = {}
    faults: list[Fault] = []
    bad = np.zeros(rows, np.bool_)
    for name, reader in layout.readers.items():
        column = cells[name] if name in cells else repeated(layout.constants[name], rows)
        if name in layout.fills:
            column = column.filled(layout.fills[name])
        columns[name], wrong = reader(column)
        if not layout.table.columns[name].nullable and column.null.any():
            wrong.append(Wrong(rows_where(column.null), Reason.MISSING, "one in every row"))
        if wrong:
            bad |= row_mask(rows, wrong)
            faults += _faults(name, column, lines, wrong)
    if bad.any():
        lines, columns = lines[~bad], {name: _taken(column, ~bad) for name, column in columns.items()}
    return Rows(lines, columns, faults, rows)


def _faults(name: str, column: Cells, lines: Integers, wrong: Sequence[Wrong]) -> Iterator[Fault]:
    for each in wrong:
        for row in each.rows:
            found = "an empty cell" if column.null[row] else shown(column.text_at(row))
            yield Fault(int(lines[row]), name, each.reason, found, each.expected)


def _taken(column: Column, rows: Flags) -> Column:
    return Coded(column.codes[rows], column.values) if isinstance(column, Coded) else column[rows]
