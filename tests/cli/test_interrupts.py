"""Requests to end a command: obeyed at once, but never in the middle of a COMMIT, and the last words are true."""

import resource
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server, clean_environment, url_of
from tests.support.connections import connect
from tests.support.stderr import after_database_line
from tutormax_cli.settings import Settings

ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
INTERRUPTED = "interrupted; what was not finished was rolled back"
KEPT = "  done before and kept: the changes to the database (tutormax log lists them)"


@contextmanager
def running(*arguments: str, folder: Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run the command line as a process, which is killed at the end if it has not ended by itself."""
    with subprocess.Popen(
        [sys.executable, "-m", "tutormax_cli", *arguments],
        **{"env": clean_environment(), **options},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def catches(process: "subprocess.Popen[str]", number: int) -> bool:
    """Return whether a process has a handler for a signal."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) & 1 << number - 1)


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_ends_a_command_with_its_own_exit_code(number: signal.Signals, tmp_path: Path) -> None:
    with running("init", "--wait", "30", "--database-url", "postgresql://127.0.0.1:1/db", folder=tmp_path) as waiting:
        wait_until(lambda: catches(waiting, signal.SIGTERM))
        time.sleep(0.3)
        waiting.send_signal(number)
        _, said = waiting.communicate(timeout=20)
    assert (waiting.returncode, said.splitlines()[-1]) == (128 + number, INTERRUPTED)


def test_a_command_that_was_started_to_ignore_a_hangup_goes_on(tmp_path: Path) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    url = "postgresql://127.0.0.1:1/db"
    with running("init", "--wait", "4", "--database-url", url, folder=tmp_path, preexec_fn=ignore) as waiting:
        wait_until(lambda: catches(waiting, signal.SIGTERM))
        waiting.send_signal(signal.SIGHUP)
        _, said = waiting.communicate(timeout=20)
    assert waiting.returncode == 4 and "waited 4 s" in said


def test_ctrl_c_while_the_program_is_being_imported_leaves_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "typer").mkdir()
    (tmp_path / "typer" / "__init__.py").write_text("import time; open('imported', 'w'); time.sleep(30)")
    with running("stats", folder=tmp_path, env=clean_environment(PYTHONPATH=str(tmp_path))) as importing:
        wait_until((tmp_path / "imported").exists)
        importing.send_signal(signal.SIGINT)
        said = importing.communicate(timeout=20)
    assert (importing.returncode, said) == (-signal.SIGINT, ("", ""))


SLOW_COMMIT = """
    CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN PERFORM pg_catalog.pg_sleep(3); RETURN NULL; END$$;
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON tutormax_admin.log DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION public.slow()
"""


@pytest.fixture
def slow(seeded_settings: Settings) -> Settings:
    """The small company in a database that takes its time for each COMMIT of a command."""
    with connect(seeded_settings) as driver:
        driver.execute(SLOW_COMMIT)
        driver.execute("DELETE FROM tutor_performance_metrics")
    return seeded_settings


def in_commit(settings: Settings) -> list[int]:
    with connect(settings) as driver:
        found = driver.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query = 'COMMIT'"
            " AND state = 'active'"
        ).fetchall()
    return [pid for (pid,) in found]


def evaluated(settings: Settings) -> bool:
    with connect(settings) as driver:
        return driver.execute("SELECT count(*) > 0 FROM tutor_performance_metrics").fetchone() == (True,)


@contextmanager
def committing(settings: Settings, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run an evaluation whose COMMIT is under way."""
    url = url_of(settings)
    with running("evaluate", "--as-of", "2026-06-01", "--database-url", url, folder=folder) as process:
        wait_until(lambda: bool(in_commit(settings)))
        yield process


@pytest.mark.parametrize("number", [ENDING[0], *(pytest.param(each, marks=pytest.mark.slow) for each in ENDING[1:])])
def test_a_signal_during_the_commit_waits_for_its_end_and_says_what_is_kept(
    number: signal.Signals, slow: Settings, tmp_path: Path
) -> None:
    with committing(slow, tmp_path) as evaluating:
        evaluating.send_signal(number)
        shown, said = evaluating.communicate(timeout=30)
    assert (evaluating.returncode, shown) == (128 + number, "")
    assert after_database_line(said) == f"{INTERRUPTED}\n{KEPT}\n"
    assert evaluated(slow)


def test_a_second_signal_ends_a_command_at_once(slow: Settings, tmp_path: Path) -> None:
    with committing(slow, tmp_path) as evaluating:
        evaluating.send_signal(signal.SIGINT)
        time.sleep(0.5)
        evaluating.send_signal(signal.SIGINT)
        _, said = evaluating.communicate(timeout=1)
    assert evaluating.returncode == -signal.SIGINT and after_database_line(said) == ""


def test_a_connection_lost_during_the_commit_leaves_open_what_happened(slow: Settings, tmp_path: Path) -> None:
    with committing(slow, tmp_path) as evaluating:
        with connect(slow) as driver:
            driver.execute("SELECT pg_terminate_backend(%s)", in_commit(slow))
        _, said = evaluating.communicate(timeout=30)
    assert evaluating.returncode == 3
    assert "lost during the COMMIT: the changes are saved completely or not at all" in said
    assert "tutormax log --limit 1" in said and "rolled back" not in said
    assert not evaluated(slow)


def test_a_report_that_cannot_be_written_does_not_hide_that_the_work_is_done(
    seeded_settings: Settings, tmp_path: Path
) -> None:
    with connect(seeded_settings) as driver:
        driver.execute("DELETE FROM tutor_performance_metrics")

    def no_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    url = url_of(seeded_settings)
    command = ("evaluate", "--as-of", "2026-06-01", "-o", "report.md", "--database-url", url)
    with running(*command, folder=tmp_path, preexec_fn=no_files) as evaluating:
        _, said = evaluating.communicate(timeout=30)
    assert evaluating.returncode == 1
    assert "can't write report.md: File too large" in said and said.splitlines()[-1] == KEPT
    assert evaluated(seeded_settings)


INTERRUPTED_INIT = """
import os, signal, sys
from tutormax_cli.database import migrations
create = migrations.create_database
def create_and_interrupt(*arguments, **options):
    create(*arguments, **options)
    os.kill(os.getpid(), signal.SIGINT)
migrations.create_database = create_and_interrupt
sys.argv[1:] = ["init"]
from tutormax_cli.__main__ import main
main()
"""


def test_a_database_that_an_interrupted_init_created_is_named(server: Server, tmp_path: Path) -> None:
    missing = server.database(f"tutormax_test_{uuid.uuid4().hex[:12]}")
    try:
        done = subprocess.run(
            [sys.executable, "-c", INTERRUPTED_INIT],
            env=clean_environment(DATABASE_URL=url_of(missing)),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        server.drop(missing.dbname)
    assert done.returncode == 130
    kept = f"  done before and kept: the new database {missing.dbname}"
    assert done.stderr.splitlines()[-2:] == [INTERRUPTED, kept]


SWALLOWED = """
import os, signal, time
from tutormax_cli import interrupts
class Destroyed:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0)
interrupts.install()
try:
    made = Destroyed()
    del made
    time.sleep(5)
except interrupts.Interrupted:
    print("interrupted by", interrupts.received())
"""


def test_a_signal_that_comes_in_a_destructor_is_not_lost(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, text=True, timeout=20)
    assert (done.stdout, done.stderr) == (f"interrupted by {int(signal.SIGTERM)}\n", "")


UNINTERRUPTED = """
import os, signal, time
from tutormax_cli import interrupts
interrupts.install()
done = []
try:
    with interrupts.uninterrupted():
        with interrupts.uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("inner")
        time.sleep(0.1)
        done.append("outer")
    done.append("behind")
except interrupts.Interrupted:
    print(done)
"""


def test_nested_blocks_run_to_their_end() -> None:
    done = subprocess.run([sys.executable, "-c", UNINTERRUPTED], capture_output=True, text=True, timeout=20)
    assert (done.stdout, done.stderr) == ("['inner', 'outer']\n", "")
