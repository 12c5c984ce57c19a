"""The schema that the migrations make, and what happens when several migrate, one is killed, or one must not."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import create_engine, text

from tests.conftest import Finished, Server, clean_environment, url_of
from tests.database.catalog import schema
from tests.support.connections import connect
from tutormax_cli.database.drift import drift
from tutormax_cli.database.embedded import EmbeddedServer
from tutormax_cli.database.engine import DIALECT
from tutormax_cli.database.migration_lock import LOCK_KEY
from tutormax_cli.database.migrations import alembic_config, downgrade, stamp, state, upgrade
from tutormax_cli.database.models import Base
from tutormax_cli.database.revisions import revisions, script_folder
from tutormax_cli.errors import LockTimeout, SchemaNotReady, TutormaxError, UsageError
from tutormax_cli.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def blank(settings: Settings) -> Settings:
    """A database without a schema."""
    with connect(settings, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
    return settings


def tables(settings: Settings) -> set[str]:
    with connect(settings) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {row[0] for row in rows}


def test_there_is_one_history_and_its_files_are_named_for_their_revisions() -> None:
    assert tuple(ScriptDirectory.from_config(alembic_config()).get_heads()) == (revisions()[-1].id,)
    assert (script_folder() / "versions" / "20251107_0000_initial_schema.py").is_file()


def test_migrations_make_exactly_what_the_models_say(settings: Settings, blank: Settings) -> None:
    engine = create_engine(DIALECT, creator=lambda: connect(blank))
    Base.metadata.create_all(engine)
    with connect(blank) as connection:
        from_models = schema(connection)
    Base.metadata.drop_all(engine)
    engine.dispose()
    upgrade(blank)
    with connect(blank) as connection:
        assert schema(connection) == from_models
    assert drift(blank) == []


def test_down_to_base_and_up_again(settings: Settings) -> None:
    with connect(settings) as connection:
        before = schema(connection)
    taken_back = downgrade(settings, "base")
    assert [revision.id for revision in taken_back.ran] == [revision.id for revision in reversed(revisions())]
    assert tables(settings) == {"alembic_version"}
    upgrade(settings)
    with connect(settings) as connection:
        assert schema(connection) == before


def test_drift_is_seen_and_other_tables_are_not(settings: Settings) -> None:
    with connect(settings) as connection:
        connection.execute("CREATE TABLE somebody_elses (id int)")
        connection.execute("DROP INDEX ix_sessions_subject")
        connection.execute("ALTER TABLE tutors ADD COLUMN phone text")
    assert len(drift(settings)) == 2


def test_the_time_of_each_revision_is_kept(blank: Settings) -> None:
    after = upgrade(blank).state
    assert set(after.applied_at) == {revision.id for revision in revisions()}
    assert downgrade(blank, "base").state.applied_at == {}


def test_four_migrators_at_once(blank: Settings) -> None:
    command = [sys.executable, "-m", "tutormax_cli", "migrate"]
    environment = clean_environment(DATABASE_URL=url_of(blank))
    started = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = [process.communicate(timeout=60)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0, 0], said
    assert sum("applied 20251107_0000" in text for text in said) == 1
    assert state(blank).current == revisions()[-1].id


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_migration_leaves_a_whole_revision_or_none(blank: Settings, seed: int) -> None:
    command = [sys.executable, "-m", "tutormax_cli", "migrate"]
    process = subprocess.Popen(
        command, env=clean_environment(DATABASE_URL=url_of(blank)), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        time.sleep(random.Random(seed).uniform(0.5, 1.3))
        os.kill(process.pid, signal.SIGKILL)
    found = state(blank)
    whole = {*Base.metadata.tables, "alembic_version"}
    # The version table is made before the first revision's transaction, so it may stand alone.
    assert tables(blank) in ((whole,) if found.current else (set(), {"alembic_version"}))
    upgrade(blank, wait=10)
    assert tables(blank) == whole


def test_who_holds_the_lock_is_said_and_waiting_ends(blank: Settings) -> None:
    named = replace(blank, keywords={**(blank.keywords or {}), "application_name": "deploy-7"})
    with connect(named, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        with pytest.raises(LockTimeout, match=f"held by deploy-7 .* pid {holder.info.backend_pid}"):
            upgrade(blank, wait=0.3)
    assert tables(blank) == set()


def test_a_reader_is_never_queued_behind_a_migration(settings: Settings) -> None:
    """While one reader's lock keeps the migration waiting, the next reader still gets in at once."""
    with connect(settings) as reader, connect(settings) as next_reader:
        reader.execute("SELECT count(*) FROM tutors")
        outcome: list[Exception] = []

        def migrate() -> None:
            try:
                downgrade(settings, "base", wait=3)
            except TutormaxError as problem:
                outcome.append(problem)

        migrating = threading.Thread(target=migrate)
        migrating.start()
        waits = []
        while migrating.is_alive():
            began = time.monotonic()
            next_reader.execute("SELECT count(*) FROM tutors")
            next_reader.rollback()
            waits.append(time.monotonic() - began)
            time.sleep(0.05)
        migrating.join()
    assert isinstance(outcome[0], LockTimeout)
    # A reader behind us waits one short try at most, and is free in between.
    assert max(waits) < 1.5
    assert len(waits) > 5
    assert {*Base.metadata.tables} <= tables(settings)


def test_a_database_newer_than_the_program_is_left_alone(settings: Settings) -> None:
    with connect(settings) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '29990101_0000'")
    with pytest.raises(SchemaNotReady, match="newer than this tutormax"):
        upgrade(settings)
    with pytest.raises(SchemaNotReady, match="newer than this tutormax"):
        downgrade(settings, "base")
    assert state(settings).newer_than_program


def test_a_foreign_table_of_the_same_name_is_left_alone(blank: Settings) -> None:
    with connect(blank) as connection:
        connection.execute("CREATE TABLE tutors (id int)")
        connection.execute("INSERT INTO tutors VALUES (1)")
    with pytest.raises(TutormaxError, match="already has a table 'tutors'"):
        upgrade(blank)
    assert tables(blank) == {"tutors"}


def test_a_role_without_create_rights_is_told_so(server: Server, blank: Settings) -> None:
    role = sql.Identifier(f"reader_{blank.dbname}")
    with connect(blank, autocommit=True) as connection:
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'reader'").format(role))
    reader = replace(blank, keywords={**(blank.keywords or {}), "user": f"reader_{blank.dbname}", "password": "reader"})
    try:
        with pytest.raises(TutormaxError, match="permission denied") as refused:
            upgrade(reader)
        assert refused.value.exit_code == 1
        assert refused.value.hint == "use the role that owns the schema"
        assert tables(blank) == set()
    finally:
        server.execute(sql.SQL("DROP ROLE {}").format(role))


def test_a_standby_is_refused(home: Path) -> None:
    standby = EmbeddedServer(home / "standby")
    settings = Settings("tests", standby.connection_keywords(), home)
    try:
        standby.start()
        # A server can follow only what was logged for followers.
        with connect(settings, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET wal_level = replica")
        standby.stop()
        standby.start()
        standby.stop()
        (standby.data / "standby.signal").touch()
        standby.start()
        with pytest.raises(TutormaxError, match="read-only standby") as refused:
            upgrade(settings)
        assert (refused.value.exit_code, refused.value.hint) == (1, "name the primary server")
        assert tables(settings) == set()
    finally:
        standby.stop()


def test_stamp_records_without_running(blank: Settings) -> None:
    assert stamp(blank, "head").current == revisions()[-1].id
    assert tables(blank) == {"alembic_version"}


def test_more_steps_than_there_are_is_a_wrong_argument(blank: Settings) -> None:
    with pytest.raises(UsageError):
        upgrade(blank, "+7")
    assert tables(blank) <= {"alembic_version"}


def test_plain_alembic_from_the_repository_root(blank: Settings) -> None:
    def alembic(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "alembic", *arguments],
            cwd=ROOT,
            env=clean_environment(DATABASE_URL=url_of(blank)),
            capture_output=True,
            text=True,
            timeout=60,
        )

    all_again = f"+{len(revisions())}"
    for arguments in (("upgrade", "head"), ("check",), ("current",), ("downgrade", "base"), ("upgrade", all_again)):
        done = alembic(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    assert state(blank).pending == ()
    assert "CREATE TABLE tutors" in alembic("upgrade", "head", "--sql").stdout


def test_rows_written_by_hand_obey_the_schema_after_plain_sql(
    blank: Settings, tutormax: Callable[..., Finished]
) -> None:
    """`migrate sql` starts from where the database stands, and what it writes can be run as it is."""
    script = tutormax("migrate", "sql")
    assert script.exit_code == 0
    engine = create_engine(DIALECT, creator=lambda: connect(blank))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(script.stdout.replace(":", r"\:")))
    engine.dispose()
    assert state(blank).pending == ()
    assert drift(blank) == []
    assert "CREATE TABLE" not in tutormax("migrate", "sql").stdout
