"""`tutormax server`, as real processes."""

import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import clean_environment
from tutormax_cli.database.embedded import EmbeddedServer


@pytest.fixture
def embedded_home(home: Path) -> Iterator[Path]:
    folder = home / uuid.uuid4().hex[:6]
    yield folder
    EmbeddedServer(folder).stop()


def test_life_of_the_server(tutormax: Callable[..., Any], embedded_home: Path) -> None:
    def server(*arguments: str) -> Any:
        return tutormax("server", *arguments, TUTORMAX_HOME=str(embedded_home))

    before = server("status", "--check")
    assert before.exit_code == 5
    assert "not made yet" in before.stdout
    assert "tutormax server start" in before.stderr
    assert not embedded_home.exists()
    assert "no log yet" in server("logs").stderr

    started = server("start")
    assert (started.exit_code, started.stdout) == (0, "")
    assert "PostgreSQL 18 is running" in started.stderr
    assert "Next: tutormax init" in started.stderr
    assert "database: " not in started.stderr
    assert server("start").exit_code == 0
    shown = server("status").stdout
    assert f"Process       {json.loads(server('status', '-f', 'json').stdout)['server']['pid']}\n" in shown

    status = json.loads(server("status", "--check", "--format", "json").stdout)["server"]
    assert status["state"] == "running"
    assert status["version"] == 18
    assert status["data_directory"] == str(embedded_home.resolve() / "data")

    logs = server("logs", "-n", "1")
    assert logs.stdout.count("\n") == 1
    assert "ready to accept connections" in logs.stdout

    assert "stopped" in server("stop").stderr
    again = server("stop")
    assert (again.exit_code, again.stderr) == (0, "it was not running\n")
    assert server("status").exit_code == 0


def test_says_so_when_commands_use_another_server(tutormax: Callable[..., Any], embedded_home: Path) -> None:
    url = "postgresql://ada:canary@db.example.com/tutoring"
    done = tutormax("server", "status", TUTORMAX_HOME=str(embedded_home), DATABASE_URL=url)
    assert done.exit_code == 0
    assert "commands use db.example.com" in done.stderr
    assert "canary" not in done.stdout + done.stderr


def test_what_needs_no_database_does_not_wait_for_sqlalchemy(embedded_home: Path) -> None:
    program = (
        "import sys; from tutormax_cli.cli.app import run; code = run(['server', 'status']); "
        "sys.exit(code or ','.join({'sqlalchemy', 'psycopg', 'numpy'} & sys.modules.keys()) or 0)"
    )
    environment = clean_environment(TUTORMAX_HOME=str(embedded_home))
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_refusals_have_their_exit_codes(tutormax: Callable[..., Any], embedded_home: Path) -> None:
    too_long = tutormax("server", "start", TUTORMAX_HOME=str(embedded_home / ("x" * 120)))
    assert too_long.exit_code == 2
    assert "TUTORMAX_HOME" in too_long.stderr
    (embedded_home / "data").mkdir(parents=True)
    (embedded_home / "data" / "PG_VERSION").write_text("9.6\n")
    damaged = tutormax("server", "start", TUTORMAX_HOME=str(embedded_home))
    assert damaged.exit_code == 1
    assert "PostgreSQL '9.6'" in damaged.stderr
    assert tutormax("server", "logs", "-n", "-3", TUTORMAX_HOME=str(embedded_home)).exit_code == 2
