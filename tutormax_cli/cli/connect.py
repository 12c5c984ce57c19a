"""The database of this run: which one, printed once for every command, and a session on it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from tutormax_cli.cli.console import say
from tutormax_cli.cli.invocation import current
from tutormax_cli.errors import LockTimeout, UsageError
from tutormax_cli.reports.report import Database
from tutormax_cli.settings import Settings, load_settings

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tutormax_cli.database.embedded import EmbeddedServer


LOCK_PATIENCE_SECONDS = 30

TRIES = 3
"""How often work on one snapshot is tried if another session changes what it has read."""

T = TypeVar("T")


def settings() -> Settings:
    """Return the settings of this run. The first call prints which database it is and which settings chose it."""
    return current.settings or use(configured())


def configured(*, no_embedded: bool | None = None) -> Settings:
    """Return the settings: --database-url, then environment and `.env`. Print a warning about a file that is not read.

    `no_embedded` overrides --no-embedded and TUTORMAX_NO_EMBEDDED.
    """
    chosen = load_settings(
        current.database_url,
        env_file=current.env_file,
        schema=current.schema,
        no_embedded=current.no_embedded or None if no_embedded is None else no_embedded,
    )
    if chosen.warning:
        say(chosen.warning, style="yellow")
    return chosen


def use(chosen: Settings, *, source: Settings | None = None) -> Settings:
    """Make this the database of the run, and of its reports, and print it, with the one that is copied into it."""
    current.settings = chosen
    current.database = Database(chosen.dbname or None, chosen.place, chosen.source, chosen.schema)
    origin = f"from {source.place} to " if source else ""
    say(f"database: {origin}{chosen.description}", style="dim")
    return chosen


def named_settings(url: str, option: str, chosen: Settings) -> Settings:
    """Return settings with the database that an option names. Raises UsageError if it names none."""
    from tutormax_cli.urls import parse_url

    keywords = parse_url(url, option)
    if not {"dbname", "service"} & keywords.keys():
        raise UsageError(f"{option} names no database", f"name it: {option} postgresql://user@host:5432/name")
    return replace(chosen, source=option, keywords=keywords, unset="")


def begin_change() -> None:
    """Name the command that runs to the admin log."""
    from tutormax_cli.cli.command_words import command_words
    from tutormax_cli.database.admin_log import name_command

    name_command(command_words())


@contextmanager
def database_session(*, writes: bool, snapshot: bool | None = None, locked: Sequence[str] = ()) -> Iterator["Session"]:
    """Open a session on this run's database, whose schema is at head. The caller commits.

    Without `writes` the transaction is read-only; with it every commit adds an entry to the admin log, and so does an
    error. With `snapshot` (the default for reading) all that is read comes from one moment, taken after locks that keep
    the tables from being emptied or rebuilt; `locked` tables are locked against other writers before that moment too.

    Raises ConnectionFailed, SchemaNotReady, LockTimeout, or TutormaxError if the role may not write to the log.
    """
    from sqlalchemy.orm import Session

    from tutormax_cli.database.engine import command_engine, driver_connection
    from tutormax_cli.database.logged_session import logged
    from tutormax_cli.database.one_moment import begin_at_one_moment
    from tutormax_cli.database.revisions import require_head, schema_state
    from tutormax_cli.database.triggers import trigger_failures_explained

    chosen = settings()
    if writes:
        begin_change()
    engine = command_engine(chosen)
    options = {} if writes else {"postgresql_readonly": True}
    try:
        with (
            trigger_failures_explained(chosen),
            Session(engine.execution_options(**options), expire_on_commit=False) as session,
        ):
            if not writes if snapshot is None else snapshot:
                state = begin_at_one_moment(session, locked, wait=LOCK_PATIENCE_SECONDS)
            else:
                state = schema_state(driver_connection(session.connection()))
                require_head(state)
            # What another session holds is waited for, but not for ever.
            limit = f"SET LOCAL lock_timeout = '{LOCK_PATIENCE_SECONDS}s'"
            driver_connection(session.connection()).execute(limit.encode())
            with logged(session, state.current) if writes else nullcontext():
                yield session
    finally:
        engine.dispose()


def on_one_moment(work: Callable[["Session"], T], *, locked: Sequence[str]) -> T:
    """Return what `work` returns, which reads one snapshot and commits what it made of it.

    If another session changes or removes a row that it refers to, it is done again. Raises LockTimeout if that goes on.
    """
    from psycopg.errors import SerializationFailure
    from sqlalchemy.exc import DBAPIError

    for _ in range(TRIES):
        try:
            with database_session(writes=True, snapshot=True, locked=locked) as db:
                return work(db)
        except (DBAPIError, SerializationFailure) as problem:
            if not isinstance(getattr(problem, "orig", problem), SerializationFailure):
                raise
    raise LockTimeout("another session keeps changing the tutors; nothing was changed", "try again when it is done")


def embedded_server() -> "EmbeddedServer":
    """Return the embedded server of this run, whether or not another one is configured."""
    from tutormax_cli.database.embedded import EmbeddedServer

    chosen = configured(no_embedded=False)
    if not chosen.embedded:
        say(f"note: commands use {chosen.place} ({chosen.source}), not the embedded server")
    return EmbeddedServer(chosen.home, chosen.pg_version)
