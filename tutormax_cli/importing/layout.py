"""Which column of a file is which of a table's, and how the cells of each are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ARRAY, Boolean, DateTime, Enum, Float, Integer, String, Table, TextClause
from sqlalchemy import Column as TableColumn
from sqlalchemy.dialects.postgresql import JSONB

from tutormax_cli.database.models import Base
from tutormax_cli.errors import UsageError
from tutormax_cli.files.formats import FileFormat
from tutormax_cli.importing.faults import BadFile
from tutormax_cli.importing.inputs import did_you_mean
from tutormax_cli.importing.times import times
from tutormax_cli.importing.values import Reader, booleans, documents, numbers, one_of, text_lists, texts, whole_numbers

REJECT_COLUMNS = ("line", "column", "reason")
"""What a file of rejected rows has behind the columns of the file that they came from; left out when it is imported."""

MADE_FROM: Mapping[str, tuple[str, ...]] = {
    "student_feedback": ("session_id",),
    "tutor_performance_metrics": ("tutor_id", "calculation_date", "window"),
    "churn_predictions": ("tutor_id", "prediction_date"),
    "interventions": ("tutor_id", "intervention_type", "recommended_date"),
    "tutor_events": ("tutor_id", "event_type", "event_timestamp", "metadata"),
}
"""The columns that tell the rows of a table apart, from which an id is made where a file has no column of ids."""


class Mode(StrEnum):
    """What to do with a row whose id the database has."""

    INSERT = "insert"
    UPSERT = "upsert"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Choice:
    """How files are to be read: their columns' names (theirs → ours, "" to leave one out), values for empty cells,
    the time zone of times without an offset, the encoding (None: UTF-8), and what to do with ids that are there."""

    map: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    zone: ZoneInfo | None = None
    encoding: str | None = None
    mode: Mode = Mode.INSERT


@dataclass(frozen=True, slots=True)
class Layout:
    """A file's columns as a table's: their `positions`, `fills` for empty cells, `constants` for whole columns."""

    table: Table
    positions: Mapping[str, int]
    fills: Mapping[str, bytes]
    constants: Mapping[str, bytes]
    readers: Mapping[str, Reader]

    @property
    def columns(self) -> tuple[str, ...]:
        """The table's columns that the rows have values for."""
        return (*self.positions, *self.constants)

    @property
    def without_ids(self) -> bool:
        """Whether ids are still to be made."""
        return key_of(self.table) not in self.columns


def key_of(table: Table) -> str:
    """Give the name of a table's primary key column."""
    return next(iter(table.primary_key)).name


def check_choice(choice: Choice, tables: Sequence[str]) -> None:
    """Raise UsageError where a map or a default names a column that none of the tables has."""
    columns = {column.name for table in tables for column in Base.metadata.tables[table].columns}
    for option, names in (("--map", choice.map.values()), ("--defaults", choice.defaults)):
        for name in names:
            if name and name not in columns:
                near = did_you_mean(name, sorted(columns))
                raise UsageError(f"{option}: {', '.join(tables)} has no column {name!r}{near}")


def layout_of(
    name: str, names: Sequence[str], table: Table, format: FileFormat, choice: Choice, now: datetime
) -> Layout:
    """Match a file's columns with a table's. Raises BadFile for one too many, too few, or twice."""
    if tuple(names[-len(REJECT_COLUMNS) :]) == REJECT_COLUMNS:
        names = names[: -len(REJECT_COLUMNS)]
    positions = _positions(name, names, table, choice)
    constants = {
        column: text.encode()
        for column, text in choice.defaults.items()
        if column in table.columns and column not in positions
    }
    _check_missing(name, names, table, {*positions, *constants}, choice)
    armoured = format.delimiter is not None
    readers = {column: reader_of(table.columns[column], choice.zone, armoured) for column in (*positions, *constants)}
    return Layout(table, positions, _fills(table, positions, choice, now), constants, readers)


def _positions(name: str, names: Sequence[str], table: Table, choice: Choice) -> dict[str, int]:
    """Give the place of each of our columns in the file."""
    positions: dict[str, int] = {}
    known = [column.name for column in table.columns]
    for place, theirs in enumerate(names):
        ours = choice.map.get(theirs, theirs)
        if theirs in choice.map and not ours:
            continue
        if ours not in known:
            near = did_you_mean(ours.strip().replace(" ", "_"), known)
            what = f"column {theirs!r}" if theirs.strip() else f"column {place + 1}, which has no name,"
            raise BadFile(
                f"{name} line 1: {what} is none of {table.name}{near}",
                f"name it: --map '{theirs}=ours', or leave it out: --map '{theirs}='",
            )
        if ours in positions:
            others = f"{names[positions[ours]]!r} and {theirs!r}" if theirs != names[positions[ours]] else repr(theirs)
            raise BadFile(
                f"{name} line 1: column {ours} stands there twice: {others}", "leave one out: --map 'theirs='"
            )
        positions[ours] = place
    unused = [theirs for theirs in choice.map if theirs not in names and choice.map[theirs] in known]
    if unused and choice.map[unused[0]] not in positions:
        raise BadFile(
            f"{name} line 1: there is no column {unused[0]!r}, which --map names",
            f"its columns: {', '.join(names)}",
        )
    return positions


def _check_missing(name: str, names: Sequence[str], table: Table, given: set[str], choice: Choice) -> None:
    """Refuse a file without a column that its rows need; to change rows, their ids and what changes are enough."""
    key = key_of(table)
    missing = [column for column in required(table) if column not in given]
    if choice.mode is Mode.UPSERT:
        missing = [key] if key in missing else []
    elif key in missing and table.name in MADE_FROM:
        missing.remove(key)
    if missing and names:
        others = [theirs for theirs in names if choice.map.get(theirs, theirs) not in table.columns]
        raise BadFile(
            f"{name} line 1: no column {', '.join(missing)}{did_you_mean(missing[0], others)}",
            f"add it, name it: --map theirs={missing[0]}, or give it to all rows: --defaults {missing[0]}=VALUE",
        )


def required(table: Table) -> list[str]:
    """List the columns that must have a value and get none by themselves."""
    return [column.name for column in table.columns if not column.nullable and column.server_default is None]


def _fills(table: Table, positions: Mapping[str, int], choice: Choice, now: datetime) -> dict[str, bytes]:
    """Give the text for the empty cells of a column: what --defaults says, else what the database would fill in."""
    fills = {}
    for column in map(table.columns.__getitem__, positions):
        default = getattr(column.server_default, "arg", None)
        if column.name in choice.defaults:
            fills[column.name] = choice.defaults[column.name].encode()
        elif default is not None:
            fills[column.name] = (default.text if isinstance(default, TextClause) else now.isoformat()).encode()
    return fills


def holds_text(column: "TableColumn[Any]") -> bool:
    """Tell whether a column holds texts that aren't of a fixed vocabulary."""
    return isinstance(column.type, String) and not isinstance(column.type, Enum)


def reader_of(column: "TableColumn[object]", zone: ZoneInfo | None, armoured: bool) -> Reader:
    """Choose how cells are read by the type of the table's column."""
    kind = column.type
    if isinstance(kind, Enum):
        return one_of(kind.enums)
    if isinstance(kind, ARRAY):
        return text_lists
    if isinstance(kind, String):
        names_one = bool(column.primary_key or column.foreign_keys or column.unique)
        return texts(kind.length, armoured=armoured, tidy=names_one)
    simple: dict[type, Reader] = {
        Boolean: booleans,
        Integer: whole_numbers,
        Float: numbers,
        DateTime: times(zone),
        JSONB: documents,
    }
    return next(reader for kind_of, reader in simple.items() if isinstance(kind, kind_of))
