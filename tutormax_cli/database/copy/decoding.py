"""PostgreSQL to columns: the binary COPY stream of any SELECT, decoded by numpy some thousand rows at a time.

Rows differ in length, so each column is gathered from the positions at which its values start, and the positions of
the next column follow from the lengths just read.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg.abc import Buffer
from psycopg.types.numeric import FloatDumper
from sqlalchemy import Connection, Select

from tutormax_cli.columns import Coded, Column
from tutormax_cli.database.copy.wire import (
    EPOCH_MICROSECONDS,
    JSONB_VERSION,
    NULL_LENGTH,
    SIGNATURE,
    TRAILER,
    Array,
    Bytes,
    Lengths,
    copying,
    driver_of,
)

BLOCK_ROWS = 1 << 14

Row: TypeAlias = bytes | bytearray | memoryview
Positions: TypeAlias = npt.NDArray[np.int64]
Nulls: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one PostgreSQL type is read: its fixed form (None for bytes of any length), and what becomes of it.

    `skip` bytes stand before the text of a value.
    """

    fixed: np.dtype[Any] | None
    finish: Callable[[Array, Nulls], Column]
    skip: int = 0


def copy_out(connection: Connection, statement: Select[Any]) -> dict[str, Column]:
    """Read a SELECT's result as columns, in the order of its rows, within the connection's transaction.

    Numbers and bools come as arrays, masked where NULL (floats: NaN); times as datetime64[us] in UTC (NaT) and dates
    as datetime64[D]; text and jsonb as UTF-8 bytes of dtype S, masked; text[] as Coded. Parameters are quoted by
    libpq. Raises TypeError for other types: cast a numeric to float.
    """
    compiled = statement.compile(
        dialect=connection.dialect,
        schema_translate_map=connection.get_execution_options().get("schema_translate_map"),
        render_schema_translate=True,
        compile_kwargs={"render_postcompile": True},
    )
    with psycopg.ClientCursor(driver_of(connection)) as cursor:
        cursor.adapters.register_dumper(float, _Float8Dumper)
        query = cursor.mogrify(compiled.string, compiled.params)
        cursor.execute(f"SELECT * FROM ({query}) AS result LIMIT 0".encode())
        names = [column.name for column in cursor.description or ()]
        kinds = [_kind(column.name, column.type_code) for column in cursor.description or ()]
    with copying(connection, f"COPY ({query}) TO STDOUT (FORMAT binary)".encode()) as copy:
        blocks = [_decode(rows, kinds) for rows in _blocks(copy)]
    return {
        name: kind.finish(*map(np.concatenate, zip(*(block[position] for block in blocks), strict=True)))
        for position, (name, kind) in enumerate(zip(names, kinds, strict=True))
    }


class _Float8Dumper(FloatDumper):
    """Writes a float as float8, as a bound parameter is; bare digits would be a numeric to PostgreSQL."""

    def quote(self, obj: float) -> Buffer:
        return bytes(super().quote(obj)) + b"::float8"


def _kind(name: str, oid: int) -> _Kind:
    if oid not in KINDS:
        raise TypeError(f"can't read column {name} of PostgreSQL type {oid} as an array")
    return KINDS[oid]


def _blocks(copy: psycopg.Copy) -> Iterator[list[Row]]:
    """Yield the rows of the stream in lists, at least one list; the stream's head and tail are taken off."""
    rows: list[Row] = [bytes(copy.read())[len(SIGNATURE) :]]
    for row in _rows(copy):
        if len(rows) == BLOCK_ROWS:
            yield rows
            rows = []
        rows.append(row)
    assert rows[-1] == TRAILER
    yield rows[:-1]


def _rows(copy: psycopg.Copy) -> Iterator[Row]:
    """Yield the messages of the stream, the server makes one of each row.

    Those that have arrived already are taken from libpq directly, ten times as fast; waiting for more, and the end of
    the stream, are left to psycopg.
    """
    received = copy.connection.pgconn.get_copy_data
    for row in copy:
        yield row
        while row != TRAILER:
            size, row = received(1)
            if not size:
                break
            yield row


def _decode(rows: Sequence[Row], kinds: Sequence[_Kind]) -> list[tuple[Array, Nulls]]:
    """Take a block of rows apart: for each column its values (anything where NULL) and where it is NULL."""
    sizes = np.fromiter(map(len, rows), np.int64, len(rows))
    # A value may be gathered wider than it is, so as many bytes as the longest row has follow the last one.
    data = np.frombuffer(b"".join([*rows, bytes(max(map(len, rows), default=0) + 8)]), np.uint8)
    at = np.cumsum(sizes) - sizes + 2
    decoded = []
    for kind in kinds:
        lengths = _gather(data, at, np.dtype(">i4")).astype(np.int32)
        at += 4
        values = _texts(data, at, lengths, kind.skip) if kind.fixed is None else _gather(data, at, kind.fixed)
        decoded.append((values, lengths == NULL_LENGTH))
        at += np.maximum(lengths, 0)
    return decoded


def _gather(data: Bytes, at: Positions, dtype: np.dtype[Any]) -> Array:
    """Read a value of `dtype` at each position, aligned or not."""
    everywhere: Array = np.ndarray((len(data) - dtype.itemsize + 1,), dtype, data, strides=(1,))
    return everywhere[at]


def _texts(data: Bytes, at: Positions, lengths: Lengths, skip: int) -> Array:
    """Read bytes of the given lengths, less the first `skip` of each, as an `S` array."""
    lengths = np.maximum(lengths - skip, 0)
    width = int(lengths.max(initial=1))
    texts = _gather(data, at + skip, np.dtype(f"S{width}"))
    texts.view(np.uint8).reshape(len(texts), width)[np.arange(width) >= lengths[:, None]] = 0
    return texts


def _masked(values: Array, null: Nulls) -> Column:
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    if not null.any():
        return native
    native[null] = native.dtype.type()
    return np.ma.masked_array(native, null)


def _floats(values: Array, null: Nulls) -> Column:
    return np.where(null, np.nan, values)


def _timestamps(values: Array, null: Nulls) -> Column:
    times = (values.astype(np.int64) + EPOCH_MICROSECONDS).view("datetime64[us]")
    times[null] = np.datetime64("NaT", "us")
    return times


def _dates(values: Array, null: Nulls) -> Column:
    days = np.datetime64("2000-01-01", "D") + values.astype(np.int64)
    days[null] = np.datetime64("NaT", "D")
    return days


def _text_arrays(values: Array, null: Nulls) -> Column:
    """Code text[] by the distinct arrays. Trailing zero bytes are lost in `S`, and no text ends with one."""
    distinct, codes = np.unique(values, return_inverse=True)
    return Coded(np.where(null, -1, codes), [_text_array(bytes(value)) for value in distinct])


def _text_array(value: bytes) -> list[str]:
    """Decode the elements of a text[], less those that are NULL; what stands for a NULL array gives none."""
    value = value.ljust(12, b"\0")
    dimensions = int.from_bytes(value[:4], "big")
    at = 12 + 8 * dimensions
    shape = np.frombuffer(value[12:at].ljust(8 * dimensions, b"\0"), ">i4")[::2]
    elements = []
    for _ in range(int(shape.prod()) if dimensions else 0):
        size = int.from_bytes(value[at : at + 4].ljust(4, b"\0"), "big", signed=True)
        at += 4
        if size != NULL_LENGTH:
            elements.append(value[at : at + size].decode())
            at += size
    return elements


_TYPES = psycopg.postgres.types
_NUMBERS = {"bool": "?", "int2": ">i2", "int4": ">i4", "int8": ">i8"}
_FLOATS = {"float4": ">f4", "float8": ">f8"}

KINDS = {
    **{_TYPES[name].oid: _Kind(np.dtype(form), _masked) for name, form in _NUMBERS.items()},
    **{_TYPES[name].oid: _Kind(np.dtype(form), _floats) for name, form in _FLOATS.items()},
    **{_TYPES[name].oid: _Kind(np.dtype(">i8"), _timestamps) for name in ("timestamp", "timestamptz")},
    **{_TYPES[name].oid: _Kind(None, _masked) for name in ("text", "varchar", "name")},
    **{_TYPES[name].array_oid: _Kind(None, _text_arrays) for name in ("text", "varchar")},
    _TYPES["date"].oid: _Kind(np.dtype(">i4"), _dates),
    _TYPES["jsonb"].oid: _Kind(None, _masked, skip=len(JSONB_VERSION)),
}
"""The types that can be read, by PostgreSQL's number for them."""
