"""One migrator at a time: a try-advisory lock on a connection of its own.

The blocking form of the lock would deadlock with CREATE INDEX CONCURRENTLY, which waits for every older
transaction; the transaction-level form is lost in Alembic's autocommit blocks. So it is polled, in autocommit.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from tutormax_cli.database.connection import connect
from tutormax_cli.errors import LockTimeout, TutormaxError
from tutormax_cli.settings import Settings

LOCK_KEY = 0x7475746F726D6178  # "tutormax" in ASCII
_POLL_SECONDS = 0.1


@contextmanager
def migration_lock(settings: Settings, wait: float, waiting: Callable[[str], None]) -> Iterator[psycopg.Connection]:
    """Hold the migration lock and give the autocommit connection that holds it.

    `waiting` is told once who holds it. Raises LockTimeout after `wait` seconds, TutormaxError on a standby.
    """
    with connect(settings, autocommit=True) as connection:
        _refuse_standby(connection)
        _acquire(connection, wait, waiting)
        try:
            yield connection
        finally:
            if not connection.closed:
                _release(connection)


def _refuse_standby(connection: psycopg.Connection) -> None:
    row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
    if row and row[0]:
        raise TutormaxError("this server is a read-only standby; nothing was changed", "name the primary server")


def _acquire(connection: psycopg.Connection, wait: float, waiting: Callable[[str], None]) -> None:
    deadline = time.monotonic() + wait
    told = False
    while not _answer(connection, "SELECT pg_try_advisory_lock(%s)"):
        holder = _holder(connection)
        if not told and holder:
            waiting(holder)
            told = True
        if time.monotonic() >= deadline:
            raise LockTimeout(
                f"waited {wait:g} s for another migration ({holder or 'holder unknown'})",
                "try again when it is done, or wait longer: --wait SECONDS",
            )
        time.sleep(_POLL_SECONDS * random.uniform(0.5, 1.5))


def _release(connection: psycopg.Connection) -> None:
    if not _answer(connection, "SELECT pg_advisory_unlock(%s)"):
        raise TutormaxError(
            "the migration lock was lost on the way: a connection pooler moved the session",
            "migrate over a direct connection, then look: tutormax migrate status",
        )


def _answer(connection: psycopg.Connection, question: str) -> bool:
    row = connection.execute(question.encode(), [LOCK_KEY]).fetchone()
    return bool(row and row[0])


def _holder(connection: psycopg.Connection) -> str | None:
    """Describe the session that holds the lock, as far as our rights let us see it."""
    row = connection.execute(
        """
        SELECT activity.pid, activity.usename, activity.application_name,
               extract(epoch FROM now() - activity.backend_start)::int
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
