"""The admin log as a report: who changed what with which command, newest first."""

from collections.abc import Sequence

from tutormax_cli.database.admin_log import Outcome, Written
from tutormax_cli.database.models import Base
from tutormax_cli.reports.report import Column, Kind, Report, Row, Section, Tone
from tutormax_cli.settings import Settings

_TONES: dict[str, Tone] = {Outcome.FAILED: Tone.BAD, Outcome.INTERRUPTED: Tone.WARNING}


def log_report(entries: Sequence[Written], settings: Settings) -> Report:
    """List entries of the admin log, in their order."""
    columns = (
        Column("at", "when (UTC)", Kind.TIMESTAMP),
        Column("who", "who", flexible=True, min_width=8),
        Column("command", "command", flexible=True, wrap=True, min_width=24),
        Column("outcome", "outcome", tones=_TONES),
        Column("rows", "rows", Kind.INT),
        Column("seconds", "time", Kind.SECONDS, priority=1),
        Column("tables", "of", Kind.LIST, priority=2, flexible=True, min_width=20),
        Column("details", "details", Kind.LIST, priority=2, flexible=True, min_width=20),
        Column("role", "role", priority=1),
        Column("sqlstate", "SQLSTATE", priority=3),
        Column("exit_code", "exit", Kind.INT, priority=3),
        Column("target", "database", priority=4),
        Column("address", "from", priority=4),
        Column("application", "application", priority=4),
        Column("revision", "schema", priority=4),
        Column("version", "version", priority=4),
        Column("id", "entry", Kind.INT, priority=4),
    )
    section = Section("entries", columns, tuple(_row(entry) for entry in entries), if_empty="No entries.")
    return Report("log", "Admin log", (section,), facts=((Column("", "database"), settings.description),))


def _row(entry: Written) -> Row:
    return (
        entry.at,
        f"{entry.os_user or '?'}@{entry.host or '?'}",
        entry.command,
        entry.outcome,
        sum(sum(verbs.values()) for verbs in entry.rows.values()) or None,
        entry.seconds,
        _changes(entry),
        _details(entry),
        entry.role,
        entry.sqlstate,
        entry.exit_code,
        entry.target,
        entry.address,
        entry.application,
        entry.revision,
        entry.version,
        entry.id,
    )


def _changes(entry: Written) -> tuple[str, ...]:
    """Say what became of how many rows, table by table: "sessions: 2669 inserted"."""
    place = {table: place for place, table in enumerate(Base.metadata.tables)}
    tables = sorted(entry.rows, key=lambda table: place.get(table, len(place)))
    return tuple(f"{table}: {count} {verb}" for table in tables for verb, count in entry.rows[table].items())


def _details(entry: Written) -> tuple[str, ...]:
    """List the facts of a dump or a proof: "dump id: 3f0e…", "dump bytes: 52000"."""
    facts = (
        (subject, name, value)
        for subject, values in (entry.details or {}).items()
        for name, value in (values.items() if isinstance(values, dict) else [("", values)])
    )
    return tuple(f"{subject} {name}: {value}".replace(" :", ":") for subject, name, value in facts if value is not None)
