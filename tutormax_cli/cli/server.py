"""`tutormax server`: start, stop and look at the embedded PostgreSQL."""

from typing import TYPE_CHECKING, Annotated

import typer

from tutormax_cli.cli.connect import embedded_server
from tutormax_cli.cli.console import emit, harmless, next_step, say
from tutormax_cli.cli.options import FormatOption, OutputOption
from tutormax_cli.errors import INTERRUPTED, CheckFailed
from tutormax_cli.reports.render import Format

if TYPE_CHECKING:
    from tutormax_cli.database.embedded import ServerStatus
    from tutormax_cli.reports.report import Report

app = typer.Typer(
    add_completion=False,
    help="Start, stop and look at the embedded PostgreSQL, which every command starts by itself when it needs it.",
    no_args_is_help=True,
)


@app.command()
def start() -> None:
    """Start the embedded server; the first time makes its database.

    It stays up until it is stopped, and commands start it by themselves: this is for those who want it warm.
    """
    server = embedded_server()
    server.start()
    say(f"PostgreSQL {server.version} is running, data in {server.data}")
    next_step("tutormax init")


@app.command()
def stop() -> None:
    """Stop the embedded server. Open sessions are ended; nothing that was committed is lost."""
    say("stopped" if embedded_server().stop() else "it was not running")


@app.command()
def status(
    check: Annotated[bool, typer.Option("--check", help="Exit 5 when it is not running.")] = False,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Say whether the embedded server runs, where it is and how large."""
    found = embedded_server().status()
    emit(_status_report(found), format, output)
    if check and not found.running:
        raise CheckFailed("the embedded server is not running", "start it: tutormax server start")


@app.command()
def logs(
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, metavar="N", help="How many of the last lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")] = False,
) -> None:
    """Show what the embedded server has said."""
    server = embedded_server()
    if not server.log_file.exists():
        say("there is no log yet: the embedded server was never started")
    try:
        for line in server.log(lines, follow=follow):
            typer.echo(harmless(line))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None  # that is how one stops following: nothing to explain


def _status_report(found: "ServerStatus") -> "Report":
    from tutormax_cli.reports.report import Column, Kind, Report, record

    state = "running" if found.running else "stopped" if found.version else "not made yet"
    facts = record(
        "server",
        [
            (Column("state", "State"), state),
            (Column("version", "PostgreSQL", Kind.INT), found.version),
            (Column("pid", "Process"), found.pid),
            (Column("data_directory", "Data", flexible=True, wrap=True), str(found.data_directory)),
            (Column("size_bytes", "Size on disk", Kind.BYTES), found.size_bytes),
            (Column("socket_directory", "Socket", flexible=True, wrap=True), str(found.socket_directory)),
            (Column("log_file", "Log", flexible=True, wrap=True), str(found.log_file)),
        ],
    )
    return Report("server-status", "Embedded PostgreSQL", (facts,))
