"""The options that commands share, so that each is called, read and explained the same everywhere."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from tutormax_cli import __version__
from tutormax_cli.cli.invocation import current
from tutormax_cli.reports.render import Format

_CLOCK_TOLERANCE = timedelta(days=1)
_EARLIEST_YEAR = 1990


def parse_time(text: str) -> datetime:
    """Read a day (its midnight UTC) or an ISO 8601 time (UTC unless it has an offset) that isn't in the future."""
    try:
        time = datetime.fromisoformat(text.strip())
        time = (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is not a time; write 2026-06-01 or 2026-06-01T09:00+02:00") from None
    if time.year < _EARLIEST_YEAR:
        raise typer.BadParameter(f"{text!r} is before {_EARLIEST_YEAR}")
    if time > datetime.now(UTC) + _CLOCK_TOLERANCE:
        raise typer.BadParameter(f"{text!r} is in the future")
    return time


def _remember_url(value: str | None) -> str | None:
    if value is not None:
        current.database_url = value
    return value


def _remember_env_file(value: Path | None) -> Path | None:
    if value is not None:
        current.env_file = value
    return value


def _remember_schema(value: str | None) -> str | None:
    if value is not None:
        current.schema = value
    return value


def _remember_no_embedded(value: bool) -> bool:
    current.no_embedded = current.no_embedded or value
    return value


def _remember_debug(value: bool) -> bool:
    current.debug = current.debug or value
    return value


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"tutormax {__version__}")
        raise typer.Exit


DatabaseUrlOption = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        metavar="URL",
        callback=_remember_url,
        help="The database: postgresql://user:password@host:5432/name.",
        show_default=False,
        rich_help_panel="Everywhere",
    ),
]
EnvFileOption = Annotated[
    Path | None,
    typer.Option(
        "--env-file",
        metavar="FILE",
        callback=_remember_env_file,
        help="Read settings from this file instead of .env in the working directory.",
        show_default=False,
        rich_help_panel="Everywhere",
    ),
]
SchemaOption = Annotated[
    str | None,
    typer.Option(
        "--schema",
        metavar="NAME",
        callback=_remember_schema,
        help="The schema of TutorMax's tables.",
        show_default="public",
        rich_help_panel="Everywhere",
    ),
]
NoEmbeddedOption = Annotated[
    bool,
    typer.Option(
        "--no-embedded",
        callback=_remember_no_embedded,
        help="Exit with an error if no server is configured, instead of using the embedded PostgreSQL.",
        rich_help_panel="Everywhere",
    ),
]
DebugOption = Annotated[
    bool,
    typer.Option(
        "--debug", callback=_remember_debug, help="Show a traceback with an error.", rich_help_panel="Everywhere"
    ),
]
VersionOption = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop.")
]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        parser=parse_time,
        metavar="TIME",
        help="Count only what was known before this day or ISO 8601 time (UTC).",
        show_default=False,
    ),
]
FormatOption = Annotated[
    Format,
    typer.Option(
        "--format",
        "-f",
        metavar="FORMAT",
        help=f"How to write the result: {', '.join(list(Format)[:-1])} or {list(Format)[-1]}.",
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write the result to a file.", show_default=False),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask before data is lost.")]
ConfirmOption = Annotated[
    str | None,
    typer.Option(
        "--confirm",
        metavar="DATABASE",
        help="The database's name: takes the place of --yes where it is not on this machine, or marked production.",
        show_default=False,
    ),
]
WaitOption = Annotated[
    float, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for a server or a lock.")
]
