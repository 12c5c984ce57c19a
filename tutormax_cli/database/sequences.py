"""Sequences that a transaction creates, and how they keep their place in a crash."""

import psycopg
from psycopg import sql

from tutormax_cli.database.names import TableName

_CREATED_HERE = """
    SELECT c.oid, n.nspname, c.relname FROM pg_locks l
    JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND l.mode = 'AccessExclusiveLock' AND l.granted
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND c.relkind = 'S'
    ORDER BY 1
"""


def keep_places_of_new_sequences(driver: psycopg.Connection) -> None:
    """Write the place of each sequence that this transaction created; call it as the transaction's last statement.

    With wal_level=minimal PostgreSQL writes no log of a file that the transaction creates, but a sequence whose first
    number was drawn in it counts the next 32 numbers as logged. After a crash it would return numbers a second time.
    setval() ends that count. A transaction holds an ACCESS EXCLUSIVE lock on the sequences that it created or
    rewrote, so nobody else can draw from them meanwhile.
    """
    for oid, *name in driver.execute(_CREATED_HERE).fetchall():
        place = sql.SQL("SELECT setval({}::oid::regclass, last_value, is_called) FROM {}")
        driver.execute(place.format(oid, TableName(*name).sql))
