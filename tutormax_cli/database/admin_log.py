"""The admin log: every command that changes the database adds an entry, in the transaction of its work.

So there is no change without an entry and no entry without a change; work that failed leaves an entry in a
transaction of its own. Nobody can change or remove an entry: a trigger refuses. Entries hold no secret and no row's
values: of rows their number, of an error its SQLSTATE and exit code.
"""

import os
import pwd
import socket
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from tutormax_cli import __version__
from tutormax_cli.database.failures import explain
from tutormax_cli.errors import INTERRUPTED, ConnectionFailed, SchemaNotReady, TutormaxError

SCHEMA = "tutormax_admin"
LOG = f"{SCHEMA}.log"

WRITTEN_COLUMNS = (
    "os_user",
    "host",
    "command",
    "target",
    "revision",
    "rows",
    "seconds",
    "outcome",
    "exit_code",
    "sqlstate",
    "version",
)
"""The columns that we fill; the others (time, role, address, application) the server fills by itself."""

LONGEST_COMMAND = 500
"""Characters of a command line that are kept."""

Rows = Mapping[str, Mapping[str, int]]
"""Rows by table and by what became of them: {"sessions": {"inserted": 3}}."""


class Outcome(StrEnum):
    """How a command ended."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Entry:
    """One command as it is to be written down: how long it took, its rows, the schema's revision, how it ended."""

    command: str
    seconds: float
    rows: Rows = field(default_factory=dict)
    revision: str | None = None
    outcome: Outcome = Outcome.DONE
    exit_code: int = 0
    sqlstate: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """One entry as it stands in the log."""

    id: int
    at: datetime
    role: str
    address: str | None
    application: str
    os_user: str | None
    host: str | None
    command: str
    target: str
    revision: str | None
    rows: dict[str, dict[str, int]]
    seconds: float
    outcome: str
    exit_code: int
    sqlstate: str | None
    version: str


_command: ContextVar[str | None] = ContextVar("tutormax_command", default=None)


def name_command(words: str) -> None:
    """Say what the log is to call the work that follows: a command line without secrets and without people's data."""
    _command.set(words[:LONGEST_COMMAND])


def command_name() -> str:
    """Give what was said last by `name_command`, or the name of the program that uses the library."""
    return _command.get() or f"{Path(sys.argv[0]).name or 'python'} (library)"


def may_write(driver: psycopg.Connection) -> bool | None:
    """Tell whether this role may add to the log; None where there is no log."""
    row = driver.execute(
        """
        SELECT has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, 'command', 'INSERT')
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = %s AND c.relname = 'log'
        """,
        [SCHEMA],
    ).fetchone()
    return None if row is None else bool(row[0])


def require_log(driver: psycopg.Connection) -> None:
    """Refuse work that could not be written down, before it begins. Raises SchemaNotReady or TutormaxError."""
    allowed = may_write(driver)
    if allowed is None:
        raise SchemaNotReady(
            f"the admin log ({LOG}) is missing, so nothing may be changed",
            "make it again: tutormax migrate stamp 20251107_0000, then tutormax migrate up",
        )
    if not allowed:
        raise TutormaxError(
            f"this role may not add to the admin log ({LOG}), so it may not change anything",
            "see what each role needs: tutormax roles",
        )


def record(driver: psycopg.Connection, entry: Entry) -> None:
    """Add an entry, within the connection's transaction."""
    values = asdict(entry) | {
        "rows": Jsonb(entry.rows),
        "target": f"{driver.info.dbname} on {driver.info.host}:{driver.info.port}",
        "os_user": _os_user(),
        "host": socket.gethostname(),
        "version": __version__,
    }
    columns = ", ".join(WRITTEN_COLUMNS)
    places = ", ".join(f"%({name})s" for name in WRITTEN_COLUMNS)
    driver.execute(f"INSERT INTO {LOG} ({columns}) VALUES ({places})".encode(), values)


def entries(driver: psycopg.Connection, limit: int | None = None, since: datetime | None = None) -> list[Written]:
    """List entries, newest first. Raises SchemaNotReady where there is no log."""
    if may_write(driver) is None:
        raise SchemaNotReady("the database has no admin log yet", "bring the schema up to date: tutormax migrate")
    query: LiteralString = """
        SELECT id, at, role, host(address) AS address, application, os_user, host, command, target, revision, rows,
               seconds, outcome, exit_code, sqlstate, version
        FROM tutormax_admin.log WHERE %(since)s::timestamptz IS NULL OR at >= %(since)s
        ORDER BY id DESC LIMIT %(limit)s
    """
    with driver.cursor(row_factory=class_row(Written)) as cursor:
        return cursor.execute(query, {"since": since, "limit": limit}).fetchall()


def failure(problem: BaseException) -> dict[str, Any] | None:
    """Say how an entry tells of an error; None where nothing failed, or no connection is left to tell it over."""
    if isinstance(problem, KeyboardInterrupt):
        return {"outcome": Outcome.INTERRUPTED, "exit_code": INTERRUPTED}
    if not isinstance(problem, Exception):
        return None
    cause = _driver_error(problem)
    told = problem if cause is None or hasattr(problem, "exit_code") else explain(cause)
    code = int(getattr(told, "exit_code", TutormaxError.exit_code))
    if code in (0, ConnectionFailed.exit_code) or isinstance(cause, psycopg.errors.SerializationFailure):
        return None  # what was read had changed: it is done again
    return {"outcome": Outcome.FAILED, "exit_code": code, "sqlstate": cause.sqlstate if cause else None}


def _driver_error(problem: BaseException | None) -> psycopg.Error | None:
    """Find the server's error behind one of ours or of SQLAlchemy's."""
    while problem is not None:
        found = getattr(problem, "orig", problem)
        if isinstance(found, psycopg.Error):
            return found
        problem = problem.__cause__ or problem.__context__
    return None


def _os_user() -> str:
    """Name the account that this process runs as, which no variable of its environment can change."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # an account without a name
        return f"uid {os.getuid()}"
