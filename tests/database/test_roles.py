"""The least-privilege roles: what each may do, what none may, and that the SQL can be run again and by psql."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psycopg
import pytest
from psycopg import sql

from tests.conftest import Server, run_tutormax, url_of
from tests.support.connections import connect
from tutormax_cli.backup.reset import reset
from tutormax_cli.database.copy import bulk_load
from tutormax_cli.database.copy.load import REBUILD_FROM_ROWS
from tutormax_cli.database.drift import drift
from tutormax_cli.database.embedded import program
from tutormax_cli.database.engine import make_engine
from tutormax_cli.database.migrations import downgrade, upgrade
from tutormax_cli.database.models import Base
from tutormax_cli.database.roles import Roles, apply_roles, roles_of, roles_script
from tutormax_cli.errors import TutormaxError, UsageError
from tutormax_cli.settings import Settings

TABLES = tuple(Base.metadata.tables)
STUDENT = "INSERT INTO students (student_id, name) VALUES ('new', 'New')"

NOT_AS_APP = (
    "TRUNCATE tutor_events",
    "CREATE TABLE mine (id int)",
    "CREATE SCHEMA mine",
    "ALTER TABLE tutors ADD COLUMN phone text",
    "ALTER TABLE tutors DISABLE TRIGGER ALL",
    "DROP TABLE tutors",
    "DROP INDEX ix_tutors_status",
    "CREATE INDEX mine ON tutors (name)",
    "UPDATE alembic_version SET version_num = 'x'",
    "SELECT * FROM tutormax_admin.log",
    "DELETE FROM tutormax_admin.log",
    "UPDATE tutormax_admin.log SET command = 'x'",
    "DROP TABLE tutormax_admin.log",
    "INSERT INTO tutormax_admin.log (role, command) VALUES ('somebody else', 'x')",
    "INSERT INTO tutormax_admin.log (at, command) VALUES ('2020-01-01', 'x')",
    "COMMENT ON DATABASE {database} IS 'tutormax environment: development'",
)
NOT_AS_READONLY = (
    STUDENT,
    "UPDATE tutors SET name = 'x'",
    "DELETE FROM sessions",
    "SELECT 1 FROM tutors FOR UPDATE",
    "LOCK TABLE tutors IN SHARE ROW EXCLUSIVE MODE",
    "CREATE TEMPORARY TABLE mine (id int)",
    "INSERT INTO tutormax_admin.log (command) VALUES ('x')",
    *(each for each in NOT_AS_APP if not each.startswith("SELECT")),
)
NOT_AS_ANYBODY = tuple(f"SELECT 1 FROM {table}" for table in (*TABLES, "alembic_version", "tutormax_admin.log"))


@pytest.fixture(scope="module")
def guarded(server: Server, seeded: Settings) -> Iterator[Settings]:
    """A company whose database has the roles, and login roles that are members of them."""
    with server.clone(seeded) as database:
        names = roles_of(database.dbname)
        with connect(database) as connection:
            apply_roles(connection, cut_off=True)
            for role, of in logins(names).items():
                made = sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'secret'").format(sql.Identifier(role))
                connection.execute(made)
                if of:
                    connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(of), sql.Identifier(role)))
        yield database
    for role in (*logins(names), names.owner, names.app, names.readonly):
        server.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


def logins(names: Roles) -> dict[str, str | None]:
    return {
        f"{names.owner}_deploy": names.owner,
        f"{names.app}_web": names.app,
        f"{names.readonly}_analyst": names.readonly,
        f"{names.app}_stranger": None,
    }


def as_login(database: Settings, role: str) -> Settings:
    return replace(database, keywords={**(database.keywords or {}), "user": role, "password": "secret"})


def refused(database: Settings, role: str, statement: str) -> str | None:
    """Try a statement as a role and take it back; give the SQLSTATE of the refusal."""
    with connect(database) as connection:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        try:
            connection.execute(statement.format(database=database.dbname).encode())
        except psycopg.Error as problem:
            return problem.sqlstate
        finally:
            connection.rollback()
    return None


@pytest.mark.parametrize("statement", NOT_AS_APP)
def test_the_app_may_not(guarded: Settings, statement: str) -> None:
    assert refused(guarded, roles_of(guarded.dbname).app, statement) == "42501"


@pytest.mark.parametrize("statement", NOT_AS_READONLY)
def test_the_reader_may_not(guarded: Settings, statement: str) -> None:
    assert refused(guarded, roles_of(guarded.dbname).readonly, statement) == "42501"


def test_the_owner_may_not_change_the_log(guarded: Settings) -> None:
    owner = roles_of(guarded.dbname).owner
    for statement in ("DELETE FROM tutormax_admin.log", "TRUNCATE tutormax_admin.log", "CREATE ROLE mine"):
        assert refused(guarded, owner, statement) == "42501"
    assert refused(guarded, owner, "SELECT * FROM tutormax_admin.log") is None


def test_who_is_no_member_may_nothing_and_not_even_connect(guarded: Settings) -> None:
    stranger = f"{roles_of(guarded.dbname).app}_stranger"
    assert {refused(guarded, stranger, statement) for statement in NOT_AS_ANYBODY} == {"42501"}
    with pytest.raises(TutormaxError, match="permission denied for database"):
        connect(as_login(guarded, stranger))


def test_rows_can_be_read_and_written_by_whom_it_concerns(guarded: Settings) -> None:
    names = roles_of(guarded.dbname)
    for table in (*TABLES, "alembic_version"):
        for role in (names.owner, names.app, names.readonly):
            assert refused(guarded, role, f"SELECT 1 FROM {table}") is None
    for statement in (STUDENT, "UPDATE tutors SET name = 'x'", "DELETE FROM tutors"):
        assert refused(guarded, names.app, statement) is None


def test_the_app_loads_many_rows_at_once(guarded: Settings) -> None:
    engine = make_engine(as_login(guarded, f"{roles_of(guarded.dbname).app}_web"))
    with engine.connect() as connection:
        students = Base.metadata.tables["students"]
        with bulk_load(connection, [students], REBUILD_FROM_ROWS) as load:  # the owner would make the indexes anew
            ids = np.array([b"new_%d" % number for number in range(5)])
            assert load.copy_in(students, {"student_id": ids, "name": ids}) == 5
        connection.rollback()
    engine.dispose()


def test_the_commands_work_as_their_roles(guarded: Settings, tmp_path: Path) -> None:
    names = roles_of(guarded.dbname)

    def run(role: str, *command: str) -> int:
        url = url_of(as_login(guarded, role))
        return run_tutormax(command, {"DATABASE_URL": url}, tmp_path).exit_code

    as_of = ("--as-of", "2026-06-01")
    web, analyst, deploy = f"{names.app}_web", f"{names.readonly}_analyst", f"{names.owner}_deploy"
    assert [run(web, command, *as_of) for command in ("evaluate", "predict")] == [0, 0]
    assert run(analyst, "risk-report", *as_of) == 0
    assert [run(analyst, "evaluate", *as_of), run(web, "log"), run(deploy, "log")] == [1, 1, 0]


def test_what_a_member_of_the_owner_migrates_belongs_to_the_owner(guarded: Settings, server: Server) -> None:
    names = roles_of(guarded.dbname)
    deploy = as_login(guarded, f"{names.owner}_deploy")
    downgrade(deploy, "base")
    upgrade(deploy)
    with connect(guarded) as connection:
        owners = connection.execute(
            "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname IN ('public', 'tutormax_admin')"
        ).fetchall()
        wrote = connection.execute("SELECT role FROM tutormax_admin.log ORDER BY id DESC LIMIT 1").fetchone()
    assert owners == [(names.owner,)]
    assert wrote == (f"{names.owner}_deploy",)
    assert refused(guarded, names.app, STUDENT) is None
    assert refused(guarded, names.readonly, "SELECT 1 FROM tutors") is None
    assert drift(guarded) == []


def test_the_printed_sql_runs_in_psql_again_and_again(guarded: Settings, tmp_path: Path) -> None:
    url = url_of(guarded)
    printed = run_tutormax(("roles",), {"DATABASE_URL": url}, tmp_path)
    assert printed.exit_code == 0
    for _ in range(2):
        done = subprocess.run(
            [program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", url.replace("&hostaddr=", "")],
            input=printed.stdout, capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_who_would_be_cut_off_is_said_first(guarded: Settings, server: Server) -> None:
    stranger = sql.Identifier(f"{roles_of(guarded.dbname).app}_stranger")
    with connect(guarded) as connection:
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO PUBLIC").format(sql.Identifier(guarded.dbname)))
        with pytest.raises(TutormaxError, match=f"could no longer connect.*{guarded.dbname}_app_stranger"):
            apply_roles(connection)
        connection.rollback()
        connection.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(guarded.dbname), stranger)
        )
        apply_roles(connection)  # a right of its own stays
        connection.rollback()


@pytest.mark.parametrize("name", ["x\nDROP TABLE tutors; --", "a$do$b", "a\x1b[2J"])
def test_a_name_that_would_break_out_of_the_script_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no script can be written"):
        roles_of(name)


@pytest.mark.parametrize(
    "before",
    [
        "ALTER ROLE {app} CREATEROLE",
        "ALTER ROLE {readonly} SUPERUSER",
        "GRANT {owner} TO {app}",
        "GRANT {app} TO {readonly}",
    ],
)
def test_a_role_that_was_there_with_more_rights_is_refused(guarded: Settings, before: str) -> None:
    names = roles_of(guarded.dbname)
    with connect(guarded) as connection:
        connection.execute(before.format(app=names.app, readonly=names.readonly, owner=names.owner).encode())
        with pytest.raises(psycopg.errors.RaiseException, match="may do more than it should"):
            apply_roles(connection)
        connection.rollback()


def test_a_reset_leaves_the_rights_as_they_are(guarded: Settings, server: Server) -> None:
    names = roles_of(guarded.dbname)
    with server.clone(guarded) as database:
        with connect(database) as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
                    sql.Identifier(database.dbname), sql.Identifier(names.owner)
                )
            )
        reset(database)
        assert refused(database, names.app, "UPDATE alembic_version SET version_num = 'x'") == "42501"
        assert refused(database, names.readonly, "SELECT 1 FROM alembic_version") is None
        assert refused(database, names.app, STUDENT) is None


def test_names_are_quoted_and_may_not_be_too_long(guarded: Settings) -> None:
    with pytest.raises(UsageError, match="too long"):
        roles_of("x" * 60)
    with connect(guarded) as connection:
        script = roles_script(connection)
    assert f'GRANT USAGE, CREATE ON SCHEMA "public" TO "{guarded.dbname}_owner";' in script
