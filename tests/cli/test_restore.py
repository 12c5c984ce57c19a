"""`tutormax restore`: into a database that doesn't exist yet, and with files that are no archives of ours."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg import sql

from tests.conftest import Finished, Server, url_of
from tests.support.connections import connect
from tutormax_cli.backup.dump import dump
from tutormax_cli.settings import Settings

Run = Callable[..., Finished]


@pytest.fixture(scope="module")
def archive(seeded: Settings, home: Path) -> Path:
    dump(seeded, home / "restore.dump")
    return home / "restore.dump"


def test_a_missing_database_is_created(archive: Path, server: Server, tutormax: Run) -> None:
    name = "tutormax_test_restored"
    try:
        done = tutormax("restore", str(archive), "--format", "json", DATABASE_URL=url_of(server.database(name)))
        assert done.exit_code == 0, done.stderr
        assert f"created database {name}" in done.stderr and "Next: tutormax stats" in done.stderr
        told = json.loads(done.stdout)
        assert {"table": "tutors", "rows": 60} in told["tables"]
        assert told["file"] == str(archive)
    finally:
        server.drop(name)


def test_the_log_says_what_was_restored_and_never_what_was_in_it(
    archive: Path, settings: Settings, tutormax: Run
) -> None:
    assert tutormax("restore", str(archive), DATABASE_URL=url_of(settings)).exit_code == 0
    (entry, *_) = json.loads(tutormax("log", "--format", "json", DATABASE_URL=url_of(settings)).stdout)["entries"]
    assert entry["command"] == f"tutormax restore {archive}"
    assert "tutors: 60 restored" in str(entry)


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (None, 2, "No such file"),
        (b"select 1;", 2, "is not an archive of pg_dump"),
        (b"PGDMP\x01\x0f\x00\x04\x08\x01", 1, "is damaged or cut off"),
    ],
)
def test_a_wrong_file_changes_nothing(
    content: bytes | None, code: int, words: str, database_url: str, tutormax: Run, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "wrong.dump").write_bytes(content)
    done = tutormax("restore", "wrong.dump", DATABASE_URL=f"{database_url}&dbname=tutormax_test_never_made")
    assert (done.exit_code, done.stdout) == (code, "")
    assert words in done.stderr and "created" not in done.stderr


def test_an_archive_of_a_newer_program_is_refused(settings: Settings, tutormax: Run, tmp_path: Path) -> None:
    with connect(settings) as driver:
        driver.execute("UPDATE alembic_version SET version_num = '29990101_0000'")
    dump(settings, tmp_path / "newer.dump")
    with connect(settings) as driver:
        driver.execute(sql.SQL("UPDATE alembic_version SET version_num = '20251107_0000'"))
    done = tutormax("restore", "newer.dump", "--yes", DATABASE_URL=url_of(settings))
    assert (done.exit_code, done.stdout) == (1, "")
    assert "29990101_0000, newer than this tutormax" in done.stderr
    with connect(settings) as driver:
        assert driver.execute("SELECT version_num FROM alembic_version").fetchall() == [("20251107_0000",)]
