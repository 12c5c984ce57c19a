"""Debian's PgBouncer in transaction mode before a server of the suite."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tutormax_cli.database.connection import connect, connection_keywords
from tutormax_cli.errors import ConnectionFailed
from tutormax_cli.settings import Settings

PROGRAM = "/usr/sbin/pgbouncer"
ACCOUNT = "nobody"
"""PgBouncer refuses to run as root."""


@contextmanager
def pooled(settings: Settings, *, pool_size: int = 3) -> Iterator[Settings]:
    """Return the settings of the same database behind a pooler of so many server connections."""
    keywords = connection_keywords(settings)
    with tempfile.TemporaryDirectory(prefix="pooler-") as name:
        folder = Path(name)
        port = _free_port()
        (folder / "pgbouncer.ini").write_text(
            f"""
[databases]
* = host={keywords["host"]} port={keywords.get("port", "5432")} user={keywords["user"]}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_db_connections = {pool_size}
server_idle_timeout = 600
logfile = {folder}/log
"""
        )
        process = _start(folder)
        try:
            pooler = {"host": "127.0.0.1", "port": str(port), "user": keywords["user"], "dbname": keywords["dbname"]}
            chosen = replace(settings, keywords=pooler, source="tests")
            _wait_until_ready(chosen)
            yield chosen
        finally:
            process.terminate()
            process.wait(10)


def _start(folder: Path) -> "subprocess.Popen[bytes]":
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        account = pwd.getpwnam(ACCOUNT)
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, account.pw_uid)
        user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    return subprocess.Popen(
        [PROGRAM, "-q", str(folder / "pgbouncer.ini")],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **user,
    )


def _wait_until_ready(settings: Settings) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            connect(settings).close()
            return
        except ConnectionFailed:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
