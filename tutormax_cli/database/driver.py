"""psycopg's connections with one addition: how each of our transactions begins.

What a command sets, it sets with SET LOCAL right behind BEGIN, in the same round trip. So nothing outlives the
transaction on a connection that a pooler hands to the next client, and nothing takes a snapshot before the locks
(`SELECT set_config(…)` would). The commands see pg_catalog alone: a function, operator or table of the same name that
somebody else created in another schema is never ours by accident. Programs that use the library keep their own path.

This is the only module that overrides private methods of psycopg, hence the ceiling in pyproject.toml.
"""

from typing import Any, TypeAlias

import psycopg
from psycopg import generators, pq
from psycopg._connection_base import BaseConnection
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

from tutormax_cli.interrupts import keep, uninterrupted
from tutormax_cli.settings import DEFAULT_SCHEMA

SAFE_PATH = "pg_catalog, pg_temp"
"""The search_path of our statements. pg_temp is never searched for functions or operators."""

_LIBRARY_SETTINGS = ("client_encoding = 'UTF8'", "DateStyle = 'ISO'", "TimeZone = 'UTC'")
"""psycopg reads dates in ISO style only; times without an offset mean UTC."""

_COMMAND_SETTINGS = ("standard_conforming_strings = on", "quote_all_identifiers = off")


class _Begin(bytes):
    """The statements that begin a transaction, separated by semicolons."""


class _BeginsWithSettings(BaseConnection[Any]):
    """Begins each transaction with our settings.

    `schema` is the schema of TutorMax's tables. `path` is the search_path of each transaction; None leaves the
    server's own.
    """

    schema: str = DEFAULT_SCHEMA
    path: str | None = None

    def _get_tx_start_command(self) -> bytes:
        chosen: tuple[str, ...] = _LIBRARY_SETTINGS
        if self.path is not None:
            chosen += (*_COMMAND_SETTINGS, f"search_path = {self.path}")
        settings = "".join(f"; SET LOCAL {setting}" for setting in chosen)
        return _Begin(super()._get_tx_start_command() + settings.encode())

    def _exec_command(self, command: Any, result_format: pq.Format = pq.Format.TEXT) -> PQGen[Any]:
        if not isinstance(command, _Begin):
            return (yield from super()._exec_command(command, result_format))
        if self._pipeline:  # its protocol takes one statement at a time
            for statement in command.split(b"; "):
                yield from super()._exec_command(statement)
            return None
        self._check_connection_ok()
        self.pgconn.send_query(command)
        for result in (yield from generators.execute(self.pgconn)):
            if result.status != pq.ExecStatus.COMMAND_OK:
                raise psycopg.errors.error_from_result(result, encoding=self.pgconn._encoding)
        return None


class LostDuringCommitError(psycopg.OperationalError):
    """The connection was lost during a COMMIT: the changes are saved completely or not at all."""


class SyncConnection(_BeginsWithSettings, psycopg.Connection[TupleRow]):
    """A psycopg connection whose transactions begin with our settings.

    A request to end the program waits until the server has answered a COMMIT, so that the command's last words are
    true. `has_changes`: the open transaction has changed something.
    """

    has_changes: bool = False

    def commit(self) -> None:
        """Commit. Raises LostDuringCommitError if the connection is lost before the server has answered."""
        with uninterrupted():
            try:
                super().commit()
            except psycopg.OperationalError as problem:
                if self.has_changes and self.broken:
                    raise LostDuringCommitError(str(problem)) from problem
                raise
            if self.has_changes:
                keep("the changes to the database (tutormax log lists them)")
            self.has_changes = False

    def rollback(self) -> None:
        """Roll back; if the connection was lost, the server has done so already."""
        self.has_changes = False
        if not self.broken:
            super().rollback()


class AsyncConnection(_BeginsWithSettings, psycopg.AsyncConnection[TupleRow]):
    """Like `SyncConnection`, for asyncio."""


AnyConnection: TypeAlias = psycopg.Connection[TupleRow] | psycopg.AsyncConnection[TupleRow]


def note_change(connection: psycopg.Connection) -> None:
    """Note that the open transaction has changed something."""
    if isinstance(connection, SyncConnection):
        connection.has_changes = True


def schema_of(connection: AnyConnection) -> str:
    """Return the schema of TutorMax's tables on this connection."""
    return str(getattr(connection, "schema", DEFAULT_SCHEMA))
