"""A crash of the embedded server right after a command that created sequences: no number is drawn twice."""

import os
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from tests.conftest import Finished, Server, run_tutormax
from tutormax_cli.backup.dump import dump
from tutormax_cli.database.embedded import EmbeddedServer
from tutormax_cli.settings import Settings

AFTERWARDS = (
    ("evaluate", "--as-of", "2026-06-01"),
    ("predict", "--as-of", "2026-06-01"),
    ("import", "company", "--mode", "upsert"),
)

OTHER_SEQUENCES = """
CREATE TABLE public.orders (id bigserial PRIMARY KEY, place int GENERATED ALWAYS AS IDENTITY, note text);
INSERT INTO public.orders (note) SELECT 'x' FROM generate_series(1, 3);
"""


@pytest.fixture(scope="module")
def archive(server: Server, seeded: Settings, home: Path) -> Path:
    """The small company, and a table of another program with two sequences."""
    with server.clone(seeded) as database:
        with psycopg.connect(**dict(database.keywords or {})) as driver:  # type: ignore[arg-type]
            driver.execute(OTHER_SEQUENCES)
        dump(database, home / "crash.dump")
    return home / "crash.dump"


@pytest.fixture
def place(home: Path) -> Iterator[Path]:
    """A folder for the home of an embedded server of this test's own, which is stopped at the end."""
    folder = home / uuid.uuid4().hex[:6]
    folder.mkdir()
    yield folder
    EmbeddedServer(folder / "home").stop()


class Crashing:
    """Commands on an embedded server, and its crash."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = EmbeddedServer(folder / "home")

    def run(self, *arguments: str) -> Finished:
        done = run_tutormax(arguments, {"TUTORMAX_HOME": str(self.folder / "home")}, self.folder)
        assert done.exit_code == 0, done.stderr
        return done

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        self.server.start()
        keywords = self.server.connection_keywords("tutormax")
        with psycopg.connect(**keywords, autocommit=True) as driver:  # type: ignore[arg-type]
            cursor = driver.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def crash(self) -> None:
        """Kill all processes of the server, and no other."""
        pid = self.server.status().pid
        assert pid is not None
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        while any(
            Path(f"/proc/{each}/cmdline").exists() and Path(f"/proc/{each}/cmdline").read_bytes() for each in children
        ):
            time.sleep(0.02)

    def go_on(self) -> None:
        """Check that commands which add to the admin log work, and that no number is drawn twice."""
        for command in AFTERWARDS:
            self.run(*command)
        assert self.execute("SELECT count(*) - count(DISTINCT id) FROM tutormax_admin.log") == [(0,)]


def init(crashing: Crashing, archive: Path) -> None:
    crashing.run("init")


def restore(crashing: Crashing, archive: Path) -> None:
    crashing.run("restore", str(archive))
    assert crashing.execute(ORDER) == [(4, 4)]


def reset(crashing: Crashing, archive: Path) -> None:
    """The log is dropped first, so that the reset creates it and its sequence too."""
    crashing.run("restore", str(archive))
    crashing.execute("DROP SCHEMA tutormax_admin CASCADE")
    crashing.run("reset", "--yes", "--no-backup")


ACTIONS = {"init": init, "restore": restore, "reset": reset}
ORDER = "INSERT INTO public.orders (note) VALUES ('y') RETURNING id, place"


def crash(place: Path, archive: Path, action: str) -> None:
    """Let a sequence be created, draw a number from it, crash, and draw again."""
    crashing = Crashing(place)
    ACTIONS[action](crashing, archive)
    crashing.run("seed", "--tutors", "20", "--days", "40", "--as-of", "2026-06-01", "--raw", "--replace", "--yes")
    crashing.crash()
    if action == "restore":
        assert crashing.execute(ORDER) > [(4, 4)]
    crashing.run("export", "--all", "-o", "company")
    crashing.go_on()


def test_a_crash_right_after_init_costs_no_number(place: Path, archive: Path) -> None:
    crash(place, archive, "init")


@pytest.mark.faults
@pytest.mark.parametrize("round", range(5))
@pytest.mark.parametrize("action", ACTIONS)
def test_five_crashes_cost_no_number(place: Path, archive: Path, action: str, round: int) -> None:
    crash(place, archive, action)
