"""Strikes against a running `tutormax seed`, and what the database must hold after each: everything or nothing."""

import enum
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from psycopg import sql

from tests.conftest import Server, clean_environment, url_of
from tests.database.catalog import schema
from tests.support.connections import connect
from tutormax_cli.database.connection import connection_keywords
from tutormax_cli.database.queries import count_rows
from tutormax_cli.errors import ConnectionFailed
from tutormax_cli.seeding.record import Seeded, read_seed_record
from tutormax_cli.settings import Settings

PATIENCE = 90.0
"""Seconds in which a process ends, a server recovers, a session notices that its client is gone."""


class Strike(enum.StrEnum):
    """What befalls a seeding."""

    KILL = "SIGKILL"
    INTERRUPT = "SIGINT"
    TERMINATE = "pg_terminate_backend"
    LOSE = "lost connection"
    CRASH = "server crash"
    FILL = "full disk"


@dataclass(frozen=True)
class State:
    """All that a seeding may change: columns, constraints and indexes, rows per table, the record of it."""

    schema: list[str]
    rows: Mapping[str, int]
    record: list[Seeded]


@dataclass(frozen=True)
class Seeding:
    """A seeding to be struck: its command, its seconds undisturbed, the bytes of the database before and after it."""

    command: tuple[str, ...]
    seconds: float
    room: tuple[int, int]
    complete: State


def rehearsed(arguments: tuple[str, ...], database: Settings) -> Seeding:
    """Run a seeding undisturbed, to know what it takes and what comes of it."""
    command = (sys.executable, "-m", "tutormax_cli", "seed", *arguments)
    before = size(database)
    started = time.monotonic()
    run = subprocess.run(command, env=environment(url_of(database)), capture_output=True, text=True, timeout=PATIENCE)
    assert run.returncode == 0, run.stderr
    return Seeding(command, time.monotonic() - started, (before, size(database)), state(database))


def size(database: Settings) -> int:
    with connect(database) as connection:
        (found,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
    return int(found)


def environment(url: str) -> dict[str, str]:
    return clean_environment(DATABASE_URL=url)


def state(database: Settings) -> State:
    """Describe the database once nobody else is in it, waiting for the server to recover."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(ConnectionFailed), connect(database) as connection:
            others = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            if connection.execute(others.encode()).fetchone() == (0,):
                return State(schema(connection), count_rows(connection), read_seed_record(connection))
        assert time.monotonic() < deadline, "the server did not come to rest"
        time.sleep(0.05)


def survive(seeding: Seeding, strike: Strike, moment: float, server: Server, template: Settings) -> str:
    """Strike a seeding of a fresh database at `moment` (0..1 of its time, or of the room it needs), and try again.

    Says what the strike left: "nothing" or "everything". Raises AssertionError for anything between.
    """
    with fresh_database(seeding, strike, moment, server, template) as (database, make_room):
        before = state(database)
        code, said = struck(seeding, strike, moment, database)
        after = state(database)
        assert after in (before, seeding.complete), f"{strike}: half a seeding was left ({code}: {said})"
        assert "Traceback" not in said, said
        make_room()
        if after == before:
            again = subprocess.run(
                seeding.command, env=environment(url_of(database)), capture_output=True, text=True, timeout=PATIENCE
            )
            assert again.returncode == 0, f"{strike}: a second try failed: {again.stderr}"
        assert state(database) == seeding.complete, f"{strike}: the second try made something else"
        return "nothing" if after == before else "everything"


def struck(seeding: Seeding, strike: Strike, moment: float, database: Settings) -> tuple[int, str]:
    """Run a seeding and strike it; give its exit code and what it said."""
    with reached(database, through_proxy=strike is Strike.LOSE) as (url, cut):
        with subprocess.Popen(
            seeding.command, env=environment(url), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            blows: dict[Strike, Callable[[], None]] = {
                Strike.KILL: process.kill,
                Strike.INTERRUPT: lambda: process.send_signal(signal.SIGINT),
                Strike.TERMINATE: lambda: terminate(database),
                Strike.LOSE: cut,
                Strike.CRASH: lambda: crash(database),
            }
            if strike in blows:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(moment * seeding.seconds)
                blows[strike]()
            _, said = process.communicate(timeout=PATIENCE)
        return process.returncode, said


def sessions_of(database: Settings, what: str) -> list[int]:
    """Give the numbers of a function over the backends that serve the database's clients."""
    with connect(database, dbname="postgres", autocommit=True) as connection:
        query = sql.SQL(
            "SELECT {} FROM pg_stat_activity WHERE datname = {} AND backend_type = 'client backend'"
        ).format(sql.SQL(what), database.dbname)
        return [int(number) for (number,) in connection.execute(query)]


def terminate(database: Settings) -> None:
    sessions_of(database, "pg_terminate_backend(pid)::int")


def crash(database: Settings) -> None:
    """Kill the backend outright: the server ends all its sessions and recovers from its log."""
    for pid in sessions_of(database, "pid"):
        os.kill(pid, signal.SIGKILL)


@contextmanager
def fresh_database(
    seeding: Seeding, strike: Strike, moment: float, server: Server, template: Settings
) -> Iterator[tuple[Settings, Callable[[], None]]]:
    """Give a database without rows, on a disk of its own that is too small where that is the strike."""
    if strike is not Strike.FILL:
        with server.clone(template) as database:
            yield database, lambda: None
        return
    before, after = seeding.room
    with (
        small_disk(int(before + moment * (after - before)), server) as (tablespace, make_room),
        server.clone(template) as database,
    ):
        move = sql.SQL("ALTER DATABASE {} SET TABLESPACE {}")
        server.execute(move.format(sql.Identifier(database.dbname), sql.Identifier(tablespace)))
        yield database, make_room


@contextmanager
def small_disk(size: int, server: Server) -> Iterator[tuple[str, Callable[[], None]]]:
    """Give a tablespace on a disk of so many bytes, and what makes it large; for root, and an embedded server."""
    account = data_folder(server).stat()
    with TemporaryDirectory(prefix="tutormax-disk-") as folder:
        options = f"size={size},mode=0700,uid={account.st_uid},gid={account.st_gid}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
        place = sql.SQL("CREATE TABLESPACE small LOCATION {}").format(sql.Literal(folder))

        def make_room() -> None:
            subprocess.run(["mount", "-o", "remount,size=4g", folder], check=True)

        try:
            server.execute(place)
            yield "small", make_room
            server.execute(sql.SQL("DROP TABLESPACE {}").format(sql.Identifier("small")))
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def data_folder(server: Server) -> Path:
    """Give the data folder of an embedded server, which others don't have."""
    return server.settings.home / "home" / "data"


def possible(*, ours: bool) -> list[Strike]:
    """List the strikes that can be dealt: killing a backend takes a server of ours, filling a disk takes root too."""
    mounts = ours and os.geteuid() == 0
    return [way for way in Strike if (way is not Strike.FILL or mounts) and (way is not Strike.CRASH or ours)]


@contextmanager
def reached(database: Settings, *, through_proxy: bool) -> Iterator[tuple[str, Callable[[], None]]]:
    """Give the URL under which the database is reached, and what cuts the line where there is one to cut."""
    if not through_proxy:
        yield url_of(database), lambda: None
        return
    keywords = connection_keywords(database)
    with TemporaryDirectory(prefix="tutormax-proxy-") as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/.s.PGSQL.5432")
        listener.listen()
        proxy = get_context("fork").Process(target=forward, args=(listener, keywords), daemon=True)
        proxy.start()
        listener.close()
        try:
            yield url_of(replace(database, keywords={**keywords, "host": folder, "port": "5432"})), proxy.kill
        finally:
            proxy.kill()
            proxy.join()


def forward(listener: socket.socket, keywords: Mapping[str, str]) -> None:
    """Carry bytes between clients of the listener and the server until somebody kills this process."""
    while True:
        client, _ = listener.accept()
        server = _opened(keywords)
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=_carry, args=(source, target), daemon=True).start()


def _opened(keywords: Mapping[str, str]) -> socket.socket:
    host, port = keywords["host"], keywords.get("port", "5432")
    if not host.startswith("/"):
        return socket.create_connection((host, int(port)))
    opened = socket.socket(socket.AF_UNIX)
    opened.connect(f"{host}/.s.PGSQL.{port}")
    return opened


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 18):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
