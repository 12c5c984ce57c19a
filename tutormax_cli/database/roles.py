"""Least-privilege roles: one owns and migrates, one reads and writes rows, one only reads. `roles.sql` has the SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from tutormax_cli.database.admin_log import WRITTEN_COLUMNS
from tutormax_cli.database.driver import schema_of
from tutormax_cli.database.models import Base
from tutormax_cli.database.names import TableName
from tutormax_cli.database.revisions import VERSION_TABLE
from tutormax_cli.errors import TutormaxError, UsageError

LONGEST_NAME = 63
"""Bytes of an identifier that PostgreSQL keeps."""

DOLLAR_QUOTE = "$do$"
"""What stands around the blocks of `roles.sql`."""


@dataclass(frozen=True, slots=True)
class Roles:
    """The names of a database's three roles."""

    owner: str
    app: str
    readonly: str


def roles_of(database: str) -> Roles:
    """Name the roles of a database after it.

    Raises UsageError where that makes a name too long, or where the database's name would break out of the script: of
    a comment by its line breaks, of a DO by its quote.
    """
    if not database.isprintable() or DOLLAR_QUOTE in database:
        raise UsageError(
            f"no script can be written for database {database!r}: its name holds {DOLLAR_QUOTE} or control characters",
            "give the database another name: ALTER DATABASE … RENAME TO …",
        )
    names = Roles(f"{database}_owner", f"{database}_app", f"{database}_readonly")
    if len(names.readonly.encode()) > LONGEST_NAME:
        raise UsageError(
            f"the name of database {database} is too long to name a role after: {names.readonly} has more than "
            f"{LONGEST_NAME} bytes",
            "give the database a shorter name: ALTER DATABASE … RENAME TO …",
        )
    return names


def roles_script(driver: psycopg.Connection) -> str:
    """Write the SQL that makes the roles of this database and grants their rights, to be run in one transaction."""
    database, schema = _where(driver)
    names = roles_of(database)
    tables = list(Base.metadata.tables)

    def quoted(*identifiers: str) -> str:
        return ", ".join(sql.Identifier(name).as_string(driver) for name in identifiers)

    def literal(value: str | Sequence[str]) -> str:
        return sql.Literal(value if isinstance(value, str) else list(value)).as_string(driver)

    def own(*names: str) -> str:
        return ", ".join(TableName(schema, name).sql.as_string(driver) for name in names)

    owned = [f"ALTER TABLE {own(table)} OWNER TO {quoted(names.owner)};" for table in (*tables, VERSION_TABLE)]
    return _template().format(
        database=quoted(database),
        schema=quoted(schema),
        schema_literal=literal(schema),
        owner=quoted(names.owner),
        app=quoted(names.app),
        readonly=quoted(names.readonly),
        owner_literal=literal(names.owner),
        app_literal=literal(names.app),
        readonly_literal=literal(names.readonly),
        tables=own(*tables),
        version_table=own(VERSION_TABLE),
        tables_literal=literal([*tables, VERSION_TABLE]),
        owned="\n".join(owned),
        log_columns=", ".join(WRITTEN_COLUMNS),
    )


def apply_roles(driver: psycopg.Connection, *, cut_off: bool = False) -> Roles:
    """Make the roles and grant their rights, within the connection's transaction; nothing happens the second time.

    Raises TutormaxError where a role could connect until now and no longer could, unless it may be `cut_off`.
    """
    script = roles_script(driver)
    before = _who_may_connect(driver)
    driver.execute(script.encode())
    after = _who_may_connect(driver)
    lost = [role for role in before if role not in after]
    if lost and not cut_off:
        shown = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
        raise TutormaxError(
            f"these roles could no longer connect to the database: {shown}; nothing was changed",
            "to go on: tutormax roles --apply --yes, then grant one of the new roles to those that need it",
        )
    return roles_of(_where(driver)[0])


def _template() -> str:
    return Path(__file__).with_name("roles.sql").read_text(encoding="utf-8")


def _where(driver: psycopg.Connection) -> tuple[str, str]:
    """Return the database's name and the schema of TutorMax's tables."""
    row = driver.execute(
        "SELECT current_database(), n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s",
        [schema_of(driver), VERSION_TABLE],
    ).fetchone()
    if row is None:
        raise TutormaxError("the database has no TutorMax schema yet", "create it: tutormax init")
    return row[0], row[1]


def _who_may_connect(driver: psycopg.Connection) -> list[str]:
    rows = driver.execute(
        "SELECT rolname FROM pg_roles WHERE rolcanlogin AND NOT rolsuper"
        " AND pg_catalog.has_database_privilege(oid, current_database(), 'CONNECT') ORDER BY rolname"
    ).fetchall()
    return [name for (name,) in rows]
