"""The life of the embedded server: start, stop, status, and the way to it."""

import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tutormax_cli.database.embedded import cluster, programs
from tutormax_cli.database.embedded.account import Account, account_for, make_home
from tutormax_cli.database.embedded.lock import HomeLock
from tutormax_cli.database.embedded.log import KEPT, open_log, read_log, trim
from tutormax_cli.database.embedded.variables import without_libpq_variables
from tutormax_cli.errors import LockTimeout, TutormaxError, UsageError

PORT = cluster.SETTINGS["port"]
LONGEST_SOCKET_PATH = 103 if sys.platform == "darwin" else 107
"""Bytes that the kernel's address of a unix socket has room for."""

PATIENCE = 60.0
"""Seconds to wait for a start, a recovery after a crash, or a stop."""

STARTS = 5
"""How often a server is started that somebody stops before it takes connections."""

STOPPED = "shutdown request"
"""What the server logs when it is told to stop."""

_POLL = 0.02
_READY = "ready"
_STATUS_LINE = 7
"""The line of postmaster.pid, counted from 0, on which the server says how far it is."""


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """How the embedded server is doing. `version` is None as long as there is no cluster; `size_bytes` is on disk."""

    running: bool
    pid: int | None
    version: int | None
    data_directory: Path
    socket_directory: Path
    log_file: Path
    size_bytes: int


class EmbeddedServer:
    """The PostgreSQL server whose home is one folder; making this object touches nothing.

    `version` is the major version that a new cluster gets (16 or 18); one that exists keeps its own. A new cluster
    that isn't `durable` never waits for the disk.
    """

    def __init__(self, home: Path, version: int | None = None, *, durable: bool = True) -> None:
        self.home = home.resolve()
        self.data = self.home / "data"
        self.socket_directory = self.home / cluster.RUN_FOLDER
        self.log_file = self.home / "server.log"
        self._wanted = version or programs.DEFAULT_VERSION
        self._durable = durable
        self._socket = self.socket_directory / f".s.PGSQL.{PORT}"
        if os.name != "posix":
            raise programs.unavailable(self._wanted)

    @property
    def version(self) -> int:
        """The major version of the cluster, or the one that a new cluster would get. Raises TutormaxError."""
        with _said_plainly(self.home):
            return cluster.found(self.data) or self._wanted

    def start(self) -> None:
        """Make sure that the server runs and takes connections; the first time makes the cluster.

        Where it runs already this costs well under a millisecond. Safe to call from several processes at once.
        Raises UsageError for a home that can't be used, LockTimeout, TutormaxError.
        """
        self._check_path()
        with _said_plainly(self.home):
            trim(self.log_file)
            if self._is_ready():
                return
            programs.installation(self._wanted)
            account = account_for(self.home, self.data)
            make_home(self.home, account)
            lock = HomeLock(self.home / "lock", account)
            try:
                if self._is_mine_to_start(lock):
                    self._start(account, lock)
            finally:
                lock.close()

    def stop(self, *, at_once: bool = False) -> bool:
        """Stop the server and wait until its last process is gone; return whether there was one to stop.

        Open sessions are ended, what they had not committed is rolled back. `at_once` writes nothing to disk before:
        the next start has to recover. Raises LockTimeout.
        """
        if not (self.home / "lock").exists():
            return False
        with _said_plainly(self.home):
            lock = HomeLock(self.home / "lock", account_for(self.home, self.data))
            try:
                return self._stop(lock, signal.SIGQUIT if at_once else signal.SIGINT)
            finally:
                lock.close()

    def status(self) -> ServerStatus:
        """Look how the server is doing, without starting it. Raises TutormaxError for a damaged cluster."""
        with _said_plainly(self.home):
            pid = self._listener()
            return ServerStatus(
                running=pid is not None,
                pid=pid or None,
                version=cluster.found(self.data),
                data_directory=self.data,
                socket_directory=self.socket_directory,
                log_file=self.log_file,
                size_bytes=_size(self.data),
            )

    def log(self, count: int, *, follow: bool = False) -> Iterator[str]:
        """Give the last `count` lines of the server's log and, with `follow`, each further one, without end."""
        with _said_plainly(self.home):
            yield from read_log(self.log_file, count, follow=follow)

    def connection_keywords(self, dbname: str = cluster.ROLE) -> dict[str, str]:
        """Give the libpq keywords that lead to this server and nowhere else, whatever PG* variables are set.

        Connect within `libpq_variables_hidden()`: variables can't lead elsewhere, but may still make it fail.
        """
        return {
            "host": str(self.socket_directory),
            "hostaddr": "",
            "port": PORT,
            "user": cluster.ROLE,
            "dbname": dbname,
        }

    def program(self, name: str) -> Path:
        """Give the path of a client program (psql, pg_dump, pg_restore) of the cluster's version."""
        return programs.program(name, self.version)

    def client_environment(self, dbname: str = cluster.ROLE) -> dict[str, str]:
        """Give the environment in which a client program reaches this server without further arguments."""
        where = {"PGHOST": str(self.socket_directory), "PGPORT": PORT, "PGUSER": cluster.ROLE, "PGDATABASE": dbname}
        return without_libpq_variables() | where

    def _check_path(self) -> None:
        path = str(self._socket)
        way_out = "set TUTORMAX_HOME to a short, plain folder, or name a server in DATABASE_URL"
        length = len(os.fsencode(path))
        if length > LONGEST_SOCKET_PATH:
            raise UsageError(
                f"the path of the server's socket has {length} bytes, the system takes {LONGEST_SOCKET_PATH}: {path}",
                way_out,
            )
        if "," in path or any(character < " " or "\ud800" <= character <= "\udfff" for character in path):
            raise UsageError(
                f"PostgreSQL can't use a folder whose path holds a comma, a control character or bytes that aren't "
                f"UTF-8: {str(self.home)!r}",
                way_out,
            )

    def _is_ready(self) -> bool:
        return self._listener() is not None and self._said_status() == _READY

    def _said_status(self) -> str:
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        return lines[_STATUS_LINE].strip() if len(lines) > _STATUS_LINE else ""

    def _listener(self) -> int | None:
        """Ask the kernel which process listens on our socket: None if none, 0 if it is in another container."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self._socket))
            except (FileNotFoundError, ConnectionRefusedError):
                return None
            if sys.platform == "darwin":
                local, peer_pid = 0, 2  # SOL_LOCAL and LOCAL_PEERPID of <sys/un.h>, which Python doesn't name
                return int(probe.getsockopt(local, peer_pid))
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            return int(struct.unpack("3i", credentials)[0])

    def _is_mine_to_start(self, lock: HomeLock) -> bool:
        """Wait until the server is ready by another's doing (False) or the lock is ours and nobody is there (True)."""
        deadline = time.monotonic() + PATIENCE
        while not self._is_ready():
            if lock.take():
                if self._listener() is None:
                    return True
                lock.release()  # somebody started this cluster by hand, and it is still on its way up
            if time.monotonic() > deadline:
                raise LockTimeout(
                    f"the server in {self.home} is not ready after {PATIENCE:.0f} s: another start is at work, "
                    "or a process of a server that died",
                    "see what it says: tutormax server logs",
                )
            time.sleep(_POLL)
        return False

    def _start(self, account: Account, lock: HomeLock) -> None:
        existing = cluster.found(self.data)
        version = existing or self._wanted
        tools = programs.server_programs(version, account, self.home, lock.handle)
        self._prepare_socket_directory(account)
        if existing is None:
            cluster.create(self.data, version, tools, durable=self._durable)
        log = open_log(self.log_file, account)
        try:
            for _ in range(STARTS):
                self._forget_former_server()
                start_of_this = os.fstat(log).st_size
                options = ("-w", "-s", "-t", f"{PATIENCE:.0f}", "-p", "./postgres")
                result = tools.run("pg_ctl", "start", *options, data=self.data, output=log)
                if result.returncode == 0 or self._is_ready():
                    return
                said = os.pread(log, KEPT, start_of_this).decode("utf-8", "replace")
                if STOPPED not in said:
                    break
            raise self._start_failure(said, result.returncode)
        finally:
            os.close(log)

    def _prepare_socket_directory(self, account: Account) -> None:
        """Make the socket's folder; one that others could enter is refused, because whoever enters it is let in."""
        with suppress(FileExistsError):
            account.make_folder(self.socket_directory)
        status = self.socket_directory.lstat()
        if status.st_uid != account.uid or status.st_mode & 0o77777 != 0o40700:
            raise TutormaxError(
                f"{self.socket_directory} isn't a folder that {account.name!r} alone can enter",
                "remove it: the next start makes it anew",
            )

    def _forget_former_server(self) -> None:
        """Remove what a server that died left. Its pid files may name somebody else's process by now."""
        for path in (self.data / "postmaster.pid", self._socket, self._socket.with_name(f"{self._socket.name}.lock")):
            path.unlink(missing_ok=True)

    def _start_failure(self, said: str, returncode: int) -> TutormaxError:
        if self._listener() is not None:
            return LockTimeout(
                f"the server in {self.home} is still recovering after {PATIENCE:.0f} s",
                "wait, then try again; see how far it is: tutormax server logs",
            )
        reason = cluster.reason(said, returncode)
        return TutormaxError(f"the server in {self.home} can't start: {reason}", cluster.remedy(said))

    def _stop(self, lock: HomeLock, shutdown: signal.Signals) -> bool:
        deadline = time.monotonic() + PATIENCE
        told: int | None = None
        while True:
            pid = self._listener()
            if pid == 0:
                raise TutormaxError(f"the server in {self.home} runs in another container", "stop it there")
            if pid is not None and told is None:
                told = pid
                with suppress(ProcessLookupError):
                    os.kill(pid, shutdown)
            elif told is not None and pid not in (None, told):
                return True  # somebody has started the next one
            elif pid is None and lock.take():
                return told is not None
            if time.monotonic() > deadline:
                raise LockTimeout(f"the server in {self.home} hasn't stopped after {PATIENCE:.0f} s", "try again")
            time.sleep(_POLL)


@contextmanager
def _said_plainly(home: Path) -> Iterator[None]:
    """Turn the system's refusals (permissions, a full or read-only disk) into our error."""
    try:
        yield
    except OSError as problem:
        where = problem.filename or home
        raise TutormaxError(
            f"can't use {where} for the embedded PostgreSQL: {problem.strerror or problem}",
            "set TUTORMAX_HOME to a folder of your own, or name a server in DATABASE_URL",
        ) from problem


def _size(folder: Path) -> int:
    """Add up the sizes of the files in a folder; those that vanish meanwhile don't count."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.lstat().st_size
    return total
