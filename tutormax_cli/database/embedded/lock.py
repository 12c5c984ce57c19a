"""The lock of a home folder: held by whoever builds, starts or is the server.

It is an flock on a file, and the server's processes inherit it: when nobody holds it, no process of ours is at work
on the cluster, whatever a stale pid file says. That also outlives a SIGKILL: an initdb or a backend that was left
behind keeps its hold until it ends.
"""

import os
import sys
from pathlib import Path

from tutormax_cli.database.embedded.account import Account

if sys.platform != "win32":
    import fcntl


class HomeLock:
    """One opener of the lock file; `close` gives up its own hold, and leaves that of the processes it started."""

    def __init__(self, path: Path, account: Account) -> None:
        self.handle = account.open_file(path)

    def take(self) -> bool:
        """Try to take the lock for this process and those it starts; tell whether that worked."""
        try:
            fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Give the lock back; only right as long as no server was started with it."""
        fcntl.flock(self.handle, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file."""
        os.close(self.handle)
