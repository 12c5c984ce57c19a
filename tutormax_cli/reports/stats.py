"""What the database holds: rows, sizes, freshness, ratings, tiers, levels, the last weeks; and one tutor in figures."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

from sqlalchemy import func, literal, select, union_all
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.engine import driver_connection
from tutormax_cli.database.enums import MetricWindow, PerformanceTier, RiskLevel, TutorStatus
from tutormax_cli.database.models import (
    ChurnPrediction,
    Intervention,
    Session,
    Student,
    StudentFeedback,
    Tutor,
    TutorEvent,
    TutorPerformanceMetric,
)
from tutormax_cli.database.queries import get_tutor_statistics
from tutormax_cli.reports.lookup import find_tutor
from tutormax_cli.reports.report import Column, Fact, Kind, Report, Section, Tone
from tutormax_cli.reports.sql import statement
from tutormax_cli.reports.trends import read_trends, subjects, weeks
from tutormax_cli.reports.words import LEVEL_TONES, TIER_TONES
from tutormax_cli.seeding.record import Seeded, read_seed_record

FRESHNESS: dict[str, InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None]] = {
    Tutor.__tablename__: Tutor.onboarding_date,
    Student.__tablename__: Student.created_at,
    Session.__tablename__: Session.actual_start,
    StudentFeedback.__tablename__: StudentFeedback.submitted_at,
    TutorPerformanceMetric.__tablename__: TutorPerformanceMetric.calculation_date,
    ChurnPrediction.__tablename__: ChurnPrediction.prediction_date,
    Intervention.__tablename__: Intervention.recommended_date,
    TutorEvent.__tablename__: TutorEvent.event_timestamp,
}
"""Of every table, the time that tells how far its data reach."""

WINDOWS = tuple(window.days for window in MetricWindow)
"""The days back that one tutor's figures are given for."""

RATINGS = ("5", "4", "3", "2", "1")
RATING_TONES = {"1": Tone.BAD, "2": Tone.WARNING}


@dataclass(frozen=True, slots=True)
class TableFacts:
    """One table: its rows, its bytes with indexes and TOAST, and its newest time."""

    table: str
    rows: int
    bytes: int
    latest: datetime | None


Counts = Mapping[tuple[str, str], int]
"""Rows by what they are counts of and by value."""


def stats(db: OrmSession, as_of: datetime) -> Report:
    """Count all tables, and tell how the last weeks went; tiers and levels are the newest day's until `as_of`."""
    tables, trends = measure_tables(db), read_trends(db, as_of)
    seeded = read_seed_record(driver_connection(db.connection()))
    counts = {
        (of_what, value): rows for of_what, value, rows in db.execute(statement("distributions"), {"as_of": as_of})
    }
    levels = [level.value for level in reversed(RiskLevel)]
    return Report(
        "stats",
        "TutorMax database",
        facts=_totals(tables, counts),
        sections=(
            _tables(tables),
            _distribution("statuses", "Tutors", "status", list(TutorStatus), counts),
            _distribution("ratings", "Ratings", "rating", RATINGS, counts, RATING_TONES, beside=True),
            _distribution("tiers", "Tiers (30 days)", "tier", list(PerformanceTier), counts, TIER_TONES),
            _distribution("levels", "Churn risk", "level", levels, counts, LEVEL_TONES, beside=True),
            weeks(trends),
            subjects(trends),
            *([_seeded(seeded)] if seeded else []),
        ),
        main="tables",
    )


def tutor_stats(db: OrmSession, tutor_id: str, windows: Sequence[int], as_of: datetime) -> Report:
    """Give one tutor's sessions, ratings, no-shows and reschedules of so many days before `as_of`, a row each.

    Raises UsageError, naming tutors with a similar id or name, when there is no such tutor.
    """
    tutor = find_tutor(db, tutor_id)
    figures = [get_tutor_statistics(db, tutor.tutor_id, days, as_of) for days in windows]
    columns = (
        Column("days_back", "days back", Kind.INT),
        Column("total_sessions", "sessions", Kind.INT),
        Column("average_rating", "average rating", Kind.FLOAT),
        Column("no_shows", "no-shows", Kind.INT),
        Column("reschedules", "reschedules", Kind.INT),
    )
    rows = tuple(
        (found["days_back"], found["total_sessions"], found["average_rating"], found["no_shows"], found["reschedules"])
        for found in figures
    )
    return Report(
        "tutor-stats",
        tutor.name,
        facts=(
            (Column("tutor_id", ""), tutor.tutor_id),
            (Column("status", ""), tutor.status.value),
            (Column("subjects", "", Kind.LIST), tuple(tutor.subjects)),
            (Column("as_of", "until", Kind.TIMESTAMP), as_of),
        ),
        sections=(Section("statistics", columns, rows),),
    )


def measure_tables(db: OrmSession) -> list[TableFacts]:
    """Count, measure and date every table in one statement."""
    facts = (
        select(literal(table), func.count(), func.pg_total_relation_size(table), func.max(moment))
        for table, moment in FRESHNESS.items()
    )
    measured = {row[0]: TableFacts(*row) for row in db.execute(union_all(*facts))}
    return [measured[table] for table in FRESHNESS]


def _tables(tables: Sequence[TableFacts]) -> Section:
    columns = (
        Column("table", "table"),
        Column("rows", "rows", Kind.INT),
        Column("bytes", "size", Kind.BYTES),
        Column("latest", "latest", Kind.TIMESTAMP),
    )
    return Section("tables", columns, tuple(astuple(table) for table in tables))


def _seeded(runs: Sequence[Seeded]) -> Section:
    """Give the commands that make the synthetic data again, in their order."""
    column = Column("command", "command", flexible=True, wrap=True)
    return Section("seeded", (column,), tuple((run.command,) for run in runs), title="Seeded by", header=False)


def _totals(tables: Sequence[TableFacts], counts: Counts) -> tuple[Fact, ...]:
    ratings = {int(value): counts.get(("rating", value), 0) for value in RATINGS}
    rated = sum(ratings.values())
    average = sum(rating * rows for rating, rows in ratings.items()) / rated if rated else None
    return (
        (Column("rows", "rows", Kind.INT), sum(table.rows for table in tables)),
        (Column("bytes", "size", Kind.BYTES), sum(table.bytes for table in tables)),
        (Column("average_rating", "average rating", Kind.FLOAT), average),
    )


def _distribution(
    name: str,
    title: str,
    of_what: str,
    values: Sequence[str],
    counts: Counts,
    tones: Mapping[str, Tone] | None = None,
    beside: bool = False,
) -> Section:
    """Give the rows and the share of each value, also of those that no row has."""
    total = sum(counts.get((of_what, value), 0) for value in values)
    columns = (
        Column(of_what, of_what, tones=tones or {}),
        Column("rows", "rows", Kind.INT),
        Column("share", "share", Kind.PERCENT),
    )
    found = [(str(value), counts.get((of_what, value), 0)) for value in values]
    rows = tuple((value, count, count / total if total else None) for value, count in found)
    return Section(name, columns, rows, title=title, header=False, beside=beside)
