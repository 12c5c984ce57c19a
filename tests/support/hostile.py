"""Databases whose names, comments, defaults and bodies look like what surrounds them in a dump."""

from dataclasses import dataclass
from itertools import pairwise

import psycopg
from hypothesis import strategies as st
from psycopg import sql

TEXTS = (
    "-- Name: x; Type: TABLE; Schema: public; Owner: -",
    "\n--\n-- Name: x; Type: TABLE DATA; Schema: public; Owner: -\n--\n",
    "COPY x FROM stdin;\n1\t2\n\\.\n",
    "\n\\.\n",
    "\\.",
    "\n\\restrict x\n\\unrestrict x\n",
    "\\! ls",
    "$$; DROP TABLE tutors; $$",
    "$_$ $x$ $1",
    "BEGIN;\n\nSELECT pg_catalog.lo_open('1', 131072);\nCOMMIT;\n",
    "SET client_encoding = 'LATIN1';\n",
    "'; --",
    '"quoted""',
    "%s %(x)s {} %%",
    "ä\u2028\u0085\r\n\t\x01\\N",
    "E'\\\\x'",
)

NAMES = (
    "Capitals",
    "a.b@c d",
    "it's",
    'say "hi"',
    "a\nb",
    "-- Name: x; Type: TABLE",
    "COPY x FROM stdin;\n",
    "\\.\n",
    "\\restrict",
    "$$",
    "log",
    "alembic_version",
    "tutors",
    "select",
    "%s{}",
    "ä" * 31,
    "x" * 63,
)

_CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0")


def texts() -> st.SearchStrategy[str]:
    """Any text that PostgreSQL stores."""
    return st.one_of(
        st.sampled_from(TEXTS), st.text(_CHARACTERS, max_size=40), st.lists(st.sampled_from(TEXTS)).map("".join)
    )


def names() -> st.SearchStrategy[str]:
    """Any identifier: up to 63 bytes."""
    anything = st.text(_CHARACTERS, min_size=1, max_size=20)
    return st.one_of(st.sampled_from(NAMES), anything.filter(lambda name: len(name.encode()) <= 63))


@dataclass(frozen=True, slots=True)
class HostileDatabase:
    """What to create beside TutorMax's tables, and the texts in it."""

    schema: str
    names: tuple[str, ...]
    texts: tuple[str, ...]
    rows: tuple[tuple[str | None, str | None], ...]


def hostile_databases() -> st.SearchStrategy[HostileDatabase]:
    """Databases with odd names and texts in all places that hold some."""
    schemas = names().filter(lambda name: not name.startswith("pg_") and name not in ("public", "information_schema"))
    cells = st.one_of(st.none(), texts())
    return st.builds(
        HostileDatabase,
        schema=schemas,
        names=st.lists(names(), min_size=_NAMES, max_size=_NAMES, unique=True).map(tuple),
        texts=st.lists(texts(), min_size=_TEXTS, max_size=_TEXTS).map(tuple),
        rows=st.lists(st.tuples(cells, cells), max_size=5).map(tuple),
    )


_STATEMENTS = """
CREATE SCHEMA {s};
COMMENT ON SCHEMA {s} IS {t0};
SET LOCAL check_function_bodies = off;
CREATE FUNCTION {s}.{n0}() RETURNS text LANGUAGE plpgsql AS {t1};
COMMENT ON FUNCTION {s}.{n0}() IS {t2};
CREATE FUNCTION {s}.{n1}() RETURNS trigger LANGUAGE plpgsql AS {body};
CREATE DOMAIN {s}.{n2} AS text DEFAULT {t3} CONSTRAINT {n3} CHECK (VALUE <> {t4} OR VALUE = {t4});
COMMENT ON DOMAIN {s}.{n2} IS {t5};
CREATE TYPE {s}.{n4} AS ENUM ({n5:label}, {n6:label}, {n7:label});
CREATE TABLE {s}.{n5} (
    {n6} text DEFAULT {t6} CONSTRAINT {n7} CHECK ({n6} <> {t7} OR {n6} = {t7}),
    {n8} {s}.{n2}, {n9} {s}.{n4} DEFAULT {n6:label}, {n10} serial PRIMARY KEY
);
COMMENT ON TABLE {s}.{n5} IS {t8};
COMMENT ON COLUMN {s}.{n5}.{n6} IS {t9};
CREATE VIEW {s}.{n11} AS SELECT {n6}, {t10}::text AS {n12} FROM {s}.{n5};
CREATE MATERIALIZED VIEW {s}.{n13} AS SELECT {n8}, {t11}::text AS {n12} FROM {s}.{n5};
CREATE INDEX {n14} ON {s}.{n5} ({n6}) WHERE {n8} <> {t12};
CREATE TRIGGER {n15} BEFORE UPDATE ON {s}.{n5} FOR EACH ROW EXECUTE FUNCTION {s}.{n1}({t13});
COMMENT ON TRIGGER {n15} ON {s}.{n5} IS {t14};
CREATE TABLE {s}.{n16} ({n0} int REFERENCES {s}.{n5});
SELECT lo_create(4711);
COMMENT ON LARGE OBJECT 4711 IS {t15};
"""
_NAMES, _TEXTS = 17, 16
_BODY = "BEGIN RETURN NEW; END"


def example() -> HostileDatabase:
    """Return one such database, always the same."""
    return HostileDatabase('My "own".\nSchema', NAMES[:_NAMES], TEXTS[:_TEXTS], (*pairwise(TEXTS), (None, "")))


def create(driver: psycopg.Connection, database: HostileDatabase) -> None:
    """Create the objects and rows over a connection, in its transaction."""
    driver.execute(_composed(_STATEMENTS, database))
    rows = sql.SQL("INSERT INTO {}.{} ({}, {}) VALUES ({}, {})")
    for row in database.rows:
        table = [sql.Identifier(name) for name in (database.schema, *(database.names[place] for place in (5, 6, 8)))]
        driver.execute(rows.format(*table, *row))
    driver.execute("SELECT lo_put(4711, 0, %s)", ["\n".join(database.texts).encode()])


def _composed(statements: str, database: HostileDatabase) -> sql.Composed:
    values: dict[str, sql.Composable] = {"s": sql.Identifier(database.schema), "body": sql.Literal(_BODY)}
    for place, name in enumerate(database.names):
        values |= {f"n{place}": sql.Identifier(name), f"l{place}": sql.Literal(name)}
    values |= {f"t{place}": sql.Literal(text) for place, text in enumerate(database.texts)}
    for place in range(_NAMES):
        statements = statements.replace(f"{{n{place}:label}}", f"{{l{place}}}")
    return sql.SQL(statements).format(**values)
