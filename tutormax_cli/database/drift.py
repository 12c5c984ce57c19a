"""How the database's tables differ from the models, as Alembic sees it."""

import warnings
from typing import Any

from alembic.autogenerate import produce_migrations
from alembic.migration import MigrationContext
from alembic.operations.ops import OpContainer
from sqlalchemy.exc import SAWarning

from tutormax_cli.database.migrating import migrating_connection
from tutormax_cli.database.models import Base
from tutormax_cli.settings import Settings

METADATA = Base.metadata


def ours_only(name: str | None, kind: str, parents: Any) -> bool:
    """Tell Alembic which tables to compare: ours. Others in the same database are none of our business."""
    return kind != "table" or name in METADATA.tables


def drift(settings: Settings) -> list[str]:
    """List how the database's tables differ from the models; empty when they don't."""
    with migrating_connection(settings) as connection, warnings.catch_warnings():
        # SQLAlchemy reads a constraint that is NOT VALID as one with an option that it then doesn't know.
        warnings.filterwarnings("ignore", "Can't validate argument 'dialect_options'", SAWarning)
        context = MigrationContext.configure(connection, opts={"include_name": ours_only, "target_metadata": METADATA})
        operations = produce_migrations(context, METADATA).upgrade_ops
    return [] if operations is None else _described(operations)


def _described(operations: OpContainer) -> list[str]:
    lines: list[str] = []
    for operation in operations.ops:
        if isinstance(operation, OpContainer):
            lines += _described(operation)
            continue
        try:
            lines.append(" ".join(_named(part) for part in operation.to_diff_tuple() if part is not None))
        except NotImplementedError:  # a kind of difference that Alembic can't put in words is one all the same
            lines.append(type(operation).__name__)
    return lines


def _named(part: Any) -> str:
    """Name a part of a difference: `tutors.phone` for a column, the name of an index, else what it says of itself."""
    name = getattr(part, "name", None)
    table = getattr(part, "table", None)
    return ".".join(str(each) for each in (getattr(table, "name", None), name) if each) if name else str(part)
