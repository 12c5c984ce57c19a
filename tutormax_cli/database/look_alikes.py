"""Objects of other roles that could run in place of PostgreSQL's own where a search_path names their schema.

An exact argument type beats the order of the path: `public.quote_ident(name)` is chosen before
`pg_catalog.quote_ident(text)` for a name. Our own statements see pg_catalog alone; revisions see the schema of
TutorMax's tables too, so they are refused as long as a stranger owns anything callable in it.
"""

from dataclasses import dataclass
from importlib import resources

import psycopg

from tutormax_cli.database.driver import schema_of
from tutormax_cli.errors import TutormaxError


@dataclass(frozen=True, slots=True)
class LookAlike:
    """A function, operator, cast or type of another role: for people, its owner, and the SQL that removes it.

    `shadows` is whether pg_catalog has a function or operator of the same name.
    """

    schema: str
    description: str
    owner: str
    shadows: bool
    drop: str


def look_alikes(driver: psycopg.Connection, schema: str | None = None) -> list[LookAlike]:
    """List what SQL can call and roles other than ours, the database's owner and superusers own, in a schema or all."""
    query = resources.files(__package__).joinpath("look_alikes.sql").read_bytes()
    return [LookAlike(*row) for row in driver.execute(query, {"schema": schema}).fetchall()]


def refuse_look_alikes(driver: psycopg.Connection) -> None:
    """Raise TutormaxError if another role owns anything callable in the schema of TutorMax's tables."""
    schema = schema_of(driver)
    found = look_alikes(driver, schema)
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise TutormaxError(
            f"schema {schema} holds {found[0].description} of role {found[0].owner}{more}, which could run in place of "
            "PostgreSQL's own in a migration; nothing was changed",
            f"look at it, then remove it as a superuser: {found[0].drop}",
        )
