"""What a database is for: production, staging or development. The guards before destructive work ask it.

The mark is a line of the database's own comment (`\\l+` in psql shows it), so it is of the database and not of its
data: a reset, a downgrade and a restore leave it alone, and a copy of the data isn't marked. Every role can read it, no
client can pretend another one, and the database's owner can set it. (A parameter set with ALTER DATABASE would need a
superuser, whom hosted servers don't give out.)
"""

import enum
import re
from ipaddress import ip_address

import psycopg
from psycopg import sql

from tutormax_cli.errors import TutormaxError

_LINE = re.compile(r"^[ \t]*tutormax environment[ \t]*:[ \t]*(.*?)[ \t]*$", re.MULTILINE | re.IGNORECASE)


class Environment(enum.StrEnum):
    """What a database is for."""

    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"


def marked(driver: psycopg.Connection) -> Environment | None:
    """Read the database's mark; None where it has none.

    One that somebody misspelt by hand, and several that contradict each other, count as production.
    """
    _, comment = _name_and_comment(driver)
    marks = {value.lower() for value in _LINE.findall(comment)}
    if not marks:
        return None
    known = {member.value: member for member in Environment}
    return known.get(marks.pop(), Environment.PRODUCTION) if len(marks) == 1 else Environment.PRODUCTION


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


def on_this_machine(driver: psycopg.Connection) -> bool:
    """Tell whether a connection stays on this machine, whatever its settings say: PGHOSTADDR leads elsewhere."""
    info = driver.info
    if info.host.startswith(("/", "@")):
        return True
    return bool(info.hostaddr) and ip_address(info.hostaddr.partition("%")[0]).is_loopback


def _name_and_comment(driver: psycopg.Connection) -> tuple[str, str]:
    """Ask the server itself: a pooler may know the database by another name.

    All is named with its schema: another function of the name, in a schema where many may make one, could hide a mark.
    """
    row = driver.execute(
        "SELECT datname, coalesce(pg_catalog.shobj_description(oid, 'pg_database'), '') FROM pg_catalog.pg_database"
        " WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database()"
    ).fetchone()
    assert row is not None
    return row[0], row[1]
