"""Columns of a table as arrays: what the simulation makes, what COPY loads, what the panel reads.

A column is one of

- a numpy array: integers, floats (NaN is NULL), bool, `datetime64[us]` in UTC (NaT is NULL), or fixed-width
  UTF-8 bytes (dtype `S`) for text that differs in every row;
- a masked array of those, where a masked element is NULL;
- `Coded`: integer codes into a short list of values, for text that repeats, text arrays and JSON.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of few distinct values: row i holds `values[codes[i]]`, or NULL where the code is -1.

    A value is a str (text, or JSON text for a jsonb column), or a sequence of str for a text[] column.
    """

    codes: npt.NDArray[np.integer[Any]]
    values: Sequence[str | Sequence[str]]

    def __len__(self) -> int:
        return len(self.codes)


Column = npt.NDArray[Any] | Coded
"""One column. `numpy.ma.MaskedArray` is a numpy array too."""

Columns = Mapping[str, Column]
"""The columns of one table by column name, all of one length; columns left out take the table's default."""


def row_count(columns: Columns) -> int:
    """Give the number of rows that the columns share."""
    return len(next(iter(columns.values()))) if columns else 0
