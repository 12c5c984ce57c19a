"""Reports on the schema: its tables, where it stands, its history and its drift."""

from collections.abc import Sequence

import psycopg

from tutormax_cli.database.driver import schema_of
from tutormax_cli.database.models import Base
from tutormax_cli.database.revisions import Revision, SchemaState
from tutormax_cli.reports.report import Column, Kind, Report, Section, Tone, Value
from tutormax_cli.settings import Settings

PENDING = "pending"
_STATE_TONES = {"applied": Tone.GOOD, PENDING: Tone.WARNING}


def tables_report(connection: psycopg.Connection, settings: Settings, headline: str) -> Report:
    """List the eight tables of the database: how many columns, indexes and constraints each has."""
    counted = connection.execute(
        """
        SELECT c.relname, c.relnatts,
               (SELECT count(*) FROM pg_index WHERE indrelid = c.oid),
               (SELECT count(*) FROM pg_constraint WHERE conrelid = c.oid AND contype IN ('c', 'f', 'p', 'u'))
        FROM unnest(%s::text[]) WITH ORDINALITY ours (name, place)
        JOIN pg_class c ON c.relname = ours.name JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = %s ORDER BY place
        """,
        [list(Base.metadata.tables), schema_of(connection)],
    ).fetchall()
    columns = (
        Column("table", "table"),
        Column("columns", "columns", Kind.INT),
        Column("indexes", "indexes", Kind.INT),
        Column("constraints", "constraints", Kind.INT),
    )
    tables = Section("tables", columns, tuple(tuple(row) for row in counted))
    return Report("schema", headline, (tables,), facts=_where(settings))


def status_report(state: SchemaState, settings: Settings) -> Report:
    """List applied and pending revisions."""
    rows: list[tuple[Value, ...]] = [
        (
            revision.id,
            "applied" if revision in state.applied else PENDING,
            state.applied_at.get(revision.id),
            revision.title,
        )
        for revision in state.revisions
    ]
    section = Section("revisions", _revision_columns(), tuple(rows))
    facts: tuple[tuple[Column, Value], ...] = (
        *_where(settings),
        (Column("current", "at"), state.current),
        (Column("head", "head"), state.head),
        (Column("pending", "pending", Kind.INT), len(state.pending)),
    )
    return Report("migrate-status", "Schema", (section,), facts=facts)


def history_report(revisions: Sequence[Revision]) -> Report:
    """List the revisions that this program carries."""
    columns = (Column("revision", "revision"), Column("title", "what", wrap=True))
    rows = tuple((revision.id, revision.title) for revision in revisions)
    return Report("migrate-history", "Revisions", (Section("revisions", columns, rows),))


def drift_report(differences: Sequence[str], settings: Settings) -> Report:
    """List what differs between the database's tables and the models."""
    rows = tuple((difference,) for difference in differences)
    section = Section(
        "drift", (Column("difference", "difference", wrap=True),), rows, if_empty="The tables are as the models say."
    )
    return Report("migrate-check", "Schema drift", (section,), facts=_where(settings))


def _revision_columns() -> tuple[Column, ...]:
    return (
        Column("revision", "revision"),
        Column("state", "state", tones=_STATE_TONES),
        Column("applied_at", "applied", Kind.TIMESTAMP),
        Column("title", "what", wrap=True),
    )


def _where(settings: Settings) -> tuple[tuple[Column, Value], ...]:
    return ((Column("", "database"), settings.description),)
