"""Where a dump is restored to be proved: a throw-away server, or an empty database that somebody names."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shlex import quote
from shutil import disk_usage

from tutormax_cli.backup.archive import Archive
from tutormax_cli.backup.contents import list_tables
from tutormax_cli.database.connection import connect
from tutormax_cli.database.embedded.throwaway import parent_folder, throwaway_server, version_for
from tutormax_cli.database.migrations import create_database
from tutormax_cli.errors import ConnectionFailed, TutormaxError, UsageError
from tutormax_cli.settings import Settings

SPACE_PER_BYTE = 12
SPACE_OF_SERVER = 150_000_000
"""Disk space for a copy: per byte of the dump (9 were measured for a seeded company), and for an empty server."""

_ANY_TABLE = "rpfm"
"""Kinds of pg_class.relkind: tables, partitioned and foreign ones, materialized views."""


@contextmanager
def throwaway_copy(archive: Archive, note: Callable[[str], None]) -> Iterator[Settings]:
    """Run a throw-away server of the version nearest to the dump's. Raises TutormaxError, also if it stops early."""
    elsewhere = another_server(archive.path)
    try:
        version = version_for(_server_major(archive))
    except TutormaxError as problem:
        raise TutormaxError(problem.message, elsewhere) from None
    note(f"restoring into a throw-away PostgreSQL {version}: {_require_space(archive.path)}")
    with throwaway_server(version) as server:
        try:
            yield replace(server, schema=archive.schema)
        except ConnectionFailed as problem:
            raise TutormaxError(f"the throw-away server stopped: {problem.message}", elsewhere) from problem


def another_server(path: Path) -> str:
    """Return the advice to prove a dump on a server that somebody names."""
    return f"prove it on another server: tutormax prove {quote(str(path))} --into URL"


def _server_major(archive: Archive) -> int:
    """Return the major version of the server that was dumped."""
    found = re.match(r"\d+", archive.table_of_contents.server_version)
    return int(found[0]) if found else 0


def _require_space(path: Path) -> str:
    """Return a line about the disk space. Raises TutormaxError if there is too little."""
    folder = parent_folder()
    needed, free = SPACE_OF_SERVER + SPACE_PER_BYTE * path.stat().st_size, disk_usage(folder).free
    line = f"it needs about {needed / 1e9:,.1f} GB in {folder}, where {free / 1e9:,.1f} GB are free"
    if free < needed:
        raise TutormaxError(
            f"not enough disk space to restore {path}: {line}", "use another disk: export TMPDIR=FOLDER"
        )
    return line


@contextmanager
def empty_database(into: Settings, archive: Archive) -> Iterator[Settings]:
    """Create a database if it is missing. Raises UsageError if it holds tables."""
    create_database(into)
    with connect(into) as driver:
        if held := list_tables(driver, _ANY_TABLE):
            more = f" and {len(held) - 1} more" if len(held) > 1 else ""
            raise UsageError(
                f"the database {into.dbname} of --into is not empty: it holds table {held[0].display}{more}",
                "name an empty one, or one that does not exist yet",
            )
    yield replace(into, schema=archive.schema)


def require_extensions(copy: Settings, archive: Archive) -> int:
    """Return the server's major version. Raises TutormaxError if it lacks extensions that the dump needs."""
    needed = {entry.name for entry in archive.table_of_contents.entries if entry.kind == "EXTENSION"}
    with connect(copy) as driver:
        version = driver.info.server_version // 10_000
        available = {name for (name,) in driver.execute("SELECT name FROM pg_available_extensions").fetchall()}
    if missing := sorted(needed - available):
        raise TutormaxError(
            f"{archive.path} needs extensions that PostgreSQL {version} here does not have: {', '.join(missing)}",
            another_server(archive.path),
        )
    return version
