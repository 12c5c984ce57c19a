"""A PostgreSQL server for one piece of work: in a private temporary folder, stopped and removed at the end.

The end may be a return, an exception or a request to end (Ctrl-C, SIGTERM). Only a process that is killed leaves the
folder and a running server behind; `leftovers` finds them: the owner holds a lock on the folder as long as it lives.
"""

import os
import secrets
import shlex
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tutormax_cli.database.embedded.account import account_for
from tutormax_cli.database.embedded.programs import DEFAULT_VERSION, FOLDERS
from tutormax_cli.database.embedded.server import EmbeddedServer
from tutormax_cli.errors import TutormaxError
from tutormax_cli.interrupts import uninterrupted
from tutormax_cli.settings import Settings

if sys.platform != "win32":
    import fcntl

PREFIX = "tutormax-throwaway-"
"""How the names of the folders begin."""

_ANOTHER_FOLDER = "set TMPDIR to another folder: a short path, on a disk with free space"


def version_for(server_major: int) -> int:
    """Return the smallest major version of our programs that is no older than a server's.

    Raises TutormaxError if ours are all older.
    """
    found = min((version for version in FOLDERS if version >= server_major), default=None)
    if found is None:
        raise TutormaxError(
            f"the embedded PostgreSQL is version {max(FOLDERS)}, older than the server's version {server_major}",
            "upgrade tutormax: pip install --upgrade tutormax",
        )
    return found


def parent_folder() -> Path:
    """Return the folder in which throw-away servers are made."""
    return Path(tempfile.gettempdir()).resolve()


@contextmanager
def throwaway_server(version: int = DEFAULT_VERSION) -> Iterator[Settings]:
    """Run a new server of this major version until the end, and return the settings of its empty database.

    As root it runs as the unprivileged account. Raises TutormaxError if it can't be started.
    """
    folder = parent_folder() / f"{PREFIX}{secrets.token_hex(4)}"
    hold: int | None = None
    try:
        hold = _make_private(folder)
        yield _start(folder, version)
    finally:
        with uninterrupted():
            _remove(folder)
            if hold is not None:
                os.close(hold)


def leftovers() -> list[Path]:
    """Return the folders of throw-away servers of this account whose owner is gone."""
    uid = account_for(Path(os.devnull, "none"), Path(os.devnull, "none")).uid
    folders = sorted({path for parent in (parent_folder(), Path("/tmp")) for path in parent.glob(f"{PREFIX}*")})
    return [folder for folder in folders if _is_left(folder, uid)]


def removal_command(folder: Path) -> str:
    """Return the shell command that stops what may still run in a leftover folder, and removes it."""
    quoted = shlex.quote(str(folder))
    return f"TUTORMAX_HOME={quoted} tutormax server stop && rm -r {quoted}"


def _make_private(folder: Path) -> int:
    """Make the folder, which only the server's account can enter, and hold its lock; return the handle."""
    try:
        account_for(folder, folder / "data").make_folder(folder)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as problem:
        raise TutormaxError(
            f"can't use {folder} for a throw-away server: {problem.strerror}", _ANOTHER_FOLDER
        ) from None
    return handle


def _start(folder: Path, version: int) -> Settings:
    try:
        EmbeddedServer(folder, version, durable=False).start()
    except TutormaxError as problem:
        raise TutormaxError(f"can't start a throw-away server: {problem.message}", _ANOTHER_FOLDER) from problem
    return Settings("throw-away server", None, folder, version)


def _remove(folder: Path) -> None:
    """Stop the server, at once and without saving anything, and remove its folder. Raises TutormaxError."""
    try:
        EmbeddedServer(folder).stop(at_once=True)
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except (OSError, TutormaxError) as problem:
        raise TutormaxError(f"can't remove {folder}: {problem}", f"remove it: {removal_command(folder)}") from problem


def _is_left(folder: Path, uid: int) -> bool:
    """Return whether a folder is one of ours, and nobody holds its lock."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            status = os.fstat(handle)
            if status.st_uid != uid or stat.S_IMODE(status.st_mode) != 0o700:
                return False
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return True
        finally:
            os.close(handle)
    return False
