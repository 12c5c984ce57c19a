"""How long `tutormax import` takes for sessions in CSV against `psql \\copy` of the same file, and how much memory.

    python benchmarks/import.py [URL] [--rows 500000] [--rounds 3]

Both run as whole processes, in turn, into the empty sessions table of fresh databases of one server, beside the tutors
and students that the sessions refer to, with all keys, indexes and rules in place: the server that URL names (its role
must be allowed to create databases), else the one that is configured, else the embedded one. The import checks more:
every cell, before the server sees it.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from tutormax_cli.database.connection import MAINTENANCE_DATABASE, connect, connection_keywords
from tutormax_cli.database.embedded.programs import program
from tutormax_cli.database.migrations import create_database, upgrade
from tutormax_cli.errors import TutormaxError
from tutormax_cli.settings import Settings, load_settings

TUTORS, STUDENTS = 20_000, 200_000

PEOPLE = f"""
INSERT INTO tutors (tutor_id, name, email, onboarding_date, status, subjects)
SELECT 'tutor_' || lpad(n::text, 5, '0'), 'Tutor ' || n, n || '@example.org', '2024-01-01Z', 'active', '{{algebra}}'
FROM generate_series(1, {TUTORS}) AS n;
INSERT INTO students (student_id, name)
SELECT 'student_' || lpad(n::text, 6, '0'), 'Student ' || n FROM generate_series(1, {STUDENTS}) AS n;
ANALYZE tutors, students
"""

SESSIONS = f"""
SELECT 'session_' || lpad(n::text, 8, '0') AS session_id,
       'tutor_' || lpad((1 + n * 7 % {TUTORS})::text, 5, '0') AS tutor_id,
       'student_' || lpad((1 + n * 31 % {STUDENTS})::text, 6, '0') AS student_id,
       1 + n / {STUDENTS} AS session_number,
       begins AS scheduled_start,
       CASE WHEN n % 11 > 0 THEN begins + n % 9 * interval '1 minute' END AS actual_start,
       60 AS duration_minutes,
       (ARRAY['algebra', 'physics', 'English literature', 'SAT'])[1 + n % 4] AS subject,
       CASE WHEN n % 5 = 0 THEN 'group' ELSE '1-on-1' END AS session_type,
       n % 13 = 0 AS tutor_initiated_reschedule,
       n % 11 = 0 AS no_show,
       n % 9 AS late_start_minutes,
       round((0.3 + (n * 37 % 700) / 1000.0)::numeric, 3)::float8 AS engagement_score,
       CASE WHEN n % 11 > 0 THEN n % 3 > 0 END AS learning_objectives_met,
       n % 29 = 0 AS technical_issues,
       begins - interval '7 days' AS created_at,
       begins + interval '1 hour' AS updated_at
FROM generate_series(1, %(rows)s) AS n,
     LATERAL (SELECT timestamptz '2025-01-01Z' + n %% 35000 * interval '15 minutes' AS begins) AS time
""".replace(" % ", " %% ")


@dataclass(frozen=True)
class Run:
    """What one process took: seconds of wall clock, megabytes at its largest."""

    wall: float
    memory: float


def main() -> None:
    """Measure, printing each round and the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?", help="postgresql://user:password@host:5432/any")
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    settings = load_settings(arguments.url)
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sessions.csv"
        for number in range(1, arguments.rounds + 1):
            with company(settings, "tutormax_benchmark_import") as target:
                if number == 1:
                    write_sessions(target, file, arguments.rows)
                ours.append(measured([sys.executable, "-m", "tutormax_cli", "import", str(file)], target))
                check(target, arguments.rows)
            with company(settings, "tutormax_benchmark_copy") as target:
                copy = f"\\copy sessions from '{file}' with (format csv, header)"
                theirs.append(measured([psql(), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", copy], target))
                check(target, arguments.rows)
            print(f"round {number}: import {described(ours[-1])} · \\copy {described(theirs[-1])}", flush=True)
        size = file.stat().st_size
    wall, copied = (statistics.median(run.wall for run in runs) for runs in (ours, theirs))
    print(f"{arguments.rows:,} rows, {size / 1e6:,.0f} MB: import {wall:.2f} s ({arguments.rows / wall:,.0f} rows/s)")
    print(f"import / \\copy = {wall / copied:.2f} (to reach: 1.00)")
    print(f"client memory {max(run.memory for run in ours):.0f} MB")


@contextmanager
def company(settings: Settings, name: str) -> Iterator[Settings]:
    """Give a fresh database with people and no sessions, and drop it at the end."""
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    made = replace(settings, keywords={**connection_keywords(settings), "dbname": name}, source="benchmark")
    with connect(settings, dbname=MAINTENANCE_DATABASE, autocommit=True) as connection:
        connection.execute(drop)
        try:
            create_database(made)
            upgrade(made)
            with connect(made) as inside:
                inside.execute(PEOPLE.encode())
            connection.execute("CHECKPOINT")
            yield made
        finally:
            connection.execute(drop)


def write_sessions(settings: Settings, file: Path, rows: int) -> None:
    """Write sessions of those people as CSV, times in UTC with their offset."""
    with connect(settings) as connection, psycopg.ClientCursor(connection) as cursor, file.open("wb") as out:
        query = cursor.mogrify(SESSIONS, {"rows": rows})
        with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)".encode()) as copy:
            for chunk in copy:
                out.write(chunk)


def check(settings: Settings, rows: int) -> None:
    """Make sure that every row arrived, and that keys and indexes are there."""
    with connect(settings) as connection:
        found = connection.execute(
            "SELECT count(*), (SELECT count(*) FROM pg_indexes WHERE tablename = 'sessions') FROM sessions"
        ).fetchone()
    assert found == (rows, 5), found


def psql() -> str:
    """Find psql: the embedded server's, else the one on PATH."""
    try:
        return str(program("psql"))
    except TutormaxError:
        found = shutil.which("psql")
        if found is None:
            raise
        return found


def measured(command: list[str], settings: Settings) -> Run:
    """Run a command on a database and take its time and memory; what it says goes to stderr."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment(settings), stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise TutormaxError(f"{' '.join(command)} failed")
    # Linux counts ru_maxrss in kilobytes, macOS in bytes.
    return Run(wall, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))


def environment(settings: Settings) -> Mapping[str, str]:
    """Give an environment in which both tutormax and psql find the database."""
    keywords = dict(settings.keywords or {})
    dbname = keywords.pop("dbname")
    url = f"postgresql:///{dbname}?" + "&".join(f"{key}={quote(value, safe='')}" for key, value in keywords.items())
    variables = {f"PG{key.upper()}": value for key, value in keywords.items() if key in ("host", "port", "user")}
    secret = {"PGPASSWORD": keywords["password"]} if "password" in keywords else {}
    return {**os.environ, **variables, **secret, "PGDATABASE": dbname, "DATABASE_URL": url}


def described(run: Run) -> str:
    """Write a measurement in short."""
    return f"{run.wall:.2f} s ({run.memory:.0f} MB)"


if __name__ == "__main__":
    main()
