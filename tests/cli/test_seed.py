"""`tutormax seed` as a process: what it loads, says and refuses, and that stopping it leaves nothing behind."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, func, select, text

from tests.conftest import Finished, clean_environment
from tutormax_cli import __version__
from tutormax_cli.database import ChurnPrediction, Tutor, TutorPerformanceMetric
from tutormax_cli.database.engine import driver_connection
from tutormax_cli.database.queries import count_rows
from tutormax_cli.seeding.record import Seeded, read_seed_record

Run = Callable[..., Finished]
SMALL = ("--tutors", "12", "--days", "60", "--as-of", "2026-06-01")


def counts(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return count_rows(driver_connection(connection))


def record(engine: Engine) -> list[Seeded]:
    with engine.connect() as connection:
        return read_seed_record(driver_connection(connection))


def contents(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Give every row of every table but the times of writing, which the server's clock fills."""
    found = {}
    with engine.connect() as connection:
        for table in ("tutors", "students", "sessions", "student_feedback", "tutor_events", "interventions"):
            found[table] = [tuple(row) for row in connection.execute(text(f"SELECT * FROM {table} ORDER BY 1"))]
    return found


def test_it_loads_evaluates_predicts_and_says_how_to_do_it_again(tutormax: Run, engine: Engine) -> None:
    done = tutormax("seed", *SMALL)
    assert done.exit_code == 0, done.stderr
    rows = counts(engine)
    assert all(rows[table] for table in rows if table != "interventions")
    summary, *tables, _, again = done.stdout.splitlines()
    total = f"{sum(rows.values()):,}"
    assert re.fullmatch(rf"Seeded 12 tutors, 60 days to 1 Jun 2026 · rows {total} · in [\d.]+ m?s", summary)
    assert {line.split()[0]: line.split()[1] for line in tables[2:]} == {
        name: f"{n:,}" for name, n in rows.items() if n
    }
    (run,) = record(engine)
    assert again.strip() == f"Again, byte for byte: {run.command}"
    assert run.command == "tutormax seed --tutors 12 --days 60 --seed 42 --as-of 2026-06-01"
    assert run.version == __version__
    assert "Next: tutormax risk-report" in done.stderr


def test_the_report_has_a_trend_of_five_weeks(tutormax: Run, engine: Engine) -> None:
    tutormax("seed", *SMALL)
    with engine.connect() as connection:
        predicted = connection.execute(select(func.distinct(ChurnPrediction.prediction_date))).scalars()
        assert {f"{at:%Y-%m-%d}" for at in predicted} == {
            *("2026-04-27", "2026-05-04", "2026-05-11", "2026-05-18", "2026-05-25", "2026-06-01")
        }
        evaluated = connection.execute(select(func.distinct(TutorPerformanceMetric.calculation_date))).scalars()
        assert [f"{at:%Y-%m-%d}" for at in evaluated] == ["2026-06-01"]


def test_the_printed_command_makes_the_same_rows(tutormax: Run, engine: Engine) -> None:
    first = tutormax("seed", *SMALL, "--raw")
    before = contents(engine)
    digests = [run.digests for run in record(engine)]
    command = first.stdout.splitlines()[-1].partition("tutormax ")[2].split()
    assert tutormax(*command, "--replace", "--yes").exit_code == 0
    assert contents(engine) == before
    assert [run.digests for run in record(engine)] == digests
    assert "Next: tutormax evaluate" in first.stderr
    assert counts(engine)["churn_predictions"] == 0


def test_appending_continues_the_numbers(tutormax: Run, engine: Engine) -> None:
    tutormax("seed", *SMALL, "--raw")
    done = tutormax("seed", *SMALL[2:], "--tutors", "5", "--raw", "--append")
    assert done.exit_code == 0, done.stderr
    with engine.connect() as connection:
        ids = connection.execute(select(Tutor.tutor_id).order_by(Tutor.tutor_id)).scalars().all()
    assert ids == [f"tutor_{number:05}" for number in range(1, 18)]
    appended = contents(engine)
    assert [run.command.endswith("--append") for run in record(engine)] == [False, True]
    assert tutormax("seed", *SMALL[2:], "--tutors", "17", "--raw", "--replace", "--yes").exit_code == 0
    assert contents(engine) == appended
    assert len(record(engine)) == 1


def test_a_database_with_rows_is_refused(tutormax: Run, engine: Engine) -> None:
    tutormax("seed", *SMALL, "--raw")
    before = counts(engine)
    done = tutormax("seed", *SMALL)
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"already holds rows: {before['tutors']} tutors" in done.stderr or "12 tutors" in done.stderr
    assert "--append" in done.stderr and "--replace" in done.stderr
    assert counts(engine) == before


def test_replacing_asks_first(tutormax: Run, engine: Engine) -> None:
    tutormax("seed", *SMALL, "--raw")
    done = tutormax("seed", *SMALL, "--tutors", "3", "--replace")
    assert (done.exit_code, counts(engine)["tutors"]) == (2, 12)
    assert "12 tutors" in done.stderr and "--yes" in done.stderr
    assert tutormax("seed", *SMALL, "--tutors", "3", "--replace", "--yes").exit_code == 0
    assert counts(engine)["tutors"] == 3


def test_replacing_takes_predictions_too_and_says_so(seeded_url: str, tutormax: Run) -> None:
    refused = tutormax("seed", *SMALL, "--replace")
    assert re.search(r"[1-9]\d* churn_predictions", refused.stderr)
    assert tutormax("seed", *SMALL, "--raw", "--replace", "--yes").exit_code == 0
    seeded = create_engine(seeded_url.replace("postgresql:", "postgresql+psycopg:", 1))
    assert counts(seeded)["churn_predictions"] == 0
    assert len(record(seeded)) == 1
    seeded.dispose()


def test_a_dry_run_tells_and_does_nothing(tutormax: Run, engine: Engine) -> None:
    done = tutormax("seed", *SMALL, "--raw", "--dry-run", "--format", "json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert not any(counts(engine).values())
    assert tutormax("seed", *SMALL, "--raw").exit_code == 0
    held = counts(engine)
    assert {each["table"]: each["rows"] for each in told["tables"]} == {
        name: rows for name, rows in held.items() if rows
    }
    assert told["rows"] == sum(held.values())
    assert 0.5 < told["seconds"] < 30
    done = tutormax("seed", *SMALL, "--dry-run", "--replace")
    assert re.match(r"Would seed 12 tutors, 60 days to 1 Jun 2026 · rows, about [\d,]+ · size ", done.stdout)
    assert f"The {sum(held.values()):,} rows that are there would be deleted." in done.stdout


@pytest.mark.parametrize("raw", [("--raw",), ()], ids=["raw", "with predictions"])
def test_the_room_told_is_about_the_room_taken(tutormax: Run, engine: Engine, raw: tuple[str, ...]) -> None:
    world = ("--tutors", "150", "--as-of", "2026-06-01", *raw)
    told = json.loads(tutormax("seed", *world, "--dry-run", "--format", "json").stdout)
    assert tutormax("seed", *world).exit_code == 0
    for each in told["tables"]:
        assert each["rows"] == pytest.approx(counts(engine)[each["table"]], rel=0.1 if raw == () else 0)
    with engine.connect() as connection:
        sizes = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname = ANY(:tables)"
        tables = [each["table"] for each in told["tables"] if each["rows"]]
        taken = connection.execute(text(sizes), {"tables": tables}).scalar_one()
    assert told["bytes"] == pytest.approx(float(taken), rel=0.2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--tutors", "0"), "--tutors"),
        (("--tutors", "1000001"), "--tutors"),
        (("--days", "0"), "--days"),
        (("--seed", "-1"), "--seed"),
        (("--as-of", "soon"), "soon"),
        (("--as-of", "2026-06-01T12:00"), "midnight"),
        (("--append", "--replace"), "exclude"),
    ],
)
def test_wrong_arguments_are_usage_errors(tutormax: Run, arguments: tuple[str, ...], words: str) -> None:
    done = tutormax("seed", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr


@pytest.fixture
def watcher(database_url: str) -> Iterator[Engine]:
    made = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:", 1), isolation_level="AUTOCOMMIT")
    yield made
    made.dispose()


@contextmanager
def stopped_while(
    url: str, watcher: Engine, doing: str, with_signal: int, folder: Path
) -> Iterator["subprocess.Popen[str]"]:
    """Seed in a process, and stop it once the server says that it is doing something."""
    command = [sys.executable, "-m", "tutormax_cli", "seed", "--tutors", "3000", "--as-of", "2026-06-01"]
    with subprocess.Popen(
        command, env=clean_environment(DATABASE_URL=url), cwd=folder, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(watcher, f"query LIKE '{doing}' AND state = 'active'", 1)
        process.send_signal(with_signal)
        yield process
    wait_for(watcher, "true", 0)


def wait_for(watcher: Engine, condition: str, sessions: int) -> None:
    """Wait until so many other sessions of this database meet a condition."""
    others = "datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    query = f"SELECT count(*) FROM pg_stat_activity WHERE {others} AND {condition}"
    deadline = time.monotonic() + 60
    with watcher.connect() as connection:
        while connection.exec_driver_sql(query, execution_options={"no_parameters": True}).scalar() != sessions:
            assert time.monotonic() < deadline, f"waited in vain for {condition}"
            time.sleep(0.002)


@pytest.mark.parametrize(("doing", "with_signal"), [("COPY%", signal.SIGINT), ("CREATE INDEX%", signal.SIGKILL)])
def test_stopping_it_leaves_nothing(
    database_url: str, watcher: Engine, doing: str, with_signal: signal.Signals, tmp_path: Path
) -> None:
    indexes = text("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")
    with watcher.connect() as connection:
        before = connection.execute(indexes).all()
    with stopped_while(database_url, watcher, doing, with_signal, tmp_path) as process:
        _, said = process.communicate(timeout=60)
    if with_signal == signal.SIGINT:
        assert process.returncode == 130
        assert "Traceback" not in said
    with watcher.connect() as connection:
        assert connection.execute(indexes).all() == before
    assert not any(counts(watcher).values())
    assert record(watcher) == []
