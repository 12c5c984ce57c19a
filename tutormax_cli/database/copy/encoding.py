"""Columns to PostgreSQL: binary COPY buffers built by numpy, some thousand rows at a time.

Each slice of rows is laid out as a record array in which every value has room for the widest one; a boolean mask of
the same shape says which bytes are really there, and one compression by that mask makes the buffer.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg import sql
from sqlalchemy import ARRAY, Boolean, Connection, DateTime, Float, Integer, String, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from tutormax_cli.columns import Coded, Column, Columns, row_count
from tutormax_cli.database.copy.wire import (
    EPOCH_MICROSECONDS,
    JSONB_VERSION,
    NULL_LENGTH,
    SIGNATURE,
    TEXT_OID,
    TRAILER,
    Array,
    Lengths,
    copying,
    driver_of,
)
from tutormax_cli.database.driver import schema_of
from tutormax_cli.database.names import TableName

SLICE_BYTES = 4 << 20
"""How large the record array of one slice may get: small enough for the processor's caches, large for numpy."""

MAX_SLICE_ROWS = 1 << 16

EARLIEST = np.iinfo(np.int64).min + 1
"""A timestamp that the server refuses; one less would mean -infinity."""

Progress = Callable[[int], None]
"""Told, after each slice, how many more rows have been sent."""


@dataclass(frozen=True, slots=True)
class _Field:
    """One column made ready: `values(rows)` gives the bytes of a slice as `dtype`, and the lengths of the values.

    Lengths are None where every value fills the whole width and none is NULL.
    """

    dtype: np.dtype[Any]
    values: Callable[[slice], tuple[Array, Lengths | None]]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows of a table made ready for COPY: the columns' names, and slice by slice how many rows and their bytes."""

    table: Table
    columns: tuple[str, ...]
    slices: Iterable[tuple[int, memoryview]]


def encode(columns: Columns, table: Table) -> Encoded:
    """Encode all the rows at once, so that somebody else can send them meanwhile.

    Raises TypeError or ValueError for what can't be encoded.
    """
    return Encoded(table, tuple(columns), tuple(_slices(columns, table)))


def copy_in(
    connection: Connection, table: Table, columns: Columns, *, progress: Progress | None = None, freeze: bool = False
) -> int:
    """Load columns into a table within the connection's transaction, and give the number of rows.

    Columns that are left out take the table's defaults. `freeze` needs a table that the same (sub)transaction made or
    truncated. Raises psycopg.Error for what the server refuses, TypeError or ValueError for what can't be encoded.
    """
    rows = Encoded(table, tuple(columns), _slices(columns, table))
    return send(connection, rows, progress=progress, freeze=freeze)


def send(connection: Connection, encoded: Encoded, *, progress: Progress | None = None, freeze: bool = False) -> int:
    """Do what `copy_in` does with rows that are encoded already."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary{})").format(
        _name_of(connection, encoded.table).sql,
        sql.SQL(", ").join(map(sql.Identifier, encoded.columns)),
        sql.SQL(", FREEZE" if freeze else ""),
    )
    sent = 0
    with copying(connection, statement) as copy:
        copy.write(SIGNATURE)
        for rows, buffer in encoded.slices:
            copy.write(buffer)
            sent += rows
            if progress:
                progress(rows)
        copy.write(TRAILER)
    return sent


def _name_of(connection: Connection, table: Table) -> TableName:
    """Return a table's full name: the models name no schema."""
    return TableName(table.schema or schema_of(driver_of(connection)), table.name)


def _slices(columns: Columns, table: Table) -> Iterator[tuple[int, memoryview]]:
    """Yield the rows in slices: how many, and their bytes."""
    total = row_count(columns)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns of {table.name} differ in length: {lengths}")
    fields = [_field(column, table.columns[name].type) for name, column in columns.items()]
    layout = _layout(fields)
    step = min(MAX_SLICE_ROWS, max(1, SLICE_BYTES // layout.itemsize))
    for start in range(0, total, step):
        rows = slice(start, min(start + step, total))
        yield rows.stop - rows.start, _pack(fields, layout, rows)


def _layout(fields: Sequence[_Field]) -> np.dtype[Any]:
    """Lay out a row as PostgreSQL reads it, with room for the widest value in each field."""
    members: list[tuple[str, Any]] = [("fields", ">i2")]
    for position, field in enumerate(fields):
        members += [(f"length{position}", ">i4"), (f"value{position}", field.dtype)]
    return np.dtype(members)


def _pack(fields: Sequence[_Field], layout: np.dtype[Any], rows: slice) -> memoryview:
    """Build the bytes of one slice of rows."""
    records = np.empty(rows.stop - rows.start, layout)
    present: npt.NDArray[np.bool_] | None = None
    records["fields"] = len(fields)
    for position, field in enumerate(fields):
        values, lengths = field.values(rows)
        records[f"value{position}"] = values
        records[f"length{position}"] = field.dtype.itemsize if lengths is None else lengths
        width, start = field.dtype.itemsize, layout.fields[f"value{position}"][1]  # type: ignore[index]
        if lengths is not None and lengths.min() < width:
            if present is None:
                present = np.ones((len(records), layout.itemsize), np.bool_)
            np.less(np.arange(width), lengths[:, None], out=present[:, start : start + width])
    flat = records.view(np.uint8)
    return memoryview(flat if present is None else flat[present.ravel()])  # type: ignore[arg-type]


def _field(column: Column, kind: TypeEngine[Any]) -> _Field:
    """Choose the encoding by the table's column type, because binary COPY casts nothing."""
    if isinstance(column, Coded):
        return _coded(column, _value_encoder(kind))
    if isinstance(kind, DateTime) and column.dtype.kind == "M":
        return _timestamps(column)
    if isinstance(kind, Float) and column.dtype.kind in "fiu":
        return _floats(column)
    if isinstance(kind, Integer) and column.dtype.kind in "iu":
        return _integers(column)
    if isinstance(kind, Boolean) and column.dtype.kind == "b":
        return _fixed(column, np.dtype(np.bool_))
    if isinstance(kind, String) and column.dtype.kind == "S":
        return _texts(column, b"")
    if isinstance(kind, JSONB) and column.dtype.kind == "S":
        return _texts(column, JSONB_VERSION)
    raise TypeError(f"can't load an array of {column.dtype} into a column of type {kind!r}")


def _mask(column: Array, rows: slice) -> npt.NDArray[np.bool_] | None:
    """Give where a masked array is NULL, or None where nothing is."""
    mask = np.ma.getmask(column)
    return mask[rows] if isinstance(mask, np.ndarray) else None


def _fixed(column: Array, dtype: np.dtype[Any]) -> _Field:
    """Encode numbers and bools, all of one width, NULL where masked."""

    def values(rows: slice) -> tuple[Array, Lengths | None]:
        mask = _mask(column, rows)
        return np.ma.getdata(column)[rows], _lengths(dtype.itemsize, mask)

    return _Field(dtype, values)


def _lengths(width: int | Lengths, null: npt.NDArray[np.bool_] | None) -> Lengths | None:
    """Give the lengths of values of one or each its own width; None where all are of one width and none is NULL."""
    if null is None or not null.any():
        return None if isinstance(width, int) else width
    return np.where(null, np.int32(NULL_LENGTH), np.asarray(width, np.int32))


def _integers(column: Array) -> _Field:
    """Encode int4; ValueError for a number that it can't hold."""
    numbers = np.ma.getdata(column)
    if numbers.dtype.itemsize >= 4 and numbers.dtype != np.int32:
        wrong = np.ma.array(numbers.astype(np.int32) != numbers, mask=np.ma.getmask(column))
        if wrong.filled(False).any():
            raise ValueError("a number is too large for an integer column")
    return _fixed(column, np.dtype(">i4"))


def _floats(column: Array) -> _Field:
    """Encode float8, NaN as NULL."""

    def values(rows: slice) -> tuple[Array, Lengths | None]:
        numbers = np.ma.filled(column[rows].astype(np.float64), np.nan)
        return numbers, _lengths(8, np.isnan(numbers))

    return _Field(np.dtype(">f8"), values)


def _timestamps(column: Array) -> _Field:
    """Encode timestamptz, NaT as NULL. The server refuses years before 4713 BC and after AD 294276."""

    def values(rows: slice) -> tuple[Array, Lengths | None]:
        times = np.ma.filled(column[rows].astype("datetime64[us]"), np.datetime64("NaT", "us"))
        microseconds = np.maximum(times.view(np.int64), EARLIEST + EPOCH_MICROSECONDS)
        return microseconds - EPOCH_MICROSECONDS, _lengths(8, np.isnat(times))

    return _Field(np.dtype(">i8"), values)


def _texts(column: Array, prefix: bytes) -> _Field:
    """Encode fixed-width bytes as text of their own lengths, each after `prefix`."""

    def values(rows: slice) -> tuple[Array, Lengths | None]:
        texts = np.ma.getdata(column)[rows]
        if prefix:
            texts = np.strings.add(np.bytes_(prefix), texts)
        return texts, _lengths(np.strings.str_len(texts).astype(np.int32), _mask(column, rows))

    return _Field(np.dtype(f"S{len(prefix) + column.dtype.itemsize}"), values)


def _coded(column: Coded, encoded: Callable[[Any], bytes]) -> _Field:
    """Encode each distinct value once, then look the rows up; code -1 finds the last entry, which is NULL."""
    if len(column.codes) and not -1 <= column.codes.min() <= column.codes.max() < len(column.values):
        raise ValueError(f"a code lies outside the column's {len(column.values)} values")
    table = [encoded(value) for value in column.values]
    lengths = np.array([*map(len, table), NULL_LENGTH], np.int32)
    width = max(1, *lengths)
    padded = b"".join(value.ljust(width, b"\0") for value in (*table, b""))
    values = np.frombuffer(padded, f"V{width}")

    def look_up(rows: slice) -> tuple[Array, Lengths | None]:
        codes = column.codes[rows]
        return values[codes], lengths[codes]

    return _Field(values.dtype, look_up)


def _value_encoder(kind: TypeEngine[Any]) -> Callable[[Any], bytes]:
    """Give the function that encodes one distinct value of a Coded column."""
    if isinstance(kind, ARRAY):
        return _text_array
    if isinstance(kind, JSONB):
        return lambda text: JSONB_VERSION + text.encode()
    if isinstance(kind, String):
        return str.encode
    raise TypeError(f"can't load coded values into a column of type {kind!r}")


def _text_array(texts: Sequence[str]) -> bytes:
    """Encode a text[]: dimensions, NULL flag, element type, then extent, lower bound, and the elements."""
    elements = [text.encode() for text in texts]
    shape = [1, 0, TEXT_OID, len(elements), 1] if elements else [0, 0, TEXT_OID]
    header = np.array(shape, ">i4").tobytes()
    return header + b"".join(len(element).to_bytes(4, "big") + element for element in elements)
