"""Which account runs the server: the caller's own; for root, which PostgreSQL refuses, one that already exists."""

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tutormax_cli.errors import UsageError

if sys.platform != "win32":
    import pwd

NOBODY = "nobody"
"""The account that every Unix has and that owns nothing which a server run by it could harm."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account to run programs under; `foreign` when we are root and have to become it."""

    name: str
    uid: int
    gid: int
    foreign: bool

    @property
    def identity(self) -> dict[str, Any]:
        """The arguments with which `subprocess` becomes this account; none if we are it already."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.foreign else {}

    def make_folder(self, folder: Path) -> None:
        """Make a folder that only this account can enter. Raises FileExistsError."""
        folder.mkdir(mode=0o700)
        if self.foreign:
            os.chown(folder, self.uid, self.gid, follow_symlinks=False)

    def open_file(self, path: Path, flags: int = 0) -> int:
        """Open a file of this account's for writing, making it (mode 0600) where it is missing; never by a link."""
        flags |= os.O_RDWR | os.O_NOFOLLOW
        try:
            handle = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return os.open(path, flags)
        if self.foreign:
            os.fchown(handle, self.uid, self.gid)
        return handle

    def barrier(self, path: Path) -> Path | None:
        """Give the first folder on the way to `path`, or `path` itself, that this account may not enter."""
        on_the_way = [*reversed(path.parents), path]
        return next((step for step in on_the_way if step.exists() and not self._may(step, stat.S_IXUSR)), None)

    def may_read(self, path: Path) -> bool:
        """Tell whether this account can reach and read a file."""
        return self.barrier(path.parent) is None and self._may(path, stat.S_IRUSR)

    def _may(self, path: Path, owners_bit: int) -> bool:
        """Ask the mode for a right, given as its bit for the owner; os.access would answer for root."""
        if not self.foreign:
            return os.access(path, os.X_OK if owners_bit == stat.S_IXUSR else os.R_OK)
        status = path.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & owners_bit)
        return bool(status.st_mode & (owners_bit >> 3 if status.st_gid == self.gid else owners_bit >> 6))


def account_for(home: Path, data: Path) -> Account:
    """Give the account that runs the server of `home`.

    For root that is whoever owns the data, else whoever owns the home folder (so that `sudo tutormax` in a user's
    folder leaves it the user's), else `nobody`. Raises UsageError when there is no such account.
    """
    if os.geteuid() != 0:
        return Account(f"uid {os.geteuid()}", os.geteuid(), os.getegid(), foreign=False)
    owners = (path.stat().st_uid for path in (data, home) if path.exists())
    owner = next((uid for uid in owners if uid != 0), None)
    try:
        entry = pwd.getpwnam(NOBODY) if owner is None else pwd.getpwuid(owner)
    except KeyError:
        missing = f"account {NOBODY!r}" if owner is None else f"account with the number {owner}, which owns {home},"
        raise UsageError(
            f"PostgreSQL refuses to run as root, and there is no {missing} to run it instead",
            "run tutormax as an ordinary user, or name a server in DATABASE_URL",
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, foreign=True)


def make_home(home: Path, account: Account) -> None:
    """Make the home folder where it is missing, and see to it that the account can enter it.

    Folders that exist are never changed. Raises UsageError naming the folder that stops the account.
    """
    barrier = account.barrier(home)
    if barrier is not None:
        raise UsageError(
            f"PostgreSQL runs as {account.name!r}, and {barrier} doesn't let this account in",
            "set TUTORMAX_HOME to a folder that it can enter, or name a server in DATABASE_URL",
        )
    missing = [folder for folder in (home, *home.parents) if not folder.exists()]
    for folder in reversed(missing):
        try:
            folder.mkdir(mode=0o700 if folder == home and not account.foreign else 0o777)
        except FileExistsError:
            continue  # another start was quicker
        if account.foreign:
            folder.chmod(0o755)  # whatever root's umask: the account has to pass; what it owns inside is 0700
