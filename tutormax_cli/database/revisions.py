"""The revisions that this program carries, and the one that a database stands at. Alembic is not needed for this."""

import json
import re
import shlex
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

from tutormax_cli.database.driver import schema_of
from tutormax_cli.database.names import own_table
from tutormax_cli.errors import SchemaNotReady, UsageError

VERSION_TABLE = "alembic_version"

MARKING_TABLES = (VERSION_TABLE, "tutors", "churn_predictions")
"""A schema that holds all of these holds TutorMax's tables."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One migration: its id, which sorts by time, and what it does."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class SchemaState:
    """Where a database stands: its revision (None: no schema), when each was applied, what is still to come."""

    current: str | None
    applied_at: dict[str, datetime]
    revisions: tuple[Revision, ...]

    @property
    def head(self) -> str:
        """The newest revision that this program carries."""
        return self.revisions[-1].id

    @property
    def newer_than_program(self) -> bool:
        """Whether the database stands at a revision that this program doesn't carry."""
        return self.current is not None and self.current not in {revision.id for revision in self.revisions}

    @property
    def applied(self) -> tuple[Revision, ...]:
        """The revisions that the database has, oldest first."""
        return tuple(revision for revision in self.revisions if self.current and revision.id <= self.current)

    @property
    def pending(self) -> tuple[Revision, ...]:
        """The revisions that the database lacks, oldest first."""
        return self.revisions[len(self.applied) :]


@cache
def script_folder() -> Path:
    """Find the migration scripts: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "alembic"
    return installed if installed.is_dir() else package.parent / "alembic"


@cache
def revisions() -> tuple[Revision, ...]:
    """List the revisions of this program, oldest first; a file is named for its revision, as the template says."""
    names = sorted(path.stem for path in (script_folder() / "versions").glob("[0-9]*.py"))
    matches = [re.fullmatch(r"(\d{8}_\d{4})_(\w+)", name) for name in names]
    return tuple(Revision(match[1], match[2].replace("_", " ")) for match in matches if match)


def schema_state(connection: psycopg.Connection) -> SchemaState:
    """Read the revision of a database's schema, without changing it. A table that we may not read is an error.

    Raises UsageError if the chosen schema holds no TutorMax tables and another one does.
    """
    table = own_table(connection, VERSION_TABLE)
    require_chosen_schema(connection)
    row = connection.execute(
        "SELECT pg_catalog.obj_description(c.oid, 'pg_class') FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s",
        [table.schema, table.name],
    ).fetchone()
    if row is None:
        return SchemaState(None, {}, revisions())
    current = connection.execute(sql.SQL("SELECT max(version_num) FROM {}").format(table.sql)).fetchone()
    return SchemaState(current[0] if current else None, _applied_at(row[0]), revisions())


def require_chosen_schema(connection: psycopg.Connection) -> None:
    """Raise UsageError if the chosen schema holds no TutorMax tables and another one does, with the setting."""
    found = connection.execute(
        "SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relname = ANY (%s) AND c.relkind IN ('r', 'p') AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)"
        " GROUP BY n.nspname HAVING count(*) = %s ORDER BY n.nspname",
        [list(MARKING_TABLES), len(MARKING_TABLES)],
    ).fetchall()
    schemas = [name for (name,) in found]
    chosen = schema_of(connection)
    if schemas and chosen not in schemas:
        raise UsageError(
            f"TutorMax's tables are in schema {' and '.join(schemas)}, not in {chosen}; nothing was changed",
            f"use them, without --schema: export TUTORMAX_SCHEMA={shlex.quote(schemas[0])}",
        )


def record_applied(comment: str | None, revision: str, at: datetime | None) -> str:
    """Give the version table's comment once `revision` was applied `at` a time (None: taken back)."""
    times = {key: value.isoformat() for key, value in _applied_at(comment).items() if key != revision}
    return json.dumps(times | ({revision: at.isoformat()} if at else {}), sort_keys=True)


def set_comment(connection: psycopg.Connection, comment: str) -> None:
    """Keep `record_applied`'s text on the version table, within the connection's transaction."""
    statement: LiteralString = "COMMENT ON TABLE {} IS {}"
    connection.execute(sql.SQL(statement).format(own_table(connection, VERSION_TABLE).sql, sql.Literal(comment)))


def _applied_at(comment: str | None) -> dict[str, datetime]:
    try:
        return {key: datetime.fromisoformat(value) for key, value in json.loads(comment or "{}").items()}
    except (ValueError, AttributeError, TypeError):
        return {}


def require_head(state: SchemaState) -> None:
    """Refuse a database whose schema this program can't work with. Raises SchemaNotReady."""
    if state.newer_than_program:
        raise SchemaNotReady(
            f"the database is at revision {state.current}, newer than this tutormax (head {state.head})",
            "install the version of tutormax that made it, or a newer one",
        )
    if state.current is None:
        raise SchemaNotReady("the database has no TutorMax schema yet", "create it: tutormax init")
    if state.pending:
        raise SchemaNotReady(
            f"the schema is {len(state.pending)} revision(s) behind (at {state.current}, head {state.head})",
            "bring it up to date: tutormax migrate",
        )
