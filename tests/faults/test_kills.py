"""Signals at random moments of every command that changes something: all of its work is done, or none.

`TUTORMAX_FAULT_ROUNDS` sets the rounds for each command and signal. The table is printed with `pytest -m faults -s`.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Finished, Server, clean_environment, run_tutormax, url_of
from tests.support.connections import connect
from tutormax_cli.backup.contents import Contents, list_tables, read_contents
from tutormax_cli.backup.seal import read_seal
from tutormax_cli.backup.tables import LOG
from tutormax_cli.database.revisions import revisions, schema_state
from tutormax_cli.errors import ConnectionFailed
from tutormax_cli.settings import Settings

pytestmark = pytest.mark.faults

ROUNDS = int(os.environ.get("TUTORMAX_FAULT_ROUNDS", "2"))
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL)


def ends_of(number: signal.Signals) -> tuple[int, ...]:
    """Return the exit codes of a command that a signal met: ours, or the system's; 0 if it was faster."""
    return 0, 128 + number, -number


BY_REVISION = ("migrate down base --yes --no-backup", "migrate up")
"""Commands whose revisions are transactions of their own: they stop between two of them."""

COMMANDS = (
    "seed --tutors 40 --days 60 --append --as-of 2026-06-01",
    "seed --tutors 40 --days 60 --replace --yes --no-backup",
    "import company --mode upsert --defaults technical_issues=true",
    "evaluate --as-of 2026-05-25",
    "predict --as-of 2026-05-25",
    "reset --yes --no-backup",
    "restore company.dump --yes --no-backup",
    "roles --apply --yes",
    "doctor --mark staging",
    "migrate stamp head --yes",
    *BY_REVISION,
)


@dataclass(frozen=True)
class State:
    """What a database holds: contents without the log, the revision, and how many commands are logged as done."""

    contents: Contents
    revision: str | None
    done: int

    @property
    def rows(self) -> dict[str, int]:
        return {table.name: digest.rows for table, digest in self.contents.tables.items()}


def state_of(settings: Settings) -> State:
    with connect(settings) as driver:
        tables = [table for table in list_tables(driver) if table != LOG]
        contents = read_contents(driver, tables, sequences=(), large_objects=())
        row = driver.execute("SELECT count(*) FROM tutormax_admin.log WHERE outcome = 'done'").fetchone()
        return State(contents, schema_state(driver).current, row[0] if row else 0)


def wait_until_alone(settings: Settings) -> None:
    """Wait until the server has ended the sessions of a client that was killed."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with connect(settings) as driver:
            if driver.execute(others + " AND backend_type = 'client backend'").fetchone() == (0,):
                return
        time.sleep(0.02)
    raise AssertionError("a session of the killed command is still there")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, seeded: Settings) -> Path:
    """A folder with an export and a dump of the small company."""
    made = tmp_path_factory.mktemp("faults")
    for line in ("export --all -o company", "dump -o company.dump"):
        assert run_tutormax(tuple(line.split()), {"DATABASE_URL": url_of(seeded)}, made).exit_code == 0
    return made


@pytest.fixture(scope="module")
def table() -> Iterator[dict[str, Counter[str]]]:
    rows: dict[str, Counter[str]] = {}
    yield rows
    lines = ["", "command, rounds: nothing / everything / whole revisions / other"]
    for line, ends in rows.items():
        shown = " / ".join(str(ends[kind]) for kind in ("nothing", "everything", "revisions", "other"))
        lines.append(f"{line}, {sum(ends.values())}: {shown}")
    sys.stdout.write("\n".join(lines) + "\n")


def interrupted(line: str, settings: Settings, folder: Path, number: signal.Signals, delay: float) -> Finished:
    """Run a command and send it a signal after some seconds."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tutormax_cli", *line.split()],
        env=clean_environment(TUTORMAX_HOME=str(folder / "home"), DATABASE_URL=url_of(settings)),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(delay)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    return Finished(process.returncode, stdout, stderr)


def prepared(settings: Settings, folder: Path, line: str) -> State:
    if line == "migrate up":
        down = ("migrate", "down", "20251107_0000", "--yes", "--no-backup")
        assert run_tutormax(down, {"DATABASE_URL": url_of(settings)}, folder).exit_code == 0
    return state_of(settings)


def judged(before: State, expected: State, now: State, by_revision: bool) -> str:
    if now.contents == before.contents and (now.revision, now.done) == (before.revision, before.done):
        return "nothing"
    if (now.rows, now.revision, now.done) == (expected.rows, expected.revision, expected.done):
        return "everything"
    known = {None, *(revision.id for revision in revisions())}
    return "revisions" if by_revision and now.revision in known else "other"


@pytest.mark.parametrize("line", COMMANDS)
def test_a_signal_at_a_random_moment_leaves_all_or_nothing(
    server: Server, seeded: Settings, folder: Path, table: dict[str, Counter[str]], line: str
) -> None:
    with server.clone(seeded) as database:
        prepared(database, folder, line)
        began = time.monotonic()
        done = run_tutormax(tuple(line.split()), {"DATABASE_URL": url_of(database)}, folder)
        seconds = time.monotonic() - began
        assert done.exit_code == 0, done.stderr
        expected = state_of(database)
    ends = table.setdefault(line, Counter())
    wrong = []
    chance = random.Random(line)
    for number in SIGNALS * ROUNDS:
        with server.clone(seeded) as database:
            before = prepared(database, folder, line)
            delay = chance.uniform(0.3 * seconds, 1.05 * seconds)
            ended = interrupted(line, database, folder, number, delay)
            wait_until_alone(database)
            now = state_of(database)
            end = judged(before, expected, now, line in BY_REVISION)
            ends[end] += 1
            if end == "other" or "Traceback" in ended.stderr or ended.exit_code not in ends_of(number):
                wrong.append((number.name, round(delay, 2), end, ended.exit_code, ended.stderr[-300:]))
            if end == "nothing" and ended.exit_code == 0:
                wrong.append((number.name, round(delay, 2), "nothing, but exit 0", 0, ended.stderr[-300:]))
    assert not wrong


@pytest.mark.parametrize("line", ["dump -o killed.dump", "export --all -o killed", "export sessions -o killed.csv.gz"])
def test_a_file_is_complete_or_missing_and_the_next_run_replaces_what_a_kill_left(
    seeded: Settings, folder: Path, table: dict[str, Counter[str]], tmp_path: Path, line: str
) -> None:
    target = tmp_path / line.rpartition(" ")[2]
    began = time.monotonic()
    assert run_tutormax(tuple(line.split()), {"DATABASE_URL": url_of(seeded)}, tmp_path / "..").exit_code in (0, 1, 2)
    seconds = time.monotonic() - began
    ends = table.setdefault(line, Counter())
    wrong: list[tuple[object, ...]] = []
    chance = random.Random(line)
    for number in SIGNALS * ROUNDS:
        delay = chance.uniform(0.3 * seconds, 1.05 * seconds)
        ended = interrupted(line, seeded, tmp_path, number, delay)
        wait_until_alone(seeded)
        end = "everything" if target.exists() else "nothing"
        if target.suffix == ".dump" and target.exists() and read_seal(target) is None:
            end = "other"
        ends[end] += 1
        left = [path.name for path in tmp_path.iterdir() if path != target and path.name != "home"]
        tidy = number is not signal.SIGKILL and number is not signal.SIGQUIT
        if end == "other" or "Traceback" in ended.stderr or (left and tidy):
            wrong.append((number.name, round(delay, 2), end, left, ended.stderr[-300:]))
        again = run_tutormax(tuple(line.split()), {"DATABASE_URL": url_of(seeded)}, tmp_path)
        left = [path.name for path in tmp_path.iterdir() if path != target and path.name != "home"]
        if again.exit_code or left:
            wrong.append((number.name, "the next run", again.exit_code, left, again.stderr[-300:]))
        for path in [target] if target.is_file() else [*target.glob("*"), target]:
            path.unlink() if path.is_file() else path.rmdir()
    assert not wrong


def tables_of(settings: Settings) -> int:
    with connect(settings) as driver:
        return len([table for table in list_tables(driver) if table.schema == "public"])


def test_a_signal_during_init_leaves_whole_revisions_and_init_goes_on(
    server: Server, tmp_path: Path, table: dict[str, Counter[str]]
) -> None:
    ends = table.setdefault("init", Counter())
    wrong: list[tuple[object, ...]] = []
    chance = random.Random("init")
    settings = server.database("tutormax_killed_init")
    for number in SIGNALS * ROUNDS:
        server.drop(settings.dbname)
        ended = interrupted("init", settings, tmp_path, number, chance.uniform(0.2, 0.9))
        again = run_tutormax(("init",), {"DATABASE_URL": url_of(settings)}, tmp_path)
        checked = run_tutormax(("migrate", "check"), {"DATABASE_URL": url_of(settings)}, tmp_path)
        ends["everything" if "already up to date" in again.stdout.lower() else "revisions"] += 1
        if "Traceback" in ended.stderr or again.exit_code or checked.exit_code:
            wrong.append((number.name, ended.stderr[-300:], again.stderr[-300:], checked.stderr[-300:]))
    server.drop(settings.dbname)
    assert not wrong


def test_a_signal_during_promote_leaves_all_or_nothing_on_the_server(
    server: Server, home: Path, folder: Path, tmp_path: Path, table: dict[str, Counter[str]]
) -> None:
    source = {"TUTORMAX_HOME": str(home / "killed-promote")}
    assert run_tutormax(("init",), source, tmp_path).exit_code == 0
    assert run_tutormax(("import", str(folder / "company")), source, tmp_path).exit_code == 0
    ends = table.setdefault("promote", Counter())
    wrong: list[tuple[object, ...]] = []
    chance = random.Random("promote")
    target = server.database("tutormax_killed_promote")
    try:
        for number in SIGNALS * ROUNDS:
            server.drop(target.dbname)
            process = subprocess.Popen(
                [sys.executable, "-m", "tutormax_cli", "promote", "--to", url_of(target)],
                env=clean_environment(**source),
                cwd=tmp_path,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            time.sleep(chance.uniform(0.3, 2.0))
            process.send_signal(number)
            _, stderr = process.communicate(timeout=60)
            try:
                wait_until_alone(target)
                end = "everything" if tables_of(target) else "nothing"
            except ConnectionFailed:
                end = "nothing"
            ends[end] += 1
            left = list((home / "killed-promote").glob("*promote*"))
            if "Traceback" in stderr or (left and number not in (signal.SIGKILL, signal.SIGQUIT)):
                wrong.append((number.name, end, left, stderr[-300:]))
        server.drop(target.dbname)
        assert run_tutormax(("promote", "--to", url_of(target)), source, tmp_path).exit_code == 0
    finally:
        server.drop(target.dbname)
        run_tutormax(("server", "stop"), source, tmp_path)
    assert not wrong
