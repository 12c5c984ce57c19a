"""The database of this run: which one, said aloud where it changes, and a session on it."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from tutormax_cli.cli.console import say
from tutormax_cli.cli.invocation import current
from tutormax_cli.settings import Settings, load_settings

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tutormax_cli.database.embedded import EmbeddedServer


LOCK_PATIENCE_SECONDS = 30


def settings() -> Settings:
    """Give the settings of this run: --database-url first, then the environment and `.env`."""
    return load_settings(current.database_url)


def announce(chosen: Settings) -> None:
    """Say which database is about to change, and which setting said so; the admin log learns which command does it."""
    from tutormax_cli.cli.command_words import command_words
    from tutormax_cli.database.admin_log import name_command

    name_command(command_words())
    say(f"database: {chosen.description}", style="dim")


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
        announce(chosen)
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
    """Give the embedded server of this run, whether or not another one is configured."""
    from tutormax_cli.database.embedded import EmbeddedServer

    chosen = settings()
    if not chosen.embedded:
        say(f"note: commands use {chosen.place} ({chosen.source}), not the embedded server")
    return EmbeddedServer(chosen.home, chosen.pg_version)
