"""Bulk loads: what is taken away comes back as it was, and whatever fails leaves nothing behind."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.orm import Session

from tutormax_cli.columns import Coded, Columns
from tutormax_cli.database import locks
from tutormax_cli.database.copy import bulk_load, load
from tutormax_cli.database.models import Base, Student, Tutor
from tutormax_cli.database.names import TableName
from tutormax_cli.errors import LockTimeout

TABLES = Base.metadata.sorted_tables
STUDENTS, TUTORS, SESSIONS = (Base.metadata.tables[name] for name in ("students", "tutors", "sessions"))

CATALOGUE = """
    SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid),
           concat_ws(' ', indisvalid, indisclustered, indisreplident, indisprimary, indisunique, indimmediate),
           obj_description(indexrelid, 'pg_class')
    FROM pg_index WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    UNION ALL
    SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid), convalidated::text,
           obj_description(oid, 'pg_constraint')
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'trigger', tgrelid::regclass::text, count(*)::text, string_agg(tgenabled::text, ''), NULL
    FROM pg_trigger GROUP BY tgrelid
    ORDER BY 1, 2, 3
"""

PECULIARITIES = """
    COMMENT ON INDEX ix_tutors_status IS 'who''s here; 100%';
    COMMENT ON CONSTRAINT pk_sessions ON sessions IS 'the "session"';
    COMMENT ON CONSTRAINT fk_sessions_tutor_id_tutors ON sessions IS 'a tutor gives it';
    CREATE INDEX "Odd %s name" ON students (lower(name) DESC NULLS LAST) INCLUDE (age) WHERE name LIKE '100%:x';
    ALTER TABLE students ADD CONSTRAINT "Deferred" UNIQUE (student_id, age) DEFERRABLE INITIALLY DEFERRED;
    CREATE INDEX clustered ON tutors (name); ALTER TABLE tutors CLUSTER ON clustered;
    CREATE INDEX measured ON tutors (lower(name)); ALTER INDEX measured ALTER COLUMN 1 SET STATISTICS 500;
    ALTER TABLE interventions REPLICA IDENTITY USING INDEX pk_interventions;
    CREATE VIEW per_student AS SELECT student_id, name, age FROM students GROUP BY student_id;
    CREATE SCHEMA other;
    CREATE TABLE other.guardians (student_id text REFERENCES students ON DELETE SET NULL);
    ALTER TABLE tutors ADD CONSTRAINT unchecked FOREIGN KEY (location) REFERENCES students (student_id) NOT VALID;
"""


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as opened:
        yield opened


def students(count: int, first: int = 0) -> Columns:
    ids = np.array([b"student_%06d" % number for number in range(first, first + count)])
    return {"student_id": ids, "name": Coded(np.zeros(count, np.int32), ["Ann"])}


def sessions_of_nobody(count: int) -> Columns:
    ids = np.array([b"session_%06d" % number for number in range(count)])
    same = np.zeros(count, np.int32)
    return {
        "session_id": ids,
        "tutor_id": Coded(same, ["nobody"]),
        "student_id": Coded(same, ["student_000000"]),
        "session_number": same + 1,
        "scheduled_start": np.full(count, np.datetime64("2026-01-01", "us")),
        "duration_minutes": same + 60,
        "subject": Coded(same, ["physics"]),
        "session_type": Coded(same, ["group"]),
    }


def catalogue(engine: Engine) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(CATALOGUE))]


def run(engine: Engine, script: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(script, execution_options={"no_parameters": True})


def count(connection: Connection | Session, model: type[Base]) -> int:
    return connection.execute(select(func.count()).select_from(model)).scalar_one()


@pytest.mark.parametrize("script", ["SELECT 1", PECULIARITIES], ids=["as migrated", "with peculiarities"])
def test_keys_and_indexes_come_back_as_they_were(engine: Engine, script: str) -> None:
    run(engine, script)
    before = catalogue(engine)
    steps: list[str] = []
    with engine.begin() as connection:
        with bulk_load(connection, TABLES, load.REBUILD_FROM_ROWS, step=steps.append) as loading:
            assert loading.freeze
            loading.copy_in(STUDENTS, students(2000))
            left = connection.execute(text("SELECT count(*) FROM pg_constraint WHERE contype = 'f'")).scalar()
            assert left == 0
        assert count(connection, Student) == 2000
    assert catalogue(engine) == before
    assert steps[0].startswith("indexes of") and "statistics" in steps and steps[-1].startswith("foreign keys of")


def test_rows_go_in_frozen_and_statistics_are_fresh(connection: Connection) -> None:
    with bulk_load(connection, TABLES, load.REBUILD_FROM_ROWS) as loading:
        loading.copy_in(STUDENTS, students(3000))
        loading.copy_in(STUDENTS, students(3000, first=3000))
    found = connection.execute(
        text("SELECT reltuples, relallvisible FROM pg_class WHERE oid = 'students'::regclass")
    ).one()
    assert found.reltuples == 6000
    assert found.relallvisible > 0, "without FREEZE it takes a VACUUM to see a page all visible"


@pytest.mark.parametrize("rows", [10, load.REBUILD_FROM_ROWS], ids=["in place", "rebuilding"])
def test_a_failure_leaves_the_database_as_it_was(engine: Engine, rows: int) -> None:
    with engine.begin() as connection, bulk_load(connection, TABLES, 10) as loading:
        loading.copy_in(STUDENTS, students(10))
    before = catalogue(engine)

    def fail() -> None:
        with engine.begin() as connection, bulk_load(connection, TABLES, rows, replace=True) as loading:
            loading.copy_in(STUDENTS, students(20, first=10))
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        fail()
    assert catalogue(engine) == before
    with engine.connect() as connection:
        assert count(connection, Student) == 10


@pytest.mark.parametrize("rows", [10, load.REBUILD_FROM_ROWS], ids=["in place", "rebuilding"])
def test_rows_that_break_a_key_are_refused(engine: Engine, rows: int) -> None:
    def break_it(columns: Columns, table: Any) -> None:
        with engine.begin() as connection, bulk_load(connection, TABLES, rows) as loading:
            loading.copy_in(STUDENTS, students(1))
            loading.copy_in(table, columns)

    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        break_it(sessions_of_nobody(5), SESSIONS)
    with pytest.raises(psycopg.errors.UniqueViolation):
        break_it(students(1), STUDENTS)
    with engine.connect() as connection:
        assert count(connection, Student) == 0


def test_few_rows_beside_many_leave_the_indexes_alone(engine: Engine) -> None:
    with engine.begin() as connection, bulk_load(connection, TABLES, 200_000) as loading:
        loading.copy_in(STUDENTS, students(100_000))
    with engine.begin() as connection, bulk_load(connection, TABLES, load.REBUILD_FROM_ROWS) as loading:
        assert not loading.freeze
        assert connection.execute(text("SELECT count(*) FROM pg_constraint WHERE contype = 'f'")).scalar_one() > 0
        loading.copy_in(STUDENTS, students(10, first=100_000))
    before = catalogue(engine)
    with engine.begin() as connection, bulk_load(connection, TABLES, 200_000) as loading:
        assert not loading.freeze
        assert connection.execute(text("SELECT count(*) FROM pg_constraint WHERE contype = 'f'")).scalar() == 0
        loading.copy_in(STUDENTS, students(10, first=200_000))
    assert catalogue(engine) == before
    with engine.connect() as connection:
        assert count(connection, Student) == 100_020


def test_replacing_takes_nothing_from_tables_outside(engine: Engine) -> None:
    run(engine, PECULIARITIES)
    run(engine, "INSERT INTO students (student_id, name) VALUES ('s', 'Ann'); INSERT INTO other.guardians VALUES ('s')")
    for rows in (10, load.REBUILD_FROM_ROWS):
        with (
            pytest.raises((psycopg.errors.FeatureNotSupported, psycopg.errors.ForeignKeyViolation)),
            engine.begin() as connection,
            bulk_load(connection, TABLES, rows, replace=True) as loading,
        ):
            loading.copy_in(STUDENTS, students(1))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT student_id FROM other.guardians")).scalar() == "s"
        assert count(connection, Student) == 1


def test_a_role_that_does_not_own_the_tables_loads_beside_the_indexes(engine: Engine) -> None:
    role = f"loader_{threading.get_ident()}_{time.time_ns()}"
    run(engine, f"CREATE ROLE {role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
    try:
        with engine.begin() as connection:
            connection.execute(text(f"SET LOCAL ROLE {role}"))
            with bulk_load(connection, TABLES, load.REBUILD_FROM_ROWS) as loading:
                assert not loading.freeze
                loading.copy_in(STUDENTS, students(5))
        with engine.connect() as connection:
            assert count(connection, Student) == 5
    finally:
        run(engine, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_time_limits_of_the_role_do_not_end_a_load(connection: Connection) -> None:
    connection.execute(text("SET statement_timeout = '50ms'"))
    connection.commit()
    with bulk_load(connection, [TUTORS], 1):
        connection.execute(text("SELECT pg_sleep(0.1)"))
    connection.rollback()
    assert connection.execute(text("SHOW statement_timeout")).scalar() == "50ms"


def test_a_table_in_use_is_given_up_with_the_name_of_who_uses_it(engine: Engine) -> None:
    with engine.connect() as application, engine.connect() as connection:
        application.execute(text("SET application_name = 'a test'"))
        application.execute(select(Tutor)).all()
        with pytest.raises(LockTimeout, match=r"tutors is in use by a test of \w+, pid \d+; waited 0\.1 s"):
            locks.lock_tables(
                driver(connection),
                [TableName("public", "students"), TableName("public", "tutors")],
                "ACCESS EXCLUSIVE",
                wait=0.1,
            )
        application.rollback()
        locks.lock_tables(
            driver(connection),
            [TableName("public", "students"), TableName("public", "tutors")],
            "ACCESS EXCLUSIVE",
            wait=0.1,
        )
        assert connection.execute(text("SHOW lock_timeout")).scalar() == "0"


def test_while_waiting_nothing_is_held(engine: Engine) -> None:
    """An application that holds one table and then wants another gets it at once, in whatever order."""
    outcome: list[Exception | None] = []

    def load_it() -> None:
        with engine.connect() as connection:
            try:
                locks.lock_tables(
                    driver(connection),
                    [TableName("public", "tutors"), TableName("public", "students"), TableName("public", "sessions")],
                    "ACCESS EXCLUSIVE",
                    wait=20,
                )
                outcome.append(None)
            except Exception as problem:
                outcome.append(problem)

    with engine.connect() as application:
        application.execute(text("LOCK TABLE students IN ROW EXCLUSIVE MODE"))
        loader = threading.Thread(target=load_it)
        loader.start()
        time.sleep(0.5)
        application.execute(text("SET LOCAL lock_timeout = '1500ms'"))
        application.execute(text("LOCK TABLE tutors IN ROW EXCLUSIVE MODE"))
        application.execute(text("LOCK TABLE sessions IN ROW EXCLUSIVE MODE"))
        application.commit()
    loader.join(timeout=20)
    assert outcome == [None]


def driver(connection: Connection) -> psycopg.Connection:
    from tutormax_cli.database.copy.wire import driver_of

    return driver_of(connection)
