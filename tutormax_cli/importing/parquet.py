"""Parquet, some thousand rows at a time, through the extra `parquet`; rows count from 1 in place of lines."""

import json
from collections.abc import Collection, Iterator
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np

from tutormax_cli.errors import UsageError
from tutormax_cli.files.formulas import armour
from tutormax_cli.importing.cells import Cells, Integers, cells_of
from tutormax_cli.importing.faults import BadFile, Fault, Reason
from tutormax_cli.importing.reading import Opened

BATCH_ROWS = 8192


class Parquet:
    """The rows of one Parquet file. Raises UsageError where the extra is missing, BadFile where it is no such file."""

    def __init__(self, file: Opened, texts: Collection[str]) -> None:
        self.file, self._texts = file, frozenset(texts)
        try:
            self._arrow = import_module("pyarrow")
            reader = import_module("pyarrow.parquet")
        except ModuleNotFoundError:
            raise UsageError("Parquet needs pyarrow", "install it: pip install 'tutormax[parquet]'") from None
        try:
            self._parquet = reader.ParquetFile(file.file)
        except (self._arrow.ArrowException, OSError) as problem:
            raise self._bad(problem) from None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(self._parquet.schema_arrow.names)

    def blocks(self) -> Iterator[tuple[Integers, list[Cells], list[Fault]]]:
        """Give rows by their numbers and the cells of each column. Raises BadFile."""
        row = 1
        for batch in self._batches():
            lines = np.arange(row, row + len(batch))
            columns = [self._cells(name, column) for name, column in zip(self.names, batch.columns, strict=True)]
            bad = {name: cells.with_zeros() for name, cells in zip(self.names, columns, strict=True)}
            faults = [
                Fault(int(lines[at]), name, Reason.BAD_TEXT, "a zero character", "a text without one")
                for name, rows in bad.items()
                for at in rows
            ]
            if faults:
                kept = np.delete(np.arange(len(batch)), [at for rows in bad.values() for at in rows])
                lines, columns = lines[kept], [cells.take(kept) for cells in columns]
            yield lines, columns, faults
            row += len(batch)
        self.file.check_unchanged()

    def raw_rows(self) -> Iterator[tuple[int, list[str | None]]]:
        """Give every row as its number and its cells as CSV would have them."""
        line = 1
        for batch in self._batches():
            columns = [self._cells(name, column) for name, column in zip(self.names, batch.columns, strict=True)]
            numeric = [self._is_number(column.type) for column in batch.columns]
            for row in range(len(batch)):
                texts = [None if column.null[row] else column.text_at(row) for column in columns]
                yield (
                    line + row,
                    [
                        text if text is None or number else armour(text)
                        for text, number in zip(texts, numeric, strict=True)
                    ],
                )
            line += len(batch)

    def _is_number(self, type_: Any) -> bool:
        types = self._arrow.types
        return bool(types.is_integer(type_) or types.is_floating(type_) or types.is_decimal(type_))

    def _batches(self) -> Iterator[Any]:
        try:
            yield from self._parquet.iter_batches(batch_size=BATCH_ROWS)
        except (self._arrow.ArrowException, OSError) as problem:
            raise self._bad(problem) from None

    def _cells(self, name: str, column: Any) -> Cells:
        """Write a column as the texts that a CSV file would have. Raises BadFile where its type has none."""
        types, type_ = self._arrow.types, column.type
        if types.is_dictionary(type_):
            column = column.dictionary_decode()
        if name in self._texts and (types.is_nested(type_) or types.is_boolean(type_) or types.is_temporal(type_)):
            raise self._other_type(name, type_, "write it as text")
        try:
            if types.is_nested(type_):
                values = column.to_pylist(maps_as_pydicts="strict")
                return cells_of([None if each is None else json.dumps(each).encode() for each in values])
            as_text = column.cast(self._arrow.large_string())
        except (self._arrow.ArrowException, TypeError, KeyError) as problem:
            raise self._other_type(name, type_, str(problem).split("\n")[0]) from None
        _, offsets, data = as_text.buffers()
        ends = np.frombuffer(offsets, np.int64)[as_text.offset :][: len(as_text) + 1]
        null = np.asarray(as_text.is_null().to_numpy(zero_copy_only=False), np.bool_)
        bytes_ = np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8)
        return Cells(bytes_, ends[:-1], np.where(null, 0, np.diff(ends)), null)

    def _other_type(self, name: str, type_: Any, why: str) -> BadFile:
        return BadFile(f"{self.file.name}: column {name} can't be read as it is, {type_}; nothing was changed", why)

    def _bad(self, problem: Exception) -> BadFile:
        line = str(problem).split("\n")[0]
        return BadFile(f"{self.file.name} is not a Parquet file that can be read: {line}", "write it anew")
