"""`tutormax seed --append`: it goes on where the last seeding ended, or says why it can't; and what seeds are equal."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.conftest import Finished
from tutormax_cli.database.engine import driver_connection
from tutormax_cli.seeding import seed as seeding
from tutormax_cli.seeding.record import read_seed_record
from tutormax_cli.simulation import TABLES, World

Run = Callable[..., Finished]
WORLD_END = datetime(2026, 6, 1, tzinfo=UTC)
WORLD = ("--days", "60", "--as-of", "2026-06-01")

FINGERPRINT = "SELECT md5(string_agg(md5(t::text), '' ORDER BY t::text)), count(*) FROM {} AS t"


def fingerprints(engine: Engine, tables: tuple[str, ...] = TABLES, where: str = "") -> dict[str, tuple[Any, ...]]:
    """Digest every table's rows in SQL, whatever order they lie in."""
    with engine.connect() as connection:
        return {table: tuple(connection.execute(text(FINGERPRINT.format(table) + where)).one()) for table in tables}


def commands(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return [run.command for run in read_seed_record(driver_connection(connection))]


def ok(done: Finished) -> Finished:
    assert done.exit_code == 0, done.stderr
    return done


def test_appending_again_and_again_makes_what_one_seeding_makes(tutormax: Run, engine: Engine) -> None:
    ok(tutormax("seed", *WORLD, "--tutors", "7", "--raw"))
    ok(tutormax("seed", *WORLD, "--tutors", "1", "--raw", "--append"))
    ok(tutormax("seed", *WORLD, "--tutors", "4", "--raw", "--append"))
    appended = fingerprints(engine)
    assert [command.split()[3] for command in commands(engine)] == ["7", "1", "4"]
    ok(tutormax("seed", *WORLD, "--tutors", "12", "--raw", "--replace", "--yes"))
    assert fingerprints(engine) == appended


def test_more_tutors_leave_the_first_ones_as_they_were(tutormax: Run, engine: Engine) -> None:
    first = " WHERE t.tutor_id <= 'tutor_00010'"
    owned = tuple(table for table in TABLES if table != "students")
    ok(tutormax("seed", *WORLD, "--tutors", "10", "--raw"))
    few = fingerprints(engine, owned)
    ok(tutormax("seed", *WORLD, "--tutors", "15", "--raw", "--replace", "--yes"))
    assert fingerprints(engine, owned, first) == few
    assert fingerprints(engine, owned) != few


def test_appended_tutors_end_when_those_that_are_there_do(tutormax: Run, engine: Engine) -> None:
    ok(tutormax("seed", *WORLD, "--tutors", "3", "--raw"))
    done = tutormax("seed", "--tutors", "2", "--append", "--raw", "--as-of", "2026-05-31")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "ends on 2026-06-01" in done.stderr and "--as-of 2026-06-01" in done.stderr
    ok(tutormax("seed", "--tutors", "2", "--append", "--raw"))
    assert commands(engine)[-1] == "tutormax seed --tutors 2 --days 180 --seed 42 --as-of 2026-06-01 --raw --append"


def test_synthetic_tutors_do_not_mix_with_real_ones(tutormax: Run, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO tutors (tutor_id, name, email, onboarding_date, status, subjects)"
                " VALUES ('tutor_00001', 'Ann', 'ann@company.example', '2025-01-01', 'active', '{physics}')"
            )
        )
    for arguments in (("--append",), ("--append", "--dry-run"), ()):
        done = tutormax("seed", *WORLD, "--tutors", "2", *arguments)
        assert (done.exit_code, done.stdout) == (1, "")
        assert ("tutor_00001" in done.stderr and "not synthetic" in done.stderr) == ("--append" in arguments)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM tutors")).scalars().all() == ["Ann"]


def test_appending_to_an_empty_database_is_seeding_it(tutormax: Run, engine: Engine) -> None:
    ok(tutormax("seed", *WORLD, "--tutors", "3", "--raw", "--append"))
    assert commands(engine) == ["tutormax seed --tutors 3 --days 60 --seed 42 --as-of 2026-06-01 --raw"]


@pytest.mark.parametrize(("tutors", "days"), [(1, 180), (20, 1), (1, 1)])
def test_the_smallest_worlds(tutormax: Run, engine: Engine, tutors: int, days: int) -> None:
    ok(tutormax("seed", "--tutors", str(tutors), "--days", str(days), "--as-of", "2026-06-01"))
    assert fingerprints(engine)["tutors"][1] == tutors


@pytest.mark.parametrize("chunk_tutors", [5, 64])
def test_chunks_do_not_show(db: Session, engine: Engine, chunk_tutors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(30, 60, 42, WORLD_END)
    whole = seeding.seed(db, world, raw=True)
    db.commit()
    before = fingerprints(engine)
    monkeypatch.setattr(seeding, "CHUNK_TUTORS", chunk_tutors)
    cut = seeding.seed(db, world, seeding.Mode.REPLACE, raw=True)
    db.commit()
    assert fingerprints(engine) == before
    assert cut == whole
