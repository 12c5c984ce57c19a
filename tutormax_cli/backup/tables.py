"""The tables that a restore or a reset replaces: which are there, how many rows they hold, and what those say."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql

from tutormax_cli.database.admin_log import SCHEMA as LOG_SCHEMA
from tutormax_cli.database.models import Base
from tutormax_cli.database.revisions import VERSION_TABLE

OURS = (*Base.metadata.tables, VERSION_TABLE)
"""Our tables by their plain names, which the session's search_path finds."""


@dataclass(frozen=True, slots=True)
class Digest:
    """How many rows a table holds, and a sum over them that is equal where they are, whatever their order."""

    rows: int
    total: str


def existing(driver: psycopg.Connection, names: Iterable[str] = OURS) -> list[str]:
    """Give the SQL names (`public.tutors`) of those tables that exist, our own always among them.

    They come in the order in which they are named, ours as they refer to each other.
    """
    found = driver.execute(
        """
        SELECT pg_catalog.format('%%I.%%I', n.nspname, c.relname)
        FROM pg_catalog.unnest(%s::text[]) WITH ORDINALITY wanted (name, place)
        JOIN pg_class c ON c.oid = to_regclass(wanted.name) JOIN pg_namespace n ON n.oid = c.relnamespace
        GROUP BY n.nspname, c.relname ORDER BY min(place)
        """,
        [
            list(
                dict.fromkeys(
                    [*(f"public.{name}" for name in OURS), *(n if "." in n else f"public.{n}" for n in names)]
                )
            )
        ],
    ).fetchall()
    return [name for (name,) in found]


def rights_on(driver: psycopg.Connection, tables: Collection[str]) -> list[str]:
    """Write the statements that give others than their owners the rights that they have on tables (SQL names) now."""
    found = driver.execute(
        """
        SELECT pg_catalog.format('GRANT %%s%%s ON TABLE %%I.%%I TO %%s%%s', privilege_type, of_column, nspname, relname,
                   CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(rolname) END,
                   CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END)
        FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        CROSS JOIN LATERAL (
            SELECT '' AS of_column, relacl AS acl
            UNION ALL
            SELECT pg_catalog.format(' (%%I)', attname), attacl FROM pg_attribute
            WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        ) given CROSS JOIN LATERAL aclexplode(acl) LEFT JOIN pg_roles r ON r.oid = grantee
        WHERE pg_catalog.format('%%I.%%I', nspname, relname) = ANY(%s) AND grantee <> relowner
        ORDER BY 1
        """,
        [list(tables)],
    ).fetchall()
    return [statement for (statement,) in found]


def count_rows(driver: psycopg.Connection, tables: Collection[str]) -> dict[str, int]:
    """Count the rows of tables, given and told by their SQL names."""
    if not tables:
        return {}
    counts = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {}, count(*) FROM ").format(sql.Literal(table)) + _named(table) for table in tables
    )
    counted: dict[str, int] = dict(driver.execute(counts).fetchall())
    return {table: counted[table] for table in tables}


def digests(driver: psycopg.Connection, tables: Iterable[str]) -> dict[str, Digest]:
    """Sum up each table's rows as the server writes them, which is the same on every server and version."""
    driver.execute("SET LOCAL extra_float_digits = 1; SET LOCAL DateStyle = ISO; SET LOCAL TimeZone = 'UTC'")
    found = {}
    for table in tables:
        # 64 bits of a cryptographic hash each, summed: order doesn't count, a row that stands twice does.
        digest = sql.SQL(
            "SELECT count(*), coalesce(sum(('x' || left(md5(t::text), 16))::bit(64)::bigint), 0)::text FROM {} t"
        )
        row = driver.execute(digest.format(_named(table))).fetchone()
        assert row is not None
        found[table] = Digest(*row)
    return found


def for_people(rows: Mapping[str, int]) -> dict[str, int]:
    """Give the rows of what people call tables: without our own book-keeping, and without `public.`."""
    named = {people_call(table): count for table, count in rows.items()}
    return {name: n for name, n in named.items() if name != VERSION_TABLE and not name.startswith(f"{LOG_SCHEMA}.")}


def people_call(table: str) -> str:
    """Give a table's name as people say it: without `public.`."""
    return table.removeprefix("public.")


def _named(table: str) -> sql.Composable:
    return sql.SQL(table)  # an SQL name already, quoted by the server or by pg_dump
