"""What cells mean: each reader turns the text of a column into values, and names the rows that have no such value."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

import numpy as np

from tutormax_cli.columns import Coded, Column
from tutormax_cli.files.formulas import disarm
from tutormax_cli.importing.cells import Cells, Flags
from tutormax_cli.importing.faults import Reason
from tutormax_cli.importing.inputs import did_you_mean

INT4 = (-(2**31), 2**31 - 1)
DEEPEST = 100
"""The most levels of lists and objects in JSON."""

NUMBER_DIGITS = 4_000
"""The most digits of a number in JSON: PostgreSQL's numeric takes more, but Python refuses to read back over 4,300."""

_INT_DIGITS = 11
"""The most characters that an int4 takes with its sign."""

_WHOLE = re.compile(rb"[+-]?[0-9]+(\.0*)?")
_DECIMAL = re.compile(rb"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NOT_NIL = re.compile(rb"[+-]?[0.]*[1-9]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_IN_NUMBERS = np.isin(np.arange(256), np.frombuffer(b"0123456789+-.eE\0", np.uint8))
_MAY_BE_BLANK = ~np.isin(np.arange(256), np.arange(0x21, 0x7F))
_UNSEEN = "\ufeff\u200b\u200c\u200d\u2060"
"""Marks and joints without a width, which str.strip doesn't take for blanks."""

_BOOLEANS = {True: (b"true", b"t", b"yes", b"1"), False: (b"false", b"f", b"no", b"0")}


@dataclass(frozen=True, slots=True)
class Wrong:
    """Rows whose cell has no value, why, and what would have one."""

    rows: Sequence[int]
    reason: Reason
    expected: str


Read: TypeAlias = tuple[Column, list[Wrong]]
"""A column, with anything at all where a row is wrong, and what is wrong."""

Reader: TypeAlias = Callable[[Cells], Read]


def rows_where(flags: Flags) -> list[int]:
    """Give the rows that are flagged."""
    return np.flatnonzero(flags).tolist()


def masked(values: Any, null: Flags) -> Column:
    """Mask what is NULL, if anything is."""
    column: Column = np.ma.masked_array(values, null) if null.any() else values
    return column


def whole_numbers(cells: Cells) -> Read:
    """Read int4: digits, with a sign perhaps; 3.0 is one too, for other programs write it so next to empty cells."""
    sizes = cells.sizes
    plain = ~cells.null & (sizes <= _INT_DIGITS)
    matrix = Cells(cells.data, cells.starts, np.where(plain, sizes, 0), cells.null).matrix().astype(np.int64)
    signed = (matrix[:, 0] == ord("-")) | (matrix[:, 0] == ord("+"))
    values = np.zeros(len(cells), np.int64)
    for place in range(matrix.shape[1]):
        digit = matrix[:, place] - ord("0")
        counted = (place < sizes) & ~(signed & (place == 0))
        plain &= ~counted | ((digit >= 0) & (digit <= 9))
        values = np.where(counted, values * 10 + digit, values)
    plain &= sizes > signed
    values = np.where(matrix[:, 0] == ord("-"), -values, values)
    wrong: dict[Reason, list[int]] = {Reason.NOT_WHOLE: [], Reason.OUT_OF_RANGE: []}
    for row in rows_where(~plain & ~cells.null):
        text = cells.bytes_at(row)
        if not _WHOLE.fullmatch(text):
            wrong[Reason.NOT_WHOLE].append(row)
        elif len(text.partition(b".")[0].lstrip(b"+-0")) >= _INT_DIGITS:
            wrong[Reason.OUT_OF_RANGE].append(row)
        else:
            values[row] = int(text.partition(b".")[0])
    outside = ~cells.null & ((values < INT4[0]) | (values > INT4[1]))
    wrong[Reason.OUT_OF_RANGE] += rows_where(outside)
    expected = {Reason.NOT_WHOLE: "digits alone, such as 42", Reason.OUT_OF_RANGE: f"{INT4[0]} to {INT4[1]}"}
    found = [Wrong(rows, reason, expected[reason]) for reason, rows in wrong.items() if rows]
    return masked(np.where(cells.null | outside, 0, values).astype(np.int32), cells.null), found


def numbers(cells: Cells) -> Read:
    """Read float8: finite decimal numbers with a point."""
    texts = cells.filled(b"0").strings()
    shaped = _IN_NUMBERS[texts.view(np.uint8).reshape(len(cells), -1)].all(axis=1) & (cells.null | (cells.sizes > 0))
    texts[~shaped] = b"0"
    try:
        values = texts.astype(np.float64)
    except ValueError:
        shaped &= np.fromiter((bool(_DECIMAL.fullmatch(text)) for text in texts.tolist()), np.bool_, len(texts))
        texts[~shaped] = b"0"
        values = texts.astype(np.float64)
    beyond = rows_where(np.isinf(values)) + [row for row in rows_where(values == 0) if _NOT_NIL.match(texts[row])]
    found = _wrong_numbers(cells, ~shaped)
    if beyond:
        found.append(Wrong(beyond, Reason.OUT_OF_RANGE, "a number that a float8 can hold"))
    return np.where(cells.null, np.nan, values), found


def _wrong_numbers(cells: Cells, bad: Flags) -> list[Wrong]:
    """Tell NaN and infinity from what is no number at all."""
    rows: dict[bool, list[int]] = {True: [], False: []}
    for row in rows_where(bad):
        rows[cells.bytes_at(row).strip().lower().lstrip(b"+-") in (b"nan", b"inf", b"infinity")].append(row)
    found = [Wrong(rows[True], Reason.NOT_FINITE, "a finite number, or nothing")] if rows[True] else []
    return found + ([Wrong(rows[False], Reason.NOT_NUMBER, "a number such as 0.75")] if rows[False] else [])


def booleans(cells: Cells) -> Read:
    """Read true and false, t and f, yes and no, 1 and 0, in any case."""
    short = cells.sizes <= len(b"false")
    texts = np.strings.lower(Cells(cells.data, cells.starts, np.where(short, cells.sizes, 0), cells.null).strings())
    is_true, is_false = (
        np.logical_or.reduce([texts == word for word in _BOOLEANS[value]]) & ~cells.null for value in (True, False)
    )
    bad = ~(is_true | is_false | cells.null)
    found = [Wrong(rows_where(bad), Reason.NOT_BOOLEAN, "true or false")] if bad.any() else []
    return masked(is_true, cells.null), found


def one_of(allowed: Sequence[str]) -> Reader:
    """Make a reader of an enum's values, which are taken to the letter."""
    words = [word.encode() for word in allowed]

    def read(cells: Cells) -> Read:
        short = cells.sizes <= max(map(len, words))
        texts = Cells(cells.data, cells.starts, np.where(short, cells.sizes, 0), cells.null).strings()
        codes = np.full(len(cells), -1)
        for code, word in enumerate(words):
            codes[texts == word] = code
        bad = (codes < 0) & ~cells.null
        by_word: dict[str, list[int]] = {}
        for row in rows_where(bad):
            by_word.setdefault(cells.text_at(row), []).append(row)
        known = ", ".join(allowed)
        found = [
            Wrong(rows, Reason.UNKNOWN_VALUE, f"one of {known}{_nearest(word, allowed)}")
            for word, rows in by_word.items()
        ]
        return Coded(codes, allowed), found

    return read


def _nearest(word: str, allowed: Sequence[str]) -> str:
    by_lower = {each.lower(): each for each in allowed}
    tidy = word.strip().lower().replace(" ", "_")
    exact = by_lower.get(tidy) or by_lower.get(word.strip().lower())
    return f"; did you mean {exact}?" if exact else did_you_mean(word, allowed)


def texts(limit: int | None, *, armoured: bool, tidy: bool = False) -> Reader:
    """Make a reader of text of at most `limit` characters; `armoured` where formulas were made harmless.

    `tidy` refuses an empty text, and blanks around one: such an id or address looks like another that it isn't.
    """

    def read(cells: Cells) -> Read:
        if armoured:
            cells = _disarmed(cells)
        found = []
        if limit is not None and cells.width > limit:
            long = [row for row in rows_where(cells.sizes > limit) if len(cells.text_at(row)) > limit]
            found = [Wrong(long, Reason.TOO_LONG, f"at most {limit} characters")] if long else []
        if tidy and (blank := _untidy(cells)):
            found.append(Wrong(blank, Reason.BLANKS, "a text that neither begins nor ends with one, nor is empty"))
        return masked(cells.strings(), cells.null), found

    return read


def _untidy(cells: Cells) -> list[int]:
    """Find texts that are empty, or begin or end with a blank or a character that nobody sees."""
    filled = np.flatnonzero(cells.sizes > 0)
    starts, sizes = cells.starts[filled], cells.sizes[filled]
    edges = _MAY_BE_BLANK[cells.data[starts]] | _MAY_BE_BLANK[cells.data[starts + sizes - 1]]
    blank = [row for row in filled[edges].tolist() if (text := cells.text_at(row)).strip(_UNSEEN).strip() != text]
    return rows_where((cells.sizes == 0) & ~cells.null) + blank


def _disarmed(cells: Cells) -> Cells:
    """Take the apostrophe off the cells that had been given one against being run as formulas."""
    begins = np.zeros(len(cells), np.uint8)
    filled = np.flatnonzero(cells.sizes > 1)
    begins[filled] = cells.data[cells.starts[filled]]
    rows = rows_where(begins == ord("'"))
    return cells.replaced(rows, [disarm(cells.text_at(row)).encode() for row in rows]) if rows else cells


def text_lists(cells: Cells) -> Read:
    """Read text[] from JSON arrays of texts."""
    distinct, codes = np.unique(cells.strings(), return_inverse=True)
    lists = [_text_list(bytes(each)) for each in distinct]
    bad = np.array([each is None for each in lists], np.bool_)[codes] & ~cells.null
    found = [Wrong(rows_where(bad), Reason.NOT_LIST, 'a JSON array of texts such as ["algebra"]')] if bad.any() else []
    return Coded(np.where(cells.null, -1, codes), [each or [] for each in lists]), found


def _text_list(text: bytes) -> list[str] | None:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return None
    fine = isinstance(read, list) and all(isinstance(each, str) and storable(each) for each in read)
    return read if fine else None


def storable(value: Any) -> bool:
    """Tell whether PostgreSQL can hold every text in a JSON value: no zero character, no half of a character."""
    if isinstance(value, str):
        return "\0" not in value and not _SURROGATE.search(value)
    if isinstance(value, dict):
        return all(map(storable, chain(value, value.values())))
    return all(map(storable, value)) if isinstance(value, list) else True


def too_deep(value: Any) -> bool:
    """Tell whether lists and objects are nested so deeply that somebody's reader would give up on them."""
    level = [value]
    for _ in range(DEEPEST + 1):
        nested = [each for each in level if isinstance(each, (dict, list))]
        level = [inner for each in nested for inner in (each.values() if isinstance(each, dict) else each)]
    return bool(level)


def documents(cells: Cells) -> Read:
    """Read jsonb; each distinct text is looked at once."""
    texts = cells.strings()
    distinct, codes = np.unique(texts, return_inverse=True)
    fine = np.array([_is_document(bytes(each)) for each in distinct], np.bool_)
    bad = ~fine[codes] & ~cells.null if len(cells) else cells.null
    found = [Wrong(rows_where(bad), Reason.NOT_JSON, "JSON that jsonb can hold, each key once")] if bad.any() else []
    return masked(texts, cells.null), found


def _is_document(text: bytes) -> bool:
    """Tell whether a text is JSON, without NaN and without texts that can't be stored."""
    try:
        read = _documents.decode(text.decode())
        return not too_deep(read) and storable(read)
    except (ValueError, RecursionError):
        return False


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _number(text: str) -> None:
    """Refuse a number of more digits than can be stored and read back."""
    _, _, exponent = text.lower().partition("e")
    if len(text) > NUMBER_DIGITS or len(exponent) > _INT_DIGITS or abs(int(exponent or 0)) > NUMBER_DIGITS - len(text):
        raise ValueError(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object whose keys all differ; of two that are the same, jsonb would keep one."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key stands twice")
    return made


_documents = json.JSONDecoder(parse_constant=_refuse, parse_float=_number, parse_int=_number, object_pairs_hook=_once)


def row_mask(rows: int, wrong: Sequence[Wrong]) -> Flags:
    """Flag the rows that anything is wrong with."""
    flags = np.zeros(rows, np.bool_)
    for each in wrong:
        flags[np.asarray(each.rows, np.int64)] = True
    return flags
