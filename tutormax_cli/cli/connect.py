"""The database of this run: which one, printed once for every command, and a session on it."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from tutormax_cli.cli.console import say
from tutormax_cli.cli.invocation import current
from tutormax_cli.reports.report import Database
from tutormax_cli.settings import Settings, load_settings

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tutormax_cli.database.embedded import EmbeddedServer


LOCK_PATIENCE_SECONDS = 30


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


def begin_change() -> None:
    """Name the command that runs to the admin log."""
    from tutormax_cli.cli.command_words import command_words
    from tutormax_cli.database.admin_log import name_command

    name_command(command_words())


@contextmanager
def database_session(*, writes: bool) -> Iterator["Session"]:
    """Open a session on this run's database, whose schema is at head. The caller commits.

    Without `writes` the transaction is read-only; with it every commit adds an entry to the admin log, and so does an
    error. Raises ConnectionFailed, SchemaNotReady, or TutormaxError where the role may not write to the log.
    """
    from sqlalchemy import text
    from sqlalchemy.orm import Session

    from tutormax_cli.database.engine import driver_connection, make_engine
    from tutormax_cli.database.logged_session import logged
    from tutormax_cli.database.revisions import require_head, schema_state

    chosen = settings()
    if writes:
        begin_change()
    engine = make_engine(chosen)
    try:
        with Session(engine, expire_on_commit=False) as session:
            options = {} if writes else {"postgresql_readonly": True}
            connection = session.connection(execution_options=options)
            state = schema_state(driver_connection(connection))
            require_head(state)
            if writes:
                # What another session holds is waited for, but not for ever.
                session.execute(text(f"SET LOCAL lock_timeout = '{LOCK_PATIENCE_SECONDS}s'"))
            with logged(session, state.current) if writes else nullcontext():
                yield session
    finally:
        engine.dispose()


def embedded_server() -> "EmbeddedServer":
    """Return the embedded server of this run, whether or not another one is configured."""
    from tutormax_cli.database.embedded import EmbeddedServer

    chosen = configured(no_embedded=False)
    if not chosen.embedded:
        say(f"note: commands use {chosen.place} ({chosen.source}), not the embedded server")
    return EmbeddedServer(chosen.home, chosen.pg_version)
