"""A fingerprint per table, equal when the rows are equal, however they were cut into chunks."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tutormax_cli.columns import Coded, Column, Columns

_NULL = "\\N"
_SEPARATOR = b"\n"
_ITEM_SEPARATOR = "\x1f"


class TableDigest:
    """Collects the rows of one table, chunk by chunk."""

    def __init__(self) -> None:
        self._columns: dict[str, Any] = {}

    def update(self, columns: Columns) -> None:
        """Add the rows of a chunk."""
        for name, column in columns.items():
            digest = self._columns.setdefault(name, (hashlib.sha256(), hashlib.sha256()))
            for part, data in zip(digest, _canonical(column), strict=True):
                part.update(data)

    def hexdigest(self) -> str:
        """Give the SHA-256 of all rows so far, as hexadecimal digits."""
        total = hashlib.sha256()
        for name, digests in sorted(self._columns.items()):
            total.update(name.encode() + b"".join(digest.digest() for digest in digests))
        return total.hexdigest()


def digest_chunks(chunks: Iterable[Mapping[str, Columns]]) -> dict[str, str]:
    """Give the SHA-256 of each table over all chunks."""
    tables: dict[str, TableDigest] = {}
    for chunk in chunks:
        for table, columns in chunk.items():
            tables.setdefault(table, TableDigest()).update(columns)
    return {table: digest.hexdigest() for table, digest in tables.items()}


def _canonical(column: Column) -> tuple[bytes, bytes]:
    """Turn a column into bytes that don't depend on widths or codes, and its mask, if it has one, into others."""
    if isinstance(column, Coded):
        values = [value if isinstance(value, str) else _ITEM_SEPARATOR.join(value) for value in column.values]
        return _lines(np.array([value.encode() for value in (*values, _NULL)])[column.codes]), b""
    if column.dtype.kind == "S":
        return _lines(column), b""
    mask = np.ma.getmaskarray(column).tobytes() if isinstance(column, np.ma.MaskedArray) else b""
    plain = np.ma.getdata(column)
    return plain.astype(plain.dtype.newbyteorder("<")).tobytes(), mask


def _lines(texts: npt.NDArray[np.bytes_]) -> bytes:
    """End each text with a newline and take out the padding."""
    return np.strings.add(texts, _SEPARATOR).tobytes().replace(b"\0", b"")
