"""CSV and TSV: a header line, then rows, read some megabytes at a time."""

from collections.abc import Iterator
from functools import cached_property
from itertools import chain

import numpy as np

from tutormax_cli.importing.cells import Cells, Integers
from tutormax_cli.importing.faults import BadFile, Fault, Reason, shown
from tutormax_cli.importing.reading import MAX_RECORD, Opened
from tutormax_cli.importing.tokens import (
    QUOTE_HINT,
    BadBytes,
    Tokens,
    first_record_end,
    last_record_end,
    open_quote,
    place,
    tokenize,
)


class Delimited:
    """The rows of one CSV or TSV file; `names` is its header line, empty where the file is."""

    def __init__(self, file: Opened) -> None:
        self.file = file
        self._delimiter = (file.input.format.delimiter or ",").encode()[0]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The header line, read alone so that what is wrong behind it can be told by its names. Raises BadFile."""
        start = next(self.file.chunks(), b"")
        end = first_record_end(start)
        first = self._tokenized(start[:end], 1) if end else next(self._tokens(), None)
        return () if first is None or not len(first.first) else tuple(cell or "" for cell in _cells(first, 0))

    def blocks(self) -> Iterator[tuple[Integers, list[Cells], list[Fault]]]:
        """Give rows as lines and the cells of each column of the header, and rows of another length as faults.

        Raises BadFile.
        """
        width = len(self.names)
        start = 1
        for tokens in self._tokens():
            rows = np.arange(start, len(tokens.first))
            start = 0
            fitting = tokens.counts[rows] == width
            strays = self._strays(tokens, rows[fitting])
            faults = [_misfit(tokens, int(row), width) for row in rows[~fitting]] + list(strays.values())
            rows = rows[fitting & ~np.isin(rows, list(strays))]
            fields = tokens.first[rows]
            yield tokens.lines[rows], [_column(tokens, fields + number) for number in range(width)], faults

    def _strays(self, tokens: Tokens, rows: Integers) -> dict[int, Fault]:
        """Find rows that are none though they have their cells: the header once more, an end marker all alone."""
        expected = "rows alone; was a file put behind another?"
        for cell, name in enumerate(self.names):
            rows = rows[tokens.sizes[tokens.first[rows] + cell] == len(name.encode())]
        same = [row for row in rows.tolist() if tuple(cell or "" for cell in _cells(tokens, row)) == self.names]
        return {row: Fault(int(tokens.lines[row]), None, Reason.HEADER, shown(self.names[0]), expected) for row in same}

    def raw_rows(self) -> Iterator[tuple[int, list[str | None]]]:
        """Give every row as its line and its cells as they stand there, None where a cell is empty without quotes."""
        start = 1
        for tokens in self._tokens():
            for row in range(start, len(tokens.first)):
                yield int(tokens.lines[row]), _cells(tokens, row)
            start = 0

    def _tokens(self) -> Iterator[Tokens]:
        """Take the file apart; lines count from 1, and lines without anything are left out."""
        line, rest = 1, b""
        for chunk in chain(self.file.chunks(), [b""]):
            rest += chunk
            if not chunk:
                self._check_closed(rest, line, "it is never closed")
            end = last_record_end(rest) if chunk else len(rest)
            if end:
                tokens = self._tokenized(rest[:end], line)
                line, rest = line + tokens.line_feeds, rest[end:]
                if len(tokens.first):
                    yield tokens
            if len(rest) > MAX_RECORD:
                self._check_closed(rest, line, f"it isn't closed within {MAX_RECORD >> 20} MB")
                raise self._bad(rest, 0, line, f"the row is longer than {MAX_RECORD >> 20} MB", "is this a text file?")

    def _check_closed(self, tail: bytes, line: int, until: str) -> None:
        """Refuse a quote that is open at the end."""
        position = open_quote(tail)
        if position is not None:
            self._check_quotes_before(tail, position, line)
            raise self._bad(tail, position, line, f"a quote opens here, and {until}", QUOTE_HINT)

    def _check_quotes_before(self, tail: bytes, position: int, line: int) -> None:
        """Name a quote that stands wrong before the last one, for it is what left that open."""
        try:
            tokenize(tail[:position] + b'""', self._delimiter)
        except BadBytes as problem:
            if problem.position <= position:
                raise self._bad(tail, problem.position, line, problem.why, problem.hint) from None

    def _tokenized(self, records: bytes, line: int) -> Tokens:
        """Take whole records apart after a look at what no text may hold."""
        try:
            tokens = tokenize(records, self._delimiter)
        except BadBytes as problem:
            raise self._bad(records, problem.position, line, problem.why, problem.hint) from None
        if (zero := records.find(b"\0")) >= 0:
            raise self._bad(records, zero, line, "a zero byte", "a text file holds none; UTF-16? --encoding utf-16")
        if not records.isascii():
            self._check_utf8(records, line)
        blank = (tokens.counts == 1) & (tokens.sizes[tokens.first] == 0) & ~tokens.quoted[tokens.first]
        return Tokens(
            tokens.data,
            tokens.starts,
            tokens.sizes,
            tokens.quoted,
            tokens.first[~blank],
            tokens.counts[~blank],
            tokens.lines[~blank] + line,
            tokens.line_feeds,
        )

    def _check_utf8(self, records: bytes, line: int) -> None:
        try:
            records.decode()
        except UnicodeDecodeError as problem:
            byte = records[problem.start]
            hint = "name the file's encoding, such as --encoding cp1252"
            raise self._bad(records, problem.start, line, f"byte 0x{byte:02X} is not UTF-8", hint) from None

    def _bad(self, records: bytes, position: int, line: int, why: str, hint: str) -> BadFile:
        lines, cell = place(records, position, self._delimiter)
        names = self.__dict__.get("names", ())
        column = names[cell] if cell < len(names) else f"cell {cell + 1}"
        return BadFile(f"{self.file.name} line {line + lines}, {column}: {why}; nothing was changed", hint)


def _column(tokens: Tokens, fields: Integers) -> Cells:
    sizes = tokens.sizes[fields]
    return Cells(tokens.data, tokens.starts[fields], sizes, (sizes == 0) & ~tokens.quoted[fields])


def _cells(tokens: Tokens, row: int) -> list[str | None]:
    """Give the texts of one row, None where a cell is empty without quotes."""
    first = int(tokens.first[row])
    fields = _column(tokens, np.arange(first, first + int(tokens.counts[row])))
    return [None if fields.null[cell] else fields.text_at(cell) for cell in range(len(fields))]


def _misfit(tokens: Tokens, row: int, width: int) -> Fault:
    """Describe a row with too few or too many cells."""
    line, cells = int(tokens.lines[row]), _cells(tokens, row)
    if cells == ["\\."]:
        return Fault(line, None, Reason.END_MARKER, shown("\\."), "rows alone; psql would stop reading here")
    reason = Reason.SHORT_ROW if len(cells) < width else Reason.LONG_ROW
    surplus = ", ".join(cell or "" for cell in cells[width:])
    found = f"{len(cells)} cells" + (f" with {shown(surplus)} at the end" if surplus else "")
    return Fault(line, None, reason, found, f"{width} as in the header")
