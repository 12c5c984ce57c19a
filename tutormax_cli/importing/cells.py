"""Cells: the text of one column over some rows, as it stands in a file, before anybody says what it means."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from operator import is_
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Bytes: TypeAlias = npt.NDArray[np.uint8]
Integers: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cells:
    """Pieces of UTF-8 text in one buffer: where each starts, its bytes, and whether there is none (NULL)."""

    data: Bytes
    starts: Integers
    sizes: Integers
    null: Flags

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def width(self) -> int:
        """The bytes of the longest piece, at least 1."""
        return int(self.sizes.max(initial=1))

    def bytes_at(self, row: int) -> bytes:
        """Give the bytes of one cell."""
        start = int(self.starts[row])
        return self.data[start : start + int(self.sizes[row])].tobytes()

    def text_at(self, row: int) -> str:
        """Give the text of one cell."""
        return self.bytes_at(row).decode()

    def with_zeros(self) -> list[int]:
        """Find the rows whose text holds a zero character, which no text in PostgreSQL may."""
        zeros = np.flatnonzero(self.data == 0)
        found = np.searchsorted(zeros, self.starts) < np.searchsorted(zeros, self.starts + self.sizes)
        return np.flatnonzero(found).tolist()

    def take(self, rows: Integers | Flags | slice) -> "Cells":
        """Give some of the rows."""
        return Cells(self.data, self.starts[rows], self.sizes[rows], self.null[rows])

    def strings(self) -> npt.NDArray[np.bytes_]:
        """Gather the cells as fixed-width bytes, filled up with zeros; NULL cells are empty."""
        width = self.width
        data = self.data
        if len(self) and int(self.starts.max()) + width > len(data):
            data = np.concatenate([data, np.zeros(width, np.uint8)])
        everywhere: npt.NDArray[Any] = np.ndarray((max(0, len(data) - width + 1),), f"S{width}", data, strides=(1,))
        gathered = everywhere[self.starts]
        gathered.view(np.uint8).reshape(len(self), width)[np.arange(width) >= self.sizes[:, None]] = 0
        return gathered

    def matrix(self) -> Bytes:
        """Gather the cells as a matrix of bytes, a row each, filled up with zeros."""
        return self.strings().view(np.uint8).reshape(len(self), self.width)

    def filled(self, text: bytes) -> "Cells":
        """Put a text where there is none."""
        if not self.null.any():
            return self
        return replace(
            self,
            data=np.concatenate([self.data, np.frombuffer(text, np.uint8)]),
            starts=np.where(self.null, len(self.data), self.starts),
            sizes=np.where(self.null, len(text), self.sizes),
            null=np.zeros(len(self), np.bool_),
        )

    def replaced(self, rows: Sequence[int], texts: Sequence[bytes]) -> "Cells":
        """Put other texts into some rows."""
        starts, sizes = self.starts.copy(), self.sizes.copy()
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        starts[rows] = len(self.data) + np.cumsum(lengths) - lengths
        sizes[rows] = lengths
        data = np.concatenate([self.data, np.frombuffer(b"".join(texts), np.uint8)])
        return replace(self, data=data, starts=starts, sizes=sizes)


def cells_of(texts: Iterable[bytes | None]) -> Cells:
    """Make cells of texts, None for NULL."""
    listed = list(texts)
    present = [text or b"" for text in listed]
    sizes = np.fromiter(map(len, present), np.int64, len(present))
    null = np.fromiter(map(is_, listed, repeat(None)), np.bool_, len(listed))
    return Cells(np.frombuffer(b"".join(present), np.uint8), np.cumsum(sizes) - sizes, sizes, null)


def repeated(text: bytes, rows: int) -> Cells:
    """Give the same text in so many rows."""
    zeros = np.zeros(rows, np.int64)
    return Cells(np.frombuffer(text, np.uint8), zeros, zeros + len(text), np.zeros(rows, np.bool_))


@dataclass(frozen=True, slots=True)
class Records:
    """Some rows of a file: the line that each begins on, and by our column's name its cells."""

    lines: Integers
    cells: dict[str, Cells]

    def __len__(self) -> int:
        return len(self.lines)

    def take(self, rows: Integers | Flags | slice) -> "Records":
        """Give some of the rows."""
        return Records(self.lines[rows], {name: cells.take(rows) for name, cells in self.cells.items()})
