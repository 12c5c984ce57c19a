"""From a database to an archive that has been read to its end and found to hold every row."""

import os
import re
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import IO

import psycopg

from tutormax_cli.backup.archive import Archive, read_archive
from tutormax_cli.backup.contents import Contents, list_sequences, list_tables, read_contents
from tutormax_cli.backup.programs import failure, start
from tutormax_cli.backup.progress import Listener, Stage, silent
from tutormax_cli.backup.seal import new_seal, seal
from tutormax_cli.backup.tables import OURS, count_rows, display_counts, existing
from tutormax_cli.database.clients import client_environment, client_program
from tutormax_cli.database.connection import connect
from tutormax_cli.database.driver import schema_of
from tutormax_cli.database.names import TableName
from tutormax_cli.database.revisions import schema_state
from tutormax_cli.database.time_limits import lift_time_limits
from tutormax_cli.errors import SchemaNotReady, TutormaxError, UsageError
from tutormax_cli.settings import Settings

COMPRESSION = 1
"""Of zlib's levels: writing takes half the time of the usual 6, and the file is a third larger."""

LOCK_PATIENCE = "30s"
"""How long pg_dump waits for a table that somebody holds."""

_POLL_SECONDS = 0.1
_TABLE = re.compile(r'dumping contents of table "(?P<name>.+)"')


@dataclass(frozen=True, slots=True)
class Dumped:
    """An archive that was written, and how large it is; `rows` by table as people call it."""

    path: Path
    bytes: int
    rows: dict[str, int]
    revision: str
    seconds: float


def dump(
    settings: Settings, path: Path, *, ours_alone: bool = False, replace: bool = True, listener: Listener = silent
) -> Dumped:
    """Write the whole database (or `ours_alone`, our tables) to an archive that its owner alone can read.

    It is written under another name, read to its end, its rows compared with the database's, and only then given its
    name; a file that has the name already is lost only where it may be `replace`d. Raises SchemaNotReady for a database
    that isn't ours, LockTimeout, ConnectionFailed, TutormaxError.
    """
    began = monotonic()
    with connect(settings) as driver:
        driver.isolation_level, driver.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
        lift_time_limits(driver)
        revision = schema_state(driver).current
        if revision is None:
            raise SchemaNotReady("the database has no TutorMax schema to dump", "create it: tutormax init")
        tables = existing(driver)
        with _written_whole(path, replace) as unfinished:
            options = [f"--table={table.sql.as_string()}" for table in tables] if ours_alone else []
            _run_pg_dump(settings, driver, unfinished, options, listener)
            seal(unfinished, new_seal(driver, revision, _contents(driver, ours_alone, listener)))
            archive = read_archive(settings, unfinished, listener)
            _check(driver, archive, tables)
            size = unfinished.stat().st_size
    return Dumped(path, size, display_counts(archive.rows, settings.schema), archive.revision, monotonic() - began)


def free_name(folder: Path, dbname: str, at: datetime) -> Path:
    """Give a file name that says database and time, and that no file in the folder has yet or is to have."""
    plain = re.sub(r"[^\w.-]", "_", dbname) or "database"
    stem = f"{plain}-{at.astimezone(UTC):%Y-%m-%dT%H%MZ}"
    numbered = (f"-{number}" if number > 1 else "" for number in range(1, 10_000))
    names = (f"{stem}{suffix}.dump" for suffix in numbered)
    return next(folder / name for name in names if not (folder / name).exists() and not any(_unfinished(folder, name)))


def _unfinished(folder: Path, name: str) -> Iterator[Path]:
    """Find the files that are being written to get this name, by any process."""
    return folder.glob(f".{name}.*.tmp")


@contextmanager
def _written_whole(path: Path, replace: bool) -> Iterator[Path]:
    """Give the path of an empty file of mode 0600, which takes its real name once it is whole and on disk."""
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise UsageError(f"can't write {path}: it is not a plain file", "name a file: -o FILE")
    path = path.resolve()
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield unfinished
        _sync(unfinished)
        if not replace:
            path.touch(exist_ok=False)  # whoever else chose the name in the same moment fails here, and loses nothing
        unfinished.replace(path)
        _sync(path.parent)
    except OSError as problem:
        raise TutormaxError(f"can't write {path}: {problem.strerror}", "name another file: -o FILE") from None
    finally:
        with suppress(OSError):
            unfinished.unlink()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _run_pg_dump(
    settings: Settings, driver: psycopg.Connection, path: Path, options: Sequence[str], listener: Listener
) -> None:
    """Have pg_dump write what the driver's transaction sees. Raises what its complaints stand for."""
    snapshot = driver.execute("SELECT pg_export_snapshot()").fetchone()
    assert snapshot is not None
    command: list[str | Path] = [
        client_program("pg_dump", settings, driver.info.server_version // 10_000, tls=driver.pgconn.ssl_in_use),
        *("--format=custom", f"--compress={COMPRESSION}", "--verbose", "--no-password"),
        *(f"--snapshot={snapshot[0]}", f"--lock-wait-timeout={LOCK_PATIENCE}", f"--file={path}", *options),
    ]
    # Its standard error is a pipe to us on purpose: when we are killed, its next line ends it too.
    with start(command, client_environment(settings), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        said = _Said(process.stderr)
        try:
            while said.reader.is_alive():
                listener(Stage(said.doing, note=f"{path.stat().st_size / 1e6:,.0f} MB"))
                said.reader.join(_POLL_SECONDS)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise failure(command, "\n".join(said.lines), process.returncode)


class _Said:
    """What pg_dump says while it runs, read by a thread: the table that it is at, and all that is not progress."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        assert stream is not None
        self.doing = "reading the schema"
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self._read, args=[stream], daemon=True)
        self.reader.start()

    def _read(self, stream: Iterable[bytes]) -> None:
        for line in stream:
            text = line.decode("utf-8", "replace").rstrip()
            table = _TABLE.search(text)
            if table:
                self.doing = table["name"].removeprefix("public.")
            else:
                self.lines.append(text)


def _contents(driver: psycopg.Connection, ours_alone: bool, listener: Listener) -> Contents:
    """Return the contents of what pg_dump writes."""
    tables = list_tables(driver)
    if not ours_alone:
        return read_contents(driver, tables, listener=listener)
    ours = [table for table in tables if table.schema == schema_of(driver) and table.name in OURS]
    sequences = list_sequences(driver, ours)
    return read_contents(driver, ours, sequences=sequences, large_objects=(), listener=listener)


def _check(driver: psycopg.Connection, archive: Archive, tables: Sequence[TableName]) -> None:
    """Compare the rows in the archive with those that its snapshot of the database holds. Raises TutormaxError."""
    held = count_rows(driver, list(archive.rows))
    wrong = [name.display for name in tables if name not in archive.rows]
    wrong += [name.display for name, rows in archive.rows.items() if rows != held[name]]
    if wrong:
        raise TutormaxError(f"the dump doesn't hold all rows of {', '.join(wrong)}; it was thrown away", "try again")
