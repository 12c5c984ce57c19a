"""Rows to be deleted: more or other ones than those that were confirmed are noticed, whatever the tables look like."""

import pytest
from psycopg import sql

from tests.support.connections import connect
from tutormax_cli.database.losses import Losses, count_losses, refuse_other_losses
from tutormax_cli.database.names import TableName
from tutormax_cli.errors import TutormaxError
from tutormax_cli.settings import Settings

ODD = TableName("public", 'odd "%s" {}.\n')
STUDENTS = TableName("public", "students")


def count(settings: Settings, *tables: TableName) -> Losses:
    with connect(settings) as driver:
        return count_losses(driver, tables)


def execute(settings: Settings, statement: str) -> None:
    with connect(settings) as driver:
        driver.execute(sql.SQL(statement.replace("{}", "{0}")).format(ODD.sql))


KEYED = (
    "CREATE TABLE {} (counted int, other text, PRIMARY KEY (counted, other)); INSERT INTO {} VALUES (1, 'a'), (2, 'b')"
)
KEYLESS = "CREATE TABLE {} (counted int, other text); INSERT INTO {} VALUES (1, 'a'), (2, 'b')"


@pytest.mark.parametrize("table", [KEYED, KEYLESS])
@pytest.mark.parametrize(
    ("change", "rows"),
    [
        ("INSERT INTO {} VALUES (3, 'c')", 3),
        ("UPDATE {} SET counted = 3 WHERE counted = 2", 2),
        ("UPDATE {} SET other = 'c' WHERE counted = 2", 2),
        ("DELETE FROM {} WHERE counted = 2; INSERT INTO {} VALUES (2, 'a')", 2),
    ],
)
def test_more_or_other_rows_are_refused(table: str, change: str, rows: int, settings: Settings) -> None:
    execute(settings, table)
    confirmed = count(settings, ODD, STUDENTS)
    assert confirmed.counts == {ODD.display: 2, "students": 0}
    refuse_other_losses(confirmed, count(settings, ODD, STUDENTS))
    execute(settings, change)
    with pytest.raises(TutormaxError, match=rf"now {rows} odd [^;]*; nothing was changed") as refused:
        refuse_other_losses(confirmed, count(settings, ODD, STUDENTS))
    assert "students" not in refused.value.message


def test_a_changed_cell_is_no_other_row_if_there_is_a_key(settings: Settings) -> None:
    execute(settings, "INSERT INTO public.students (student_id, name) VALUES ('s', 'S')")
    confirmed = count(settings, STUDENTS)
    execute(settings, "UPDATE public.students SET name = 'T'")
    refuse_other_losses(confirmed, count(settings, STUDENTS))


def test_rows_that_are_gone_by_themselves_need_no_second_question(settings: Settings) -> None:
    execute(settings, KEYED)
    confirmed = count(settings, ODD)
    execute(settings, "TRUNCATE {}")
    refuse_other_losses(confirmed, count(settings, ODD))


def test_rows_in_a_table_that_was_not_mentioned_are_refused(settings: Settings) -> None:
    execute(settings, KEYLESS)
    with pytest.raises(TutormaxError, match="now 2 odd"):
        refuse_other_losses(count(settings, STUDENTS), count(settings, STUDENTS, ODD))


def test_children_count_by_themselves_and_duplicates_count_twice(settings: Settings) -> None:
    execute(settings, "CREATE TABLE {} (x int); CREATE TABLE public.child () INHERITS ({})")
    execute(settings, "INSERT INTO {} VALUES (1), (1); INSERT INTO public.child VALUES (1)")
    confirmed = count(settings, ODD)
    assert confirmed.counts == {ODD.display: 2}
    execute(settings, "UPDATE ONLY {} SET x = 2")
    with pytest.raises(TutormaxError, match="no longer those"):
        refuse_other_losses(confirmed, count(settings, ODD))


def test_a_table_without_columns_has_rows_too(settings: Settings) -> None:
    execute(settings, "CREATE TABLE {} (); INSERT INTO {} DEFAULT VALUES; INSERT INTO {} DEFAULT VALUES")
    assert count(settings, ODD).counts == {ODD.display: 2}
