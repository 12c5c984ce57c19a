"""From an archive back into a database, in one transaction, and never over rows that were not confirmed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic

from tutormax_cli.backup.archive import Archive
from tutormax_cli.backup.progress import Listener, Stage, silent
from tutormax_cli.backup.replacing import losses_of, replace_tables, require_schema, tables_in_the_way
from tutormax_cli.backup.tables import display_counts
from tutormax_cli.backup.transaction import lock_out_writers, one_transaction
from tutormax_cli.database.connection import connect
from tutormax_cli.database.losses import Losses
from tutormax_cli.database.revisions import SchemaState, revisions
from tutormax_cli.errors import SchemaNotReady
from tutormax_cli.settings import Settings


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore brought back.

    `rows` counts each table's by its display name; `pending` revisions are to be run; the rights of `missing_roles`
    were omitted.
    """

    rows: Mapping[str, int]
    pending: int
    missing_roles: tuple[str, ...]
    seconds: float


def require_restorable(settings: Settings, archive: Archive) -> SchemaState:
    """Return the state of the archive's schema.

    Raises SchemaNotReady if this program is too old for it, UsageError if it is in another schema than the settings
    name.
    """
    state = SchemaState(archive.revision, {}, revisions())
    if state.newer_than_program:
        raise SchemaNotReady(
            f"{archive.path} holds a schema at revision {archive.revision}, newer than this tutormax "
            f"(head {state.head}); nothing was changed",
            "install the version of tutormax that made it, or a newer one",
        )
    require_schema(settings, archive)
    return state


def would_lose(settings: Settings, archive: Archive) -> Losses:
    """Count the rows that a restore of this archive would delete."""
    with connect(settings) as driver:
        return losses_of(driver, archive, tables_in_the_way(driver, archive))


def restore(
    settings: Settings,
    archive: Archive,
    *,
    before: Callable[[Losses], None] = lambda held: None,
    waiting: Callable[[str], None] = lambda why: None,
    listener: Listener = silent,
) -> Restored:
    """Replace our tables, and others that the archive holds, with the archive's, in one transaction.

    A table that existed keeps its owner and the rights on it; the archive's rights are for the others. What is not in
    the archive stays, and so does the admin log, unless the database has none yet.

    `before` is called with the rows to be deleted when nobody else can write any more and nothing has been changed: the
    moment to compare them with what was confirmed, and for a backup. Raises SchemaNotReady, UsageError, LockTimeout,
    TutormaxError.
    """
    began = monotonic()
    state = require_restorable(settings, archive)
    with one_transaction(settings, waiting) as work:
        tables = tables_in_the_way(work.driver, archive)
        lock_out_writers(work.driver, tables)
        before(losses_of(work.driver, archive, tables))
        done = replace_tables(work, archive, tables, verb="restored", archived_rights=True, listener=listener)
        listener(Stage("commit"))
    rows = display_counts(done.rows, settings.schema)
    return Restored(rows, len(state.pending), done.missing_roles, monotonic() - began)
