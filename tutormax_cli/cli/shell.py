"""`tutormax shell`: psql on this run's database."""

import os
import signal
import sys
from typing import Annotated

import typer

from tutormax_cli.cli.connect import settings
from tutormax_cli.errors import TutormaxError

VERSION_NUMBER_PER_MAJOR = 10_000


def shell(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- ARGUMENTS", help="What psql is given: -- -c 'SELECT 1'.", show_default=False),
    ] = None,
) -> None:
    """Open psql on the database, with the settings and the password of every other command.

    The embedded server is started first. Nothing of the connection stands on psql's command line, so no password shows
    in the list of processes. The exit code is psql's; a database that can't be reached is 3, as everywhere.
    """
    from tutormax_cli.database.clients import client_environment, client_program
    from tutormax_cli.database.connection import connect, refuse_pooler
    from tutormax_cli.database.revisions import require_chosen_schema

    chosen = settings()
    with connect(chosen) as connection:
        refuse_pooler(connection, chosen, "psql")
        require_chosen_schema(connection)
        major = connection.info.server_version // VERSION_NUMBER_PER_MAJOR
        tls = bool(connection.pgconn.ssl_in_use)
    psql = client_program("psql", chosen, major, tls=tls)
    environment = client_environment(chosen)
    _become(str(psql), ["psql", *(arguments or [])], environment)


def _become(program: str, command: list[str], environment: dict[str, str]) -> None:
    """Let this process be the program, so that the terminal, signals and the exit code are its own."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # Python ignores these for itself, and what is ignored stays so in the next program.
    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execve(program, command, environment)
    except OSError as problem:
        raise TutormaxError(
            f"can't run {program}: {problem.strerror}", "install PostgreSQL's client programs"
        ) from None
