"""What can be wrong in a file: where it stands, why it is refused, what was found and what is expected instead."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tutormax_cli.errors import TutormaxError

SHOWN = 20
"""How many faults are shown one by one; of the others, how many there are of each kind."""

FOUND_LENGTH = 60


class Reason(StrEnum):
    """Why a row is refused, in the words that a user counts them by."""

    SHORT_ROW = "too few cells"
    LONG_ROW = "too many cells"
    END_MARKER = r"the end marker \."
    NOT_JSON = "not JSON"
    UNKNOWN_KEY = "unknown key"
    MISSING_KEY = "missing key"
    MISSING = "no value"
    NOT_WHOLE = "not a whole number"
    NOT_NUMBER = "not a number"
    NOT_FINITE = "not a finite number"
    NOT_BOOLEAN = "not true or false"
    NOT_TIME = "not a time"
    AMBIGUOUS_DATE = "ambiguous date"
    NO_OFFSET = "time without offset"
    GAP = "time that the clocks skip"
    OVERLAP = "time that comes twice"
    OUT_OF_RANGE = "out of range"
    TOO_LONG = "too long"
    UNKNOWN_VALUE = "unknown value"
    NOT_TEXT = "not a text"
    BLANKS = "empty, or blanks around it"
    HEADER = "the header again"
    NOT_LIST = "not a list of texts"
    BAD_TEXT = "text that can't be stored"
    RULE = "against a rule"
    REPEATED = "repeated"
    TAKEN = "already in the database"
    NOWHERE = "points nowhere"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in one row: its physical line (in Parquet: its number), and the column if any."""

    line: int
    column: str | None
    reason: Reason
    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class PlacedFault:
    """A fault and the file that it is in."""

    file: str
    fault: Fault

    def __str__(self) -> str:
        fault = self.fault
        where = f"{self.file} line {fault.line}" + (f", {fault.column}" if fault.column else "")
        return f"{where}: {fault.reason}: {fault.found}; expected {fault.expected}"


class BadFile(TutormaxError):
    """A file that can't be read on: what is wrong with it has no end that could be seen."""


class Refused(TutormaxError):
    """Rows that are wrong, when all are to be right: the first of them, and how many of each kind."""

    def __init__(self, rows: int, faults: Sequence[PlacedFault], counts: Mapping[tuple[str, str, str], int]) -> None:
        files, tables = {fault.file for fault in faults}, {table for table, _, _ in counts}
        alone = len(tables) == 1
        where = files.pop() if alone and len(files) == 1 else "the files" if alone else f"{len(tables)} tables"
        super().__init__(
            f"{rows:,} {'row' if rows == 1 else 'rows'} of {where} can't be imported; nothing was changed",
            f"mend them, or load the others and have these written to a {'file' if alone else 'folder'}: "
            f"--rejects {'FILE' if alone else 'FOLDER'}",
        )
        self.faults = tuple(faults)
        self.counts = Counter(counts)


def shown(text: str) -> str:
    """Quote what was found, cut to a length that fits a line."""
    return repr(text if len(text) <= FOUND_LENGTH else text[: FOUND_LENGTH - 1] + "…")
