"""Alembic's environment: the same settings and the same lock, whether `tutormax migrate` or `alembic` runs it."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from alembic.operations.ops import MigrationScript
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from alembic import context
from tutormax_cli.database import drift, migrations
from tutormax_cli.database.engine import get_settings
from tutormax_cli.database.revisions import Revision, revisions


def name_by_time(
    ctx: MigrationContext, revision: Iterable[str | None] | str, directives: list[MigrationScript]
) -> None:
    """Make a new revision's id the minute of its making, so that ids sort by time."""
    for directive in directives:
        directive.rev_id = datetime.now(UTC).strftime("%Y%m%d_%H%M")


def applied(listener: migrations.Listener) -> Callable[..., None]:
    """Make the callback that notes when a revision was applied and passes on how long it took."""
    known = {revision.id: revision for revision in revisions()}
    began = time.perf_counter()

    def callback(*, ctx: MigrationContext, step: Any, **_: Any) -> None:
        nonlocal began
        migrations.note_applied(ctx, step)
        for revision in step.up_revision_ids:
            listener.finished(known.get(revision, Revision(revision, "")), time.perf_counter() - began)
        began = time.perf_counter()

    return callback


def run(connection: Connection) -> None:
    """Run the chosen command over one connection, a transaction for each revision."""
    listener: migrations.Listener = context.config.attributes.get("listener") or migrations.Listener()
    context.configure(
        connection=connection,
        target_metadata=drift.METADATA,
        include_name=drift.ours_only,
        transaction_per_migration=True,
        process_revision_directives=name_by_time,
        on_version_apply=applied(listener),
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    context.configure(
        dialect_name="postgresql",
        target_metadata=drift.METADATA,
        literal_binds=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
elif "connection" in context.config.attributes:
    run(context.config.attributes["connection"])
else:
    with migrations.online_connection(get_settings()) as locked:
        run(locked)
