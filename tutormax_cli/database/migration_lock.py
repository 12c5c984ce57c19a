"""One migrator at a time: an advisory lock of an open transaction on a connection of its own.

The blocking form of the lock would deadlock with CREATE INDEX CONCURRENTLY, which waits for every older snapshot; on
the migration's own connection it would be lost in Alembic's autocommit blocks; a lock of the session would stay behind
on a pooler's server connection. The transaction is READ COMMITTED and idle, so it holds no snapshot.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import psycopg

from tutormax_cli.database.connection import connect
from tutormax_cli.database.driver import SyncConnection
from tutormax_cli.database.time_limits import lift_time_limits
from tutormax_cli.errors import LockTimeout, TutormaxError
from tutormax_cli.settings import Settings

LOCK_KEY = 0x7475746F726D6178  # "tutormax" in ASCII
_POLL_SECONDS = 0.1

T = TypeVar("T")


class MigrationLock:
    """The migration lock while it is held, and a connection to look at the database with."""

    def __init__(self, connection: SyncConnection) -> None:
        self._connection = connection

    def read(self, look: Callable[[SyncConnection], T]) -> T:
        """Return what `look` reads; the table locks that reading takes are released at once."""
        with self._connection.transaction(force_rollback=True):
            return look(self._connection)

    def release_after(self, write: Callable[[SyncConnection], object]) -> None:
        """Write something as the last act, and commit it, which releases the lock."""
        write(self._connection)
        self._connection.commit()


@contextmanager
def migration_lock(settings: Settings, wait: float, waiting: Callable[[str], None]) -> Iterator[MigrationLock]:
    """Hold the migration lock.

    `waiting` is called once with who holds it. Raises LockTimeout after `wait` seconds, TutormaxError on a standby.
    """
    with connect(settings) as connection:
        _acquire(connection, wait, waiting)
        yield MigrationLock(connection)


def _refuse_standby(connection: psycopg.Connection) -> None:
    if _answer(connection, "SELECT pg_catalog.pg_is_in_recovery()"):
        raise TutormaxError("this server is a read-only standby; nothing was changed", "name the primary server")


def _acquire(connection: SyncConnection, wait: float, waiting: Callable[[str], None]) -> None:
    deadline = time.monotonic() + wait
    reported = False
    while True:
        lift_time_limits(connection)
        _refuse_standby(connection)
        if _answer(connection, f"SELECT pg_catalog.pg_try_advisory_xact_lock({LOCK_KEY})"):
            return
        holder = _holder(connection)
        connection.rollback()
        if not reported and holder:
            waiting(holder)
            reported = True
        if time.monotonic() >= deadline:
            raise LockTimeout(
                f"waited {wait:g} s for another migration ({holder or 'holder unknown'})",
                "try again when it is done, or wait longer: --wait SECONDS",
            )
        time.sleep(_POLL_SECONDS * random.uniform(0.5, 1.5))


def _answer(connection: psycopg.Connection, question: str) -> bool:
    row = connection.execute(question.encode()).fetchone()
    return bool(row and row[0])


def _holder(connection: psycopg.Connection) -> str | None:
    """Describe the session that holds the lock, as far as our rights let us see it."""
    row = connection.execute(
        """
        SELECT activity.pid, activity.usename, activity.application_name,
               extract(epoch FROM now() - activity.xact_start)::int
        FROM pg_locks lock JOIN pg_stat_activity activity USING (pid)
        WHERE lock.locktype = 'advisory' AND lock.granted AND lock.database = (
                SELECT oid FROM pg_database WHERE datname = current_database())
          AND lock.classid::bigint = %s AND lock.objid::bigint = %s AND lock.objsubid = 1
        """,
        [LOCK_KEY >> 32, LOCK_KEY & 0xFFFFFFFF],
    ).fetchone()
    if row is None:
        return None
    pid, user, application, seconds = row
    return f"held by {application or 'a session'} of {user or 'another user'}, pid {pid}, for {seconds} s"
