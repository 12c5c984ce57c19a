"""CSV taken apart by whole arrays: a few passes over some megabytes of bytes, and nothing that runs once per cell.

Every quote turns "inside" on or off, and a doubled one does so twice; so a comma or a line feed separates where the
number of quotes before it is even. What stands around the quotes is then checked, so that no quote can have been
misread: RFC 4180, strictly.
"""

from dataclasses import dataclass

import numpy as np

from tutormax_cli.importing.cells import Bytes, Flags, Integers

QUOTE, LINE_FEED, RETURN = b'"'[0], b"\n"[0], b"\r"[0]


@dataclass(frozen=True, slots=True)
class Tokens:
    """The fields of some whole records: `first[i]` is the number of record i's first field, `counts[i]` of how many.

    `lines[i]` is the line that record i begins on, counted from 0 within these bytes; `line_feeds` how many they hold.
    """

    data: Bytes
    starts: Integers
    sizes: Integers
    quoted: Flags
    first: Integers
    counts: Integers
    lines: Integers
    line_feeds: int


class BadBytes(Exception):
    """Bytes that are no CSV: at which position, and why."""

    def __init__(self, position: int, why: str, hint: str) -> None:
        super().__init__(why)
        self.position, self.why, self.hint = position, why, hint


def last_record_end(chunk: bytes) -> int:
    """Give the position behind the last line feed that ends a record; 0 where there is none."""
    if b'"' not in chunk:
        return chunk.rfind(b"\n") + 1
    data = np.frombuffer(chunk, np.uint8)
    inside = np.bitwise_xor.accumulate(data == QUOTE)
    ends = np.flatnonzero((data == LINE_FEED) & ~inside)
    return int(ends[-1]) + 1 if len(ends) else 0


def first_record_end(chunk: bytes) -> int:
    """Give the position behind the first line feed that ends a record; 0 where there is none."""
    end = chunk.find(b"\n") + 1
    while end and chunk.count(b'"', 0, end) % 2:
        end = chunk.find(b"\n", end) + 1
    return end


def open_quote(chunk: bytes) -> int | None:
    """Give the position of the quote that is still open at the end, if one is."""
    return chunk.rfind(b'"') if chunk.count(b'"') % 2 else None


def tokenize(chunk: bytes, delimiter: int) -> Tokens:
    """Take whole records apart; the last one may lack its line feed. Raises BadBytes."""
    if not chunk.endswith(b"\n"):
        chunk += b"\n"
    data = np.frombuffer(chunk, np.uint8)
    ends = np.flatnonzero((data == delimiter) | (data == LINE_FEED))
    line_feeds = ends[data[ends] == LINE_FEED]
    quotes = np.flatnonzero(data == QUOTE)
    if len(quotes):
        _check_quotes(data, quotes, delimiter)
        ends = ends[np.searchsorted(quotes, ends) & 1 == 0]
    starts = np.concatenate([[0], ends[:-1] + 1])
    closes_record = data[ends] == LINE_FEED
    if b"\r" in chunk:
        _check_returns(data, quotes)
        ends = ends - (closes_record & (data[ends - 1] == RETURN) & (ends > starts))
    quoted = (data[starts] == QUOTE) & (ends > starts)
    last = np.flatnonzero(closes_record)
    first = np.concatenate([[0], last[:-1] + 1])
    lines = np.searchsorted(line_feeds, starts[first])
    sizes = ends - starts - 2 * quoted
    starts = starts + quoted
    if len(quotes):
        data, starts, sizes = _without_doubled(data, quotes, starts, sizes)
    return Tokens(data, starts, sizes, quoted, first, last - first + 1, lines, len(line_feeds))


def _check_quotes(data: Bytes, quotes: Integers, delimiter: int) -> None:
    """Hold every quote to its places: around a whole field, or doubled within one."""
    opening, closing = quotes[::2], quotes[1::2]
    after = data[np.minimum(closing + 1, len(data) - 1)]
    returns = (after == RETURN) & (data[np.minimum(closing + 2, len(data) - 1)] == LINE_FEED)
    doubled = np.zeros(len(closing), np.bool_)
    doubled[: len(opening) - 1] = closing[: len(opening) - 1] + 1 == opening[1:]
    bad_closing = closing[~(doubled | (after == delimiter) | (after == LINE_FEED) | returns)]
    before = data[opening - 1]
    continues = np.concatenate([[False], doubled[: len(opening) - 1]])
    bad_opening = opening[~(continues | (before == delimiter) | (before == LINE_FEED) | (opening == 0))]
    if len(bad_opening) and not (len(bad_closing) and bad_closing[0] < bad_opening[0]):
        raise BadBytes(int(bad_opening[0]), "a quote within a field that doesn't begin with one", QUOTE_HINT)
    if len(bad_closing):
        position = int(opening[np.searchsorted(opening, bad_closing[0]) - 1])
        line = int(np.count_nonzero(data[position : bad_closing[0]] == LINE_FEED))
        where = f"{line} lines on" if line > 1 else "on the next line" if line else "on this line"
        follows = bytes(data[bad_closing[0] + 1 :][:1]).decode(errors="replace")
        raise BadBytes(position, f"the quote that opens here is closed {where} with {follows!r} behind it", QUOTE_HINT)


QUOTE_HINT = 'close every quote, and write a quote within a quoted field twice: "say ""yes"""'


def _check_returns(data: Bytes, quotes: Integers) -> None:
    """Refuse a carriage return that no line feed follows, other than within quotes."""
    returns = np.flatnonzero(data == RETURN)
    lone = returns[data[np.minimum(returns + 1, len(data) - 1)] != LINE_FEED]
    lone = lone[np.searchsorted(quotes, lone) & 1 == 0]
    if len(lone):
        raise BadBytes(
            int(lone[0]), "a carriage return without a line feed", "end lines with a line feed, or with both"
        )


def _without_doubled(
    data: Bytes, quotes: Integers, starts: Integers, sizes: Integers
) -> tuple[Bytes, Integers, Integers]:
    """Leave the second quote of each doubled one out of the bytes, and move the fields accordingly."""
    opening, closing = quotes[2::2], quotes[1::2][: len(quotes[2::2])]
    extra = opening[closing + 1 == opening]
    if not len(extra):
        return data, starts, sizes
    keep = np.ones(len(data), np.bool_)
    keep[extra] = False
    ends = starts + sizes
    moved = starts - np.searchsorted(extra, starts)
    return data[keep], moved, ends - np.searchsorted(extra, ends) - moved


def place(chunk: bytes, position: int, delimiter: int) -> tuple[int, int]:
    """Tell where a position is: its line, counted from 0 within these bytes, and the number of its cell from 0."""
    head = np.frombuffer(chunk[:position], np.uint8)
    quotes = np.flatnonzero(head == QUOTE)
    separators = np.flatnonzero((head == delimiter) | (head == LINE_FEED))
    separators = separators[np.searchsorted(quotes, separators) & 1 == 0]
    records = np.flatnonzero(head[separators] == LINE_FEED)
    cell = len(separators) - (int(records[-1]) + 1 if len(records) else 0)
    return int(np.count_nonzero(head == LINE_FEED)), cell
