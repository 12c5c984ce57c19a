"""What the database holds: rows, sizes, freshness, ratings, tiers, levels, the last weeks; and one tutor in figures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.engine import driver_connection
from tutormax_cli.database.enums import MetricWindow, PerformanceTier, RiskLevel, TutorStatus
from tutormax_cli.database.models import Session, Tutor
from tutormax_cli.database.queries import get_tutor_statistics
from tutormax_cli.reports.lookup import find_tutor, status_at, tutor_status
from tutormax_cli.reports.report import Column, Fact, Kind, Report, Section, Tone
from tutormax_cli.reports.sql import statement_on
from tutormax_cli.reports.tables import TableFacts, measure_tables
from tutormax_cli.reports.trends import Trends, read_trends, subjects, weeks
from tutormax_cli.reports.words import LEVEL_TONES, TIER_TONES, as_of_fact
from tutormax_cli.seeding.record import Seeded, read_seed_record

ENDLESS = datetime.max.replace(tzinfo=UTC)

WINDOWS = tuple(window.days for window in MetricWindow)
"""The days back that one tutor's figures are given for."""

RATINGS = ("5", "4", "3", "2", "1")
RATING_TONES = {"1": Tone.BAD, "2": Tone.WARNING}

PAST = (
    "Counted are the rows dated before that time. Table sizes and the number of students then are unknown; who is"
    " inactive now counts as inactive then."
)

Counts = Mapping[tuple[str, str], int]
"""Rows by what they are counts of and by value."""


def stats(db: OrmSession, now: datetime, as_of: datetime | None = None) -> Report:
    """Count all tables, and tell how the weeks until `now` went; or both as they stood at an earlier `as_of`.

    As of a time, rows count that were dated before it (sessions by when they were to begin); how large the tables were
    and how many students there were then, nothing tells.
    """
    until = as_of or now
    tables, trends, counts = measure_tables(db, as_of), read_trends(db, until), _count_values(db, until, as_of)
    seeded = read_seed_record(driver_connection(db.connection()))
    levels = [level.value for level in reversed(RiskLevel)]
    return Report(
        "stats",
        "TutorMax database",
        facts=_totals(tables, counts, as_of),
        sections=(
            _tables(tables),
            _distribution("statuses", "Tutors", "status", list(TutorStatus), counts),
            _distribution("ratings", "Ratings", "rating", RATINGS, counts, RATING_TONES, of="ratings", beside=True),
            _distribution("tiers", "Tiers (30 days)", "tier", list(PerformanceTier), counts, TIER_TONES),
            _distribution("levels", "Churn risk", "level", levels, counts, LEVEL_TONES, beside=True),
            weeks(trends),
            subjects(trends),
            *([_seeded(seeded)] if seeded else []),
        ),
        notes=tuple(_notes(tables, trends, as_of)),
        main="tables",
    )


def _notes(tables: Sequence[TableFacts], trends: Trends, as_of: datetime | None) -> Iterator[str]:
    """Say what the past hides, and where the weeks lie in which something happened, when these are not the last."""
    if as_of:
        yield PAST
    (ended,) = (table.latest for table in tables if table.table == Session.__tablename__)
    if trends.quiet and ended:
        yield f"The weeks before the last session: tutormax stats --as-of {ended.date() + timedelta(days=1)}"


def _count_values(db: OrmSession, until: datetime, as_of: datetime | None) -> Counts:
    status = status_at(as_of) if as_of else Tutor.status
    people = select(status.label("status")).where(Tutor.onboarding_date < (as_of or ENDLESS)).cte("people")
    rows = db.execute(statement_on("distributions", db, people), {"as_of": until, "known_before": as_of or ENDLESS})
    return {(of_what, value): rows for of_what, value, rows in rows}


def tutor_stats(db: OrmSession, asked: str, windows: Sequence[int], as_of: datetime) -> Report:
    """Give one tutor's sessions, ratings, no-shows and reschedules of so many days before `as_of`, a row each.

    `asked` is an id or a name. Raises UsageError, naming who may be meant, when no tutor is called so, or several are.
    """
    tutor = find_tutor(db, asked)
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
            (Column("status", ""), tutor_status(db, tutor, as_of)),
            (Column("subjects", "", Kind.LIST), tuple(tutor.subjects)),
            as_of_fact(as_of),
        ),
        sections=(Section("statistics", columns, rows),),
        identity=((Column("tutor_id", "id"), tutor.tutor_id), (Column("name", "name"), tutor.name)),
    )


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


def _totals(tables: Sequence[TableFacts], counts: Counts, as_of: datetime | None) -> tuple[Fact, ...]:
    ratings = {int(value): counts.get(("rating", value), 0) for value in RATINGS}
    rated = sum(ratings.values())
    average = sum(rating * rows for rating, rows in ratings.items()) / rated if rated else None
    rows, size = sum(table.rows or 0 for table in tables), sum(table.bytes or 0 for table in tables)
    return (
        *([as_of_fact(as_of)] if as_of else []),
        (Column("rows", "rows", Kind.INT), rows),
        (Column("bytes", "size", Kind.BYTES, absent=""), None if as_of else size),
        (Column("average_rating", "average rating", Kind.FLOAT), average),
    )


def _distribution(
    name: str,
    title: str,
    of_what: str,
    values: Sequence[str],
    counts: Counts,
    tones: Mapping[str, Tone] | None = None,
    *,
    of: str = "tutors",
    beside: bool = False,
) -> Section:
    """Give the number and the share of each value, also of those that nobody has; `of` says what is counted."""
    total = sum(counts.get((of_what, value), 0) for value in values)
    columns = (
        Column(of_what, of_what, tones=tones or {}),
        Column(of, of, Kind.INT),
        Column("share", "share", Kind.PERCENT),
    )
    found = [(str(value), counts.get((of_what, value), 0)) for value in values]
    rows = tuple((value, count, count / total if total else None) for value, count in found)
    return Section(name, columns, rows, title=title, header=False, beside=beside)
