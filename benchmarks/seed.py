"""How long `tutormax seed --raw` takes against `pg_restore -j1` of a dump of what it loaded, and how much memory.

    python benchmarks/seed.py [URL] [--tutors 5000] [--days 180] [--rounds 3]

Both run as whole processes, in turn, against fresh databases of one server: the one that URL names (its role must be
allowed to create databases), else the one that is configured, else the embedded one. The restore has less to do: it
generates no rows and takes no statistics.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from databases import reserved

from tutormax_cli.database.connection import connect
from tutormax_cli.database.embedded.programs import FOLDERS, installation
from tutormax_cli.database.migrations import create_database, upgrade
from tutormax_cli.database.queries import count_rows
from tutormax_cli.errors import TutormaxError
from tutormax_cli.settings import Settings, load_settings


@dataclass(frozen=True)
class Run:
    """What one process took: seconds of wall clock, seconds of processor, megabytes at its largest."""

    wall: float
    processor: float
    memory: float


def main() -> None:
    """Measure, printing each round and the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?", help="postgresql://user:password@host:5432/any")
    parser.add_argument("--tutors", type=int, default=5000)
    parser.add_argument("--days", type=int, default=180)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    settings = load_settings(arguments.url)
    world = ["--tutors", str(arguments.tutors), "--days", str(arguments.days), "--as-of", "2026-06-01"]
    seeds, restores = [], []
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "dump"
        for number in range(1, arguments.rounds + 1):
            with reserved(settings, "tutormax_benchmark_seed") as seeded:
                create_database(seeded)
                upgrade(seeded)
                seeds.append(measured([sys.executable, "-m", "tutormax_cli", "seed", "--raw", *world], seeded))
                if number == 1:
                    rows = total_rows(seeded)
                    measured([client("pg_dump", seeded), "-Fc", "-f", str(dump)], seeded)
            with reserved(settings, "tutormax_benchmark_restore") as restored:
                create_database(restored)
                restores.append(
                    measured([client("pg_restore", restored), "-j1", "-d", restored.dbname, str(dump)], restored)
                )
                assert total_rows(restored) == rows
            print(f"round {number}: seed {described(seeds[-1])} · pg_restore {described(restores[-1])}")
    ours, theirs = (statistics.median(run.wall for run in runs) for runs in (seeds, restores))
    print(f"{rows:,} rows: seed {ours:.2f} s ({rows / ours:,.0f} rows/s), pg_restore {theirs:.2f} s")
    print(f"seed / pg_restore = {ours / theirs:.2f} (to reach: 1.00)")
    print(f"client memory {max(run.memory for run in seeds):.0f} MB (to reach: 400 MB)")


def measured(command: list[str], settings: Settings) -> Run:
    """Run a command on a database and take its time and memory; what it says goes to stderr."""
    started = time.perf_counter()
    silent = [(os.POSIX_SPAWN_DUP2, sys.stderr.fileno(), sys.stdout.fileno())]
    process = os.posix_spawn(command[0], command, environment(settings), file_actions=silent)
    _, status, usage = os.wait4(process, 0)
    wall = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status):
        raise TutormaxError(f"{' '.join(command)} failed")
    # Linux counts ru_maxrss in kilobytes, macOS in bytes.
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / scale)


def environment(settings: Settings) -> Mapping[str, str]:
    """Give an environment in which both tutormax and libpq's programs find the database."""
    keywords = dict(settings.keywords or {})
    dbname = keywords.pop("dbname")
    url = f"postgresql:///{dbname}?" + "&".join(f"{key}={quote(value, safe='')}" for key, value in keywords.items())
    variables = {f"PG{key.upper()}": value for key, value in keywords.items() if key in ("host", "port", "user")}
    secret = {"PGPASSWORD": keywords["password"]} if "password" in keywords else {}
    return {**os.environ, **variables, **secret, "PGDATABASE": dbname, "DATABASE_URL": url}


def client(name: str, settings: Settings) -> str:
    """Find a client program of the server's version, or the next newer one: on PATH or with the embedded server."""
    with connect(settings) as connection:
        server = connection.info.server_version // 10_000
    found = {}
    for folder in (*(installation(version) / "bin" for version in FOLDERS), None):
        path = shutil.which(name, path=folder)
        if path:
            said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
            found[int(said.split()[2].split(".")[0])] = path
    fitting = [version for version in sorted(found) if version >= server]
    if not fitting:
        raise TutormaxError(f"no {name} for PostgreSQL {server} here")
    return found[fitting[0]]


def total_rows(settings: Settings) -> int:
    """Count the rows of all tables."""
    with connect(settings) as connection:
        return sum(count_rows(connection).values())


def described(run: Run) -> str:
    """Write a measurement in short."""
    return f"{run.wall:.2f} s (processor {run.processor:.2f} s, {run.memory:.0f} MB)"


if __name__ == "__main__":
    main()
