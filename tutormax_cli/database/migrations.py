"""Alembic, run in-process: create the database, upgrade, downgrade, stamp, look for drift.

Safe beside a running application: one migrator at a time, each revision in a transaction of its own, and a lock
that can't be had soon is given up and tried again, so that nothing queues up behind us.
"""

import io
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.util import CommandError
from psycopg import sql
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic import command
from tutormax_cli.database import admin_log
from tutormax_cli.database.connection import MAINTENANCE_DATABASE, connect, connect_patiently
from tutormax_cli.database.driver import SAFE_PATH, note_change, schema_of
from tutormax_cli.database.engine import driver_connection
from tutormax_cli.database.failures import explain
from tutormax_cli.database.locks import lock_tables
from tutormax_cli.database.losses import Losses, count_losses
from tutormax_cli.database.migrating import (
    Guard,
    become_owner,
    create_schema,
    migrating_connection,
    safe_path,
    schema_path,
)
from tutormax_cli.database.migration_lock import MigrationLock, migration_lock
from tutormax_cli.database.names import own_table, quoted
from tutormax_cli.database.queries import count_rows, existing_tables
from tutormax_cli.database.revisions import (
    VERSION_TABLE,
    Revision,
    SchemaState,
    record_applied,
    require_chosen_schema,
    require_head,
    revisions,
    schema_state,
    script_folder,
    set_comment,
)
from tutormax_cli.database.sequences import keep_places_of_new_sequences
from tutormax_cli.errors import ConnectionFailed, LockTimeout, TutormaxError, UsageError
from tutormax_cli.interrupts import keep, uninterrupted
from tutormax_cli.settings import Settings

DEFAULT_WAIT = 60.0
"""Seconds to wait for another migrator, and for the locks of an application, before giving up."""


@dataclass(frozen=True, slots=True)
class Listener:
    """What a migration tells while it runs. Each may be called from within a transaction: return soon."""

    waiting: Callable[[str], None] = lambda why: None
    finished: Callable[[Revision, float], None] = lambda revision, seconds: None


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration did: the state after it and the revisions that were run."""

    state: SchemaState
    ran: tuple[Revision, ...] = field(default=())


def create_database(
    settings: Settings,
    wait: float = 0.0,
    waiting: Callable[[str], None] = lambda why: None,
    before: Guard = lambda server: None,
) -> bool:
    """Create the configured database if it is missing; return whether it was. Waits for a server that is starting.

    `before` is called with a connection to the server, and may refuse it before anything is created.
    """
    try:
        with connect_patiently(settings, wait, waiting) as connection:
            before(connection)
        return False
    except ConnectionFailed as problem:
        if not settings.dbname or settings.dbname == MAINTENANCE_DATABASE:
            raise
        return _create_if_missing(settings, problem, before)


def _create_if_missing(settings: Settings, problem: ConnectionFailed, before: Guard) -> bool:
    try:
        connection = connect(settings, dbname=MAINTENANCE_DATABASE, autocommit=True)
    except ConnectionFailed:
        raise problem from None
    with connection:
        with connection.transaction():
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [settings.dbname]).fetchone()
        if known:
            raise problem
        before(connection)
        # template0, because template1 may hold somebody's objects or be in use.
        create = sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0")
        try:
            with uninterrupted():
                connection.execute(create.format(sql.Identifier(settings.dbname)))
                keep(f"the new database {settings.dbname}")
        except psycopg.errors.DuplicateDatabase:
            return False
        except psycopg.errors.UniqueViolation:
            return False  # two of us at once, in the same instant
        except psycopg.errors.InsufficientPrivilege:
            raise TutormaxError(
                f"database {settings.dbname} doesn't exist, and this role may not create it",
                f"ask an administrator for: CREATE DATABASE {quoted(settings.dbname)}",
            ) from None
    return True


def state(settings: Settings) -> SchemaState:
    """Read where the database stands."""
    with connect(settings) as connection:
        return schema_state(connection)


def upgrade(
    settings: Settings, target: str = "head", *, wait: float = DEFAULT_WAIT, listener: Listener | None = None
) -> Migrated:
    """Run the pending revisions up to `target`: `head`, a revision or `+N`.

    Raises LockTimeout, SchemaNotReady for a database newer than this program, TutormaxError where a table of ours
    stands without our version table; a failed revision leaves the database at the one before.
    """
    listener = listener or Listener()
    with migration_lock(settings, wait, listener.waiting) as lock, _failure_logged(lock):
        before = lock.read(schema_state)
        if before.newer_than_program:
            require_head(before)
        lock.read(lambda connection: _refuse_foreign_tables(connection, before))
        if before.pending:
            with connect(settings) as connection:
                create_schema(connection)
            _run(settings, lambda config: command.upgrade(config, target), wait, listener)
        after = lock.read(schema_state)
    return Migrated(after, tuple(r for r in after.applied if r not in before.applied))


def downgrade(
    settings: Settings,
    target: str,
    *,
    wait: float = DEFAULT_WAIT,
    listener: Listener | None = None,
    losing: Sequence[str] = (),
    before: Callable[[Losses], None] = lambda held: None,
) -> Migrated:
    """Revert revisions down to `target`: `base`, a revision or `-N`. The data of what they created is lost.

    At the start of each transaction `before` is called with the rows of the tables `losing` data that are left, when
    nobody else can write to them: the moment to compare them with what was confirmed, and for a backup.
    """
    listener = listener or Listener()
    with migration_lock(settings, wait, listener.waiting) as lock, _failure_logged(lock):
        earlier = lock.read(schema_state)
        if earlier.newer_than_program:
            require_head(earlier)
        held = lock.read(count_rows)
        _run(settings, lambda config: command.downgrade(config, target), wait, listener, held, _guard(losing, before))
        after = lock.read(schema_state)
    return Migrated(after, tuple(reversed([r for r in earlier.applied if r not in after.applied])))


def _guard(losing: Sequence[str], before: Callable[[Losses], None]) -> Guard:
    def guard(driver: psycopg.Connection) -> None:
        tables = [own_table(driver, name) for name in existing_tables(driver) if name in losing]
        lock_tables(driver, tables, "SHARE ROW EXCLUSIVE", wait=0)  # _run() tries again
        before(count_losses(driver, tables))

    return guard


def stamp(settings: Settings, target: str, *, wait: float = DEFAULT_WAIT) -> SchemaState:
    """Record that the database stands at `target` without running anything."""
    with migration_lock(settings, wait, Listener().waiting) as lock, _failure_logged(lock):
        lock.read(require_chosen_schema)
        with connect(settings) as connection:
            create_schema(connection)
        _run(settings, lambda config: _stamp_at_once(config, target), wait, Listener())
        after = lock.read(schema_state)
        if after.current is None and lock.read(admin_log.may_write):  # no revision whose step would have logged it
            entry = admin_log.Entry(admin_log.command_name(), 0.0)
            lock.release_after(lambda connection: admin_log.record(connection, entry))
    return after


def _stamp_at_once(config: Config, target: str) -> None:
    """Record a revision in one transaction: Alembic would commit the removal of the former one first."""
    with config.attributes["connection"].begin():
        command.stamp(config, target, purge=True)


def check_target(target: str) -> None:
    """Refuse a revision that doesn't exist. Raises UsageError."""
    if target.lstrip("+-").isdigit() and target[0] in "+-":
        return
    if target not in ("head", "heads", "base", *(revision.id for revision in revisions())):
        raise UsageError(f"there is no revision {target!r}", "list them: tutormax migrate history")


@contextmanager
def online_connection(settings: Settings) -> Iterator[Connection]:
    """Give env.py a locked connection when it is Alembic's own command that runs it."""
    with migration_lock(settings, DEFAULT_WAIT, Listener().waiting), migrating_connection(settings) as connection:
        yield connection


def note_applied(ctx: MigrationContext, step: Any) -> None:
    """Keep, in the revision's own transaction, when it was applied, and add an entry to the admin log."""
    if ctx.connection is None or ctx.as_sql:
        return
    driver = driver_connection(ctx.connection)
    note_change(driver)
    with safe_path(driver):
        seconds = _note_time(driver, step)
        if admin_log.may_write(driver) is not None:  # the log begins with its own revision
            rows = _lost_rows(driver, ctx.config.attributes.get("held", {}) if ctx.config else {})
            at = schema_state(driver).current
            admin_log.record(driver, admin_log.Entry(admin_log.command_name(), seconds, rows, revision=at))
        keep_places_of_new_sequences(driver)  # last, because the entry draws the log's first number


def _note_time(driver: psycopg.Connection, step: Any) -> float:
    """Keep on the version table when a revision was applied, and return how many seconds it took."""
    table = own_table(driver, VERSION_TABLE)
    row = driver.execute(
        "SELECT obj_description(c.oid, 'pg_class'), extract(epoch FROM clock_timestamp() - now())::float8"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s",
        [table.schema, table.name],
    ).fetchone()
    comment, seconds = row if row else (None, 0.0)
    now = datetime.now(UTC).replace(microsecond=0)
    for revision in step.up_revision_ids:
        comment = record_applied(comment, revision, now if step.is_upgrade else None)
    set_comment(driver, comment or "{}")
    return float(seconds)


def _lost_rows(driver: psycopg.Connection, held: dict[str, int]) -> admin_log.Rows:
    """Take from the rows that the tables `held` before a downgrade those whose table is gone by now."""
    existing = existing_tables(driver)
    gone = [name for name in held if name not in existing]
    return {name: {"deleted": count} for name in gone if (count := held.pop(name))}


def alembic_config(*, buffer: io.StringIO | None = None) -> Config:
    """Give Alembic's configuration; what it writes instead of running goes into `buffer`."""
    # In memory, not from a file: `%` in a path or a password means something to configparser, and nothing here.
    config = Config(output_buffer=buffer, stdout=io.StringIO(), cmd_opts=Namespace(quiet=True))
    config.set_main_option("script_location", str(script_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.set_main_option("revision_environment", "true")
    return config


def revisions_commit() -> bool:
    """Return whether a revision has statements that can't run within a transaction, such as CREATE INDEX CONCURRENTLY.

    Alembic's autocommit_block() is the way to write these, and would commit what came before it.
    """
    scripts = (script_folder() / "versions").glob("*.py")
    return any("autocommit_block" in script.read_text("utf-8") for script in scripts)


def upgrade_within(connection: Connection) -> None:
    """Run all pending revisions in the connection's transaction (see `open_transaction`), which stays open.

    It needs the migration lock and, if others use them, locks on the tables that the revisions change. Raises what
    `upgrade` does, and LockTimeout after the transaction's own lock_timeout.
    """
    driver = driver_connection(connection)
    role = driver.execute("SELECT current_setting('role')").fetchone()
    create_schema(driver)
    become_owner(driver)
    driver.execute(f"SET LOCAL search_path = {schema_path(schema_of(driver))}".encode())
    config = alembic_config()
    config.attributes.update(connection=connection, listener=Listener(), held={})
    with alembic_errors():
        command.upgrade(config, "head")
    driver.execute("SELECT pg_catalog.set_config('role', %s, true)", role)
    driver.execute(f"SET LOCAL search_path = {SAFE_PATH}".encode())


def _run(
    settings: Settings,
    work: Callable[[Config], None],
    wait: float,
    listener: Listener,
    held: Mapping[str, int] | None = None,
    guard: Guard = lambda driver: None,
) -> None:
    """Run an Alembic command, again and again while an application holds a lock that it needs.

    `held` are the rows of the tables before it, for the admin log to record which were deleted.
    """
    deadline = time.monotonic() + wait
    config = alembic_config()
    config.attributes.update(listener=listener, held=dict(held or {}))
    while True:
        try:
            with migrating_connection(settings, guard) as connection, alembic_errors():
                config.attributes["connection"] = connection
                work(config)
            return
        except LockTimeout as problem:
            if time.monotonic() >= deadline:
                raise LockTimeout(
                    f"waited {wait:g} s for a lock that another session holds; nothing is half done",
                    "try again when that session is done (pg_stat_activity names it), or wait longer: --wait SECONDS",
                ) from problem
            listener.waiting("another session uses a table that the revision changes")
            time.sleep(0.5)


@contextmanager
def _failure_logged(lock: MigrationLock) -> Iterator[None]:
    """Add an entry to the admin log for an error that ends the migration, if there is a log that we may write."""
    began = time.monotonic()
    try:
        yield
    except BaseException as problem:
        how = admin_log.failure(problem)
        with suppress(psycopg.Error, TutormaxError):
            if how is not None and lock.read(admin_log.may_write):
                at, seconds = lock.read(schema_state).current, round(time.monotonic() - began, 3)
                entry = admin_log.Entry(admin_log.command_name(), seconds, revision=at, **how)
                lock.release_after(lambda connection: admin_log.record(connection, entry))
        raise


@contextmanager
def alembic_errors() -> Iterator[None]:
    """Turn Alembic's and the driver's errors into ours."""
    try:
        yield
    except CommandError as problem:
        raise UsageError(str(problem), "list the revisions: tutormax migrate history") from None
    except DBAPIError as problem:
        raise explain(problem) from problem


def _refuse_foreign_tables(connection: psycopg.Connection, before: SchemaState) -> None:
    """Refuse a database without our schema in which a table already has one of our names."""
    if before.current is not None:
        return
    if existing := sorted(existing_tables(connection)):
        raise TutormaxError(
            f"this database already has a table {existing[0]!r} that tutormax did not make; nothing was changed",
            "use an empty database, or if the tables are TutorMax's: tutormax migrate stamp REVISION",
        )
