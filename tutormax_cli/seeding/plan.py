"""What a seeding would load, from a sample of its tutors: rows, room on disk, and about how long it would take."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter

from sqlalchemy import PrimaryKeyConstraint, Table, UniqueConstraint

from tutormax_cli.columns import Coded, Columns
from tutormax_cli.database.copy import Encoded, encode
from tutormax_cli.database.enums import MetricWindow, TutorStatus
from tutormax_cli.database.models import Base, ChurnPrediction, Tutor, TutorPerformanceMetric
from tutormax_cli.seeding.seed import weeks_predicted
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

CONCLUSION = 0.35
"""What evaluating and predicting take on top, as a share of the time of loading, measured on two cores."""

METRICS_BYTES, PREDICTION_BYTES = 325, 1950
"""What a row of metrics and a prediction take on disk with their indexes, measured."""


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


def plan(world: World, *, raw: bool = False) -> Plan:
    """Make and encode the first tutors' rows, and reckon from them what the whole world takes.

    Rows that are loaded are exact for a world no larger than the sample; those of evaluating and predicting, which
    `raw` leaves out, are about right.
    """
    sample = replace(world, tutors=min(world.tutors, SAMPLE_TUTORS))
    _encoded(sample)  # What is read once and kept should not count as often as there are samples in the world.
    started = perf_counter()
    tables, encoded = _encoded(sample)
    scale = world.tutors / sample.tutors
    seconds = START_SECONDS + (perf_counter() - started) * scale / SHARE_OF_CLIENT
    loaded = {rows.table.name: _table_plan(rows, scale) for rows in encoded}
    if raw:
        return Plan(loaded, seconds)
    return Plan(loaded | _concluded(world, _active(tables) * scale), seconds * (1 + CONCLUSION))


def _encoded(world: World) -> tuple[Mapping[str, Columns], list[Encoded]]:
    (tables,) = simulate(world, chunk_tutors=world.tutors)
    return tables, [encode(columns, Base.metadata.tables[name]) for name, columns in tables.items()]


def _active(tables: Mapping[str, Columns]) -> int:
    status = tables[Tutor.__tablename__]["status"]
    assert isinstance(status, Coded)
    return int((status.codes == status.values.index(TutorStatus.ACTIVE)).sum())


def _concluded(world: World, active: float) -> dict[str, TablePlan]:
    """Reckon the metrics of each window and the predictions of each week for so many active tutors."""
    metrics, predictions = round(active * len(MetricWindow)), round(active * len(weeks_predicted(world)))
    return {
        TutorPerformanceMetric.__tablename__: TablePlan(metrics, metrics * METRICS_BYTES),
        ChurnPrediction.__tablename__: TablePlan(predictions, predictions * PREDICTION_BYTES),
    }


def _table_plan(encoded: Encoded, scale: float) -> TablePlan:
    rows = sum(count for count, _ in encoded.slices)
    sent = sum(len(buffer) for _, buffer in encoded.slices)
    per_row = ROW_OVERHEAD + INDEX_ENTRY * _indexes(encoded.table) - FIELD_HEADER * len(encoded.columns)
    return TablePlan(round(rows * scale), round((sent + rows * per_row) * scale))


def _indexes(table: Table) -> int:
    """Count the indexes of a table, those of its keys too."""
    keys = [key for key in table.constraints if isinstance(key, PrimaryKeyConstraint | UniqueConstraint)]
    return len(keys) + len(table.indexes)
