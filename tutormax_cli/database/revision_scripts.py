"""What Alembic writes instead of running: the SQL between two revisions, what it would lose, and new revisions."""

import io
import re
from collections.abc import Callable
from pathlib import Path

from alembic import command
from tutormax_cli.database.connection import connect
from tutormax_cli.database.drift import drift
from tutormax_cli.database.losses import Losses, count_losses
from tutormax_cli.database.migrating import migrating_connection, schema_path
from tutormax_cli.database.migrations import alembic_config, alembic_errors, state
from tutormax_cli.database.names import own_table
from tutormax_cli.database.queries import existing_tables
from tutormax_cli.database.revisions import SchemaState, require_head, schema_state, script_folder
from tutormax_cli.errors import TutormaxError, UsageError
from tutormax_cli.settings import Settings

_LOSING = re.compile(r"^DROP TABLE (\w+)|^ALTER TABLE (\w+) DROP COLUMN", re.MULTILINE)


def sql_script(settings: Settings, target: str = "head") -> str:
    """Write the SQL that would bring the database from where it really stands to `target`."""
    at = state(settings)
    if at.newer_than_program:
        require_head(at)
    script = _offline(command.upgrade, at.current or "base", target)
    return f"SET search_path = {schema_path(settings.schema)};\n\n{script}" if script else ""


def rows_lost(settings: Settings, target: str) -> Losses:
    """Count the rows of the tables that going down to `target` drops or takes columns from."""
    with connect(settings) as connection:
        at = schema_state(connection)
        if at.newer_than_program:
            require_head(at)
        if at.current is None:
            return Losses({})
        script = _offline(command.downgrade, at.current, _absolute(at, target))
        lost = {table for pair in _LOSING.findall(script) for table in pair if table}
        tables = [own_table(connection, name) for name in existing_tables(connection) if name in lost]
        return count_losses(connection, tables)


def _absolute(at: SchemaState, target: str) -> str:
    """Name the revision that `-N` means."""
    if not target.startswith("-"):
        return target
    left = at.applied[: -int(target[1:]) or None]
    return left[-1].id if left else "base"


def _offline(run: Callable[..., None], start: str, end: str) -> str:
    """Write the SQL between two revisions instead of running it."""
    buffer = io.StringIO()
    with alembic_errors():
        run(alembic_config(buffer=buffer), f"{start}:{end}", sql=True)
    return buffer.getvalue()


def new_revision(settings: Settings, message: str, *, empty: bool = False) -> str:
    """Write a new revision from the difference between the models and the database; give the file's path.

    Raises UsageError outside a checkout of the source, and where nothing differs unless an `empty` one is wanted.
    """
    if script_folder().parent == Path(__file__).parent.parent:
        raise UsageError("revisions are written in a checkout of the source, not into an installed package")
    if not empty and not drift(settings):
        raise UsageError("nothing differs between the models and the database", "to write one all the same: --empty")
    config = alembic_config()
    with migrating_connection(settings) as connection, alembic_errors():
        config.attributes["connection"] = connection
        script = command.revision(config, message, autogenerate=True)
    made = script[0] if isinstance(script, list) else script
    if made is None:
        raise TutormaxError("nothing was written")
    return made.path
