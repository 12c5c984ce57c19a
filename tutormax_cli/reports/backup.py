"""What was dumped, restored or moved: rows by table, and what tells one archive from another."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tutormax_cli.reports.report import Column, Kind, Layout, Report, Section, record

if TYPE_CHECKING:
    from tutormax_cli.backup.archive import Archive
    from tutormax_cli.backup.dump import Dumped
    from tutormax_cli.backup.promote import Promoted
    from tutormax_cli.backup.restore import Restored

_ROWS = Column("rows", "rows", Kind.INT)
_SECONDS = Column("seconds", "in", Kind.SECONDS)
_REVISION = Column("revision", "schema at")


def dumped_report(dumped: "Dumped") -> Report:
    """List the rows of each table in a new archive."""
    facts = (
        (_ROWS, sum(dumped.rows.values())),
        (Column("bytes", "size", Kind.BYTES), dumped.bytes),
        (_REVISION, dumped.revision),
        (_SECONDS, dumped.seconds),
        (Column("file", "file"), str(dumped.path)),
    )
    return Report("dump", "Dumped", (_tables(dumped.rows),), facts=facts)


def restored_report(archive: "Archive", restored: "Restored") -> Report:
    """List the rows of each table that a restore brought back."""
    facts = (
        (_ROWS, sum(restored.rows.values())),
        (_REVISION, archive.revision),
        (Column("made_at", "dumped"), archive.made_at),
        (_SECONDS, restored.seconds),
        (Column("file", "file"), str(archive.path)),
    )
    return Report("restore", "Restored", (_tables(restored.rows),), facts=facts)


def promoted_report(promoted: "Promoted", setting: str | None) -> Report:
    """List the rows of each table that was moved, and the setting that names the server from now on, if one is new."""
    columns = (Column("table", "table"), _ROWS, Column("digest", "checksum (identical)", priority=1))
    rows = tuple((name, digest.rows, digest.checksum) for name, digest in promoted.tables.items())
    facts = (
        (_ROWS, sum(digest.rows for digest in promoted.tables.values())),
        (Column("source_version", "from PostgreSQL", Kind.INT), promoted.source_version),
        (Column("target_version", "to PostgreSQL", Kind.INT), promoted.target_version),
        (_SECONDS, promoted.seconds),
    )
    line = record("setting", [(Column("setting", "Put into .env:"), setting)], layout=Layout.LINE)
    return Report(
        "promote",
        "Copied",
        (Section("tables", columns, rows), *([line] if setting else [])),
        facts=facts,
        main="tables",
    )


def _tables(rows: Mapping[str, int]) -> Section:
    return Section("tables", (Column("table", "table"), _ROWS), tuple(rows.items()))
