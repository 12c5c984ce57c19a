"""Digests of tables, sequences and large objects: equal for equal contents everywhere, different for different ones."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from psycopg import sql

from tests.conftest import Server
from tests.support.clusters import DEBIAN, debian_cluster, embedded_cluster
from tutormax_cli.backup.contents import Contents, Digest, differences, list_sequences, list_tables, read_contents
from tutormax_cli.backup.dump import dump
from tutormax_cli.backup.seal import is_broken, read_seal
from tutormax_cli.database.connection import connect
from tutormax_cli.database.embedded import program
from tutormax_cli.database.migrations import create_database
from tutormax_cli.database.names import TableName
from tutormax_cli.settings import Settings

HOSTILE_SETTINGS = {
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "bytea_output": "escape",
    "lc_monetary": "C.UTF-8",
    "extra_float_digits": "-15",
    "xmlbinary": "hex",
    "quote_all_identifiers": "on",
    "search_path": "public",
}

ODD_NAMES = ("t", "digested", "tableoid ", "md5", "ROW", 'a"b', "a.b", "a\nb", "ä;--", "$1", "%s", "{}", "x" * 63)

EVERY_TYPE = """
CREATE TYPE mood AS ENUM ('sad', 'so, "so"');
CREATE TYPE pair AS (left_one float8, right_one timestamptz);
CREATE TABLE "Other.one" ();
CREATE TABLE every_type AS SELECT
    i::smallint AS small, i::bigint * 1e12::bigint AS big, 1e300 / (i + 1)::float8 AS double,
    (1 / (i + 3.0))::real AS single, (i / 7.0)::numeric AS exact, (i * 1234.5)::numeric::money AS money,
    date '2026-02-01' + i AS day, timestamptz '2026-03-29 00:59:59.123456+00' + i * interval '1 hour' AS at,
    timestamp '2026-03-29 02:30' AS local, time '01:02:03' AS clock, timetz '01:02:03+05:45' AS zoned,
    make_interval(years => i, days => -i, secs => 1.5) AS span, decode(lpad(to_hex(i), 8, '0'), 'hex') AS bytes,
    ARRAY['a', 'b "c"', NULL] AS texts, NULL::text AS nothing, '' AS empty,
    jsonb_build_object('i', i / 3.0, 'ä', NULL) AS document, i % 2 = 0 AS flag, B'101' AS bits,
    inet '10.0.0.1/8' AS address, 'so, "so"'::mood AS mood,
    ROW(i / 3.0, timestamptz '2026-01-01 12:00+00')::pair AS pair,
    tstzrange(timestamptz '2026-01-01', NULL) AS range, point(i / 3.0, 1e-17) AS place,
    'a fat cat'::tsvector AS words, '"Other.one"'::regclass AS class, gen_series.i AS series
FROM generate_series(1, 20) gen_series (i)
"""


@pytest.fixture(scope="module")
def clusters(server: Server, home: Path) -> Iterator[list[Server]]:
    """The suite's server, an embedded PostgreSQL 16 and Debian's PostgreSQL 15."""
    with ExitStack() as stack:
        older = stack.enter_context(embedded_cluster(home / "sixteen", 16))
        debian = stack.enter_context(debian_cluster(home / "fifteen"))
        yield [server, older, debian]


@pytest.fixture
def empty(server: Server) -> Iterator[Settings]:
    """A database that holds nothing."""
    chosen = server.database("tutormax_test_contents")
    create_database(chosen)
    yield chosen
    server.drop(chosen.dbname)


def contents_of(settings: Settings, *tables: str) -> Contents:
    with connect(settings) as driver:
        return read_contents(driver, [TableName("public", table) for table in tables] or list_tables(driver))


def digest_of(settings: Settings, table: str) -> Digest:
    return contents_of(settings, table).tables[TableName("public", table)]


def execute(settings: Settings, statement: str | sql.Composed) -> None:
    with connect(settings) as driver:
        driver.execute("SET LOCAL search_path = public")
        driver.execute(statement.encode() if isinstance(statement, str) else statement)


def make_hostile(server: Server, dbname: str) -> None:
    for name, value in HOSTILE_SETTINGS.items():
        for whose in (sql.SQL("DATABASE {}").format(sql.Identifier(dbname)), sql.SQL("ROLE CURRENT_USER")):
            server.execute(
                sql.SQL("ALTER {} SET {} = {}").format(
                    whose, sql.Identifier(name), sql.SQL(value) if name in ("DateStyle", "search_path") else value
                )
            )


def test_a_changed_row_shows_whatever_its_column_is_called(empty: Settings) -> None:
    for place, name in enumerate(ODD_NAMES):
        table, column = sql.Identifier(f"odd{place}"), sql.Identifier(name)
        execute(empty, sql.SQL("CREATE TABLE {} ({} text, other int)").format(table, column))
        execute(empty, sql.SQL("INSERT INTO {} VALUES ('same', 1), ('same', 2)").format(table))
        before = digest_of(empty, f"odd{place}")
        execute(empty, sql.SQL("UPDATE {} SET other = 3 WHERE other = 2").format(table))
        after = digest_of(empty, f"odd{place}")
        assert (before.rows, after.rows) == (2, 2)
        assert before.checksum != after.checksum, name
        execute(empty, sql.SQL("UPDATE {} SET other = 2 WHERE other = 3").format(table))
        assert digest_of(empty, f"odd{place}") == before


def test_order_does_not_count_and_duplicates_do(empty: Settings) -> None:
    execute(empty, "CREATE TABLE a (x int); CREATE TABLE b (x int); CREATE TABLE c (x int)")
    execute(empty, "INSERT INTO a VALUES (1), (2), (2); INSERT INTO b VALUES (2), (1), (2)")
    execute(empty, "INSERT INTO c VALUES (1), (1), (2)")
    a, b, c = (digest_of(empty, name) for name in "abc")
    assert a == b
    assert (a.rows, c.rows) == (3, 3) and a.checksum != c.checksum


def test_dropped_generated_and_no_columns(empty: Settings) -> None:
    execute(empty, "CREATE TABLE a (gone text DEFAULT 'x', x int, twice int GENERATED ALWAYS AS (x * 2) STORED)")
    execute(empty, "INSERT INTO a VALUES ('y', 4); ALTER TABLE a DROP COLUMN gone")
    execute(empty, "CREATE TABLE b (x int, twice int); INSERT INTO b VALUES (4, 8)")
    execute(empty, "CREATE TABLE bare (); INSERT INTO bare DEFAULT VALUES; INSERT INTO bare DEFAULT VALUES")
    assert digest_of(empty, "a") == digest_of(empty, "b")
    assert digest_of(empty, "bare").rows == 2


def test_children_and_partitions_count_for_themselves(empty: Settings) -> None:
    execute(empty, "CREATE TABLE parent (x int); INSERT INTO parent VALUES (1)")
    execute(empty, "CREATE TABLE child () INHERITS (parent); INSERT INTO child VALUES (2), (3)")
    execute(empty, "CREATE TABLE parted (x int) PARTITION BY LIST (x)")
    execute(empty, "CREATE TABLE part PARTITION OF parted DEFAULT; INSERT INTO parted VALUES (1)")
    found = contents_of(empty, "parent", "child", "parted", "part").tables
    assert {table.name: digest.rows for table, digest in found.items()} == {
        "parent": 1,
        "child": 2,
        "parted": 0,
        "part": 1,
    }


@pytest.mark.debian
def test_one_database_has_one_digest_on_every_version_and_under_every_setting(clusters: list[Server]) -> None:
    found = []
    for server in clusters:
        chosen = server.database("tutormax_test_types")
        create_database(chosen)
        try:
            execute(chosen, EVERY_TYPE)
            plain = contents_of(chosen)
            make_hostile(server, chosen.dbname)
            with connect(chosen) as driver:
                driver.execute("SET LOCAL bytea_output = 'escape'; SET LOCAL extra_float_digits = -15")
                assert driver.execute("SHOW IntervalStyle").fetchone() == ("sql_standard",)
                hostile = read_contents(driver, list_tables(driver))
            found += [plain, hostile]
        finally:
            server.execute(sql.Composed([sql.SQL("ALTER ROLE CURRENT_USER RESET ALL")]))
            server.drop(chosen.dbname)
    assert found[0].tables[TableName("public", "every_type")].rows == 20
    assert all(each == found[0] for each in found)


@pytest.mark.debian
def test_the_encoding_of_the_database_does_not_count(clusters: list[Server]) -> None:
    found = []
    for encoding in ("UTF8", "LATIN1", "SQL_ASCII"):
        chosen = clusters[2].database("tutormax_test_encoding")
        made = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LOCALE 'C'")
        clusters[2].execute(made.format(sql.Identifier(chosen.dbname), encoding))
        try:
            execute(chosen, "CREATE TABLE a AS SELECT 'déjà' AS word")
            found.append(contents_of(chosen))
        finally:
            clusters[2].drop(chosen.dbname)
    assert found[0] == found[1] == found[2]


@pytest.mark.debian
def test_bytes_that_are_no_text_can_be_digested_in_a_database_without_an_encoding(clusters: list[Server]) -> None:
    chosen = clusters[2].database("tutormax_test_ascii")
    made = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    clusters[2].execute(made.format(sql.Identifier(chosen.dbname)))
    try:
        execute(chosen, r"CREATE TABLE a AS SELECT convert_from('\xff', 'SQL_ASCII') AS word")
        assert digest_of(chosen, "a").rows == 1
    finally:
        clusters[2].drop(chosen.dbname)


def test_the_settings_of_the_transaction_come_back(empty: Settings) -> None:
    with connect(empty) as driver:
        driver.execute("SET LOCAL search_path = pg_temp, \"a, b\"; SET LOCAL IntervalStyle = 'iso_8601'")
        before = driver.execute("SELECT name, setting FROM pg_catalog.pg_settings ORDER BY 1").fetchall()
        read_contents(driver, [])
        assert driver.execute("SELECT name, setting FROM pg_catalog.pg_settings ORDER BY 1").fetchall() == before
        driver.rollback()
        assert driver.execute("SHOW IntervalStyle").fetchone() == ("postgres",)


def test_sequences_show_their_value_and_whether_it_was_used(empty: Settings) -> None:
    execute(empty, 'CREATE TABLE a (id int GENERATED ALWAYS AS IDENTITY); CREATE SEQUENCE "Free.one"')
    execute(empty, "CREATE TEMPORARY SEQUENCE passing")
    unused = contents_of(empty).sequences
    assert unused == {
        TableName("public", "a_id_seq"): "1, not called",
        TableName("public", "Free.one"): "1, not called",
    }
    execute(empty, """INSERT INTO a DEFAULT VALUES; SELECT setval('"Free.one"', 41, false)""")
    assert contents_of(empty).sequences == {
        TableName("public", "a_id_seq"): "1, called",
        TableName("public", "Free.one"): "41, not called",
    }
    with connect(empty) as driver:
        assert list_sequences(driver, [TableName("public", "a")]) == [TableName("public", "a_id_seq")]


def test_large_objects_show_their_ids_and_their_bytes(empty: Settings) -> None:
    found = []
    for statement in (
        "SELECT lo_from_bytea(4242, 'one')",
        "SELECT lo_from_bytea(4243, 'two')",
        "SELECT lo_put(4243, 0, 'TWO')",
        "SELECT lo_unlink(4243)",
    ):
        execute(empty, statement)
        found.append(contents_of(empty).large_objects)
    assert [digest.rows for digest in found] == [1, 2, 2, 1]
    assert len({digest.checksum for digest in found}) == 3 and found[0] == found[3]
    with connect(empty) as driver:
        assert read_contents(driver, [], large_objects=()).large_objects == Digest(0, "0")
        assert read_contents(driver, [], large_objects=[4242]).large_objects == found[0]


def test_differences_are_named(empty: Settings) -> None:
    execute(empty, 'CREATE TABLE a (x int); CREATE TABLE "B" (x int); CREATE TABLE c (x int); CREATE SEQUENCE s')
    execute(empty, "INSERT INTO a VALUES (1); SELECT lo_from_bytea(4242, 'one')")
    before = contents_of(empty)
    execute(empty, 'UPDATE a SET x = 2; INSERT INTO "B" VALUES (1); DROP TABLE c; CREATE TABLE d (x int)')
    execute(empty, "SELECT nextval('s'); SELECT lo_unlink(4242)")
    assert [each.message for each in differences(before, contents_of(empty))] == [
        "table B: expected 0 rows, found 1",
        "table a: the number of rows is right (1), but their contents differ",
        "table c: missing",
        "table d: not expected",
        "sequence s: expected 1, not called; found 1, called",
        "large objects: expected 1 large objects, found 0",
    ]
    assert differences(before, before) == []


def test_a_role_that_may_only_read_gets_the_same_digests(settings: Settings, server: Server) -> None:
    role = sql.Identifier(f"reads_{settings.dbname}")
    tables = [TableName("public", "tutors"), TableName("public", "sessions")]
    with connect(settings) as driver:
        expected = read_contents(driver, tables, sequences=())
        driver.execute(sql.SQL("CREATE ROLE {0}; GRANT SELECT ON public.tutors, public.sessions TO {0}").format(role))
    try:
        with connect(settings) as driver:
            driver.execute(sql.SQL("SET LOCAL ROLE {}").format(role))
            assert read_contents(driver, tables, sequences=()) == expected
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                read_contents(driver, [TableName("public", "students")])
    finally:
        execute(settings, sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(role))


def test_rows_that_a_policy_hides_are_an_error_and_not_a_smaller_table(settings: Settings) -> None:
    role = sql.Identifier(f"sees_{settings.dbname}")
    execute(settings, sql.SQL("CREATE ROLE {0}; GRANT SELECT ON tutors TO {0}").format(role))
    execute(settings, "ALTER TABLE tutors ENABLE ROW LEVEL SECURITY")
    try:
        with connect(settings) as driver:
            driver.execute(sql.SQL("SET LOCAL ROLE {}").format(role))
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                read_contents(driver, [TableName("public", "tutors")], sequences=())
    finally:
        execute(settings, sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(role))


def test_a_table_that_does_not_exist_is_an_error(empty: Settings) -> None:
    with connect(empty) as driver, pytest.raises(psycopg.errors.UndefinedTable):
        read_contents(driver, [TableName("public", "nothing")])


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "float8": st.floats(),
    "numeric": st.decimals(allow_nan=False, allow_infinity=False),
    "bytea": st.binary(),
    "timestamptz": st.datetimes(timezones=st.timezones()),
    "interval": st.timedeltas(),
    "text[]": st.lists(TEXTS),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "date": st.dates(),
    "boolean": st.none() | st.booleans(),
}
ROW = st.tuples(*VALUES.values())


@hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, max_size=5), st.randoms())
def test_the_digest_follows_the_rows_and_nothing_else(
    clusters: list[Server], rows: list[tuple[Any, ...]], chance: Any
) -> None:
    """Compare digests with the rows' texts as the server sorts them, on two servers and in two orders."""
    definition = ", ".join(f'"c{place}" {kind}' for place, kind in enumerate(VALUES))
    shuffled = chance.sample(rows, len(rows))
    found = []
    for server, order in ((clusters[0], rows), (clusters[2], shuffled), (clusters[0], rows[1:])):
        with connect(server.settings) as driver:
            driver.execute(f"CREATE TABLE public.many ({definition})".encode())
            insert = sql.SQL("INSERT INTO public.many VALUES ({})").format(
                sql.SQL(", ").join(sql.Placeholder() for _ in VALUES)
            )
            driver.cursor().executemany(insert, order)
            found.append(read_contents(driver, [TableName("public", "many")], sequences=(), large_objects=()))
            driver.rollback()
    assert found[0] == found[1]
    assert not rows or found[0] != found[2]


def test_a_dump_is_sealed_with_what_the_database_holds(seeded: Settings, tmp_path: Path) -> None:
    dump(seeded, tmp_path / "a.dump")
    found = read_seal(tmp_path / "a.dump")
    assert found is not None and not is_broken(tmp_path / "a.dump")
    assert found.contents == contents_of(seeded)
    assert found.contents.tables[TableName("public", "tutors")].rows == 60
    assert TableName("tutormax_admin", "log_id_seq") in found.contents.sequences
    assert (found.database, found.schema) == (seeded.dbname, "public")
    with connect(seeded) as driver:
        row = driver.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
        assert (found.system_identifier,) == row
        assert found.server_version == driver.info.server_version


@pytest.mark.debian
@pytest.mark.parametrize("reader", [program("pg_restore", 18), program("pg_restore", 16), DEBIAN / "pg_restore"])
def test_pg_restore_of_every_version_reads_a_sealed_archive(
    clusters: list[Server], tmp_path: Path, reader: Path
) -> None:
    """The oldest server writes it, so that every reader knows the format; read as a file and as a stream."""
    chosen = clusters[2].database("tutormax_test_sealed")
    create_database(chosen)
    try:
        from tutormax_cli.database.migrations import upgrade

        upgrade(chosen)
        execute(chosen, "INSERT INTO students (student_id, name) VALUES ('s1', 'Ada')")
        dump(chosen, tmp_path / "a.dump")
    finally:
        clusters[2].drop(chosen.dbname)
    assert read_seal(tmp_path / "a.dump") is not None

    def run(*arguments: str) -> str:
        with (tmp_path / "a.dump").open("rb") as file:
            done = subprocess.run([reader, *arguments], stdin=file, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert "TABLE DATA public students" in run("--list", str(tmp_path / "a.dump"))
    for source in (["--file=-", str(tmp_path / "a.dump")], ["--file=-"]):
        assert "\ns1\tAda\t" in run(*source)


def test_the_json_of_contents_holds_names_as_pairs(empty: Settings) -> None:
    execute(empty, 'CREATE SCHEMA "O.d"; CREATE TABLE "O.d"."a""b" (x int); CREATE SEQUENCE "O.d"."S"')
    contents = contents_of(empty)
    value = contents.to_json()
    assert value["tables"] == [{"schema": "O.d", "name": 'a"b', "rows": 0, "checksum": "0"}]
    assert value["sequences"] == [{"schema": "O.d", "name": "S", "state": "1, not called"}]
    assert Contents.from_json(json.loads(json.dumps(value))) == contents
