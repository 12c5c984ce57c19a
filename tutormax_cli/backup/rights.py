"""Rights (GRANT, REVOKE) on what a restore replaces: those of the database, and those that an archive holds.

Statements of an archive are cut by their tokens, since a role or a table may have any name, and are run one by one: a
role that this server lacks must cost no other role its rights.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import psycopg
from psycopg import sql

from tutormax_cli.database.names import TableName
from tutormax_cli.errors import TutormaxError

_TOKEN = re.compile(r'"(?:[^"]|"")*"|\'(?:[^\']|\'\')*\'|[^\W\d][\w$]*|\d+|\s+|.', re.DOTALL)
_BEFORE_ROLE = ("TO", "FROM", "ROLE")
"""Words before the name of a role. In capitals they are no names: pg_dump quotes a name that has capitals."""

_QUOTES = ('"', "'")
_PUBLIC = "PUBLIC"
_SESSION = ("SET", "RESET")
_ON_LARGE_OBJECT = re.compile(r'^([^"]* ON LARGE OBJECT )\d+ ')


@dataclass(frozen=True, slots=True)
class Right:
    """A statement that grants or revokes, and the roles that it names."""

    statement: sql.Composed | bytes
    roles: tuple[str, ...]


def read_rights(text: str) -> Iterator[Right]:
    """Cut the statements of an archive's entry. Raises TutormaxError for one that is damaged.

    Those that change the session's role are omitted: they name who granted, and a restore keeps no owners either.
    """
    for tokens in _statements(text):
        if tokens[0] not in _SESSION:
            yield Right("".join(tokens).encode(), tuple(_roles(tokens)))


def for_large_objects(text: str, ids: Iterable[int]) -> str:
    """Return the statements of an entry that speaks for many large objects, once for each of these."""
    statements = ["".join(tokens) for tokens in _statements(text)]
    return "".join(
        _ON_LARGE_OBJECT.sub(rf"\g<1>{number} ", statement) + ";" for number in ids for statement in statements
    )


def rights_on(driver: psycopg.Connection, tables: Sequence[TableName]) -> list[Right]:
    """Return the rights on tables, and on the sequences of their columns, of roles other than their owners."""
    found = driver.execute(
        """
        WITH wanted AS (
            SELECT c.oid FROM unnest(%s::name[], %s::name[]) named (nspname, relname)
            JOIN pg_namespace n ON n.nspname = named.nspname
            JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = named.relname
        ), replaced AS (
            SELECT oid FROM wanted
            UNION SELECT d.objid FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
            WHERE d.classid = 'pg_class'::regclass AND d.refclassid = d.classid AND d.deptype IN ('a', 'i')
                AND d.refobjid IN (SELECT oid FROM wanted)
        )
        SELECT c.relkind = 'S', n.nspname, c.relname, attname, privilege_type, grantee = 0, rolname, is_grantable
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        CROSS JOIN LATERAL (
            SELECT NULL::name AS attname, relacl AS acl
            UNION ALL
            SELECT attname, attacl FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        ) given CROSS JOIN LATERAL aclexplode(acl) LEFT JOIN pg_roles r ON r.oid = grantee
        WHERE c.oid IN (SELECT oid FROM replaced) AND grantee <> relowner
        ORDER BY 1, 2, 3, 4 NULLS FIRST, 5, 7
        """,
        [[table.schema for table in tables], [table.name for table in tables]],
    ).fetchall()
    return [_right(*row) for row in found]


def grant(driver: psycopg.Connection, rights: Iterable[Right]) -> tuple[str, ...]:
    """Run statements, but for those that name a role that this server lacks; return these roles.

    A right on a column that the table lacks is omitted too: an older table may lack it.
    """
    chosen = list(rights)
    named = {role for right in chosen for role in right.roles}
    found = driver.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s::name[])", [list(named)]).fetchall()
    missing = named - {role for (role,) in found}
    for right in chosen:
        if missing.isdisjoint(right.roles):
            try:
                with driver.transaction():
                    driver.execute(right.statement)
            except psycopg.errors.UndefinedColumn:
                continue
    return tuple(sorted(missing))


def _right(
    sequence: bool, schema: str, name: str, column: str | None, privilege: str, public: bool, role: str, option: bool
) -> Right:
    """Compose a GRANT. `privilege` is a word of PostgreSQL's own."""
    statement = sql.SQL("GRANT {}{} ON {} {} TO {}{}").format(
        sql.SQL(privilege),
        sql.SQL(" ({})").format(sql.Identifier(column)) if column is not None else sql.SQL(""),
        sql.SQL("SEQUENCE" if sequence else "TABLE"),
        sql.Identifier(schema, name),
        sql.SQL(_PUBLIC) if public else sql.Identifier(role),
        sql.SQL(" WITH GRANT OPTION" if option else ""),
    )
    return Right(statement, () if public else (role,))


def _statements(text: str) -> Iterator[list[str]]:
    """Cut text into statements, and these into tokens; the semicolons are omitted."""
    tokens: list[str] = []
    for token in _TOKEN.findall(text):
        if token in _QUOTES:  # without its other end
            break
        if token == ";":
            yield tokens
            tokens = []
        elif tokens or not token.isspace():
            tokens.append(token)
    if tokens:
        raise TutormaxError("the archive's rights break off", "it is damaged: use another one")


def _roles(tokens: Sequence[str]) -> Iterator[str]:
    words = [token for token in tokens if not token.isspace()]
    for word, name in pairwise(words):
        if word in _BEFORE_ROLE and name != _PUBLIC:
            yield name[1:-1].replace('""', '"') if name.startswith('"') else name
