"""PostgreSQL's own client programs (psql, pg_dump, pg_restore): which one to run, and how it reaches our database.

Settings and the password go by environment variables, so that none of them stands in the process list.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from psycopg import pq
from psycopg.conninfo import make_conninfo

from tutormax_cli.database.embedded import EmbeddedServer
from tutormax_cli.database.embedded.programs import FOLDERS, program
from tutormax_cli.errors import TutormaxError, UsageError
from tutormax_cli.settings import Settings

_WELL_KNOWN_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
"""Where Debian, Red Hat and Homebrew keep the versions that aren't on PATH."""

_DISPENSABLE = re.compile(r"keepalives.*|tcp_user_timeout|fallback_application_name|sslkeylogfile|service")
"""Keywords that no variable can carry, and whose absence changes neither where a program connects nor as whom."""


def client_program(name: str, settings: Settings, server_major: int, *, tls: bool = False) -> Path:
    """Find a client program that can work with a server of this major version (18, say).

    One on PATH comes first, then the system's other versions, then the embedded server's own. It is no older than the
    server; psql may be, where there is no newer one. `tls` leaves out the embedded server's programs, which know no
    TLS. Raises TutormaxError where there is none.
    """
    older: dict[Path, int] = {}
    for path in _candidates(name, embedded=not tls):
        major = _major(path)
        if major >= server_major:
            return path
        older[path] = major
    if name == "psql" and older:
        return max(older, key=older.__getitem__)
    missing = f"no {name} of PostgreSQL {server_major} or newer{' that knows TLS' if tls else ''} on this machine"
    raise TutormaxError(
        f"there is {missing}; {settings.place} needs one", "install PostgreSQL's client programs, or put them on PATH"
    )


def client_environment(settings: Settings, dbname: str | None = None) -> dict[str, str]:
    """Give the environment in which a client program reaches the chosen database without any argument.

    `dbname` names another database on its server. The embedded server is started. Raises UsageError for a setting
    that no variable can carry.
    """
    if settings.keywords is None:
        server = EmbeddedServer(settings.home, settings.pg_version)
        server.start()
        return server.client_environment(dbname or settings.dbname)
    ours = {key: value for key, value in settings.defaults.items() if key != "application_name"}
    chosen = _resolved({**ours, **settings.keywords, **({"dbname": dbname} if dbname else {})}, settings.source)
    carried = {option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar}
    return {name: value for name, value in os.environ.items() if name not in carried} | chosen


def _candidates(name: str, *, embedded: bool) -> Iterator[Path]:
    on_path = shutil.which(name)
    if on_path:
        yield Path(on_path).absolute()
    for pattern in _WELL_KNOWN_FOLDERS:
        for folder in sorted(Path("/").glob(pattern.lstrip("/")), key=str, reverse=True):
            if os.access(folder / name, os.X_OK):
                yield folder / name
    if embedded:
        for version in FOLDERS:
            try:
                yield program(name, version)
            except UsageError:
                continue


@cache
def _major(path: Path) -> int:
    """Ask a program for its major version; 0 where it doesn't say."""
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, errors="replace", timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    version = re.search(r"\(PostgreSQL\) (\d+)", said)
    return int(version[1]) if version else 0


def _resolved(keywords: dict[str, str], source: str) -> dict[str, str]:
    """Let libpq combine keywords, service file and the caller's variables as it would for us, and write the outcome.

    A service file beats variables but not keywords: a program that got our keywords as variables would otherwise
    follow the caller's PGSERVICE to another server.
    """
    probe = pq.PGconn.connect_start(make_conninfo("", **keywords).encode())
    try:
        options = probe.info
    finally:
        probe.finish()
    variables = {}
    for option in options:
        if option.val is None or option.val == option.compiled or _DISPENSABLE.fullmatch(option.keyword.decode()):
            continue
        if option.envvar is None:
            raise UsageError(
                f"{source}: PostgreSQL's programs take {option.keyword.decode()} from a service file only",
                "put it into the service file, and name the service in PGSERVICE",
            )
        variables[option.envvar.decode()] = option.val.decode()
    return variables
