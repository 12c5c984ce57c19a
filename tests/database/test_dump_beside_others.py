"""A dump shows one moment, whatever other sessions do to the tables meanwhile, and stands in nobody's way for long."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.conftest import Server
from tests.support.connections import connect
from tests.support.other_sessions import before_locking, execute
from tutormax_cli.backup import pg_dump
from tutormax_cli.backup.archive import Archive, read_archive
from tutormax_cli.backup.contents import Contents, read_contents
from tutormax_cli.backup.dump import dump, free_name
from tutormax_cli.backup.seal import read_seal
from tutormax_cli.backup.table_of_contents import sequence_states
from tutormax_cli.database.names import TableName
from tutormax_cli.database.snapshot import take_snapshot
from tutormax_cli.errors import LockTimeout, TutormaxError
from tutormax_cli.files.whole import whole_file
from tutormax_cli.settings import Settings


def public(name: str) -> TableName:
    return TableName("public", name)


def before_pg_dump(monkeypatch: pytest.MonkeyPatch, action: Callable[[], None]) -> list[int]:
    """Do something before pg_dump is run for the first time; return a list that grows with each run."""
    run, calls = pg_dump.dump_to_file, list[int]()

    def hooked(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            action()
        run(*arguments)

    monkeypatch.setattr("tutormax_cli.backup.dump.dump_to_file", hooked)
    return calls


def dumped(settings: Settings, folder: Path, **options: Any) -> tuple[Archive, Contents]:
    """Dump a database; return the archive, and the contents that it was sealed with."""
    dump(settings, folder / "a.dump", **options)
    found = read_seal(folder / "a.dump")
    assert found is not None
    return read_archive(settings, folder / "a.dump"), found.contents


def rows(archive: Archive, table: str) -> int:
    return archive.rows[TableName("public", table)]


@pytest.mark.parametrize("ours_alone", [False, True])
def test_a_truncate_that_is_committed_before_the_locks_shows_completely(
    ours_alone: bool, seeded_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace_all() -> None:
        execute(
            seeded_settings,
            "CREATE TEMP TABLE kept AS SELECT * FROM public.tutors LIMIT 7",
            "TRUNCATE public.tutors, public.students CASCADE",
            "INSERT INTO public.tutors SELECT * FROM kept",
        )

    before_locking(monkeypatch, replace_all)
    archive, sealed = dumped(seeded_settings, tmp_path, ours_alone=ours_alone)
    assert (rows(archive, "tutors"), rows(archive, "sessions"), rows(archive, "churn_predictions")) == (7, 0, 0)
    with connect(seeded_settings) as driver:
        now = read_contents(driver, [public("tutors"), public("sessions"), public("churn_predictions")]).tables
    assert now.items() <= sealed.tables.items()


def test_a_truncate_that_is_asked_for_under_the_locks_waits_and_does_not_show(
    seeded_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(seeded_settings) as driver:
        before = read_contents(driver, [public("churn_predictions")]).tables

    def truncate() -> None:
        with pytest.raises(psycopg.errors.LockNotAvailable):
            execute(seeded_settings, "SET LOCAL lock_timeout = '50ms'", "TRUNCATE public.churn_predictions")

    before_pg_dump(monkeypatch, truncate)
    _, sealed = dumped(seeded_settings, tmp_path)
    assert before.items() <= sealed.tables.items()


CHANGES = {
    "recreated": ("DROP TABLE extra", "CREATE TABLE extra AS SELECT generate_series(1, 9) AS id"),
    "dropped": ("DROP TABLE extra",),
    "created": ("CREATE TABLE more AS SELECT generate_series(1, 9) AS id",),
    "renamed": ("ALTER TABLE extra RENAME TO more",),
    "a view now": ("DROP TABLE extra", "CREATE VIEW extra AS SELECT 1 AS id"),
    "in another schema": ("CREATE SCHEMA other", "ALTER TABLE extra SET SCHEMA other"),
    "a schema less": ("DROP SCHEMA dropped CASCADE",),
}


@pytest.mark.parametrize("change", CHANGES)
def test_tables_that_come_or_go_between_the_list_and_the_locks(
    change: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(settings, "CREATE TABLE extra AS SELECT 1 AS id")
    execute(settings, "CREATE SCHEMA dropped", "CREATE TABLE dropped.extra AS SELECT 1 AS id")
    before_locking(monkeypatch, lambda: execute(settings, *CHANGES[change]))
    archive, sealed = dumped(settings, tmp_path)
    with connect(settings) as driver:
        left = [name for name in take_snapshot(driver) if name in sealed.tables]
        assert read_contents(driver, left).tables == sealed.tables
    assert rows(archive, "tutors") == 0


def test_tables_that_come_and_go_all_the_time_end_the_dump(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(settings, "CREATE TABLE extra AS SELECT 1 AS id")
    before_locking(monkeypatch, lambda: execute(settings, *CHANGES["recreated"]), times=10**9)
    with pytest.raises(LockTimeout, match="created or dropped tables again and again"):
        dump(settings, tmp_path / "a.dump", wait=0.5)
    assert list(tmp_path.iterdir()) == []


@contextmanager
def in_threads(*targets: Callable[[], None]) -> Iterator[None]:
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def waiting_for_a_lock(settings: Settings) -> bool:
    with connect(settings) as driver:
        row = driver.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation IS NOT NULL"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchone()
    return row is not None and row[0] > 0


def test_sequences_are_sealed_as_pg_dump_read_them(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They obey no snapshot: another session may draw numbers before, while and after pg_dump reads them."""
    execute(settings, 'CREATE SEQUENCE "my seq"', "SELECT nextval('\"my seq\"') FROM generate_series(1, 5)")
    run = pg_dump.dump_to_file

    def draw_afterwards(*arguments: Any) -> None:
        run(*arguments)
        execute(settings, "SELECT nextval('\"my seq\"')")

    monkeypatch.setattr("tutormax_cli.backup.dump.dump_to_file", draw_afterwards)
    archive, sealed = dumped(settings, tmp_path)
    assert sealed.sequences[public("my seq")] == "5, called"
    assert sequence_states(archive.table_of_contents.entries) == sealed.sequences


def test_a_client_that_waits_for_a_table_without_a_time_limit_gets_it_and_readers_wait_two_seconds(
    seeded_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, done, stalls = threading.Event(), threading.Event(), [0.0]

    def impatient() -> None:
        assert ask.wait(60)
        execute(seeded_settings, "LOCK TABLE public.sessions IN ACCESS EXCLUSIVE MODE")

    def reader() -> None:
        while not done.is_set():
            began = time.monotonic()
            execute(seeded_settings, "SELECT count(*) FROM public.sessions")
            stalls.append(time.monotonic() - began)
            time.sleep(0.01)

    def let_it_queue() -> None:
        ask.set()
        while not waiting_for_a_lock(seeded_settings):
            time.sleep(0.01)

    runs = before_pg_dump(monkeypatch, let_it_queue)
    with in_threads(impatient, reader):
        try:
            archive, _ = dumped(seeded_settings, tmp_path)
        finally:
            done.set()
            ask.set()
    assert len(runs) >= 2 and rows(archive, "tutors") == 60
    assert 1.5 < max(stalls) < 4


def test_a_dump_does_not_wait_for_ever_for_a_table(settings: Settings, tmp_path: Path) -> None:
    with connect(settings) as holder:
        holder.execute("LOCK TABLE public.sessions IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(
            LockTimeout, match=r"table sessions is in use by tests? .*, pid \d+|table sessions is in use"
        ):
            dump(settings, tmp_path / "late.dump", wait=0.1)
    assert list(tmp_path.iterdir()) == []


def test_a_busy_table_is_waited_for_without_holding_another(settings: Settings) -> None:
    """Two sessions that lock the same tables in different orders never wait for each other."""
    with connect(settings) as holder, connect(settings) as driver:
        holder.execute("LOCK TABLE public.tutors IN ACCESS EXCLUSIVE MODE")

        def lock_another() -> None:
            time.sleep(0.5)
            holder.execute(
                "SET LOCAL lock_timeout = '1s'; LOCK TABLE public.churn_predictions IN ACCESS EXCLUSIVE MODE"
            )
            holder.commit()

        with in_threads(lock_another):
            assert public("tutors") in take_snapshot(driver)


PG_DUMP = """#!/bin/sh
[ "$1" = --version ] && exec {real} --version
echo run >> "{folder}/runs"
runs=$(wc -l < "{folder}/runs")
{failure}
exec {real} "$@"
"""


def fake_pg_dump(folder: Path, failure: str, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """Put a pg_dump before the real one that can fail; `$runs` is the number of its runs."""
    from tutormax_cli.database.clients import client_program

    with connect(settings) as driver:
        real = client_program("pg_dump", settings, driver.info.server_version // 10_000)
    (folder / "bin").mkdir()
    program = folder / "bin" / "pg_dump"
    program.write_text(PG_DUMP.format(real=real, folder=folder, failure=failure))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")


def runs(folder: Path) -> int:
    return len((folder / "runs").read_text().splitlines())


VANISHED = 'echo "pg_dump: error: FEHLER:  Cache-Nachschlagen für Index $runs fehlgeschlagen" >&2; exit 1'


def test_an_object_that_vanishes_under_pg_dump_is_gone_at_the_next_try(
    seeded: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pg_dump(tmp_path, f'if [ "$runs" -lt 3 ]; then {VANISHED}; fi', monkeypatch, seeded)
    archive, _ = dumped(seeded, tmp_path)
    assert rows(archive, "tutors") == 60 and runs(tmp_path) == 3


@pytest.mark.parametrize(
    ("failure", "kind", "words", "tries"),
    [
        (VANISHED, LockTimeout, r"other sessions lock tables or change them; waited 4 s: .*Index \d+ fehlg", 4),
        ('echo "pg_dump: error: $runs" >&2; sleep 2.1; exit 1', LockTimeout, "waited 4 s: pg_dump failed: 2", 2),
        ('echo "pg_dump: error: never" >&2; exit 1', TutormaxError, "^pg_dump failed: never", 2),
        ('echo "pg_dump: error: No space left on device" >&2; exit 1', TutormaxError, "No space left", 1),
        ('echo "pg_dump: dumping contents of table \\"a.b\\"" >&2; exit 7', TutormaxError, "it ended with 7", 1),
        ("kill -9 $$", TutormaxError, "was ended by signal 9", 2),
    ],
)
def test_a_pg_dump_that_goes_on_failing_ends_the_dump(
    failure: str,
    kind: type[TutormaxError],
    words: str,
    tries: int,
    seeded: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake_pg_dump(tmp_path, failure, monkeypatch, seeded)
    with pytest.raises(TutormaxError, match=words) as failed:
        dump(seeded, tmp_path / "a.dump", wait=4.0)
    assert type(failed.value) is kind
    assert runs(tmp_path) >= tries and (tries > 2 or runs(tmp_path) == tries)
    assert not list(tmp_path.glob("*.dump")) and not list(tmp_path.glob(".*"))


def test_the_servers_time_limits_do_not_end_a_dump(seeded_settings: Settings, tmp_path: Path) -> None:
    name = seeded_settings.dbname
    limits = {"statement_timeout": "30ms", "lock_timeout": "30ms", "idle_in_transaction_session_timeout": "100ms"}
    with connect(seeded_settings) as driver:
        if driver.info.server_version >= 170_000:
            limits["transaction_timeout"] = "300ms"
    for limit, value in limits.items():
        execute(seeded_settings, f"ALTER DATABASE {name} SET {limit} = '{value}'")
    archive, _ = dumped(seeded_settings, tmp_path)
    assert rows(archive, "tutors") == 60


@pytest.fixture
def reader(server: Server, settings: Settings) -> Iterator[Settings]:
    """The database for a role that may read TutorMax's tables, and owns nothing."""
    role = sql.Identifier(f"reader_{settings.dbname}")
    with connect(settings) as driver:
        driver.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
        driver.execute(sql.SQL("GRANT pg_read_all_data TO {}").format(role))
    keywords = {**(settings.keywords or {}), "user": f"reader_{settings.dbname}"}
    yield Settings("tests", keywords, settings.home)
    with connect(settings) as driver:
        driver.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(role))


def test_a_table_that_the_role_may_not_read_ends_a_dump_of_everything_at_once(
    reader: Settings, settings: Settings, tmp_path: Path
) -> None:
    execute(settings, "CREATE TABLE secret AS SELECT 1 AS id")
    with connect(settings) as driver:
        role = sql.Identifier(f"reader_{settings.dbname}")
        driver.execute(sql.SQL("REVOKE pg_read_all_data FROM {}").format(role))
        driver.execute(sql.SQL("GRANT USAGE ON SCHEMA tutormax_admin TO {}").format(role))
        driver.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public, tutormax_admin TO {}").format(role))
        driver.execute(sql.SQL("GRANT SELECT ON ALL SEQUENCES IN SCHEMA public, tutormax_admin TO {}").format(role))
        driver.execute(sql.SQL("REVOKE SELECT ON secret FROM {}").format(role))
    began = time.monotonic()
    with pytest.raises(TutormaxError, match=r"may not read every table: .*secret"):
        dump(reader, tmp_path / "a.dump")
    assert time.monotonic() - began < 5 and list(tmp_path.iterdir()) == []
    assert dump(reader, tmp_path / "a.dump", ours_alone=True).rows["tutors"] == 0


def test_tables_of_extensions_temporary_tables_and_children_are_no_obstacle(
    reader: Settings, settings: Settings, tmp_path: Path
) -> None:
    execute(
        settings,
        "CREATE TABLE settings_of_extension AS SELECT 1 AS id",
        "ALTER EXTENSION plpgsql ADD TABLE settings_of_extension",
        'CREATE SCHEMA "Zoo \'quoted\' ""twice"""',
        'CREATE TABLE "Zoo \'quoted\' ""twice"""."be.ds" (id int) PARTITION BY RANGE (id)',
        'CREATE TABLE "part one" PARTITION OF "Zoo \'quoted\' ""twice"""."be.ds" FOR VALUES FROM (1) TO (9)',
        'INSERT INTO "part one" VALUES (1), (2)',
        "CREATE TABLE animals (id int)",
        "CREATE UNLOGGED TABLE cats () INHERITS (animals)",
        "INSERT INTO cats VALUES (3)",
    )
    with connect(settings) as other:
        other.execute("CREATE TEMP TABLE dogs () INHERITS (animals)")
        other.execute("CREATE TEMP TABLE mine AS SELECT 1 AS id")
        other.commit()
        other.execute("LOCK TABLE mine IN ACCESS EXCLUSIVE MODE")
        archive, sealed = dumped(reader, tmp_path, wait=5.0)
    assert rows(archive, "part one") == 2 and rows(archive, "cats") == 1 and rows(archive, "animals") == 0
    assert {public("part one"), public("cats"), public("animals")} <= sealed.tables.keys()


def test_a_child_of_one_of_our_tables_is_in_a_backup_of_them(settings: Settings, tmp_path: Path) -> None:
    execute(settings, 'CREATE TABLE "Old Students" () INHERITS (students)', "CREATE TABLE others AS SELECT 1 AS id")
    execute(settings, "INSERT INTO \"Old Students\" (student_id, name) VALUES ('s', 'S')")
    archive, sealed = dumped(settings, tmp_path, ours_alone=True)
    assert rows(archive, "Old Students") == 1 and public("others") not in sealed.tables


def test_two_backups_of_one_minute_are_two_files(settings: Settings, tmp_path: Path) -> None:
    at = datetime(2026, 6, 1, 9, tzinfo=UTC)
    first = free_name(tmp_path, "a b", at)
    assert first.name == "a_b-2026-06-01T0900Z.dump"
    with whole_file(first, private=True):
        assert free_name(tmp_path, "a b", at).name == "a_b-2026-06-01T0900Z-2.dump"
        with pytest.raises(LockTimeout, match="another process is writing"):
            dump(settings, first)
    first.write_bytes(b"another's")
    with pytest.raises(TutormaxError, match="it exists already"):
        dump(settings, first, overwrite=False)
    assert first.read_bytes() == b"another's"
