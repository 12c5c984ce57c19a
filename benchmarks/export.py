"""How long `tutormax export sessions` takes against `psql \\copy` of the same table, and how much memory.

    python benchmarks/export.py [URL] [--tutors 2000] [--days 180] [--rounds 5]

Both run as whole processes, in turn, and write a CSV file of a seeded company's sessions: on the server that URL names
(its role must be allowed to create databases), else the one that is configured, else the embedded one. The export asks
more of the server: times in ISO 8601, true and false, texts made harmless for spreadsheets, rows in order. So psql also
runs the export's own statement, which tells what the client adds; and the export writes its other forms.
"""

import argparse
import filecmp
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from databases import reserved
from processes import TUTORMAX, Run, client, environment_for, measured
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.connection import connect
from tutormax_cli.database.engine import make_engine
from tutormax_cli.database.migrations import create_database
from tutormax_cli.exporting.export import snapshot, table_sources
from tutormax_cli.exporting.statements import copy_statement
from tutormax_cli.files.formats import FileFormat
from tutormax_cli.settings import Settings, load_settings

NAME = "tutormax_benchmark_export"
OTHER_FORMS = ("csv.gz", "csv.zst", "jsonl", "parquet")


def main() -> None:
    """Measure, printing each round and the ratios of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?", help="postgresql://user:password@host:5432/any")
    parser.add_argument("--tutors", type=int, default=2000)
    parser.add_argument("--days", type=int, default=180)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with reserved(load_settings(options.url), NAME) as settings, tempfile.TemporaryDirectory() as folder:
        environment = prepare(settings, options.tutors, options.days)
        compare(settings, environment, Path(folder), options.rounds)


def prepare(settings: Settings, tutors: int, days: int) -> dict[str, str]:
    """Make and fill the database; give the environment in which tutormax and psql find it.

    It is filled by another process, for the sake of what `measured` takes for memory.
    """
    create_database(settings)
    environment = environment_for(settings)
    tutormax(environment, "init")
    tutormax(environment, "seed", "--raw", "--tutors", str(tutors), "--days", str(days), "--as-of", "2026-06-01")
    with connect(settings, autocommit=True, path=None) as connection:
        connection.execute("VACUUM ANALYZE sessions")
    return environment


def own_statement(settings: Settings) -> str:
    """Give the statement with which the export reads the sessions."""
    engine = make_engine(settings)
    with OrmSession(engine) as db:
        (source,) = table_sources(snapshot(db), ["sessions"])
    engine.dispose()
    return copy_statement(source, FileFormat.CSV)


def compare(settings: Settings, environment: Mapping[str, str], folder: Path, rounds: int) -> None:
    """Time the three in turn, then the export's other forms once each."""
    psql = [client("psql", settings), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c"]
    commands = {
        "export": [*TUTORMAX, "export", "sessions", "-o", str(folder / "ours.csv")],
        "\\copy": [*psql, f"\\copy sessions to '{folder / 'theirs.csv'}' with (format csv, header)"],
        "same statement": [*psql, own_statement(settings), "-o", str(folder / "same.csv")],
    }
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for number in range(1, rounds + 1):
        for name, command in commands.items():
            runs[name].append(measured(command, environment))
        print(f"round {number}: " + " · ".join(f"{name} {taken[-1]}" for name, taken in runs.items()), flush=True)
    if not filecmp.cmp(folder / "ours.csv", folder / "same.csv", shallow=False):
        raise SystemExit("the export and its own statement differ")
    report(folder / "ours.csv", runs)
    for form in OTHER_FORMS:
        file = folder / f"sessions.{form}"
        taken = tutormax(environment, "export", "sessions", "-o", str(file))
        print(f"{form}: {taken}, {file.stat().st_size / 1e6:.1f} MB", flush=True)


def report(file: Path, runs: Mapping[str, Sequence[Run]]) -> None:
    """Print the ratios."""
    with file.open("rb") as lines:
        rows = sum(1 for _ in lines) - 1
    walls = {name: statistics.median(run.wall for run in taken) for name, taken in runs.items()}
    ours = walls.pop("export")
    print(f"{rows:,} rows, {file.stat().st_size / 1e6:,.0f} MB: export {ours:.2f} s ({rows / ours:,.0f} rows/s)")
    for name, wall in walls.items():
        print(f"export / {name} = {ours / wall:.2f}")
    print(f"client memory {max(run.memory for run in runs['export']):.0f} MB")


def tutormax(environment: Mapping[str, str], *arguments: str) -> Run:
    """Run a command of ours."""
    return measured([*TUTORMAX, *arguments], environment)


if __name__ == "__main__":
    main()
