"""Dump, restore, reset and promote: the same rows again, or nothing happened."""

import dataclasses
import os
import random
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.conftest import Server, clean_environment, url_of
from tests.database.catalog import schema
from tests.support.connections import connect
from tests.support.tables import contents, held_rows
from tutormax_cli.backup.archive import Archive, read_archive
from tutormax_cli.backup.contents import Contents, Digest, read_contents
from tutormax_cli.backup.dump import dump
from tutormax_cli.backup.promote import embedded_settings, promote
from tutormax_cli.backup.reset import reset
from tutormax_cli.backup.restore import restore, would_lose
from tutormax_cli.backup.rights import rights_on
from tutormax_cli.backup.tables import existing
from tutormax_cli.database.drift import drift
from tutormax_cli.database.environment import Environment, mark, marked
from tutormax_cli.database.losses import Losses
from tutormax_cli.database.migrations import create_database, downgrade
from tutormax_cli.database.names import TableName
from tutormax_cli.database.revisions import revisions
from tutormax_cli.errors import SchemaNotReady, TutormaxError, UsageError
from tutormax_cli.settings import Settings


@pytest.fixture(scope="module")
def archive(seeded: Settings, home: Path) -> Archive:
    """The small company in an archive."""
    path = home / "company.dump"
    dump(seeded, path)
    return read_archive(seeded, path)


@pytest.fixture
def nowhere(server: Server) -> Iterator[Settings]:
    """A database that doesn't exist yet."""
    name = f"tutormax_test_{os.urandom(6).hex()}"
    yield server.database(name)
    server.drop(name)


def structure(settings: Settings) -> list[str]:
    """Describe the schema; of a CHECK the name alone, which PostgreSQL words otherwise once it was dumped."""
    with connect(settings) as driver:
        return [line.partition(" | c | ")[0] for line in schema(driver)]


def log_entries(settings: Settings) -> list[tuple[str, str]]:
    with connect(settings) as driver:
        rows = driver.execute("SELECT outcome, rows::text FROM tutormax_admin.log ORDER BY id").fetchall()
    return [(outcome, rows) for outcome, rows in rows]


def test_a_dump_is_private_whole_and_says_what_it_holds(seeded: Settings, archive: Archive) -> None:
    assert stat.S_IMODE(archive.path.stat().st_mode) == 0o600
    assert archive.revision == revisions()[-1].id
    held = contents(seeded)
    assert {table: archive.rows[table] for table in held} == {table: digest.rows for table, digest in held.items()}


def test_a_restore_into_nothing_makes_the_same_database(seeded: Settings, archive: Archive, nowhere: Settings) -> None:
    create_database(nowhere)
    assert not would_lose(nowhere, archive)
    before = log_entries(seeded)
    restored = restore(nowhere, archive)
    assert (contents(nowhere), structure(nowhere)) == (contents(seeded), structure(seeded))
    assert (restored.pending, drift(nowhere), restored.rows["tutors"]) == (0, [], 60)
    assert log_entries(nowhere)[:-1] == before
    assert "restored" in log_entries(nowhere)[-1][1]


def test_a_restore_replaces_what_is_there_and_leaves_the_rest(
    seeded: Settings, archive: Archive, settings: Settings
) -> None:
    with connect(settings) as driver:
        driver.execute("INSERT INTO students (student_id, name) VALUES ('lost', 'Lost')")
        driver.execute("CREATE TABLE orders AS SELECT 1 AS id")
        driver.execute("DROP INDEX ix_sessions_subject")
        mark(driver, Environment.STAGING)
    assert {table: rows for table, rows in would_lose(settings, archive).counts.items() if rows} == {"students": 1}
    logged = log_entries(settings)
    restore(settings, archive)
    assert contents(settings) == contents(seeded)
    assert drift(settings) == []
    with connect(settings) as driver:
        assert driver.execute("SELECT * FROM orders").fetchall() == [(1,)]
        assert marked(driver) is Environment.STAGING
    assert log_entries(settings)[:-1] == logged


def test_an_older_archive_says_what_is_pending(
    server: Server, migrated: Settings, tmp_path: Path, nowhere: Settings
) -> None:
    with server.clone(migrated) as older:
        downgrade(older, revisions()[0].id)
        dump(older, tmp_path / "older.dump", ours_alone=True)
    create_database(nowhere)
    assert restore(nowhere, read_archive(nowhere, tmp_path / "older.dump")).pending == len(revisions()) - 1


def test_an_archive_of_a_newer_program_is_refused_before_anything_is_touched(
    archive: Archive, settings: Settings
) -> None:
    newer = dataclasses.replace(archive, revision="29990101_0000")
    with pytest.raises(SchemaNotReady, match="newer than this tutormax"):
        restore(settings, newer, before=lambda held: pytest.fail("too late"))


def test_roles_that_the_server_lacks_lose_their_rights_and_the_others_keep_them(
    server: Server, nowhere: Settings, settings: Settings, tmp_path: Path
) -> None:
    kept, gone = (sql.Identifier(f"{kind}_{settings.dbname}") for kind in ("kept", "gone"))
    for role in (kept, gone):
        server.execute(sql.SQL("CREATE ROLE {}").format(role))
    try:
        with connect(settings) as driver:
            driver.execute(sql.SQL("GRANT SELECT ON tutors TO {}, {}").format(kept, gone))
            driver.execute(sql.SQL("ALTER TABLE alembic_version OWNER TO {}").format(kept))
        dump(settings, tmp_path / "rights.dump")
        with connect(settings) as driver:
            driver.execute(sql.SQL("DROP OWNED BY {}").format(gone))
        server.execute(sql.SQL("DROP ROLE {}").format(gone))
        create_database(nowhere)
        restored = restore(nowhere, read_archive(settings, tmp_path / "rights.dump"))
        assert restored.missing_roles == (f"gone_{settings.dbname}",)
        server.drop(nowhere.dbname)
        restored = restore(settings, read_archive(settings, tmp_path / "rights.dump"))
        assert restored.missing_roles == ()  # the tables' rights were those that they had in the database
        with connect(settings) as driver:
            row = driver.execute("SELECT has_table_privilege(%s, 'tutors', 'SELECT')", [f"kept_{settings.dbname}"])
            assert row.fetchone() == (True,)
            owner = driver.execute("SELECT relowner::regrole::text FROM pg_class WHERE relname = 'sessions'").fetchone()
            assert owner == (f"kept_{settings.dbname}",)
            driver.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(kept))
            driver.execute(sql.SQL("DROP OWNED BY {}").format(kept))
    finally:
        server.execute(sql.SQL("DROP ROLE IF EXISTS {}, {}").format(kept, gone))


def test_the_rights_of_the_database_outlast_an_archive_that_knows_others(
    archive: Archive, settings: Settings, tmp_path: Path
) -> None:
    with connect(settings) as driver:
        driver.execute("GRANT SELECT ON sessions TO PUBLIC")
    dump(settings, tmp_path / "open.dump")
    role = sql.Identifier(f"reads_{settings.dbname}")
    with connect(settings) as driver:
        driver.execute("REVOKE ALL ON sessions FROM PUBLIC")
        driver.execute(sql.SQL("CREATE ROLE {}").format(role))
        driver.execute(sql.SQL("GRANT SELECT ON tutors TO {0}; GRANT UPDATE (name) ON tutors TO {0}").format(role))
        before = rights_on(driver, existing(driver))
    try:
        for each in (archive, read_archive(settings, tmp_path / "open.dump")):
            restore(settings, each)
            with connect(settings) as driver:
                assert rights_on(driver, existing(driver)) == before
        assert [sql.Composed([right.statement]).as_string().partition(" TO ")[0] for right in before] == [
            'GRANT SELECT ON TABLE "public"."tutors"',
            'GRANT UPDATE ("name") ON TABLE "public"."tutors"',
        ]
    finally:
        with connect(settings) as driver:
            driver.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(role))


def test_what_depends_on_our_tables_stops_a_restore(archive: Archive, settings: Settings) -> None:
    with connect(settings) as driver:
        driver.execute("CREATE VIEW names AS SELECT name FROM tutors")
    before = structure(settings)
    with pytest.raises(TutormaxError, match=r"view public\.names depends on table public\.tutors"):
        restore(settings, archive)
    assert structure(settings) == before
    assert log_entries(settings)[-1][0] == "failed"


def test_writers_wait_while_the_backup_is_made_and_readers_do_not(archive: Archive, settings: Settings) -> None:
    def look(held: Losses) -> None:
        assert not held
        with connect(settings) as other:
            assert other.execute("SELECT count(*) FROM tutors").fetchone() == (0,)
            other.execute("SET lock_timeout = '50ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute("INSERT INTO students (student_id, name) VALUES ('s', 'S')")
            other.rollback()

    restore(settings, archive, before=look)


def test_a_backup_that_fails_stops_everything(archive: Archive, settings: Settings) -> None:
    with connect(settings) as driver:
        driver.execute("INSERT INTO students (student_id, name) VALUES ('kept', 'Kept')")
    before = contents(settings)

    def fail(held: Losses) -> None:
        assert held.counts["students"] == 1
        raise TutormaxError("the disk is full")

    with pytest.raises(TutormaxError, match="disk is full"):
        restore(settings, archive, before=fail)
    with pytest.raises(TutormaxError, match="disk is full"):
        reset(settings, before=fail)
    assert contents(settings) == before


def test_a_cut_or_scratched_archive_is_never_restored(archive: Archive, tmp_path: Path) -> None:
    whole, chance = archive.path.read_bytes(), random.Random(1)
    damaged = tmp_path / "damaged.dump"
    cuts = [whole[: chance.randrange(20, len(whole))] for _ in range(8)] + [whole[:-1]]
    for place in (chance.randrange(5, len(whole) - 80) for _ in range(12)):
        cuts.append(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
    for content in cuts:
        damaged.write_bytes(content)
        with pytest.raises(TutormaxError, match="is damaged") as refused:
            read_archive(Settings("tests", {}, tmp_path), damaged)
        assert "\n" not in refused.value.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"", "is empty"),
        (b"--\n-- PostgreSQL database dump\n--\n", "is not an archive of pg_dump"),
        (b"PGDM", "is not an archive of pg_dump"),
        (b"PGDMP\x01\x0f\x00\x04\x08\x01", "is damaged or cut off"),
        (b"PGDMP\x01\x63\x00\x04\x08\x01", "written by a newer pg_dump: its format is 1.99"),
        (b"PGDMP\x01\x0c\x00\x04\x08\x01", "written by a pg_dump older than 10.3"),
        (b"PGDMP\x01\x0f\x00\x04\x08\x03\x01", "is not in pg_dump's custom format"),
    ],
)
def test_a_wrong_file_is_told_by_its_name(content: bytes | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.dump"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TutormaxError, match=words) as refused:
        read_archive(Settings("tests", {}, tmp_path), path)
    assert str(path) in refused.value.message


def test_another_programs_archive_is_refused(server: Server, tmp_path: Path, nowhere: Settings) -> None:
    create_database(nowhere)
    with connect(nowhere) as driver:
        driver.execute("CREATE TABLE alembic_version AS SELECT 'abc'::varchar(32) AS version_num")
    with pytest.raises(TutormaxError, match="not of a TutorMax database"):
        dump(nowhere, tmp_path / "other.dump")
    assert list(tmp_path.iterdir()) == []


def test_another_programs_revision_is_not_taken_for_ours(settings: Settings, tmp_path: Path) -> None:
    with connect(settings) as driver:
        driver.execute(
            "CREATE SCHEMA zoo; CREATE TABLE zoo.alembic_version AS SELECT 'zzz'::varchar(32) AS version_num"
        )
    assert dump(settings, tmp_path / "zoo.dump").revision == revisions()[-1].id


def test_what_is_there_already_and_no_table_stops_a_restore(settings: Settings, tmp_path: Path) -> None:
    with connect(settings) as driver:
        driver.execute('CREATE SCHEMA "my zoo"; CREATE TABLE "my zoo".beds (id int)')
    dump(settings, tmp_path / "tables.dump")
    restore(settings, read_archive(settings, tmp_path / "tables.dump"))
    with connect(settings) as driver:
        driver.execute("CREATE TYPE mood AS ENUM ('good')")
    dump(settings, tmp_path / "type.dump")
    with pytest.raises(TutormaxError, match='only tables are replaced: type "mood" already exists'):
        restore(settings, read_archive(settings, tmp_path / "type.dump"))


def test_a_database_without_our_schema_is_not_dumped(nowhere: Settings, tmp_path: Path) -> None:
    create_database(nowhere)
    with pytest.raises(SchemaNotReady, match="no TutorMax schema"):
        dump(nowhere, tmp_path / "nothing.dump")
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from tutormax_cli.backup.archive import read_archive
from tutormax_cli.backup.dump import dump
from tutormax_cli.backup.restore import restore
from tutormax_cli.settings import load_settings
what, path, stage = sys.argv[1:]
chosen = load_settings()
def die(told):
    if told.what.startswith(stage):
        os.kill(os.getpid(), signal.SIGKILL)
if what == "dump":
    dump(chosen, Path(path), listener=die)
else:
    restore(chosen, read_archive(chosen, Path(path)), listener=die)
"""


def killed(settings: Settings, what: str, path: Path, stage: str) -> int:
    command = [sys.executable, "-c", KILLED, what, str(path), stage]
    environment = clean_environment(DATABASE_URL=url_of(settings))
    return subprocess.run(command, env=environment, timeout=60, capture_output=True).returncode


@pytest.mark.parametrize("stage", ["reading", "checking sessions"])
def test_a_killed_dump_leaves_no_file_of_its_name(seeded: Settings, tmp_path: Path, stage: str) -> None:
    assert killed(seeded, "dump", tmp_path / "a.dump", stage) == -signal.SIGKILL
    assert not (tmp_path / "a.dump").exists()


@pytest.mark.parametrize("stage", ["tables", "sessions", "indexes", "commit"])
def test_a_killed_restore_leaves_the_database_as_it_was(archive: Archive, settings: Settings, stage: str) -> None:
    with connect(settings) as driver:
        driver.execute("INSERT INTO students (student_id, name) VALUES ('kept', 'Kept')")
    before = contents(settings), structure(settings)
    assert killed(settings, "restore", archive.path, stage) == -signal.SIGKILL
    assert (contents(settings), structure(settings)) == before


def test_a_reset_keeps_the_log_the_mark_and_other_tables(seeded_settings: Settings) -> None:
    with connect(seeded_settings) as driver:
        driver.execute("CREATE TABLE orders AS SELECT 1 AS id")
        driver.execute("DROP INDEX ix_sessions_subject")
        driver.execute("DROP TABLE interventions")
        mark(driver, Environment.PRODUCTION)
    logged = log_entries(seeded_settings)
    assert reset(seeded_settings).current == revisions()[-1].id
    assert drift(seeded_settings) == []
    assert set(held_rows(seeded_settings).values()) == {0}
    with connect(seeded_settings) as driver:
        assert driver.execute("SELECT * FROM orders").fetchall() == [(1,)]
        assert marked(driver) is Environment.PRODUCTION
    entries = log_entries(seeded_settings)
    assert entries[: len(logged)] == logged
    assert '"deleted": 60' in entries[len(logged)][1]


def test_promoting_copies_everything_and_compares_it(seeded: Settings, nowhere: Settings, settings: Settings) -> None:
    create_database(nowhere)
    for target in (nowhere, settings):
        promoted = promote(seeded, target)
        assert contents(target) == contents(seeded)
        assert (promoted.tables["tutors"].rows, drift(target)) == (60, [])
    with pytest.raises(UsageError, match="already holds rows: 60 tutors"):
        promote(seeded, settings)
    assert contents(settings) == contents(seeded)


def test_a_copy_that_differs_is_taken_back(
    seeded: Settings, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_other(*arguments: Any, **options: Any) -> Contents:
        found = read_contents(*arguments, **options)
        return dataclasses.replace(found, tables={**found.tables, TableName("public", "tutors"): Digest(60, "1")})

    monkeypatch.setattr("tutormax_cli.backup.replacing.read_contents", read_other)
    with pytest.raises(TutormaxError, match=r"table tutors: the number of rows is right \(60\), but their contents"):
        promote(seeded, settings)
    assert set(held_rows(settings).values()) == {0}


def test_there_is_nothing_to_promote_where_there_is_no_embedded_database(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no embedded database"):
        embedded_settings(Settings("tests", None, tmp_path / "home"))
    assert list(tmp_path.iterdir()) == []
