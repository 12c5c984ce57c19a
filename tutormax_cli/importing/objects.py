"""JSON: an object a line, or one array of objects, read as a stream; keys are the columns."""

import codecs
import json
import re
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from itertools import chain, islice
from json.encoder import encode_basestring
from types import NoneType
from typing import Any

import numpy as np

from tutormax_cli.files.formats import FileFormat
from tutormax_cli.files.formulas import armour
from tutormax_cli.importing.cells import Cells, Integers, cells_of
from tutormax_cli.importing.faults import BadFile, Fault, Reason, shown
from tutormax_cli.importing.reading import MAX_RECORD, Opened
from tutormax_cli.importing.values import DEEPEST, storable, too_deep

BLOCK_ROWS = 4096

_TOO_DEEP = "lists or objects nested too deeply"
_SPACE = re.compile(r"[ \t\r\n]*")
_VALUE = "\0"
"""Stands among the characters that may come next for a value; no text holds it."""


_NO_TEXT = frozenset({bool, dict, list})
_WORDS = {None: None, True: b"true", False: b"false"}


class Number(str):
    """A number as it is written."""


class _Wrong(ValueError):
    """Something that json would let through."""


def _no_constant(name: str) -> Any:
    raise _Wrong(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _Wrong(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in one object")
    return made


_decoder = json.JSONDecoder(
    parse_float=Number, parse_int=Number, parse_constant=_no_constant, object_pairs_hook=_object
)

Value = tuple[int, Any, bool]
"""The line that a value begins on, the value, and whether only a closer look tells that it can be stored."""


class Objects:
    """The rows of one JSON or JSON lines file.

    `names` are the keys of the first object and those `optional` ones that others may have besides; without any
    `optional`, all objects must have the same keys. Keys in `texts` hold text or a number, those in `documents` JSON.
    """

    def __init__(
        self, file: Opened, optional: Sequence[str], texts: Collection[str], documents: Collection[str]
    ) -> None:
        self.file = file
        self._optional = optional
        self._text_keys = tuple(texts)
        self._documents = frozenset(documents)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The keys. Raises BadFile."""
        first = next((value for _, value, _ in self._values() if isinstance(value, dict)), None)
        return () if first is None else tuple(dict.fromkeys([*first, *self._optional]))

    def blocks(self) -> Iterator[tuple[Integers, list[Cells], list[Fault]]]:
        """Give rows as lines and the cells of each key, and what is no such object as faults. Raises BadFile."""
        values, names = self._values(), frozenset(self.names)
        while block := list(islice(values, BLOCK_ROWS)):
            lines, rows, faults = [], [], []
            for line, value, doubtful in block:
                fault = self._fault(line, value, names) or (self._fault_within(line, value) if doubtful else None)
                if fault:
                    faults.append(fault)
                else:
                    lines.append(line)
                    rows.append(value)
            yield np.array(lines, np.int64), [self._column(name, rows) for name in self.names], faults

    def raw_rows(self) -> Iterator[tuple[int, list[str | None]]]:
        """Give every row as its line and its cells as CSV would have them; none where it is no object."""
        for line, value, _ in self._values():
            if isinstance(value, dict):
                yield line, [self._raw(name, value.get(name)) for name in self.names]
            else:
                yield line, [None] * len(self.names)

    def _raw(self, name: str, value: Any) -> str | None:
        """Write a value as a cell that no spreadsheet runs; one that can't be written is left out."""
        if isinstance(value, Number):
            return str(value)
        try:
            cell = self._cell(name, value)
        except (UnicodeEncodeError, RecursionError):
            return None
        return None if cell is None else armour(cell.decode())

    def _fault(self, line: int, value: Any, names: frozenset[str]) -> Fault | None:
        """Find what is wrong with an object as a whole."""
        if isinstance(value, _Wrong):
            return Fault(line, None, Reason.NOT_JSON, str(value), "one JSON object a line")
        if not isinstance(value, dict):
            return Fault(line, None, Reason.NOT_JSON, _brief(value), "an object")
        if not value.keys() <= names:
            extra = next(key for key in value if key not in names)
            return Fault(line, None, Reason.UNKNOWN_KEY, shown(extra), f"only {', '.join(self.names)}")
        if len(value) < len(names) and not self._optional:
            missing = next(name for name in self.names if name not in value)
            return Fault(
                line, missing, Reason.MISSING_KEY, "no such key", "it, as in the first object: null to empty it"
            )
        if not _NO_TEXT.isdisjoint(map(type, map(value.get, self._text_keys))):
            other = next(key for key in self._text_keys if type(value.get(key)) in _NO_TEXT)
            return Fault(line, other, Reason.NOT_TEXT, _brief(value[other]), "a text in quotes, or null")
        return None

    def _fault_within(self, line: int, value: dict[str, Any]) -> Fault | None:
        """Find a value that can't be stored."""
        for key, each in value.items():
            if too_deep(each):
                return Fault(line, key, Reason.NOT_JSON, _TOO_DEEP, f"at most {DEEPEST} levels")
            if not storable(each):
                return Fault(line, key, Reason.BAD_TEXT, shown(_json(each)), r"no \u0000 and no half of a character")
        return None

    def _column(self, name: str, objects: Sequence[dict[str, Any]]) -> Cells:
        values = [each.get(name) for each in objects]
        kinds = set(map(type, values))
        if kinds <= {bool, NoneType}:
            return cells_of([_WORDS[value] for value in values])
        if kinds <= {str, Number, NoneType} and name not in self._documents:
            return cells_of([None if value is None else value.encode() for value in values])
        return cells_of([self._cell(name, value) for value in values])

    def _cell(self, name: str, value: Any) -> bytes | None:
        """Write a value as the text that a CSV file would have."""
        if value is None:
            return None
        return (value if isinstance(value, str) and name not in self._documents else _json(value)).encode()

    def _values(self) -> Iterator[Value]:
        """Give the values of the file; _Wrong where a line holds none."""
        return self._lines() if self.file.input.format is FileFormat.JSONL else self._array()

    def _lines(self) -> Iterator[Value]:
        line, rest = 1, ""
        for text in chain(self._texts(), ["\n"]):
            *whole, rest = (rest + text).split("\n")
            for each in whole:
                if each.strip():
                    yield line, _parsed(each), _doubtful(each, 0, len(each))
                line += 1
            if len(rest) > MAX_RECORD:
                raise self._bad(line, f"the line is longer than {MAX_RECORD >> 20} MB", "is this JSON lines?")

    def _array(self) -> Iterator[Value]:
        """Read values between [ and ] one by one, as soon as each is there as a whole."""
        text, at, line, wanted = "", 0, 1, "["
        for more in chain(self._texts(), [None]):
            text, at = text[at:] + (more or ""), 0
            while True:
                space = _SPACE.match(text, at)
                assert space is not None
                line, at = line + text.count("\n", at, space.end()), space.end()
                if at == len(text):
                    break
                if text[at] in wanted:
                    wanted = {"[": f"]{_VALUE}", ",": _VALUE, "]": ""}[text[at]]
                    at += 1
                    continue
                if _VALUE not in wanted:
                    raise self._unexpected(line, text[at], wanted)
                try:
                    value, end = _decoder.raw_decode(text, at)
                except json.JSONDecodeError as problem:
                    if more is None or len(text) - at > MAX_RECORD:
                        raise self._syntax(line, text, at, problem) from None
                    break
                except (_Wrong, RecursionError) as problem:
                    raise self._bad(line, _why(problem), "write it as JSON has it, null for no value") from None
                yield line, value, _doubtful(text, at, end)
                line, at, wanted = line + text.count("\n", at, end), end, ",]"
        if wanted and (line, wanted) != (1, "["):
            raise self._bad(line, "the array is not closed", "is the file cut off?")

    def _texts(self) -> Iterator[str]:
        """Decode the file. Raises BadFile."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        line = 1
        for chunk in chain(self.file.chunks(), [b""]):
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as problem:
                line += problem.object[: problem.start].count(b"\n")
                byte = problem.object[problem.start]
                hint = "name the file's encoding, such as --encoding cp1252"
                raise self._bad(line, f"byte 0x{byte:02X} is not UTF-8", hint) from None
            if "\0" in text:
                line += text[: text.index("\0")].count("\n")
                raise self._bad(line, "a zero byte", "a text file holds none; UTF-16? --encoding utf-16")
            line += text.count("\n")
            yield text

    def _unexpected(self, line: int, found: str, wanted: str) -> BadFile:
        if wanted == "[":
            hint = "an object a line? --from jsonl" if found == "{" else "JSON is one array of objects"
            return self._bad(line, f"{found!r} where the array should begin", hint)
        expected = "nothing more" if not wanted else "a comma or ]"
        return self._bad(line, f"found {found!r}, expected {expected}", "is this one array of objects?")

    def _syntax(self, line: int, text: str, at: int, problem: json.JSONDecodeError) -> BadFile:
        lines = line + text.count("\n", at, problem.pos)
        return self._bad(lines, f"not JSON: {problem.msg.lower()}", "mend it, or write the file anew")

    def _bad(self, line: int, why: str, hint: str) -> BadFile:
        return BadFile(f"{self.file.name} line {line}: {why}; nothing was changed", hint)


def _parsed(text: str) -> Any:
    try:
        value, end = _decoder.raw_decode(text, _SPACE.match(text).end())  # type: ignore[union-attr]
    except json.JSONDecodeError as problem:
        return _Wrong(f"{problem.msg.lower()} at character {problem.pos + 1}")
    except (_Wrong, RecursionError) as problem:
        return _Wrong(_why(problem))
    return value if not text[end:].strip() else _Wrong(f"more behind the value at character {end + 1}")


def _why(problem: Exception) -> str:
    return _TOO_DEEP if isinstance(problem, RecursionError) else str(problem)


def _doubtful(text: str, begin: int, end: int) -> bool:
    """Tell whether a value may hold what can't be stored: a character written as an escape, or too many levels."""
    brackets = text.count("[", begin, end) + text.count("{", begin, end)
    return brackets > DEEPEST or text.find("\\u", begin, end) >= 0


def _brief(value: Any) -> str:
    """Show a value that is no text, whatever its depth."""
    return shown(_TOO_DEEP if too_deep(value) else _json(value))


def _json(value: Any) -> str:
    """Write JSON, numbers as they were written."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, dict):
        return "{" + ", ".join([f"{encode_basestring(key)}: {_json(each)}" for key, each in value.items()]) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json, value)) + "]"
    return "null" if value is None else "true" if value else "false"
