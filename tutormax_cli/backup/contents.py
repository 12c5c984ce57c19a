"""What a database holds, as numbers that can be compared: rows and checksums per table, sequences, large objects.

A checksum is the same for the same rows on every server, version and encoding, and in every order. It is computed by
the server in one scan per table. Two tables with equal checksums hold equal rows, but for a chance of 1 in 2^64.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from tutormax_cli.backup.progress import Listener, Stage, silent
from tutormax_cli.database.driver import SAFE_PATH
from tutormax_cli.database.names import TableName

_OUTPUT_SETTINGS = {
    "search_path": SAFE_PATH,
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "lc_monetary": "C",
    "extra_float_digits": "1",
    "quote_all_identifiers": "off",
    "row_security": "off",
}
"""The settings that a value's text depends on. `row_security` off: rows that a policy hides are an error."""

_RAW_ENCODINGS = ("SQL_ASCII", "MULE_INTERNAL")
"""Encodings of databases that PostgreSQL can't convert to UTF-8; their bytes count as they are."""


@dataclass(frozen=True, slots=True)
class Digest:
    """A number of rows (or large objects), and a checksum over all of them that does not depend on their order.

    A row that exists twice counts twice.
    """

    rows: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of a database, or of some of its tables.

    `sequences` maps a sequence to its state, such as `41, called`. `large_objects` covers their ids and their bytes.
    """

    tables: Mapping[TableName, Digest]
    sequences: Mapping[TableName, str]
    large_objects: Digest

    def to_json(self) -> dict[str, Any]:
        """Return the contents as JSON values; names are pairs of schema and name."""
        return {
            "tables": [
                {"schema": table.schema, "name": table.name, "rows": digest.rows, "checksum": digest.checksum}
                for table, digest in sorted(self.tables.items())
            ],
            "sequences": [
                {"schema": sequence.schema, "name": sequence.name, "state": state}
                for sequence, state in sorted(self.sequences.items())
            ],
            "large_objects": {"rows": self.large_objects.rows, "checksum": self.large_objects.checksum},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Contents":
        """Return the contents that `to_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            {_name(each): _digest(each) for each in value["tables"]},
            {_name(each): str(each["state"]) for each in value["sequences"]},
            _digest(value["large_objects"]),
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between two contents: its table or sequence (None: the large objects), and a line about it."""

    name: TableName | None
    message: str


def read_contents(
    driver: psycopg.Connection,
    tables: Sequence[TableName],
    *,
    sequences: Collection[TableName] | None = None,
    large_objects: Collection[int] | None = None,
    listener: Listener = silent,
) -> Contents:
    """Return the contents of these tables, sequences and large objects, as the driver's transaction sees them.

    None means all sequences, or all large objects, that a dump of the whole database holds. A partitioned table has no
    rows of its own; a table's children are not part of it. Sequences obey no snapshot: what they return is their state
    at this moment.

    The role needs what pg_dump needs: SELECT on each table, sequence and large object. A large object of 1 GB or more
    can't be read. Raises psycopg.Error, with SQLSTATE 42501 for a missing right, also where a row-level policy applies,
    and 42P01 for a table that does not exist.
    """
    with _output_settings(driver):
        digests = dict(_read_tables(driver, tables, listener))
        listener(Stage("reading sequences"))
        states = read_sequences(driver, list_sequences(driver) if sequences is None else sequences)
        return Contents(digests, states, _read_large_objects(driver, large_objects))


def read_sequences(driver: psycopg.Connection, sequences: Collection[TableName]) -> dict[TableName, str]:
    """Return the state of sequences: the last value, and whether it was already returned to somebody."""
    statement = sql.SQL("SELECT last_value, is_called FROM {}")
    rows = {sequence: driver.execute(statement.format(sequence.sql)).fetchone() for sequence in sequences}
    return {
        sequence: f"{row[0]}, called" if row[1] else f"{row[0]}, not called"
        for sequence, row in rows.items()
        if row is not None
    }


def list_tables(driver: psycopg.Connection, kinds: str = "r") -> list[TableName]:
    """Return the tables whose rows are in a dump of the whole database, in the order of their names.

    `kinds` are other kinds of pg_class.relkind, such as `p` for partitioned tables.
    """
    return [name for name, _ in _dumped(driver, kinds)]


def list_sequences(driver: psycopg.Connection, owners: Collection[TableName] | None = None) -> list[TableName]:
    """Return the sequences in a dump of the whole database, or only those that columns of `owners` own."""
    return [name for name, owner in _dumped(driver, "S") if owners is None or owner in owners]


def differences(expected: Contents, found: Contents) -> list[Difference]:
    """Return the differences between two contents, in the order of their names; none if they are equal."""
    tables = [
        Difference(name, f"table {name.display}: {message}")
        for name in sorted({*expected.tables, *found.tables})
        if (message := _compare_digests(expected.tables.get(name), found.tables.get(name), "rows"))
    ]
    sequences = [
        Difference(name, f"sequence {name.display}: {message}")
        for name in sorted({*expected.sequences, *found.sequences})
        if (message := _compare_states(expected.sequences.get(name), found.sequences.get(name)))
    ]
    message = _compare_digests(expected.large_objects, found.large_objects, "large objects")
    return [*tables, *sequences, *([Difference(None, f"large objects: {message}")] if message else [])]


def _compare_digests(expected: Digest | None, found: Digest | None, what: str) -> str | None:
    if expected == found:
        return None
    if found is None:
        return "missing"
    if expected is None:
        return "not expected"
    if expected.rows != found.rows:
        return f"expected {expected.rows:,} {what}, found {found.rows:,}"
    return f"the number of {what} is right ({found.rows:,}), but their contents differ"


def _compare_states(expected: str | None, found: str | None) -> str | None:
    if expected == found:
        return None
    if found is None:
        return "missing"
    return "not expected" if expected is None else f"expected {expected}; found {found}"


def _dumped(driver: psycopg.Connection, kinds: str) -> list[tuple[TableName, TableName | None]]:
    """Return the relations of some kinds that a dump of the whole database holds, each with the table that owns it.

    Temporary ones and those of extensions are not among them.
    """
    found = driver.execute(
        """
        SELECT n.nspname, c.relname, o.nspname, o.relname
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN (
            SELECT d.objid, s.nspname, r.relname FROM pg_catalog.pg_depend d
            JOIN pg_catalog.pg_class r ON r.oid = d.refobjid JOIN pg_catalog.pg_namespace s ON s.oid = r.relnamespace
            WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = d.classid AND d.deptype IN ('a', 'i')
        ) o ON c.relkind = 'S' AND o.objid = c.oid
        WHERE c.relkind = ANY (%s) AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_depend e
                WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e'
            )
        ORDER BY 1, 2
        """,
        [list(kinds)],
    ).fetchall()
    return [(TableName(schema, name), TableName(*owner) if owner[0] else None) for schema, name, *owner in found]


@contextmanager
def _output_settings(driver: psycopg.Connection) -> Iterator[None]:
    """Have the server write values in one way, until the end; after an error the transaction's rollback undoes it."""
    row = driver.execute(
        "SELECT pg_catalog.jsonb_object_agg(name, pg_catalog.current_setting(name))"
        " FROM pg_catalog.jsonb_object_keys(%s) name",
        [Jsonb(_OUTPUT_SETTINGS)],
    ).fetchone()
    assert row is not None
    _set(driver, _OUTPUT_SETTINGS)
    yield
    _set(driver, row[0])


def _set(driver: psycopg.Connection, settings: Mapping[str, str]) -> None:
    driver.execute(
        "SELECT pg_catalog.set_config(key, value, true) FROM pg_catalog.jsonb_each_text(%s)", [Jsonb(settings)]
    )


def _read_tables(
    driver: psycopg.Connection, tables: Sequence[TableName], listener: Listener
) -> Iterator[tuple[TableName, Digest]]:
    columns = _columns(driver, tables)
    encoding = _encoding(driver)
    for done, table in enumerate(tables):
        listener(Stage(f"digest of {table.display}", done, len(tables), f"{done} of {len(tables)}"))
        row = driver.execute(_digest_statement(table, columns.get(table, []), encoding)).fetchone()
        assert row is not None
        yield table, Digest(*row)


def _columns(driver: psycopg.Connection, tables: Sequence[TableName]) -> dict[TableName, list[str]]:
    """Return the columns of each table, in their order."""
    found = driver.execute(
        """
        SELECT n.nspname, c.relname, a.attname
        FROM unnest(%s::name[], %s::name[]) wanted (nspname, relname)
        JOIN pg_namespace n ON n.nspname = wanted.nspname
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.relname
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY c.oid, a.attnum
        """,
        [[table.schema for table in tables], [table.name for table in tables]],
    ).fetchall()
    columns: dict[TableName, list[str]] = {}
    for schema, name, column in found:
        columns.setdefault(TableName(schema, name), []).append(column)
    return columns


def _encoding(driver: psycopg.Connection) -> str:
    """Return the encoding in which texts are digested."""
    row = driver.execute("SHOW server_encoding").fetchone()
    assert row is not None
    return str(row[0]) if row[0] in _RAW_ENCODINGS else "UTF8"


def _digest_statement(table: TableName, columns: Sequence[str], encoding: str) -> sql.Composed:
    """Compose the query of a table's row count and checksum.

    Each column is named, so that a column called like the table's alias, or like a function, means itself.
    """
    values = sql.SQL(", ").join(sql.Identifier("digested", column) for column in columns)
    row = sql.SQL("convert_to(ROW({})::text, {})").format(values, sql.Literal(encoding))
    return _sum_of_hashes(row) + sql.SQL(" FROM ONLY {} digested").format(table.sql)


def _sum_of_hashes(value: sql.Composable) -> sql.Composed:
    """Compose a SELECT of the number of values (bytea) and the sum of 64 bits of each value's SHA-256."""
    return sql.SQL(
        "SELECT count(*), coalesce(sum(('x' || left(encode(sha256({}), 'hex'), 16))::bit(64)::bigint), 0)::text"
    ).format(value)


def _read_large_objects(driver: psycopg.Connection, ids: Collection[int] | None) -> Digest:
    value = sql.SQL("convert_to(oid || ' ' || encode(sha256(lo_get(oid)), 'hex'), 'UTF8')")
    statement = _sum_of_hashes(value) + sql.SQL(" FROM pg_largeobject_metadata")
    if ids is not None:
        statement += sql.SQL(" WHERE oid = ANY({}::oid[])").format(sql.Literal(list(ids)))
    row = driver.execute(statement).fetchone()
    assert row is not None
    return Digest(*row)


def _name(value: Mapping[str, Any]) -> TableName:
    return TableName(str(value["schema"]), str(value["name"]))


def _digest(value: Mapping[str, Any]) -> Digest:
    return Digest(int(value["rows"]), str(value["checksum"]))
