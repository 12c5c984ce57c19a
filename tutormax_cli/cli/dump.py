"""`tutormax dump`: the whole database in one file, read to its end before it gets its name."""

from pathlib import Path
from typing import Annotated

import typer

from tutormax_cli.cli.backup_progress import backup_progress
from tutormax_cli.cli.connect import settings
from tutormax_cli.cli.console import emit, next_step
from tutormax_cli.cli.options import FormatOption
from tutormax_cli.errors import UsageError
from tutormax_cli.reports.render import Format


def dump(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to write it.",
            show_default="DATABASE-TIME.dump in this folder",
        ),
    ] = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Write the whole database to one file, and check that it holds every row.

    Everything in the database is in it, tables that aren't TutorMax's too. It is an archive of pg_dump's custom format
    that its owner alone can read; it gets its name when it is whole. Others go on reading and writing meanwhile.
    """
    import shlex
    from datetime import UTC, datetime

    from tutormax_cli.backup.dump import dump as dump_database
    from tutormax_cli.backup.dump import free_name
    from tutormax_cli.reports.backup import dumped_report

    if str(output) == "-":
        raise UsageError("a dump is read again after it was written, so it needs a file", "name one: -o FILE")
    chosen = settings()
    path = output or free_name(Path(), chosen.dbname, datetime.now(UTC))
    with backup_progress() as listener:
        dumped = dump_database(chosen, path, listener=listener)
    emit(dumped_report(dumped), format, None)
    next_step(f"to bring it back: tutormax restore {shlex.quote(str(path))}")
