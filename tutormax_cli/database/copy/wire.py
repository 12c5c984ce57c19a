"""PostgreSQL's binary COPY format, and the connection that it goes through.

A stream is SIGNATURE, rows, TRAILER. A row is a 16-bit count of fields, then for each a 32-bit length in bytes (-1 for
NULL) and the value, all big-endian. Source: the PostgreSQL manual, COPY, "Binary Format".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection

from tutormax_cli.database.engine import driver_connection

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NULL_LENGTH = -1

EPOCH = np.datetime64("2000-01-01T00:00:00", "us")
"""The instant that a timestamp counts its microseconds from."""

EPOCH_MICROSECONDS = int(EPOCH.astype(np.int64))

JSONB_VERSION = b"\x01"
"""The byte that goes before the text of a jsonb value."""

TEXT_OID = 25

Array: TypeAlias = npt.NDArray[Any]
Bytes: TypeAlias = npt.NDArray[np.uint8]
Lengths: TypeAlias = npt.NDArray[np.int32]
"""The length of each value in bytes, NULL_LENGTH where it is NULL."""


def driver_of(connection: Connection) -> psycopg.Connection:
    """Return the psycopg connection below, in a transaction."""
    if not connection.in_transaction():
        connection.begin()
    return driver_connection(connection)


@contextmanager
def copying(connection: Connection, statement: bytes | sql.Composed) -> Iterator[psycopg.Copy]:
    """Run a COPY statement in the connection's transaction."""
    driver = driver_of(connection)
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            yield copy
    except BaseException:
        # Ctrl-C can strike within the protocol, and then not even ROLLBACK gets through; the server does that
        # itself for a connection that is closed.
        if driver.info.transaction_status == TransactionStatus.ACTIVE:
            connection.invalidate()
        raise
