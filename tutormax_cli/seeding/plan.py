"""What a seeding would load, from a sample of its tutors: rows, room on disk, and about how long it would take."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter

from sqlalchemy import PrimaryKeyConstraint, Table, UniqueConstraint

from tutormax_cli.database.copy import Encoded, encode
from tutormax_cli.database.models import Base
from tutormax_cli.simulation import World, simulate

SAMPLE_TUTORS = 200

FIELD_HEADER = 4
"""Bytes before each field in COPY's format that no table holds."""

ROW_OVERHEAD = 44
"""Bytes that a table holds per row and COPY doesn't: line pointer and row header, text lengths, alignment. Measured
on the tables that are simulated: right within 5 %."""

INDEX_ENTRY = 24
"""Bytes per row and index, measured over the indexes of these tables: 19 to 41 each, equal keys being packed."""

SHARE_OF_CLIENT = 0.3
"""What making and encoding rows takes of the whole time of loading them, measured on two cores."""

START_SECONDS = 0.7


@dataclass(frozen=True, slots=True)
class TablePlan:
    """What one table would get: rows, and bytes on disk with its indexes."""

    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a seeding would load into each table, and in about how many seconds on this machine."""

    tables: Mapping[str, TablePlan]
    seconds: float


def plan(world: World) -> Plan:
    """Make and encode the first tutors' rows, and reckon from them what the whole world takes.

    Rows are exact for a world no larger than the sample.
    """
    sample = replace(world, tutors=min(world.tutors, SAMPLE_TUTORS))
    _encoded(sample)  # What is read once and kept should not count as often as there are samples in the world.
    started = perf_counter()
    encoded = _encoded(sample)
    scale = world.tutors / sample.tutors
    seconds = START_SECONDS + (perf_counter() - started) * scale / SHARE_OF_CLIENT
    return Plan({rows.table.name: _table_plan(rows, scale) for rows in encoded}, seconds)


def _encoded(world: World) -> list[Encoded]:
    (tables,) = simulate(world, chunk_tutors=world.tutors)
    return [encode(columns, Base.metadata.tables[name]) for name, columns in tables.items()]


def _table_plan(encoded: Encoded, scale: float) -> TablePlan:
    rows = sum(count for count, _ in encoded.slices)
    sent = sum(len(buffer) for _, buffer in encoded.slices)
    per_row = ROW_OVERHEAD + INDEX_ENTRY * _indexes(encoded.table) - FIELD_HEADER * len(encoded.columns)
    return TablePlan(round(rows * scale), round((sent + rows * per_row) * scale))


def _indexes(table: Table) -> int:
    """Count the indexes of a table, those of its keys too."""
    keys = [key for key in table.constraints if isinstance(key, PrimaryKeyConstraint | UniqueConstraint)]
    return len(keys) + len(table.indexes)
