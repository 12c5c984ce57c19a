"""Statements about rights: cut by their tokens, whatever the roles and tables are called."""

import pytest
from psycopg import sql

from tutormax_cli.backup.rights import for_large_objects, read_rights
from tutormax_cli.errors import TutormaxError


def quoted(name: str) -> str:
    return sql.Identifier(name).as_string()


ODD_NAMES = ("plain", "TO", 'a"b', "a;b", "a TO b", "GRANT x TO y;\n", "it's", "a.b@c", "ä", "-- x", "PUBLIC", "x" * 63)


@pytest.mark.parametrize("role", ODD_NAMES)
@pytest.mark.parametrize("table", ODD_NAMES)
def test_statements_and_roles_are_told_apart(role: str, table: str) -> None:
    first = f"REVOKE ALL ON TABLE public.{quoted(table)} FROM {quoted(role)}"
    second = f"GRANT SELECT({quoted(table)}) ON TABLE public.{quoted(table)} TO {quoted(role)} WITH GRANT OPTION"
    found = list(read_rights(f"{first};\n{second};\n"))
    assert [(right.statement, right.roles) for right in found] == [
        (first.encode(), (role,)),
        (second.encode(), (role,)),
    ]


def test_everybody_is_no_role() -> None:
    (right,) = read_rights("GRANT ALL ON SCHEMA public TO PUBLIC;\n")
    assert right.roles == ()


def test_default_rights_name_two_roles() -> None:
    (right,) = read_rights(
        "ALTER DEFAULT PRIVILEGES FOR ROLE maker IN SCHEMA public GRANT SELECT ON TABLES TO reader;\n"
    )
    assert right.roles == ("maker", "reader")


def test_who_granted_is_omitted() -> None:
    text = (
        "SET SESSION AUTHORIZATION grantor;\nGRANT SELECT ON TABLE public.x TO reader;\nRESET SESSION AUTHORIZATION;\n"
    )
    (right,) = read_rights(text)
    assert right.statement == b"GRANT SELECT ON TABLE public.x TO reader"


def test_rights_on_many_large_objects_are_repeated_for_each() -> None:
    text = 'GRANT SELECT ON LARGE OBJECT 7 TO "ON LARGE OBJECT 8 ";\nREVOKE ALL ON LARGE OBJECT 7 FROM x;\n'
    assert [right.statement for right in read_rights(for_large_objects(text, [41, 42]))] == [
        b'GRANT SELECT ON LARGE OBJECT 41 TO "ON LARGE OBJECT 8 "',
        b"REVOKE ALL ON LARGE OBJECT 41 FROM x",
        b'GRANT SELECT ON LARGE OBJECT 42 TO "ON LARGE OBJECT 8 "',
        b"REVOKE ALL ON LARGE OBJECT 42 FROM x",
    ]


@pytest.mark.parametrize("text", ["GRANT SELECT", 'GRANT SELECT ON x TO "a;', "GRANT SELECT ON x TO y;\nREVOKE"])
def test_rights_that_break_off_are_an_error(text: str) -> None:
    with pytest.raises(TutormaxError, match="break off"):
        list(read_rights(text))
