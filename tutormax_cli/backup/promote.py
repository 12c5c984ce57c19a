"""From the embedded database to a server: an archive of one moment, restored in one transaction, and compared."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import monotonic

from tutormax_cli.backup.archive import Archive
from tutormax_cli.backup.contents import Digest
from tutormax_cli.backup.dump import write_archive
from tutormax_cli.backup.progress import Listener, Stage, silent
from tutormax_cli.backup.replacing import losses_of, replace_tables, require_schema, tables_in_the_way
from tutormax_cli.backup.tables import LOG
from tutormax_cli.backup.transaction import Work, lock_out_writers, one_transaction
from tutormax_cli.database.connection import connect
from tutormax_cli.database.embedded import EmbeddedServer
from tutormax_cli.database.names import TableName
from tutormax_cli.database.revisions import VERSION_TABLE, require_head, schema_state
from tutormax_cli.database.snapshot import Snapshot, in_snapshot
from tutormax_cli.errors import UsageError
from tutormax_cli.files.whole import temporary_file
from tutormax_cli.settings import Settings


@dataclass(frozen=True, slots=True)
class Promoted:
    """What was copied: the rows of each table by its display name, with a checksum that is the same on both sides.

    `source_version` and `target_version` are the major versions of the servers.
    """

    tables: Mapping[str, Digest]
    source_version: int
    target_version: int
    seconds: float


def embedded_settings(chosen: Settings) -> Settings:
    """Return the settings of the embedded database, whatever is configured. Raises UsageError if there is none."""
    server = EmbeddedServer(chosen.home, chosen.pg_version)
    if server.status().version is None:
        raise UsageError(
            f"there is no embedded database in {chosen.home}", "set TUTORMAX_HOME to the folder that has it"
        )
    return replace(chosen, source="the embedded database", keywords=None)


def promote(
    source: Settings,
    target: Settings,
    *,
    waiting: Callable[[str], None] = lambda why: None,
    listener: Listener = silent,
) -> Promoted:
    """Copy one database into another that holds no rows of ours, in one transaction, and compare all contents.

    The source is unchanged. Raises UsageError if the target holds rows, SchemaNotReady, LockTimeout or TutormaxError.
    """
    began = monotonic()
    source_version = _require_head(source)
    with _archive_of(source, listener) as archive:
        require_schema(target, archive)
        with one_transaction(target, waiting) as work:
            tables = _empty_tables(work, archive)
            done = replace_tables(work, archive, tables, verb="copied", archived_rights=False, listener=listener)
            target_version = work.driver.info.server_version // 10_000
            listener(Stage("commit"))
    hidden = {LOG, TableName(target.schema, VERSION_TABLE)}
    shown = {table.display: digest for table, digest in done.contents.tables.items() if table not in hidden}
    return Promoted(shown, source_version, target_version, monotonic() - began)


def _require_head(source: Settings) -> int:
    """Return the source's major version. Raises SchemaNotReady if its schema is not at the newest revision."""
    with connect(source) as driver:
        require_head(schema_state(driver))
        return driver.info.server_version // 10_000


@contextmanager
def _archive_of(source: Settings, listener: Listener) -> Iterator[Archive]:
    """Dump the source into a file that only its owner can read, and remove it at the end."""
    place = source.home / "promote.dump"
    with temporary_file(place, hint=f"free some space in {source.home}") as unfinished:

        def write(held: Snapshot) -> Archive:
            return write_archive(source, held, unfinished, ours_alone=False, listener=listener)

        yield in_snapshot(source, write, what="promote")


def _empty_tables(work: Work, archive: Archive) -> list[TableName]:
    """Lock the tables in the target that are replaced. Raises UsageError if they hold rows."""
    tables = tables_in_the_way(work.driver, archive)
    lock_out_writers(work.driver, tables)
    held = losses_of(work.driver, archive, tables)
    if held:
        what = ", ".join(f"{rows:,} {table}" for table, rows in held.counts.items() if rows)
        raise UsageError(f"the server's database already holds rows: {what}", "name an empty one")
    return tables
