"""`tutormax shell`: psql on the database that every command uses, with nothing secret on a command line."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Finished, clean_environment, run_tutormax
from tests.support.stderr import after_database_line
from tutormax_cli.settings import Settings

ON_A_TERMINAL = (
    "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.argv[1], sys.argv[1:])"
)
"""Makes the pseudo-terminal on standard input the controlling one, so that Ctrl-C is a signal, and goes on."""
SHELL = (sys.executable, "-m", "tutormax_cli", "shell", "--")


def test_arguments_exit_code_and_database_are_psqls_and_ours(
    settings: Settings, database_url: str, tutormax: Callable[..., Finished]
) -> None:
    done = tutormax("shell", "--", "-XAtc", "SELECT current_database()", "-c", "SELECT count(*) FROM tutors")
    assert (done.exit_code, done.stdout) == (0, f"{settings.dbname}\n0\n")
    assert after_database_line(done.stderr) == ""
    done = tutormax("shell", "--", "-X", "-v", "ON_ERROR_STOP=1", "-f", "-")
    assert done.exit_code == 0
    assert tutormax("shell", "--", "-Xc", "SELECT 1/0").exit_code == 1
    assert tutormax("shell", "--", "--no-such-option").exit_code == 1


def test_commands_come_from_standard_input(database_url: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [*SHELL, "-XAt"],
        input="SELECT 6 * 7;\n\\q\n",
        env=clean_environment(DATABASE_URL=database_url),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "42\n")


def test_a_server_that_is_not_there_exits_3_before_psql_starts(tutormax: Callable[..., Finished]) -> None:
    done = tutormax("shell", "--", "-c", "SELECT 1", DATABASE_URL="postgresql://127.0.0.1:1/db")
    assert (done.exit_code, done.stdout) == (3, "")
    assert after_database_line(done.stderr).startswith("error: cannot reach PostgreSQL at 127.0.0.1:1")


def test_the_callers_service_leads_nowhere_else(database_url: str, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "services.conf").write_text("[elsewhere]\nhost=/nowhere\ndbname=elsewhere\n")
    variables = {"PGSERVICE": "elsewhere", "PGSERVICEFILE": str(tmp_path / "services.conf")}
    environment = {"DATABASE_URL": database_url, **variables}
    done = run_tutormax(("shell", "--", "-XAtc", "SELECT current_database()"), environment, tmp_path)
    assert (done.exit_code, done.stdout) == (0, f"{settings.dbname}\n")


def test_on_a_terminal_ctrl_c_ends_the_statement_and_not_the_shell(database_url: str, tmp_path: Path) -> None:
    environment = clean_environment(DATABASE_URL=database_url, TERM="dumb", PAGER="cat", HOME=str(tmp_path))
    terminal, end = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, *SHELL, "-X"],
        stdin=end,
        stdout=end,
        stderr=end,
        env=environment,
        cwd=tmp_path,
    )
    os.close(end)
    said = ""

    def until(words: str, seconds: float = 20) -> None:
        nonlocal said
        deadline = time.monotonic() + seconds
        while words not in said and select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]:
            said += os.read(terminal, 4096).decode(errors="replace")
        assert words in said

    try:
        until("=# ")
        os.write(terminal, b"SELECT pg_sleep(60);\n")
        time.sleep(0.5)
        os.write(terminal, b"\x03")
        until("canceling statement")
        os.write(terminal, b"SELECT 'still ' || 'here';\n")
        until("still here")
        os.write(terminal, b"\\q\n")
        assert child.wait(timeout=20) == 0
    finally:
        child.kill()
        child.wait()
        os.close(terminal)
