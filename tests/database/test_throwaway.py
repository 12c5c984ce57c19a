"""The throw-away server: private, of the right version, and gone however its work ends."""

import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import clean_environment
from tutormax_cli.database.connection import connect
from tutormax_cli.database.embedded.throwaway import (
    PREFIX,
    leftovers,
    removal_command,
    throwaway_server,
    version_for,
)
from tutormax_cli.errors import TutormaxError

WORKING = """
import os, signal, sys, time
from tutormax_cli import interrupts
from tutormax_cli.database.embedded.throwaway import throwaway_server
interrupts.install()
with throwaway_server() as settings:
    print(settings.home, flush=True)
    {work}
print("done")
"""


@pytest.fixture
def parent(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which this test's servers are made; nothing of theirs may be left in it."""
    folder = home / "throwaway"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o1777)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield folder
    assert list(folder.iterdir()) == []


def start_working(parent: Path, work: str) -> tuple["subprocess.Popen[str]", Path]:
    """Start a process that works on a throw-away server; return it and the server's folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKING.format(work=work)],
        env=clean_environment(TMPDIR=str(parent)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def processes_in(folder: Path) -> list[str]:
    """List the processes that have a folder as their working directory, or something below it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            where = os.readlink(entry)
        except OSError:
            continue
        if where.startswith(str(folder)):
            found.append(where)
    return found


def test_it_is_private_and_gone_at_the_end(parent: Path) -> None:
    with throwaway_server() as settings:
        with connect(settings) as driver:
            driver.execute("CREATE TABLE public.a AS SELECT 1 AS x")
            assert driver.execute("SHOW fsync").fetchone() == ("off",)
            assert driver.info.server_version // 10_000 == 18
        assert settings.home.parent == parent and settings.home.name.startswith(PREFIX)
        assert stat.S_IMODE(settings.home.stat().st_mode) == 0o700
        assert processes_in(settings.home) != []
    assert processes_in(settings.home) == []


@pytest.mark.parametrize(("server", "ours"), [(14, 16), (15, 16), (16, 16), (17, 18), (18, 18)])
def test_the_version_is_the_smallest_that_is_not_older(server: int, ours: int) -> None:
    assert version_for(server) == ours


def test_a_server_newer_than_all_of_ours_is_refused() -> None:
    with pytest.raises(TutormaxError, match="older than the server's version 19"):
        version_for(19)


def test_another_version_can_be_chosen(parent: Path) -> None:
    with throwaway_server(16) as settings, connect(settings) as driver:
        assert driver.info.server_version // 10_000 == 16


def test_an_exception_leaves_nothing(parent: Path) -> None:
    with pytest.raises(ZeroDivisionError), throwaway_server():
        raise ZeroDivisionError


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_leaves_nothing(parent: Path, number: signal.Signals) -> None:
    process, folder = start_working(parent, "time.sleep(60)")
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    assert (process.returncode, said) == (1, "")
    assert not folder.exists() and processes_in(folder) == []


def test_a_signal_while_the_server_is_made_leaves_nothing(parent: Path) -> None:
    for delay in (0.0, 0.05, 0.2, 0.4):
        process = subprocess.Popen(
            [sys.executable, "-c", WORKING.format(work="time.sleep(60)")],
            env=clean_environment(TMPDIR=str(parent)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while not list(parent.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        assert (list(parent.iterdir()), processes_in(parent)) == ([], []), delay


def test_what_a_kill_leaves_is_found_and_its_command_removes_it(parent: Path) -> None:
    process, folder = start_working(parent, "time.sleep(60)")
    assert folder not in leftovers()
    process.kill()
    process.communicate(timeout=30)
    assert leftovers() == [folder] and processes_in(folder) != []
    done = subprocess.run(
        ["bash", "-c", removal_command(folder)],
        env=clean_environment(PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}"),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "stopped\n")
    assert (leftovers(), processes_in(folder)) == ([], [])


def test_a_full_disk_is_said_and_leaves_nothing(parent: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORKING.format(work="pass")],
        env=clean_environment(TMPDIR=str(parent)),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)),
    )
    assert done.returncode == 1 and "can't start a throw-away server" in done.stderr.splitlines()[-1]


def test_a_folder_that_cannot_be_used_is_said(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/proc")
    with pytest.raises(TutormaxError, match="can't use /proc/") as refused, throwaway_server():
        pass
    assert "TMPDIR" in str(refused.value.hint)


def test_folders_of_others_and_links_are_no_leftovers(parent: Path) -> None:
    open_to_all, link = parent / f"{PREFIX}open", parent / f"{PREFIX}link"
    open_to_all.mkdir(mode=0o755)
    link.symlink_to(open_to_all)
    assert leftovers() == []
    link.unlink()
    open_to_all.rmdir()
