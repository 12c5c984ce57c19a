"""Commands as whole processes on a database: what each took of time and memory."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tutormax_cli.database.clients import client_environment, client_program
from tutormax_cli.database.connection import connect
from tutormax_cli.settings import Settings

TUTORMAX = (sys.executable, "-m", "tutormax_cli")


@dataclass(frozen=True)
class Run:
    """What one process took: seconds of wall clock, seconds of its own processor, megabytes at its largest."""

    wall: float
    processor: float
    memory: float

    def __str__(self) -> str:
        return f"{self.wall:.2f} s (processor {self.processor:.2f} s, {self.memory:.0f} MB)"


def environment_for(settings: Settings) -> dict[str, str]:
    """Give an environment in which both tutormax and PostgreSQL's own programs find the database."""
    return client_environment(settings) | {"DATABASE_URL": "postgresql://", "PGTZ": "UTC"}


def client(name: str, settings: Settings) -> str:
    """Find one of PostgreSQL's programs that is fit for the server."""
    with connect(settings, path=None) as connection:
        return str(client_program(name, settings, connection.info.server_version // 10_000))


def measured(command: Sequence[str], environment: Mapping[str, str]) -> Run:
    """Run a command and take its time and memory; what it says goes to stderr.

    The memory counts from that of this process, so fill databases in others.
    """
    started = time.perf_counter()
    aside = [(os.POSIX_SPAWN_DUP2, sys.stderr.fileno(), sys.stdout.fileno())]
    process = os.posix_spawn(command[0], list(command), environment, file_actions=aside)
    _, status, usage = os.wait4(process, 0)
    wall = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} failed")
    scale = 2**20 if sys.platform == "darwin" else 2**10  # Linux counts ru_maxrss in kilobytes, macOS in bytes
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / scale)
