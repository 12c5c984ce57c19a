"""Indexes and keys of tables as statements that take them away and put them back as they were.

Only what its definition and comments describe completely is listed. An index that carries more (a tablespace, CLUSTER,
a replica identity, a statistics target), or on which something else rests (a view that groups by a primary key),
is left where it is: it costs time in a load, and nothing is lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import psycopg

from tutormax_cli.database.names import TableName, table_oids


@dataclass(frozen=True, slots=True)
class Definition:
    """One index, primary key, unique or foreign key: how to drop it, and how to make it again with its comments."""

    table: str
    foreign_key: bool
    drop: str
    create: tuple[str, ...]


def definitions(driver: psycopg.Connection, tables: Sequence[TableName]) -> list[Definition]:
    """List what can be dropped from tables for a load, foreign keys first: in the order to drop it.

    Foreign keys of other tables that refer to these are among it.
    """
    query = resources.files(__package__).joinpath("set_aside.sql").read_bytes()
    found = driver.execute(query, {"tables": table_oids(driver, tables)}).fetchall()
    return [
        Definition(table, foreign_key, drop, tuple(filter(None, (create, *comments))))
        for table, foreign_key, drop, create, *comments, _ in found
    ]
