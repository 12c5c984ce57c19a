"""The admin log: what is written when, what never is, and that nobody can take it back."""

import os
import pwd
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.conftest import Finished, url_of
from tests.database.catalog import schema
from tests.support.connections import connect
from tutormax_cli.database import Student
from tutormax_cli.database.admin_log import (
    WRITTEN_COLUMNS,
    Entry,
    Written,
    entries,
    name_command,
    record,
    record_dump,
    require_log,
)
from tutormax_cli.database.drift import drift
from tutormax_cli.database.logged_session import logged, note_rows
from tutormax_cli.database.migrations import downgrade, stamp, upgrade
from tutormax_cli.database.revisions import revisions
from tutormax_cli.errors import SchemaNotReady, TutormaxError, UsageError
from tutormax_cli.settings import Settings

SECRET = "hunter2-s3cret"


@pytest.fixture(autouse=True)
def command() -> None:
    name_command("tutormax test")


@pytest.fixture
def connection(settings: Settings) -> Iterator[psycopg.Connection]:
    with connect(settings, autocommit=True) as opened:
        yield opened


def log(settings: Settings, since_entry: int = 0) -> list[Written]:
    """The entries, oldest first."""
    with connect(settings) as connection:
        return [entry for entry in reversed(entries(connection)) if entry.id > since_entry]


def newest(settings: Settings) -> int:
    return max((entry.id for entry in log(settings)), default=0)


def student(number: int) -> Student:
    return Student(student_id=f"s{number}", name="Zoë Nguyễn")


def test_a_commit_writes_one_entry_with_what_it_changed(settings: Settings, db: Session) -> None:
    before = newest(settings)
    with logged(db, "20991231_0000"):
        db.add_all([student(1), student(2)])
        assert log(settings, before) == []
        db.commit()
        db.execute(text("UPDATE students SET age = 9"))
        db.execute(text("DELETE FROM students WHERE student_id = 's2'"))
        note_rows(db, "truncated", {"sessions": 5, "tutors": 0})
        db.commit()
    first, second = log(settings, before)
    assert first.rows == {"students": {"inserted": 2}}
    assert second.rows == {"students": {"updated": 2, "deleted": 1}, "sessions": {"truncated": 5}}
    assert (first.command, first.outcome, first.exit_code, first.sqlstate) == ("tutormax test", "done", 0, None)
    assert first.revision == "20991231_0000"
    assert first.os_user and first.host and settings.dbname in first.target


def test_without_a_commit_nothing_is_written(settings: Settings, db: Session) -> None:
    before = newest(settings)
    with logged(db, None):
        db.add(student(1))
        db.flush()
    db.rollback()
    assert log(settings, before) == []


def test_a_savepoint_is_no_commit(settings: Settings, db: Session) -> None:
    before = newest(settings)
    with logged(db, None):
        with db.begin_nested():
            db.add(student(1))
        db.commit()
    assert len(log(settings, before)) == 1


def test_no_change_without_an_entry(settings: Settings, db: Session, connection: psycopg.Connection) -> None:
    """Where the entry can't be written when the work is done, the work is taken back."""
    with pytest.raises(Exception, match="ck_no_more"), logged(db, None):
        db.add(student(1))
        connection.execute("ALTER TABLE tutormax_admin.log ADD CONSTRAINT ck_no_more CHECK (false) NOT VALID")
        db.commit()
    assert connection.execute("SELECT count(*) FROM students").fetchone() == (0,)


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (UsageError("wrong"), ("failed", 2, None)),
        (KeyboardInterrupt(), ("interrupted", 130, None)),
        (ValueError(SECRET), ("failed", 1, None)),
    ],
    ids=["ours", "Ctrl-C", "a bug"],
)
def test_a_failure_leaves_an_entry_and_no_rows(
    settings: Settings, db: Session, problem: BaseException, told: tuple[str, int, str | None]
) -> None:
    before = newest(settings)
    with pytest.raises(type(problem)), logged(db, None):
        db.add(student(1))
        db.flush()
        raise problem
    (entry,) = log(settings, before)
    assert (entry.outcome, entry.exit_code, entry.sqlstate, entry.rows) == (*told, {})
    assert SECRET not in repr(entry)


def test_what_the_server_refused_is_told_by_its_sqlstate_alone(settings: Settings, db: Session) -> None:
    before = newest(settings)
    with pytest.raises(Exception, match="duplicate"), logged(db, None):
        db.execute(text("INSERT INTO students (student_id, name) VALUES ('zoe@example.com', 'Z')"))
        db.execute(text("INSERT INTO students (student_id, name) VALUES ('zoe@example.com', 'Z')"))
    (entry,) = log(settings, before)
    assert (entry.outcome, entry.exit_code, entry.sqlstate) == ("failed", 1, "23505")
    assert "zoe" not in repr(entry)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tutormax_admin.log SET command = 'nothing'",
        "DELETE FROM tutormax_admin.log",
        "DELETE FROM tutormax_admin.log WHERE false",
        "TRUNCATE tutormax_admin.log",
        "SET session_replication_role = replica; DELETE FROM tutormax_admin.log",
    ],
)
def test_not_even_a_superuser_changes_an_entry(connection: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only be added to"):
        connection.execute(statement.encode())


def test_a_role_that_may_not_write_to_it_may_not_begin(settings: Settings, db: Session) -> None:
    role = f"unlogged_{settings.dbname}"
    db.execute(text(f"CREATE ROLE {role}"))  # taken back at the end
    db.execute(text(f"SET ROLE {role}"))
    with pytest.raises(TutormaxError, match="may not add to the admin log"), logged(db, None):
        raise AssertionError
    db.rollback()


def test_a_missing_log_is_made_again(settings: Settings, connection: psycopg.Connection) -> None:
    connection.execute("DROP SCHEMA tutormax_admin CASCADE")
    with pytest.raises(SchemaNotReady, match="is missing"):
        require_log(connection)
    with pytest.raises(SchemaNotReady):
        entries(connection)
    stamp(settings, "20251107_0000")
    upgrade(settings)
    require_log(connection)
    assert drift(settings) == []


def test_a_log_whose_guard_was_weakened_is_guarded_again(settings: Settings, connection: psycopg.Connection) -> None:
    connection.execute("DROP TRIGGER append_only ON tutormax_admin.log")
    connection.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE ON tutormax_admin.log EXECUTE FUNCTION tutormax_admin.refuse()"
    )
    stamp(settings, "20251107_0000")
    upgrade(settings)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only be added to"):
        connection.execute("TRUNCATE tutormax_admin.log")


def test_a_log_that_somebody_else_laid_out_is_not_taken_for_ours(
    settings: Settings, connection: psycopg.Connection
) -> None:
    role = sql.Identifier(f"sly_{settings.dbname}")
    connection.execute("DROP SCHEMA tutormax_admin CASCADE")
    connection.execute(sql.SQL("CREATE ROLE {}; CREATE SCHEMA tutormax_admin AUTHORIZATION {}").format(role, role))
    try:
        stamp(settings, "20251107_0000")
        with pytest.raises(TutormaxError, match="tutormax_admin is there already and belongs to sly_"):
            upgrade(settings)
    finally:
        connection.execute(sql.SQL("DROP SCHEMA tutormax_admin; DROP ROLE {}").format(role))


def test_the_account_is_the_processs_own(connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else\udcff")
    record(connection, Entry("tutormax test", 0.1))
    assert entries(connection, 1)[0].os_user == pwd.getpwuid(os.getuid()).pw_name


def test_a_downgrade_leaves_it_and_says_what_was_lost(settings: Settings, db: Session) -> None:
    db.add_all([student(1), student(2)])
    db.commit()
    db.close()
    with connect(settings) as connection:
        before = schema(connection)
    held = log(settings)
    downgrade(settings, "base")
    upgrade(settings)
    with connect(settings) as connection:
        assert schema(connection) == before
    assert log(settings)[: len(held)] == held
    told = [(entry.revision, entry.rows) for entry in log(settings)[len(held) :]]
    assert told == [
        ("20261122_1900", {}),
        ("20251107_0000", {}),
        (None, {"students": {"deleted": 2}}),
        ("20251107_0000", {}),
        ("20261122_1900", {}),
        ("20261125_1000", {}),
    ]


def test_a_failed_migration_leaves_an_entry(settings: Settings) -> None:
    before = newest(settings)
    with pytest.raises(UsageError):
        downgrade(settings, "-7")
    (entry,) = log(settings, before)
    assert (entry.outcome, entry.exit_code, entry.revision) == ("failed", 2, revisions()[-1].id)


def test_entries_come_newest_first(connection: psycopg.Connection) -> None:
    for number in range(3):
        record(connection, Entry(f"tutormax {number}", 0.1))
    assert [entry.command for entry in entries(connection, 2)] == ["tutormax 2", "tutormax 1"]
    assert entries(connection, since=datetime.now(UTC) + timedelta(days=1)) == []


def test_every_column_is_filled_by_us_or_by_the_server(connection: psycopg.Connection) -> None:
    rows = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'tutormax_admin.log'::regclass AND attnum > 0"
    ).fetchall()
    assert {name for (name,) in rows} == {*WRITTEN_COLUMNS, "id", "at", "role", "address", "application"}


def logged_dump(settings: Settings) -> str | None:
    return record_dump(settings, dump_id="3f0e", size=52_000, file=Path("/backups/a.dump"), seconds=1.5)


def test_a_dump_is_an_entry_with_its_id_size_and_file(settings: Settings) -> None:
    before = newest(settings)
    assert logged_dump(settings) is None
    (entry,) = log(settings, before)
    assert entry.details == {"dump": {"id": "3f0e", "bytes": 52_000, "file": "/backups/a.dump"}}
    assert (entry.seconds, entry.outcome, entry.revision) == (1.5, "done", revisions()[-1].id)


def test_a_file_named_like_a_url_is_left_out(settings: Settings) -> None:
    url = Path(f"postgresql://me:{SECRET}@db/tm")
    assert record_dump(settings, dump_id="3f0e", size=1, file=url, seconds=1.0) is None
    assert SECRET not in repr(log(settings))


def test_a_dump_that_cannot_be_logged_has_a_reason(settings: Settings, connection: psycopg.Connection) -> None:
    role = f"dumps_{settings.dbname}"
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
    try:
        reader = replace(settings, keywords={**(settings.keywords or {}), "user": role})
        assert logged_dump(reader) == "this role may not add to the admin log (tutormax_admin.log)"
    finally:
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
    connection.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(of(settings)))
    assert str(logged_dump(settings)).startswith("this server is read-only")
    connection.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(of(settings)))
    connection.execute("ALTER TABLE tutormax_admin.log DROP COLUMN details")
    assert logged_dump(settings) == "the admin log is of an earlier revision (tutormax migrate up)"
    connection.execute("DROP SCHEMA tutormax_admin CASCADE")
    assert logged_dump(settings) == "the database has no admin log (tutormax_admin.log)"
    nowhere = replace(settings, keywords={**(settings.keywords or {}), "dbname": "tutormax_nowhere"})
    assert "does not exist" in str(logged_dump(nowhere))


def of(settings: Settings) -> sql.Identifier:
    return sql.Identifier(settings.dbname)


def test_a_log_of_an_earlier_revision_is_written_and_shown(settings: Settings, connection: psycopg.Connection) -> None:
    downgrade(settings, "20261122_1900")
    connection.execute("ALTER TABLE tutormax_admin.log DROP COLUMN details")
    record(connection, Entry("tutormax test", 0.1))
    assert entries(connection, 1)[0].details is None
    upgrade(settings)
    assert logged_dump(settings) is None


def test_who_could_write_to_the_log_can_write_its_details(settings: Settings, connection: psycopg.Connection) -> None:
    odd = sql.Identifier(f'A "b".c {settings.dbname}')
    downgrade(settings, "20261122_1900")
    connection.execute("ALTER TABLE tutormax_admin.log DROP COLUMN details")
    connection.execute(sql.SQL("CREATE ROLE {}").format(odd))
    granted = sql.SQL("GRANT INSERT (command, seconds) ON tutormax_admin.log TO {}, PUBLIC")
    try:
        connection.execute(granted.format(odd))
        upgrade(settings)
        row = connection.execute(
            "SELECT array_agg(coalesce(rolname, 'PUBLIC') ORDER BY rolname) FROM pg_attribute, aclexplode(attacl) acl"
            " LEFT JOIN pg_roles ON pg_roles.oid = grantee"
            " WHERE attrelid = 'tutormax_admin.log'::regclass AND attname = 'details' AND privilege_type = 'INSERT'"
        ).fetchone()
        assert row == ([f'A "b".c {settings.dbname}', "PUBLIC"],)
    finally:
        connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(odd))


def test_a_database_without_a_log_can_be_migrated(settings: Settings, connection: psycopg.Connection) -> None:
    """As after the restore of a backup, which holds the eight tables alone."""
    downgrade(settings, "20261122_1900")
    connection.execute("DROP SCHEMA tutormax_admin CASCADE")
    upgrade(settings)
    assert drift(settings) == []


def test_the_commands_write_down_themselves_and_no_secret(
    settings: Settings, tutormax: Callable[..., Finished]
) -> None:
    role = sql.Identifier(f"login_{settings.dbname}")
    with connect(settings, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}").format(role, sql.Literal(SECRET)))
    login = {**(settings.keywords or {}), "user": f"login_{settings.dbname}", "password": SECRET}
    url = url_of(replace(settings, keywords=login))
    before = newest(settings)
    try:
        commands = (
            ("seed", "--tutors", "2", "--days", "20", "--as-of", "2026-06-01", "--raw", "--database-url", url),
            ("evaluate", "--as-of", "2026-06-01T09:00+02:00"),
            ("seed", "--tutors", "1", "--database-url", url),
        )
        codes = [tutormax(*command).exit_code for command in commands]
        assert codes == [0, 0, 1]
        written = log(settings, before)
    finally:
        with connect(settings, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP ROLE {}").format(role))
    assert [(entry.command, entry.outcome) for entry in written] == [
        ("tutormax seed --tutors 2 --days 20 --as-of 2026-06-01 --raw", "done"),
        ("tutormax evaluate --as-of 2026-06-01T07:00:00+00:00", "done"),
        ("tutormax seed --tutors 1", "failed"),
    ]
    assert written[0].role == f"login_{settings.dbname}"
    assert written[0].rows["tutors"] == {"inserted": 2}
    assert SECRET not in repr(written) and "postgresql:" not in repr(written)
