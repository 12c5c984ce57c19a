"""Connections for revisions, and for what Alembic does itself: unqualified names are those of TutorMax's schema.

A lock that can't be had soon is given up, so that nothing queues up behind us; a schema in which a stranger's functions
could run is refused.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, create_engine, event, pool

from tutormax_cli.database.connection import connect
from tutormax_cli.database.driver import SAFE_PATH, schema_of
from tutormax_cli.database.engine import DIALECT, driver_connection
from tutormax_cli.database.look_alikes import refuse_look_alikes
from tutormax_cli.database.names import quoted
from tutormax_cli.database.revisions import VERSION_TABLE
from tutormax_cli.errors import TutormaxError
from tutormax_cli.settings import Settings

LOCK_TIMEOUT_MS = 500
"""How long one try may stand in an application's way."""

Guard = Callable[[psycopg.Connection], None]
"""Called at the start of each transaction, under the path of all our statements; it may refuse by an exception."""


_AS_OWNER = """
    SELECT set_config('role', owner.rolname, true)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_roles AS owner ON owner.oid = c.relowner
    JOIN pg_database ON datname = current_database() AND datdba = c.relowner
    WHERE n.nspname = %s AND c.relname = %s
      AND owner.rolname <> current_user AND pg_has_role(c.relowner, 'USAGE')
"""


def schema_path(schema: str) -> str:
    """Return the search_path of revisions, in which names without a schema are those of TutorMax's."""
    return f"{quoted(schema)}, pg_temp"


@contextmanager
def safe_path(driver: psycopg.Connection) -> Iterator[None]:
    """Run our own statements between those of a revision under the path of all our commands."""
    driver.execute(f"SET LOCAL search_path = {SAFE_PATH}".encode())
    yield
    driver.execute(f"SET LOCAL search_path = {schema_path(schema_of(driver))}".encode())


@contextmanager
def migrating_connection(settings: Settings, guard: Guard = lambda driver: None) -> Iterator[Connection]:
    """Return an unpooled SQLAlchemy connection whose every transaction waits only briefly for locks.

    Unqualified names are those of the schema of TutorMax's tables, and a schema in which a stranger's functions could
    run in their place is refused at each transaction's start (TutorMaxError). The transactions work as the role that
    owns the database and the schema in it, if ours is a member of that, so that what a revision creates belongs to it.
    """
    engine = _engine(settings)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        driver = driver_connection(connection)
        with safe_path(driver):
            driver.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}".encode())
            become_owner(driver)
            guard(driver)

    with engine.connect() as connection:
        yield connection


@contextmanager
def open_transaction(settings: Settings) -> Iterator[Connection]:
    """Open a transaction in which `upgrade_within` can run revisions beside other statements; commit at its end.

    Other statements see pg_catalog alone, as on all our connections.
    """
    with _engine(settings).connect() as connection, connection.begin():
        driver_connection(connection).execute(f"SET LOCAL search_path = {SAFE_PATH}".encode())
        yield connection


def _engine(settings: Settings) -> Engine:
    """Return an engine whose transactions see the schema of TutorMax's tables, for Alembic to find them in it."""
    return create_engine(
        DIALECT,
        creator=lambda: connect(settings, path=schema_path(settings.schema)),
        poolclass=pool.NullPool,
        hide_parameters=True,
        use_native_hstore=False,
    )


def become_owner(driver: psycopg.Connection) -> None:
    """Work as the owner of the database and our tables until the transaction ends. Raises TutormaxError."""
    refuse_look_alikes(driver)
    driver.execute(_AS_OWNER, [schema_of(driver), VERSION_TABLE])


def create_schema(driver: psycopg.Connection) -> None:
    """Create the schema of TutorMax's tables if it is missing. Raises TutormaxError for a role that may not."""
    schema = schema_of(driver)
    if driver.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema]).fetchone():
        return
    try:
        driver.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    except psycopg.errors.InsufficientPrivilege:
        raise TutormaxError(
            f"schema {schema} doesn't exist, and this role may not create it",
            f"ask an administrator for: CREATE SCHEMA {quoted(schema)}",
        ) from None
