"""Parquet, some thousand rows at a time, through the extra `parquet`; rows count from 1 in place of lines."""

import json
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np

from tutormax_cli.errors import UsageError
from tutormax_cli.files.formulas import armour
from tutormax_cli.importing.cells import Cells, Integers, cells_of
from tutormax_cli.importing.faults import BadFile, Fault
from tutormax_cli.importing.reading import Opened

BATCH_ROWS = 8192


class Parquet:
    """The rows of one Parquet file. Raises UsageError where the extra is missing, BadFile where it is no such file."""

    def __init__(self, file: Opened) -> None:
        self.file = file
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
            yield np.arange(row, row + len(batch)), [self._cells(column) for column in batch.columns], []
            row += len(batch)
        self.file.check_unchanged()

    def raw_rows(self) -> Iterator[tuple[int, list[str | None]]]:
        """Give every row as its number and its cells as CSV would have them."""
        for lines, columns, _ in self.blocks():
            for row, line in enumerate(lines):
                texts = (None if column.null[row] else column.text_at(row) for column in columns)
                yield int(line), [text if text is None or text.startswith("-") else armour(text) for text in texts]

    def _batches(self) -> Iterator[Any]:
        try:
            yield from self._parquet.iter_batches(batch_size=BATCH_ROWS)
        except (self._arrow.ArrowException, OSError) as problem:
            raise self._bad(problem) from None

    def _cells(self, column: Any) -> Cells:
        """Write a column as the texts that a CSV file would have."""
        types = self._arrow.types
        if types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if types.is_nested(column.type):
            return cells_of(None if each is None else json.dumps(each).encode() for each in column.to_pylist())
        as_text = column.cast(self._arrow.large_string())
        _, offsets, data = as_text.buffers()
        ends = np.frombuffer(offsets, np.int64)[as_text.offset :][: len(as_text) + 1]
        null = np.asarray(as_text.is_null().to_numpy(zero_copy_only=False), np.bool_)
        bytes_ = np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8)
        return Cells(bytes_, ends[:-1], np.where(null, 0, np.diff(ends)), null)

    def _bad(self, problem: Exception) -> BadFile:
        line = str(problem).split("\n")[0]
        return BadFile(f"{self.file.name} is not a Parquet file that can be read: {line}", "write it anew")
