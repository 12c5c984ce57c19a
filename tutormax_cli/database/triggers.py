"""Other programs' triggers on our tables that rely on a search_path.

Our transactions see pg_catalog alone, and so does a trigger's function that names no path of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
from sqlalchemy.exc import DBAPIError

from tutormax_cli.database.connection import connect
from tutormax_cli.database.driver import schema_of
from tutormax_cli.database.models import Base
from tutormax_cli.errors import TutormaxError
from tutormax_cli.settings import Settings

_UNDEFINED = ("42P01", "42883", "42704", "3F000", "42703")
"""SQLSTATEs of an object that a statement names and the path doesn't lead to."""


@dataclass(frozen=True, slots=True)
class TriggerFunction:
    """A trigger's function without a path of its own: its names, the trigger and table it serves, and the fix.

    `function` is qualified and quoted, `name` the plain one.
    """

    function: str
    name: str
    trigger: str
    table: str
    fix: str


def functions_without_path(driver: psycopg.Connection) -> list[TriggerFunction]:
    """List the functions of triggers on TutorMax's tables that are written in a language that looks names up."""
    found = driver.execute(
        """
        SELECT quote_ident(fn.nspname) || '.' || quote_ident(p.proname), p.proname, quote_ident(t.tgname), c.relname,
               'ALTER FUNCTION ' || quote_ident(fn.nspname) || '.' || quote_ident(p.proname)
                   || '() SET search_path = ' || quote_ident(fn.nspname) || ', pg_temp;'
        FROM pg_trigger AS t
        JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_proc AS p ON p.oid = t.tgfoid JOIN pg_namespace AS fn ON fn.oid = p.pronamespace
        JOIN pg_language AS l ON l.oid = p.prolang
        WHERE n.nspname = %s AND c.relname = ANY (%s) AND NOT t.tgisinternal AND l.lanname NOT IN ('c', 'internal')
          AND NOT EXISTS (SELECT 1 FROM unnest(p.proconfig) AS setting WHERE setting LIKE 'search_path=%%')
        ORDER BY 4, 3
        """,
        [schema_of(driver), list(Base.metadata.tables)],
    ).fetchall()
    return [TriggerFunction(*row) for row in found]


@contextmanager
def trigger_failures_explained(settings: Settings) -> Iterator[None]:
    """Raise TutormaxError, with the fix, for an error inside a trigger's function that found no object by its path."""
    try:
        yield
    except (DBAPIError, psycopg.Error) as problem:
        cause = problem.orig if isinstance(problem, DBAPIError) else problem
        explained = _explained(cause, settings) if isinstance(cause, psycopg.Error) else None
        if explained is None:
            raise
        raise explained from problem


def _explained(problem: psycopg.Error, settings: Settings) -> TutormaxError | None:
    context = problem.diag.context or ""
    if problem.sqlstate not in _UNDEFINED or not context:
        return None
    with suppress(psycopg.Error, TutormaxError), connect(settings) as driver:
        for found in functions_without_path(driver):
            # PL/pgSQL names a function with its schema where no path leads to it, other languages by its name alone.
            if f"{found.function}()" in context or f'"{found.name}"' in context:
                return TutormaxError(
                    f"trigger {found.trigger} on {found.table} failed: {problem.diag.message_primary}; its function "
                    f"{found.function} relies on the search_path; nothing was changed",
                    f"give it one of its own, in psql: {found.fix}",
                )
    return None
