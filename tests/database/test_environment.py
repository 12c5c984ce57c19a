"""The mark of a database: production, staging or development."""

from collections.abc import Iterator
from types import SimpleNamespace

import psycopg
import pytest
from psycopg import sql

from tests.conftest import Server
from tests.support.connections import connect
from tutormax_cli.database.environment import Environment, mark, marked, on_this_machine
from tutormax_cli.errors import TutormaxError
from tutormax_cli.settings import Settings


@pytest.fixture
def connection(settings: Settings) -> Iterator[psycopg.Connection]:
    with connect(settings) as opened:
        yield opened


def comment(connection: psycopg.Connection, text: str) -> None:
    connection.execute(
        sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(connection.info.dbname), sql.Literal(text))
    )


def test_a_mark_is_read_back_and_the_last_one_holds(connection: psycopg.Connection) -> None:
    assert marked(connection) is None
    for environment in Environment:
        mark(connection, environment)
        assert marked(connection) is environment


def test_the_rest_of_the_comment_stays(connection: psycopg.Connection) -> None:
    comment(connection, "Ask Ines before you touch it.\n'quoted'")
    mark(connection, Environment.STAGING)
    mark(connection, Environment.PRODUCTION)
    row = connection.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
    ).fetchone()
    assert row == ("Ask Ines before you touch it.\n'quoted'\ntutormax environment: production",)


@pytest.mark.parametrize("value", ["prod", "PRODUCTION", ""])
def test_a_mark_written_by_hand_guards_even_when_misspelt(connection: psycopg.Connection, value: str) -> None:
    comment(connection, f"tutormax environment: {value}")
    assert marked(connection) is Environment.PRODUCTION


@pytest.mark.parametrize(
    "text",
    ["  Tutormax Environment : production", "tutormax environment: staging\ntutormax environment: production"],
    ids=["otherwise", "twice"],
)
def test_a_mark_is_found_however_it_was_written(connection: psycopg.Connection, text: str) -> None:
    comment(connection, text)
    assert marked(connection) is Environment.PRODUCTION
    mark(connection, Environment.STAGING)
    assert marked(connection) is Environment.STAGING


def test_no_function_of_somebody_else_hides_a_mark(connection: psycopg.Connection) -> None:
    mark(connection, Environment.PRODUCTION)
    for name, arguments in (("shobj_description", "oid, text"), ("current_database", "")):
        connection.execute(
            f"CREATE FUNCTION public.{name}({arguments}) RETURNS text LANGUAGE sql AS $$SELECT 'nothing'$$".encode()
        )
    connection.execute("CREATE TABLE public.pg_database AS SELECT oid, datname FROM pg_database LIMIT 0")
    connection.execute("SET search_path = public, pg_catalog")
    assert marked(connection) is Environment.PRODUCTION


def test_near_is_what_the_connection_says_and_not_the_settings(connection: psycopg.Connection) -> None:
    def near(host: str, address: str) -> bool:
        return on_this_machine(SimpleNamespace(info=SimpleNamespace(host=host, hostaddr=address)))  # type: ignore[arg-type]

    assert on_this_machine(connection)
    assert [near("localhost", address) for address in ("127.0.0.1", "127.9.9.9", "::1")] == [True] * 3
    assert [near("localhost", address) for address in ("10.0.0.1", "fe80::1%eth0", "")] == [False] * 3


def test_a_copy_of_the_data_is_not_marked(server: Server, settings: Settings) -> None:
    with connect(settings) as connection:
        mark(connection, Environment.PRODUCTION)
    with server.clone(settings) as copy, connect(copy) as connection:
        assert marked(connection) is None


def test_only_the_owner_marks(connection: psycopg.Connection) -> None:
    role = sql.Identifier(f"stranger_{connection.info.dbname}")
    connection.execute(sql.SQL("CREATE ROLE {}").format(role))  # taken back with the transaction
    connection.execute(sql.SQL("SET ROLE {}").format(role))
    assert marked(connection) is None
    with pytest.raises(TutormaxError, match="only the owner"):
        mark(connection, Environment.PRODUCTION)
    connection.rollback()
