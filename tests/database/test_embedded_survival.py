"""What the embedded server survives: several first starts at once, kills at any moment, and what they leave behind."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tutormax_cli.database.embedded import EmbeddedServer
from tutormax_cli.database.embedded.account import account_for

START = """
import resource, sys
from pathlib import Path
from tutormax_cli.database.embedded import EmbeddedServer
home, largest_file = Path(sys.argv[1]), int(sys.argv[2])
if largest_file:
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
print("starting", flush=True)
EmbeddedServer(home).start()
print("started", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def place(home: Path) -> Iterator[Path]:
    """A folder for one test's servers, which are stopped at its end."""
    folder = home / uuid.uuid4().hex[:6]
    folder.mkdir()
    folder.chmod(0o755)
    yield folder
    for lock in folder.rglob("lock"):
        EmbeddedServer(lock.parent).stop()


def start_in_a_process(home: Path, *, largest_file: int = 0, wait: bool = False) -> subprocess.Popen[str]:
    """Start the server from another process; it then ends, or with `wait` when its stdin is closed."""
    return subprocess.Popen(
        [sys.executable, "-c", START, str(home), str(largest_file)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE if wait else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def connect(server: EmbeddedServer) -> psycopg.Connection:
    return psycopg.connect(**server.connection_keywords(), autocommit=True)  # type: ignore[arg-type]


def kill_server(server: EmbeddedServer) -> int:
    """End the server the hard way, and give the process id that it had."""
    pid = server.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while server.status().pid == pid:  # a kill takes a moment
        time.sleep(0.01)
    return pid


@pytest.mark.parametrize("count", [2, 8])
def test_first_starts_at_once_give_one_server(place: Path, count: int) -> None:
    starts = [start_in_a_process(place / "home") for _ in range(count)]
    for start in starts:
        said, complaint = start.communicate(timeout=60)
        assert (start.returncode, said) == (0, "starting\nstarted\n"), complaint
    server = EmbeddedServer(place / "home")
    assert server.status().running
    assert sum("starting PostgreSQL" in line for line in server.log(1000)) == 1
    assert sorted(path.name for path in server.home.iterdir() if path.name != "programs") == [
        "data",
        "lock",
        "run",
        "server.log",
    ]


def test_killed_at_any_moment_of_the_first_start(place: Path) -> None:
    moments = random.Random(20261122)
    server = EmbeddedServer(place / "home")
    for _ in range(8):
        start = start_in_a_process(server.home)
        with start:
            assert start.stdout is not None
            assert start.stdout.readline() == "starting\n"
            time.sleep(moments.uniform(0, 1))
            start.kill()
        if server.data.exists():  # the cluster got whole: it has to work; then once more from nothing
            server.start()
            with connect(server) as connection:
                connection.execute("CREATE TABLE proof ()")
            server.stop()
            shutil.rmtree(server.data)
    server.start()
    with connect(server) as connection:
        connection.execute("CREATE TABLE proof ()")
    assert not (server.home / "data.unfinished").exists()


def test_stale_pid_files_that_name_a_foreign_process(place: Path) -> None:
    server = EmbeddedServer(place / "home")
    server.start()
    pid_file = server.data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    server.stop()
    account = account_for(server.home, server.data)
    with subprocess.Popen(["sleep", "60"], **account.identity) as foreign:  # as the server's own account: the hard case
        stale = "\n".join([str(foreign.pid), *lines[1:], ""])
        pid_file.write_text(stale)
        (server.socket_directory / ".s.PGSQL.5432.lock").write_text(stale)
        assert not server.status().running
        assert not server.stop()
        server.start()
        assert server.status().pid not in (None, foreign.pid)
        assert server.stop()
        assert foreign.poll() is None
        foreign.kill()


def test_server_killed_with_sessions_open(place: Path) -> None:
    server = EmbeddedServer(place / "home")
    server.start()
    with connect(server) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        former = kill_server(server)
        server.start()
    assert server.status().pid not in (None, former)
    with connect(server) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_interrupt_reaches_the_caller_and_not_the_server(place: Path) -> None:
    server = EmbeddedServer(place / "home")
    with start_in_a_process(server.home, wait=True) as caller:
        assert caller.stdout is not None
        assert [caller.stdout.readline(), caller.stdout.readline()] == ["starting\n", "started\n"]
        os.killpg(caller.pid, signal.SIGINT)
        # Ends only when nobody holds the pipes: the server doesn't.
        caller.communicate(timeout=20)
    assert server.status().running


def test_start_that_runs_out_of_room_leaves_nothing(place: Path) -> None:
    failed = start_in_a_process(place / "home", largest_file=100_000)
    _, complaint = failed.communicate(timeout=60)
    assert failed.returncode == 1
    assert "TutormaxError: can't make the embedded database (initdb)" in complaint
    assert {path.name for path in (place / "home").iterdir()} <= {"lock", "run", "programs"}
    server = EmbeddedServer(place / "home")
    server.start()
    assert server.status().running


def test_server_that_stops_while_it_is_started(place: Path) -> None:
    server = EmbeddedServer(place / "home")
    server.start()
    starts = [start_in_a_process(server.home) for _ in range(2)]
    for _ in range(3):
        server.stop()
        server.start()
    for start in starts:
        said, complaint = start.communicate(timeout=60)
        assert (start.returncode, said) == (0, "starting\nstarted\n"), complaint
    assert server.status().running
