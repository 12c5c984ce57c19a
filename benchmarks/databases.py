"""Databases of the benchmarks' own: made on the server that is named or configured, and dropped at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from psycopg import sql
from sqlalchemy import Engine
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.connection import MAINTENANCE_DATABASE, connect, connection_keywords
from tutormax_cli.database.engine import make_engine
from tutormax_cli.database.migrations import create_database, upgrade
from tutormax_cli.seeding.seed import seed
from tutormax_cli.settings import Settings
from tutormax_cli.simulation import World


@contextmanager
def reserved(server: Settings, name: str) -> Iterator[Settings]:
    """Give the settings of a database that isn't there, and drop it at the end, whoever made it."""
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    with connect(server, dbname=MAINTENANCE_DATABASE, autocommit=True) as connection:
        connection.execute(drop)
        try:
            yield replace(server, keywords={**connection_keywords(server), "dbname": name}, source="benchmark")
        finally:
            connection.execute(drop)


@contextmanager
def migrated(server: Settings, name: str) -> Iterator[Engine]:
    """Give an engine on an empty database with the tables."""
    with reserved(server, name) as settings:
        create_database(settings)
        upgrade(settings)
        engine = make_engine(settings)
        try:
            yield engine
        finally:
            engine.dispose()


@contextmanager
def company(server: Settings, name: str, world: World) -> Iterator[OrmSession]:
    """Give a session on a database into which a world has been loaded, neither evaluated nor predicted."""
    with migrated(server, name) as engine, OrmSession(engine) as db:
        seed(db, world, raw=True)
        db.commit()
        yield db
