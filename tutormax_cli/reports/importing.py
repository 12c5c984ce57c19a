"""What an import did with the rows of each table, and what is wrong with those that it refused."""

from collections.abc import Sequence

from tutormax_cli.importing.faults import Refused
from tutormax_cli.importing.load import Imported
from tutormax_cli.reports.report import Column, Kind, Report, Section

_COUNTS = ("read", "inserted", "updated", "unchanged", "skipped", "rejected")


def done(results: Sequence[Imported], seconds: float, *, dry_run: bool, undated: int) -> Report:
    """List by table how many rows were read, and what became of them.

    `undated` tutors have left without a time when: worth a word where tutors were among the rows.
    """
    columns = (Column("table", "table"), *(Column(name, name, Kind.INT) for name in _COUNTS))
    rows = tuple((each.table, *(getattr(each, name) for name in _COUNTS)) for each in results)
    facts = (
        (Column("rows", "rows read", Kind.INT), sum(each.read for each in results)),
        (Column("seconds", "in", Kind.SECONDS), seconds),
    )
    notes: tuple[str, ...] = ()
    if undated and any(each.table == "tutors" for each in results):
        who = "1 churned tutor has" if undated == 1 else f"{undated:,} churned tutors have"
        notes = (f"{who} no churned_at; predictions reckon it from their last session.",)
    title = "Would import (dry run: nothing was changed)" if dry_run else "Imported"
    return Report("import", title, (Section("tables", columns, rows),), facts, notes)


def refused(problem: Refused) -> list[str]:
    """Write the first faults a line each, then how many there are of each kind where not all were shown."""
    lines = [f"  {fault}" for fault in problem.faults]
    if sum(problem.counts.values()) > len(problem.faults):
        lines.append(f"  and {sum(problem.counts.values()) - len(problem.faults):,} more; in all:")
        for (table, column, reason), rows in problem.counts.most_common(10):
            lines.append(f"    {rows:,} × {f'{table}.{column}' if column else table}: {reason}")
    return lines
