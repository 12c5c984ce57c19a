"""From a database to an archive that has been read to its end and found to hold every row."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from tutormax_cli.backup.archive import Archive, read_archive
from tutormax_cli.backup.contents import Contents, list_sequences, list_tables, read_contents
from tutormax_cli.backup.pg_dump import dump_to_file
from tutormax_cli.backup.progress import Listener, silent
from tutormax_cli.backup.seal import new_seal, seal
from tutormax_cli.backup.table_of_contents import read_table_of_contents, sequence_states
from tutormax_cli.backup.tables import OURS, display_counts
from tutormax_cli.database.names import TableName
from tutormax_cli.database.revisions import schema_state
from tutormax_cli.database.snapshot import WAIT, Snapshot, in_snapshot
from tutormax_cli.errors import SchemaNotReady, TutormaxError, UsageError
from tutormax_cli.files.whole import Unfinished, in_use, whole_file
from tutormax_cli.settings import Settings

_MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Dumped:
    """An archive that was written: the id in its seal, its size, and the rows of each table by its display name."""

    path: Path
    id: str
    bytes: int
    rows: dict[str, int]
    revision: str
    seconds: float


def dump(
    settings: Settings,
    path: Path,
    *,
    ours_alone: bool = False,
    overwrite: bool = True,
    wait: float = WAIT,
    listener: Listener = silent,
) -> Dumped:
    """Write the whole database (or `ours_alone`, our tables) to an archive that only its owner can read.

    All of it is the state of one moment. The archive is written under a temporary name, read to its end, compared with
    the database, and only then given its name; an existing file is replaced only if `overwrite` is true. Raises
    UsageError for a connection through a pooler, SchemaNotReady for a database that isn't ours, LockTimeout if other
    sessions lock or change tables for `wait` seconds or another process writes the file, ConnectionFailed,
    TutormaxError.
    """
    began = monotonic()
    if path.exists() and not path.is_file():
        raise UsageError(f"can't write {path}: it is not a plain file", "name a file: -o FILE")
    tables = [TableName(settings.schema, name) for name in OURS] if ours_alone else None
    with whole_file(path, private=True, replace=overwrite) as unfinished:

        def write(held: Snapshot) -> Archive:
            return write_archive(settings, held, unfinished, ours_alone, listener)

        archive = in_snapshot(settings, write, what="a dump", tables=tables, wait=wait)
        size = unfinished.path.stat().st_size
    assert archive.seal is not None
    rows = display_counts(archive.rows, settings.schema)
    return Dumped(path, archive.seal.dump_id, size, rows, archive.revision, monotonic() - began)


def free_name(folder: Path, dbname: str, at: datetime) -> Path:
    """Return a file name with database and time that no file in the folder has yet or is to have."""
    plain = re.sub(r"[^\w.-]", "_", dbname) or "database"
    stem = f"{plain}-{at.astimezone(UTC):%Y-%m-%dT%H%MZ}"
    paths = (folder / f"{stem}{f'-{number}' if number > 1 else ''}.dump" for number in range(1, 10_000))
    return next(path for path in paths if not path.exists() and not in_use(path))


def write_archive(
    settings: Settings, held: Snapshot, unfinished: Unfinished, ours_alone: bool, listener: Listener
) -> Archive:
    """Write an archive of a snapshot, sealed with its contents, and read it to its end."""
    revision = schema_state(held.driver).current
    if revision is None:
        raise SchemaNotReady("the database has no TutorMax schema to dump", "create it: tutormax init")
    options = [f"--table={table.sql.as_string(held.driver)}" for table in held.tables] if ours_alone else []
    dump_to_file(settings, held, unfinished, options, listener)
    contents = _contents(held, unfinished.path, ours_alone, listener)
    seal(unfinished.path, new_seal(held.driver, revision, contents))
    archive = read_archive(settings, unfinished.path, listener)
    _check(archive, contents)
    return archive


def _contents(held: Snapshot, archive: Path, ours_alone: bool, listener: Listener) -> Contents:
    """Return the contents of what pg_dump wrote: sequences, which obey no snapshot, as they are in the archive."""
    tables = [table for table in list_tables(held.driver) if table in held.tables]
    large_objects = () if ours_alone else None
    contents = read_contents(held.driver, tables, sequences=(), large_objects=large_objects, listener=listener)
    written = sequence_states(read_table_of_contents(archive).entries)
    sequences = list_sequences(held.driver, tables if ours_alone else None)
    return replace(contents, sequences={name: written.get(name, _MISSING) for name in sequences})


def _check(archive: Archive, contents: Contents) -> None:
    """Compare the rows in the archive with those that its snapshot of the database holds. Raises TutormaxError."""
    wrong = [table.display for table, digest in contents.tables.items() if archive.rows.get(table) != digest.rows]
    wrong += [sequence.display for sequence, state in contents.sequences.items() if state == _MISSING]
    if wrong:
        raise TutormaxError(f"the dump doesn't hold all of {', '.join(wrong)}; it was deleted", "try again")
