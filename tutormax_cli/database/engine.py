"""The synchronous engine and session factory, built on first use and never at import."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.orm import Session as OrmSession
from sqlalchemy.orm import sessionmaker

from tutormax_cli.database.connection import connect
from tutormax_cli.database.driver import SAFE_PATH
from tutormax_cli.settings import Settings, load_settings

DIALECT = "postgresql+psycopg://"
POOL: dict[str, Any] = {
    "pool_size": 5,
    "max_overflow": 10,
    "pool_timeout": 30,
    "pool_recycle": 3600,
    "pool_pre_ping": True,
}
"""Connections kept, connections more at a peak, seconds to wait for one, seconds until one is renewed."""


def make_engine(settings: Settings) -> Engine:
    """Return an engine for these settings; it connects on first use.

    The models' tables are those of the settings' schema; the search_path stays the program's own. Rows' values stay
    out of its error messages, and passwords out of its URL.
    """
    return _engine_of(settings, None)


def command_engine(settings: Settings) -> Engine:
    """Return an engine for one of our commands: its transactions see pg_catalog and what is named with its schema."""
    return _engine_of(settings, SAFE_PATH, use_native_hstore=False)  # hstore would be looked up under another path


def schema_map(settings: Settings) -> dict[str | None, str | None]:
    """Return SQLAlchemy's translation of the models' tables, which name no schema."""
    return {None: settings.schema}


def _engine_of(settings: Settings, path: str | None, **options: Any) -> Engine:
    return create_engine(
        DIALECT,
        creator=lambda: connect(settings, path=path),
        echo=settings.echo,
        hide_parameters=not settings.echo,
        execution_options={"schema_translate_map": schema_map(settings)},
        **POOL,
        **options,
    )


def driver_connection(connection: Connection) -> psycopg.Connection:
    """Return the psycopg connection under an SQLAlchemy one, in the same transaction."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError(f"a psycopg connection is needed, not {type(driver).__name__}")
    return driver


@cache
def get_settings() -> Settings:
    """Give this process's settings, read from the environment and `.env` on first use."""
    return load_settings()


@cache
def _engine() -> Engine:
    return make_engine(get_settings())


def get_engine(echo: bool | None = None) -> Engine:
    """Give this process's engine; `echo=True` logs every statement from now on."""
    engine = _engine()
    if echo is not None:
        engine.echo = echo
    return engine


@cache
def get_session_factory() -> sessionmaker[OrmSession]:
    """Give the factory that every session of this process comes from."""
    return sessionmaker(get_engine(), expire_on_commit=False)


@contextmanager
def get_session() -> Iterator[OrmSession]:
    """Open a session; the caller commits. What is not committed is rolled back at the end.

    Raises ConnectionFailed on first use of a database that can't be reached.
    """
    with get_session_factory()() as session:
        yield session


def init_db() -> None:
    """Create the database if it is missing and bring its schema to the newest revision."""
    from tutormax_cli.database.migrations import create_database, upgrade

    create_database(get_settings())
    upgrade(get_settings())


def close_db() -> None:
    """Close every pooled connection and forget the engine and the settings, so that the next use starts anew."""
    if _engine.cache_info().currsize:
        _engine().dispose()
    for forget in (get_session_factory, _engine, get_settings):
        forget.cache_clear()
