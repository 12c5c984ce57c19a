"""`tutormax log`: who changed what, and with which command."""

from datetime import datetime
from typing import Annotated

import typer

from tutormax_cli.cli.connect import settings
from tutormax_cli.cli.console import emit
from tutormax_cli.cli.options import FormatOption, OutputOption, parse_time
from tutormax_cli.reports.render import Format


def log(
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="How many entries at most.")] = 20,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--since",
            parser=parse_time,
            metavar="TIME",
            help="Only entries from this day or ISO 8601 time (UTC) on.",
            show_default=False,
        ),
    ] = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Show who changed the database with which command, newest first.

    Every command that changes something adds an entry in the transaction of its work, or after it failed. Entries
    can't be changed or removed, and a reset or a downgrade leaves them where they are.
    """
    from tutormax_cli.database.admin_log import entries
    from tutormax_cli.database.connection import connect
    from tutormax_cli.database.revisions import require_chosen_schema
    from tutormax_cli.reports.log import log_report

    chosen = settings()
    with connect(chosen) as connection:
        require_chosen_schema(connection)
        found = entries(connection, limit, since)
    emit(log_report(found, chosen), format, output)
