"""What a seeding would do, and what it did: rows by table, room, time, and the command that does it again."""

from collections.abc import Mapping
from datetime import datetime

from tutormax_cli.reports.report import Column, Kind, Layout, Report, Section, record
from tutormax_cli.reports.words import counted
from tutormax_cli.seeding.plan import Plan, TablePlan
from tutormax_cli.seeding.record import Seeded

_TABLE, _ROWS = Column("table", "table"), Column("rows", "rows", Kind.INT)
_BYTES = Column("bytes", "size", Kind.BYTES)
_NOTHING = TablePlan(0, 0)


def planned(run: str, plan: Plan, held: Mapping[str, int], fate: str) -> Report:
    """List rows and bytes to come beside the rows that are there; `fate` says what becomes of those: kept, deleted."""
    coming = {table: plan.tables.get(table, _NOTHING) for table in held}
    tables = Section(
        "tables",
        (_TABLE, _ROWS, _BYTES, Column("held", "there now", Kind.INT)),
        tuple(
            (table, each.rows, each.bytes, held[table]) for table, each in coming.items() if each.rows or held[table]
        ),
    )
    facts = (
        (Column("rows", "rows, about", Kind.INT), sum(each.rows for each in coming.values())),
        (_BYTES, sum(each.bytes for each in coming.values())),
        (Column("seconds", "time, about", Kind.SECONDS), plan.seconds),
    )
    lost = sum(held.values())
    notes = (f"The {lost:,} rows that are there would be {fate}.",) if lost else ()
    return Report("seed-plan", f"Would seed {run}", (tables,), facts=facts, notes=notes)


def done(run: Seeded, rows: Mapping[str, int], seconds: float) -> Report:
    """List the rows that each table got, and the command line that makes the same ones again."""
    again = record("again", [(Column("command", "Again, byte for byte:"), run.command)], layout=Layout.LINE)
    return Report(
        "seed",
        f"Seeded {described(run.tutors, run.days, run.as_of)}",
        (Section("tables", (_TABLE, _ROWS), tuple(rows.items())), again),
        facts=((_ROWS, sum(rows.values())), (Column("seconds", "in", Kind.SECONDS), seconds)),
    )


def described(tutors: int, days: int, as_of: datetime) -> str:
    """Name a world by its size and its end."""
    return f"{counted(tutors, 'tutor')}, {counted(days, 'day')} to {as_of.day} {as_of:%b %Y}"
