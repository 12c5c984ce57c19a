"""The admin log: every command that changes the database adds an entry, in the transaction of its work.

So there is no change without an entry, and no entry without a change but those of dumps and their proofs; work that
failed leaves an entry in a transaction of its own. Nobody can change or remove an entry: a trigger refuses. Entries
hold no secret and no row's values: of rows their number, of an error its SQLSTATE and exit code.
"""

import os
import pwd
import socket
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from tutormax_cli import __version__
from tutormax_cli.database.connection import connect
from tutormax_cli.database.driver import note_change
from tutormax_cli.database.failures import explain
from tutormax_cli.database.revisions import schema_state
from tutormax_cli.errors import SIGNALLED, ConnectionFailed, SchemaNotReady, TutormaxError
from tutormax_cli.interrupts import received
from tutormax_cli.settings import Settings

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
    "details",
)
"""The columns that we fill; the others (time, role, address, application) the server fills by itself."""

LONGEST_COMMAND = 500
"""Characters of a command line that are kept."""

LOCK_TIMEOUT_MS = 2000
"""How long an entry about a dump waits for a lock on the log, so that it never holds up a backup."""

Rows = Mapping[str, Mapping[str, int]]
"""Rows by table and by what became of them: {"sessions": {"inserted": 3}}."""


class Outcome(StrEnum):
    """How a command ended."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Entry:
    """One command as it is to be written down: how long it took, its rows, the schema's revision, how it ended.

    `details` are facts of a dump or of a proof, under the keys `dump` and `proof`.
    """

    command: str
    seconds: float
    rows: Rows = field(default_factory=dict)
    revision: str | None = None
    outcome: Outcome = Outcome.DONE
    exit_code: int = 0
    sqlstate: str | None = None
    details: Mapping[str, Any] | None = None


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
    details: dict[str, Any] | None


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
        "details": Jsonb(entry.details),
    }
    # The log of an earlier revision has no details, and a migration adds its first entries to that.
    filled = [name for name in WRITTEN_COLUMNS if name != "details" or entry.details is not None]
    places = ", ".join(f"%({name})s" for name in filled)
    driver.execute(f"INSERT INTO {LOG} ({', '.join(filled)}) VALUES ({places})".encode(), values)
    if entry.outcome is Outcome.DONE and entry.details is None:
        note_change(driver)


def record_dump(settings: Settings, *, dump_id: str, size: int, file: Path, seconds: float) -> str | None:
    """Add an entry for a finished dump of `size` bytes; return the reason if that is not possible, else None."""
    details = {"dump": {"id": dump_id, "bytes": size, "file": file_words(file.absolute())}}
    try:
        with connect(settings) as driver:
            return record_details(driver, Entry(command_name(), round(seconds, 3), details=details))
    except TutormaxError as problem:
        return problem.message


def record_details(driver: psycopg.Connection, entry: Entry) -> str | None:
    """Add an entry with details about work that changed nothing; return the reason if that is not possible, else None.

    The reason may be a right, a log of an earlier revision, or a server that is read-only.
    """
    try:
        with driver.transaction():
            driver.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}".encode())
            if (allowed := may_write(driver)) is None:
                return f"the database has no admin log ({LOG})"
            if not allowed:
                return f"this role may not add to the admin log ({LOG})"
            if not _has_details(driver):
                return "the admin log is of an earlier revision (tutormax migrate up)"
            record(driver, replace(entry, revision=schema_state(driver).current))
    except psycopg.Error as problem:
        return explain(problem).message
    return None


def file_words(path: Path) -> str | None:
    """Return the path of a file as the log may hold it; None for one that looks like a URL, which may hold a secret."""
    text = str(path).encode("utf-8", "backslashreplace").decode()
    return None if ":/" in text else text


def _has_details(driver: psycopg.Connection) -> bool:
    row = driver.execute(
        """
        SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = %s AND c.relname = 'log' AND a.attname = 'details' AND NOT a.attisdropped
        """,
        [SCHEMA],
    ).fetchone()
    return row is not None


def entries(driver: psycopg.Connection, limit: int | None = None, since: datetime | None = None) -> list[Written]:
    """List entries, newest first. Raises SchemaNotReady where there is no log."""
    if may_write(driver) is None:
        raise SchemaNotReady("the database has no admin log yet", "bring the schema up to date: tutormax migrate")
    query: LiteralString = """
        SELECT id, at, role, host(address) AS address, application, os_user, host, command, target, revision, rows,
               seconds, outcome, exit_code, sqlstate, version, to_jsonb(entry) -> 'details' AS details
        FROM tutormax_admin.log AS entry WHERE %(since)s::timestamptz IS NULL OR at >= %(since)s
        ORDER BY id DESC LIMIT %(limit)s
    """
    with driver.cursor(row_factory=class_row(Written)) as cursor:
        return cursor.execute(query, {"since": since, "limit": limit}).fetchall()


def failure(problem: BaseException) -> dict[str, Any] | None:
    """Say how an entry tells of an error; None where nothing failed, or no connection is left to tell it over."""
    if isinstance(problem, KeyboardInterrupt):
        return {"outcome": Outcome.INTERRUPTED, "exit_code": SIGNALLED + received()}
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
