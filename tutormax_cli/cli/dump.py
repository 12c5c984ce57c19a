"""`tutormax dump`: the whole database in one file, read to its end before it gets its name."""

from pathlib import Path
from typing import Annotated

import typer

from tutormax_cli.cli.backup_progress import backup_progress
from tutormax_cli.cli.connect import begin_change, settings
from tutormax_cli.cli.console import emit, next_step, say
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

    Everything in the database is in it, tables that aren't TutorMax's too. It is an archive of pg_dump's custom format,
    readable only by you (mode 600). Written to a temporary file and renamed when complete. Does not block other
    sessions. Adds an entry to the admin log if the role may.
    """
    import shlex
    from datetime import UTC, datetime

    from tutormax_cli.backup.dump import dump as dump_database
    from tutormax_cli.backup.dump import free_name
    from tutormax_cli.database.admin_log import record_dump
    from tutormax_cli.reports.backup import dumped_report

    if str(output) == "-":
        raise UsageError("a dump is read again after it was written, so it needs a file", "name one: -o FILE")
    chosen = settings()
    begin_change()
    path = output or free_name(Path(), chosen.dbname, datetime.now(UTC))
    with backup_progress() as listener:
        dumped = dump_database(chosen, path, listener=listener)
    reason = record_dump(chosen, dump_id=dumped.id, size=dumped.bytes, file=path, seconds=dumped.seconds)
    if reason is not None:
        say(f"warning: not added to the admin log: {reason}", style="yellow")
    emit(dumped_report(dumped), format, None)
    file = shlex.quote(str(path))
    next_step(f"tutormax prove {file}, or to bring it back: tutormax restore {file}")
