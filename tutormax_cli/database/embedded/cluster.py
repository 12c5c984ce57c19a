"""The data folder: what stands in it, and how a new cluster comes to stand there, whole or not at all."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tutormax_cli.database.embedded.programs import FOLDERS, ServerPrograms
from tutormax_cli.errors import TutormaxError, UsageError

ROLE = "tutormax"
"""The superuser, and the name of the database that a new cluster comes with."""

RUN_FOLDER = "run"

SETTINGS = {
    "cluster_name": "tutormax",
    # Reached by its socket only. The path is relative to the data folder: no quoting, and the home can be moved.
    "listen_addresses": "",
    "unix_socket_directories": f"../{RUN_FOLDER}",
    "unix_socket_permissions": "0700",
    "port": "5432",
    # One reader or two on a machine that has other things to do; no replicas, so loads need little WAL.
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Clients see their own errors in full, so the log needs neither the statements nor the details, which hold
    # people's names and opinions.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}

NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
"""Settings of a cluster that does not have to survive a power cut."""


def found(data: Path) -> int | None:
    """Give the major version of the cluster in `data`, or None where a new one may be made.

    Raises TutormaxError where something else stands there: a cluster that no program of ours can run, or what is
    left of one. Nothing is changed then.
    """
    if data.is_symlink():
        raise UsageError(f"{data} is a link", "set TUTORMAX_HOME to the folder around the one it leads to")
    try:
        version = (data / "PG_VERSION").read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        if not data.exists() or not any(data.iterdir()):
            return None
        raise _refusal(data, "files but no PG_VERSION: it is damaged, or no database") from None
    except NotADirectoryError:
        raise UsageError(f"{data} is a file where the data folder should be", "move it away") from None
    if not re.fullmatch(r"\d{1,3}", version) or int(version) not in FOLDERS:
        ours = " and ".join(str(major) for major in sorted(FOLDERS))
        raise _refusal(data, f"a database of PostgreSQL {version[:20]!r}, and the programs here are of {ours}")
    return int(version)


def _refusal(data: Path, what: str) -> TutormaxError:
    return TutormaxError(
        f"{data} holds {what}",
        f"nothing was changed; restore a backup, or move {data} away, and the next command makes a new database",
    )


def create(data: Path, version: int, programs: ServerPrograms, *, durable: bool = True) -> None:
    """Make a new cluster with the role and the database `tutormax`.

    It is built beside its place and renamed when it is whole and on disk, so that a kill or a power cut at any
    moment leaves either nothing or a good cluster; one that isn't `durable` is not forced to disk, now or later. The
    caller holds the lock. Raises TutormaxError.
    """
    unfinished = data.with_name("data.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # left by a start that was killed
    try:
        programs.account.make_folder(unfinished)
        _demand(programs.initdb(*_initdb_options(version, durable), data=unfinished), "initdb")
        statement = f"CREATE DATABASE {ROLE};\n\n"
        single = ("--single", "-F", "-j", "-c", "exit_on_error=on", "template1")
        _demand(programs.run("postgres", *single, data=unfinished, stdin=statement), "CREATE DATABASE")
        if durable:
            _demand(programs.initdb("--sync-only", data=unfinished), "initdb --sync-only")
        unfinished.rename(data)
        _sync_folder(data.parent)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _initdb_options(version: int, durable: bool) -> list[str]:
    # The built-in locale sorts by code point and knows every letter's case; before PostgreSQL 17 only "C" is the
    # same on every machine. `trust`: the socket's folder lets in its owner, who owns the data files too, and root.
    locale = ["--locale=C"] if version < 17 else ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return [
        f"--username={ROLE}",
        "--auth-local=trust",
        "--auth-host=reject",
        "--encoding=UTF8",
        *locale,
        "--data-checksums",
        "--no-sync",
        "--no-instructions",
        *(f"--set={name}={value}" for name, value in (SETTINGS | ({} if durable else NOT_DURABLE)).items()),
    ]


def _demand(result: subprocess.CompletedProcess[str], step: str) -> None:
    if result.returncode != 0:
        why = reason(result.stdout, result.returncode)
        raise TutormaxError(f"can't make the embedded database ({step}): {why}", remedy(result.stdout))


def reason(said: str, returncode: int) -> str:
    """Find in a program's output the line that says why it failed."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    severe = [line for line in lines if _SEVERE.search(line)]
    if severe:
        return _SEVERE.sub("", severe[0])
    return lines[-1] if lines else f"it ended with {returncode} and said nothing"


def remedy(said: str) -> str:
    """Name the next thing to try after a failure."""
    if "No space left on device" in said:
        return "make room, or set TUTORMAX_HOME to a folder on another disk"
    return "more in its log: tutormax server logs; to use another server, name it in DATABASE_URL"


_SEVERE = re.compile(r"^.*?\b(FATAL|PANIC|ERROR|error):\s*")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
