"""One way to open a connection, and one way to say why it could not be opened."""

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from urllib.parse import quote

import psycopg

from tutormax_cli.database.driver import SAFE_PATH, AsyncConnection, SyncConnection
from tutormax_cli.errors import ConnectionFailed, LockTimeout, UsageError
from tutormax_cli.settings import Settings
from tutormax_cli.urls import SECRETS

MAINTENANCE_DATABASE = "postgres"
"""The database that every server has, from which others are created."""

_WRONG_SETTING = (
    "invalid ",
    "unrecognized configuration parameter",
    "definition of service",
    "could not parse network address",
)
"""How libpq, or the server, begins to say that it was told nonsense; nobody was kept from connecting."""

_STARTING = ("the database system is starting up", "Connection refused", "No such file or directory")


def connection_keywords(settings: Settings, dbname: str | None = None) -> dict[str, str]:
    """Give the libpq keywords of the chosen database, starting the embedded server if that is the one."""
    if settings.keywords is None:
        from tutormax_cli.database.embedded import EmbeddedServer

        server = EmbeddedServer(settings.home, settings.pg_version)
        server.start()
        return {**settings.defaults, **server.connection_keywords(dbname or settings.dbname)}
    return {**settings.defaults, **settings.keywords, **({"dbname": dbname} if dbname else {})}


def connect(
    settings: Settings, *, dbname: str | None = None, autocommit: bool = False, path: str | None = SAFE_PATH
) -> SyncConnection:
    """Open a psycopg connection whose transactions begin with our settings (see `driver`).

    `path` is their search_path; None leaves the server's, for programs that use the library. With `autocommit`, a
    statement outside a `transaction()` block runs with the server's settings: only what can't run inside belongs there.

    Statements are never prepared on the server: behind a transaction pooler the next one may run on another session.
    Raises ConnectionFailed, or UsageError where libpq doesn't know a keyword of the URL.
    """
    keywords = connection_keywords(settings, dbname)
    try:
        with _environment(settings):
            connection = SyncConnection.connect(**keywords, autocommit=autocommit, prepare_threshold=None)  # type: ignore[arg-type]
    except psycopg.Error as problem:
        raise failure(problem, settings) from None
    connection.schema, connection.path = settings.schema, path
    if path is not None:
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    return connection


async def connect_async(settings: Settings) -> AsyncConnection:
    """Do what `connect` does, for asyncio and for programs that use the library."""
    keywords = connection_keywords(settings)
    try:
        with _environment(settings):
            connection = await AsyncConnection.connect(**keywords, prepare_threshold=None)  # type: ignore[arg-type]
    except psycopg.Error as problem:
        raise failure(problem, settings) from None
    connection.schema = settings.schema
    return connection


def _environment(settings: Settings) -> AbstractContextManager[None]:
    """Keep the caller's PG* variables from the embedded server; a configured one sees them as libpq has them."""
    if not settings.embedded:
        return nullcontext()
    from tutormax_cli.database.embedded import libpq_variables_hidden

    return libpq_variables_hidden()


def connect_patiently(settings: Settings, wait: float, waiting: Callable[[str], None]) -> psycopg.Connection:
    """Open an autocommit connection, waiting up to `wait` seconds for a server that is still starting.

    `waiting` is told once why.

    Raises LockTimeout when the wait was in vain, ConnectionFailed for what waiting can't mend.
    """
    deadline = time.monotonic() + wait
    told = False
    while True:
        try:
            return connect(settings, autocommit=True)
        except ConnectionFailed as problem:
            if wait <= 0 or not any(sign in problem.message for sign in _STARTING):
                raise
            if time.monotonic() >= deadline:
                raise LockTimeout(f"waited {wait:g} s; {problem.message}", problem.hint) from None
            if not told:
                waiting(problem.message)
                told = True
        time.sleep(0.25)


def refuse_pooler(connection: psycopg.Connection, settings: Settings, what: str) -> None:
    """Refuse a connection that goes through a pooler. `what` needs a direct one, for people: `a dump`.

    pg_dump and psql set up their session outside our reach, and a pooler would hand it to the next client as it is. A
    pooler gives its clients another process id than the server does. Raises UsageError.
    """
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    if row is None or row[0] == connection.info.backend_pid:
        return
    info = connection.info
    url = f"postgresql://{quote(info.user, safe='')}@HOST:PORT/{quote(info.dbname, safe='')}"
    raise UsageError(
        f"{settings.place} is a connection pooler, and {what} needs a direct connection to PostgreSQL",
        f"name the server itself: --database-url {url}, or set POSTGRES_HOST and POSTGRES_PORT to it",
    )


def failure(problem: psycopg.Error, settings: Settings) -> ConnectionFailed | UsageError:
    """Turn a failed connection into one line without secrets, and the next thing to try."""
    reason = _reason(problem, settings)
    where = f"{settings.place} ({settings.source})"
    if isinstance(problem, psycopg.ProgrammingError):
        return UsageError(f"{settings.source}: {reason}", "check the part of the URL after '?'")
    if reason.startswith(_WRONG_SETTING):
        return UsageError(f"{settings.source}: {reason}", f"check {settings.source} and the PG* variables")
    if "does not exist" in reason and "database" in reason:
        return ConnectionFailed(f"{reason} at {where}", "create it: tutormax init")
    if "password" in reason or "role" in reason or "pg_hba" in reason:
        return ConnectionFailed(f"{where} refused us: {reason}", f"check user and password in {settings.source}")
    return ConnectionFailed(f"cannot reach PostgreSQL at {where}: {reason}", _how_to_go_on(settings))


def _reason(problem: psycopg.Error, settings: Settings) -> str:
    line = str(problem).strip().split("\n")[0]
    line = re.sub(r"^(connection (failed|is bad): )?(connection to server .*? failed: )?(FATAL:\s+)?", "", line)
    for key in SECRETS:
        secret = (settings.keywords or {}).get(key)
        if secret:
            line = line.replace(secret, "***")
    return line


def _how_to_go_on(settings: Settings) -> str:
    if settings.embedded:
        return "see what the server says: tutormax server logs"
    if settings.source == "--database-url":
        return "is it running? omit --database-url to use the configured database"
    if not settings.unset:
        option = settings.source if settings.source.startswith("--") else "--database-url"
        return f"is it running? or name another server: {option} URL"
    return f"is it running? to use the embedded one instead, {settings.unset}"
