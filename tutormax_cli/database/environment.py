"""What a database is for: production, staging or development. The guards before destructive work ask it.

The mark is a line of the database's own comment (`\\l+` in psql shows it), so it is of the database and not of its
data: a reset, a downgrade and a restore leave it alone, and a copy of the data isn't marked. Every role can read it, no
client can pretend another one, and the database's owner can set it. (A parameter set with ALTER DATABASE would need a
superuser, whom hosted servers don't give out.)
"""

import enum
import re

import psycopg
from psycopg import sql

from tutormax_cli.errors import TutormaxError

_LINE = re.compile(r"^tutormax environment: *(.*?) *$", re.MULTILINE)


class Environment(enum.StrEnum):
    """What a database is for."""

    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"


def marked(driver: psycopg.Connection) -> Environment | None:
    """Read the database's mark; None where it has none. One that somebody misspelt by hand counts as production."""
    _, comment = _name_and_comment(driver)
    line = _LINE.search(comment)
    if line is None:
        return None
    known = {member.value: member for member in Environment}
    return known.get(line[1].lower(), Environment.PRODUCTION)


def mark(driver: psycopg.Connection, environment: Environment) -> None:
    """Mark the database, within the connection's transaction; the rest of its comment stays.

    Raises TutormaxError for a role that doesn't own the database.
    """
    name, comment = _name_and_comment(driver)
    others = _LINE.sub("", comment).strip()
    marked_so = f"{others}\ntutormax environment: {environment}".lstrip()
    try:
        driver.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(marked_so)))
    except psycopg.errors.InsufficientPrivilege:
        raise TutormaxError(
            f"only the owner of database {name} may mark it", "connect as its owner: --database-url URL"
        ) from None


def _name_and_comment(driver: psycopg.Connection) -> tuple[str, str]:
    """Ask the server itself: a pooler may know the database by another name."""
    row = driver.execute(
        "SELECT datname, coalesce(shobj_description(oid, 'pg_database'), '')"
        " FROM pg_database WHERE datname = current_database()"
    ).fetchone()
    assert row is not None
    return row[0], row[1]
