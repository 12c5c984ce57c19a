"""JSON: an object a line, or one array of objects, read as a stream; keys are the columns."""

import codecs
import json
import re
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from itertools import chain, islice
from typing import Any

import numpy as np

from tutormax_cli.files.formats import FileFormat
from tutormax_cli.files.formulas import armour
from tutormax_cli.importing.cells import Cells, Integers, cells_of
from tutormax_cli.importing.faults import BadFile, Fault, Reason, shown
from tutormax_cli.importing.reading import MAX_RECORD, Opened
from tutormax_cli.importing.values import storable

BLOCK_ROWS = 4096

_SPACE = re.compile(r"[ \t\r\n]*")
_VALUE = "\0"
"""Stands among the characters that may come next for a value; no text holds it."""


class Number(str):
    """A number with a point or an exponent, as it is written."""


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


_decoder = json.JSONDecoder(parse_float=Number, parse_constant=_no_constant, object_pairs_hook=_object)


class Objects:
    """The rows of one JSON or JSON lines file.

    `names` are the keys of the first object and those `optional` ones that others may have besides; without any
    `optional`, all objects must have the same keys. Keys in `documents` hold JSON themselves.
    """

    def __init__(self, file: Opened, optional: Sequence[str], documents: Collection[str]) -> None:
        self.file = file
        self._optional = optional
        self._documents = frozenset(documents)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The keys. Raises BadFile."""
        first = next((value for _, value in self._values() if isinstance(value, dict)), None)
        return () if first is None else tuple(dict.fromkeys([*first, *self._optional]))

    def blocks(self) -> Iterator[tuple[Integers, list[Cells], list[Fault]]]:
        """Give rows as lines and the cells of each key, and what is no such object as faults. Raises BadFile."""
        values = self._values()
        while block := list(islice(values, BLOCK_ROWS)):
            rows, faults = [], []
            for line, value in block:
                fault = self._fault(line, value)
                if fault:
                    faults.append(fault)
                else:
                    rows.append((line, value))
            lines = np.fromiter((line for line, _ in rows), np.int64, len(rows))
            yield lines, [self._column(name, [value for _, value in rows]) for name in self.names], faults

    def raw_rows(self) -> Iterator[tuple[int, list[str | None]]]:
        """Give every row as its line and its cells as CSV would have them; none where it is no object."""
        for line, value in self._values():
            if isinstance(value, dict):
                cells = (self._cell(name, value.get(name)) for name in self.names)
                texts = (None if cell is None else cell.decode(errors="replace") for cell in cells)
                yield line, [text if text is None or text.startswith("-") else armour(text) for text in texts]
            else:
                yield line, [None] * len(self.names)

    def _fault(self, line: int, value: Any) -> Fault | None:
        """Find what is wrong with an object as a whole."""
        if isinstance(value, _Wrong):
            return Fault(line, None, Reason.NOT_JSON, str(value), "one JSON object a line")
        if not isinstance(value, dict):
            return Fault(line, None, Reason.NOT_JSON, shown(_json(value)), "an object")
        extra = next((key for key in value if key not in self.names), None)
        if extra is not None:
            return Fault(line, None, Reason.UNKNOWN_KEY, shown(extra), f"only {', '.join(self.names)}")
        missing = next((name for name in self.names if name not in value), None)
        if missing is not None and not self._optional:
            return Fault(
                line, missing, Reason.MISSING_KEY, "no such key", "it, as in the first object: null to empty it"
            )
        bad = next((key for key in value if not storable(value[key])), None)
        if bad is not None:
            return Fault(line, bad, Reason.BAD_TEXT, shown(_json(value[bad])), r"no \u0000 and no half of a character")
        return None

    def _column(self, name: str, objects: Sequence[dict[str, Any]]) -> Cells:
        return cells_of(self._cell(name, each.get(name)) for each in objects)

    def _cell(self, name: str, value: Any) -> bytes | None:
        """Write a value as the text that a CSV file would have."""
        if value is None:
            return None
        if isinstance(value, str) and not (name in self._documents and type(value) is str):
            return value.encode()
        return _json(value).encode()

    def _values(self) -> Iterator[tuple[int, Any]]:
        """Give the line of each value of the file, and the value; _Wrong where a line holds none."""
        return self._lines() if self.file.input.format is FileFormat.JSONL else self._array()

    def _lines(self) -> Iterator[tuple[int, Any]]:
        line, rest = 1, ""
        for text in chain(self._texts(), ["\n"]):
            *whole, rest = (rest + text).split("\n")
            for each in whole:
                if each.strip():
                    yield line, _parsed(each)
                line += 1
            if len(rest) > MAX_RECORD:
                raise self._bad(line, f"the line is longer than {MAX_RECORD >> 20} MB", "is this JSON lines?")

    def _array(self) -> Iterator[tuple[int, Any]]:
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
                except (ValueError, RecursionError) as problem:
                    raise self._bad(line, str(problem), "write it as JSON has it, null for no value") from None
                yield line, value
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
    except (ValueError, RecursionError) as problem:
        return _Wrong(str(problem))
    return value if not text[end:].strip() else _Wrong(f"more behind the value at character {end + 1}")


def _json(value: Any) -> str:
    """Write JSON, numbers as they were written."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {_json(each)}" for key, each in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
