"""What the database refused, told apart by SQLSTATE and said in one line without anybody's data."""

import psycopg
from sqlalchemy.exc import DBAPIError

from tutormax_cli.database.driver import LostDuringCommitError
from tutormax_cli.errors import ConnectionFailed, LockTimeout, SchemaNotReady, TutormaxError

_ENDED = ("08", "57P01", "57P02", "57P03", "57P05")


def explain(problem: Exception) -> TutormaxError:
    """Turn a driver's error into ours. The server's DETAIL line is left out: it holds row values."""
    cause = problem.orig if isinstance(problem, DBAPIError) else problem
    if not isinstance(cause, psycopg.Error):
        return TutormaxError(f"the database refused: {type(cause).__name__}")
    if isinstance(cause, LostDuringCommitError):
        return ConnectionFailed(
            "the connection was lost during the COMMIT: the changes are saved completely or not at all",
            "see which before you try again: tutormax log --limit 1",
        )
    state = cause.sqlstate or ""
    line = (cause.diag.message_primary or str(cause)).strip().split("\n")[0]
    if state.startswith(_ENDED) or (not state and isinstance(cause, psycopg.OperationalError)):
        return ConnectionFailed(f"the connection to the database was lost: {line}", "try again; nothing is half done")
    if state == "55P03":
        return LockTimeout(f"gave up waiting for another session: {line}", "try again when it is done")
    if state == "57014":
        return LockTimeout(f"the server ended the statement: {line}", "raise its statement_timeout, or try again")
    if state == "42P01":
        return SchemaNotReady(line, "bring the schema up to date: tutormax migrate")
    if state in ("42501", "3F000"):
        return TutormaxError(f"this role may not do that: {line}", "use the role that owns the schema")
    if state == "25006":
        return TutormaxError(f"this server is read-only: {line}", "name the primary server")
    if state.startswith("23"):
        where = ".".join(part for part in (cause.diag.table_name, cause.diag.constraint_name) if part)
        return TutormaxError(f"the database refused a row: {where or line}", "nothing was changed")
    if state.startswith("53"):
        return TutormaxError(f"the server is out of room: {line}", "make room, then try again; nothing is half done")
    return TutormaxError(f"the database refused: {line} ({state})" if state else f"a value can't be read: {line}")
