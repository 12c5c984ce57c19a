"""How long `tutormax import` takes for sessions in CSV against `psql \\copy` of the same file, and how much memory.

    python benchmarks/import.py [URL] [--rows 500000] [--rounds 3]

Both run as whole processes, in turn, into the empty sessions table of fresh databases of one server, beside the tutors
and students that the sessions refer to, with all keys, indexes and rules in place: the server that URL names (its role
must be allowed to create databases), else the one that is configured, else the embedded one. The import checks more:
every cell, before the server sees it.
"""

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from databases import reserved
from processes import TUTORMAX, client, environment_for, measured

from tutormax_cli.database.connection import connect
from tutormax_cli.database.migrations import create_database, upgrade
from tutormax_cli.settings import Settings, load_settings

TUTORS, STUDENTS = 20_000, 200_000

QUIETLY = ("-X", "-q", "-v", "ON_ERROR_STOP=1", "-c")

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
                ours.append(measured([*TUTORMAX, "import", str(file)], environment_for(target)))
                check(target, arguments.rows)
            with company(settings, "tutormax_benchmark_copy") as target:
                copy = f"\\copy sessions from '{file}' with (format csv, header)"
                theirs.append(measured([client("psql", target), *QUIETLY, copy], environment_for(target)))
                check(target, arguments.rows)
            print(f"round {number}: import {ours[-1]} · \\copy {theirs[-1]}", flush=True)
        size = file.stat().st_size
    wall, copied = (statistics.median(run.wall for run in runs) for runs in (ours, theirs))
    print(f"{arguments.rows:,} rows, {size / 1e6:,.0f} MB: import {wall:.2f} s ({arguments.rows / wall:,.0f} rows/s)")
    print(f"import / \\copy = {wall / copied:.2f} (to reach: 1.00)")
    print(f"client memory {max(run.memory for run in ours):.0f} MB")


@contextmanager
def company(server: Settings, name: str) -> Iterator[Settings]:
    """Give a database with people and no sessions."""
    with reserved(server, name) as settings:
        create_database(settings)
        upgrade(settings)
        with connect(settings, autocommit=True, path=None) as connection:
            connection.execute(PEOPLE.encode())
            connection.execute("CHECKPOINT")
        yield settings


def write_sessions(settings: Settings, file: Path, rows: int) -> None:
    """Write sessions of those people as CSV, times in UTC with their offset."""
    with connect(settings, path=None) as connection, psycopg.ClientCursor(connection) as cursor, file.open("wb") as out:
        query = cursor.mogrify(SESSIONS, {"rows": rows})
        with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)".encode()) as copy:
            for chunk in copy:
                out.write(chunk)


def check(settings: Settings, rows: int) -> None:
    """Make sure that every row arrived, and that keys and indexes are there."""
    with connect(settings, path=None) as connection:
        found = connection.execute(
            "SELECT count(*), (SELECT count(*) FROM pg_indexes WHERE tablename = 'sessions') FROM sessions"
        ).fetchone()
    assert found == (rows, 5), found


if __name__ == "__main__":
    main()
