"""`tutormax promote`: from the embedded database to a server."""

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from tutormax_cli.cli.backup_progress import backup_progress
from tutormax_cli.cli.connect import begin_change, configured, named_settings, use
from tutormax_cli.cli.console import emit, next_step, say
from tutormax_cli.cli.options import FormatOption, OutputOption
from tutormax_cli.errors import UsageError
from tutormax_cli.reports.render import Format

if TYPE_CHECKING:
    from tutormax_cli.settings import Settings


def promote(
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="URL",
            help="The server: postgresql://user@host:5432/name.",
            show_default="the one that is configured",
        ),
    ] = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Copy the embedded database to a server, and compare every table.

    The server's database is created where it is missing, and must hold no rows. All or nothing; the embedded database
    stays as it is.
    """
    from tutormax_cli.backup.promote import embedded_settings
    from tutormax_cli.backup.promote import promote as promote_database
    from tutormax_cli.database.connection import refuse_pooler
    from tutormax_cli.database.migrations import create_database
    from tutormax_cli.reports.backup import promoted_report

    chosen = configured(no_embedded=False)
    target, source = _target(to, chosen), embedded_settings(chosen)
    use(target, source=source)
    begin_change()
    if create_database(target, before=lambda server: refuse_pooler(server, target, "a promotion")):
        say(f"created database {target.dbname}")
    with backup_progress() as listener:
        promoted = promote_database(source, target, waiting=lambda why: say(f"waiting: {why}"), listener=listener)
    if promoted.source_version > promoted.target_version:
        say(f"note: the server's PostgreSQL {promoted.target_version} is older than {promoted.source_version} here")
    emit(promoted_report(promoted, _setting(to, target)), format, output)
    data = shlex.quote(str(source.home / "data"))
    say(f"The embedded database stays; once nobody needs it: tutormax server stop && rm -r {data}")
    next_step("tutormax stats" if to is None else "set DATABASE_URL, then tutormax doctor")


def _target(to: str | None, chosen: "Settings") -> "Settings":
    """Return the settings of the server. Raises UsageError if none is named."""
    if to is not None:
        return named_settings(to, "--to", chosen)
    if chosen.embedded:
        raise UsageError("no server is named", "name it: tutormax promote --to postgresql://user@host:5432/name")
    return chosen


def _setting(to: str | None, target: "Settings") -> str | None:
    """Write the line that makes every command use the server, if it isn't configured already."""
    return None if to is None else f"DATABASE_URL={target.database_url}"
