"""How long `tutormax seed --raw` takes against `pg_restore -j1` of a dump of what it loaded, and how much memory.

    python benchmarks/seed.py [URL] [--tutors 5000] [--days 180] [--rounds 3]

Both run as whole processes, in turn, against fresh databases of one server: the one that URL names (its role must be
allowed to create databases), else the one that is configured, else the embedded one. The restore has less to do: it
generates no rows and takes no statistics.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from databases import reserved
from processes import TUTORMAX, client, environment_for, measured

from tutormax_cli.database.connection import connect
from tutormax_cli.database.migrations import create_database, upgrade
from tutormax_cli.database.queries import count_rows
from tutormax_cli.settings import Settings, load_settings


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
    seeds, restores, analyzes = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "dump"
        for number in range(1, arguments.rounds + 1):
            with reserved(settings, "tutormax_benchmark_seed") as seeded:
                create_database(seeded)
                upgrade(seeded)
                seeds.append(measured([*TUTORMAX, "seed", "--raw", *world], environment_for(seeded)))
                if number == 1:
                    rows = total_rows(seeded)
                    measured([client("pg_dump", seeded), "-Fc", "-f", str(dump)], environment_for(seeded))
            with reserved(settings, "tutormax_benchmark_restore") as restored:
                create_database(restored)
                restores.append(
                    measured(
                        [client("pg_restore", restored), "-j1", "-d", restored.dbname, str(dump)],
                        environment_for(restored),
                    )
                )
                assert total_rows(restored) == rows
                analyzes.append(
                    measured([client("psql", restored), "-X", "-q", "-c", "ANALYZE"], environment_for(restored))
                )
            print(f"round {number}: seed {seeds[-1]} · pg_restore {restores[-1]}")
    ours, theirs = (statistics.median(run.wall for run in runs) for runs in (seeds, restores))
    print(f"{rows:,} rows: seed {ours:.2f} s ({rows / ours:,.0f} rows/s), pg_restore {theirs:.2f} s")
    print(f"seed / pg_restore = {ours / theirs:.2f} (to reach: 1.00)")
    planned = theirs + statistics.median(run.wall for run in analyzes)
    print(f"seed / (pg_restore, then ANALYZE, which seed includes) = {ours / planned:.2f}")
    print(f"client memory {max(run.memory for run in seeds):.0f} MB (to reach: 400 MB)")


def total_rows(settings: Settings) -> int:
    """Count the rows of all tables."""
    with connect(settings, path=None) as connection:
        return sum(count_rows(connection).values())


if __name__ == "__main__":
    main()
