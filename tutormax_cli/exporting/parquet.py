"""Rows as Parquet, through pyarrow: PostgreSQL's CSV is parsed column by column, some ten thousand rows at a time."""

import json
from importlib import import_module
from typing import Any, BinaryIO

from tutormax_cli.errors import UsageError
from tutormax_cli.exporting.sources import Kind, Source
from tutormax_cli.exporting.streams import Lines

GROUP_BYTES = 1 << 24
"""How much CSV becomes one row group."""


class ParquetWriter:
    """Writes rows of CSV as row groups: times as microseconds in UTC, arrays as lists of strings, JSON as a string."""

    def __init__(self, source: Source, stream: BinaryIO) -> None:
        self._arrow, self._csv = _module("pyarrow"), _module("pyarrow.csv")
        self._schema = self._arrow.schema(
            [self._arrow.field(column.name, self._type(column.kind)) for column in source.columns]
        )
        self._convert = self._csv.ConvertOptions(
            column_types={column.name: self._type(column.kind, as_read=True) for column in source.columns},
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        self._file = _module("pyarrow.parquet").ParquetWriter(stream, self._schema, compression="zstd")
        self._waiting: Lines = []
        self._size = 0

    def write(self, lines: Lines) -> None:
        """Write rows, or keep them until they fill a row group."""
        self._waiting += lines
        self._size += sum(map(len, lines))
        if self._size >= GROUP_BYTES:
            self._write_group()

    def finish(self) -> None:
        """Write what is left, and the file's end."""
        if self._waiting:
            self._write_group()
        self._file.close()

    def _write_group(self) -> None:
        data = b"".join(self._waiting)
        self._waiting, self._size = [], 0
        table = self._csv.read_csv(
            self._arrow.BufferReader(data),
            self._csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=self._schema.names),
            self._csv.ParseOptions(newlines_in_values=True),
            self._convert,
        )
        columns = [
            self._lists(column) if self._arrow.types.is_list(field.type) else column
            for field, column in zip(self._schema, table.columns, strict=True)
        ]
        self._file.write_table(self._arrow.table(columns, schema=self._schema))

    def _lists(self, column: Any) -> Any:
        """Read arrays of texts, each distinct one once."""
        coded = column.combine_chunks().dictionary_encode()
        values = [json.loads(text) for text in coded.dictionary.to_pylist()]
        return self._arrow.array(values, self._arrow.list_(self._arrow.string())).take(coded.indices)

    def _type(self, kind: Kind, *, as_read: bool = False) -> Any:
        """Give the Arrow type of a kind, in the file or as it is read from CSV."""
        arrow = self._arrow
        match kind:
            case Kind.INT:
                return arrow.int32()
            case Kind.FLOAT:
                return arrow.float64()
            case Kind.BOOL:
                return arrow.bool_()
            case Kind.TIME:
                return arrow.timestamp("us", tz="UTC")
            case Kind.TEXTS if not as_read:
                return arrow.list_(arrow.string())
        return arrow.string()


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError:
        raise UsageError("Parquet needs pyarrow", "install it: pip install 'tutormax[parquet]'") from None
