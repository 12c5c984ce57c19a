"""Every destructive command, wherever somebody could run it by mistake: nothing is lost that wasn't meant to be."""

import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Finished, Server, clean_environment, url_of
from tests.support.connections import connect
from tests.support.tables import contents, held_rows
from tutormax_cli.backup.dump import dump
from tutormax_cli.cli import app
from tutormax_cli.database.environment import Environment, mark
from tutormax_cli.database.losses import Losses
from tutormax_cli.errors import TutormaxError
from tutormax_cli.settings import Settings

ARCHIVE = "ARCHIVE"
DESTROYERS = {
    "reset": ("reset",),
    "seed": ("seed", "--replace", "--tutors", "3", "--days", "10", "--raw"),
    "down": ("migrate", "down", "base"),
    "restore": ("restore", ARCHIVE),
}
LEFT = {"reset": 0, "seed": 3, "down": None, "restore": 60}
"""How many tutors there are once each has done its work."""

Here = Callable[..., Finished]


class Terminal(io.StringIO):
    """Somebody at a terminal, who answers this; `meanwhile` happens before the answer."""

    meanwhile: Callable[[], None] | None = None

    def isatty(self) -> bool:
        return True

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]
        if self.meanwhile is not None:
            self.meanwhile()
        return super().readline(-1 if size is None else size)


@pytest.fixture(scope="module")
def company(server: Server, seeded: Settings) -> Iterator[Settings]:
    """One database for all who change nothing."""
    with server.clone(seeded) as database:
        yield database


@pytest.fixture(scope="module")
def archive(seeded: Settings, home: Path) -> Path:
    dump(seeded, home / "guards.dump")
    return home / "guards.dump"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], archive: Path, tmp_path: Path) -> Here:
    """Run a command in this process: `here(settings, "reset", "--yes", answer="tutormax")`."""

    def run(
        settings: Settings,
        *arguments: str,
        answer: str | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Finished:
        for name in [name for name in os.environ if name not in clean_environment()]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("DATABASE_URL", url_of(settings))
        monkeypatch.setenv("TUTORMAX_HOME", str(tmp_path / "home"))
        terminal = Terminal(answer)
        terminal.meanwhile = meanwhile
        monkeypatch.setattr(sys, "stdin", io.StringIO() if answer is None else terminal)
        monkeypatch.chdir(tmp_path)
        capsys.readouterr()
        code = app.run([str(archive) if each == ARCHIVE else each for each in arguments])
        said = capsys.readouterr()
        return Finished(code, said.out, said.err)

    return run


def backups(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "home").rglob("*.dump"))


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the server stand elsewhere."""
    monkeypatch.setattr(Settings, "local", property(lambda settings: False))


@pytest.fixture
def production(company: Settings) -> Iterator[None]:
    with connect(company) as driver:
        mark(driver, Environment.PRODUCTION)
    yield
    with connect(company) as driver:
        mark(driver, Environment.DEVELOPMENT)


@pytest.fixture
def untouched(company: Settings, tmp_path: Path) -> Iterator[None]:
    before = contents(company)
    yield
    assert contents(company) == before
    assert backups(tmp_path) == []


every_destroyer = pytest.mark.parametrize("command", DESTROYERS)


@pytest.mark.parametrize(
    ("command", "answer"), list(zip(DESTROYERS, ["", "no\n", "yes\n", "TUTORMAX\n"], strict=True)), ids=DESTROYERS
)
def test_a_terminal_that_does_not_name_the_database_changes_nothing(
    command: str, answer: str, here: Here, company: Settings, untouched: None
) -> None:
    done = here(company, *DESTROYERS[command], answer=answer)
    assert (done.exit_code, done.stdout.replace(f"({company.dbname})", "")) == (1, "")
    assert "60 tutors" in done.stderr
    assert f"Type the database's name ({company.dbname}) to go on: " in done.stderr
    assert "error: not confirmed; nothing was changed" in done.stderr


@every_destroyer
def test_without_a_terminal_the_flag_is_named(command: str, here: Here, company: Settings, untouched: None) -> None:
    done = here(company, *DESTROYERS[command])
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"This deletes, in {company.dbname} on " in done.stderr
    assert "error: no terminal to ask on; nothing was changed\n  if it is meant, add --yes" in done.stderr


@every_destroyer
@pytest.mark.parametrize("danger", ["remote", "production"])
def test_where_it_is_dangerous_yes_is_not_enough(
    command: str, danger: str, here: Here, company: Settings, untouched: None, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(danger)
    done = here(company, *DESTROYERS[command], "--yes")
    assert (done.exit_code, done.stdout) == (2, "")
    why = {"remote": "its server is not on this machine", "production": "it is marked production"}[danger]
    assert f"error: --yes is not enough for {company.dbname}: {why}; nothing was changed" in done.stderr
    assert f"  if it is meant, add --confirm {company.dbname}" in done.stderr
    wrong = here(company, *DESTROYERS[command], "--yes", "--confirm", "tutormax")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert f"--confirm says 'tutormax', but the database is '{company.dbname}'" in wrong.stderr


@every_destroyer
def test_a_backup_that_fails_stops_it(
    command: str, here: Here, company: Settings, untouched: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise TutormaxError("pg_dump failed: could not write: No space left on device", "make room")

    monkeypatch.setattr("tutormax_cli.backup.dump.dump", fail)
    done = here(company, *DESTROYERS[command], "--yes")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "error: no backup, so nothing was changed: pg_dump failed: could not write: No space left" in done.stderr
    assert "  to go on without one, add --no-backup" in done.stderr


@every_destroyer
def test_confirmed_it_goes_on_and_the_printed_command_brings_all_back(
    command: str, here: Here, seeded_settings: Settings, remote: None, tmp_path: Path
) -> None:
    before = contents(seeded_settings)
    done = here(seeded_settings, *DESTROYERS[command], "--confirm", seeded_settings.dbname)
    assert done.exit_code == 0, done.stderr
    assert tutors(seeded_settings) == LEFT[command]
    (backup,) = backups(tmp_path)
    assert (backup.parent.stat().st_mode & 0o777, backup.stat().st_mode & 0o777) == (0o700, 0o600)
    back = next(line for line in done.stderr.splitlines() if "to go back: " in line).partition("to go back: tutormax ")
    again = here(seeded_settings, *back[2].split(), "--no-backup", "--confirm", seeded_settings.dbname)
    assert again.exit_code == 0, again.stderr
    assert contents(seeded_settings) == before


def test_what_is_not_ours_is_in_the_backup_too_where_a_restore_replaces_it(
    here: Here, settings: Settings, tmp_path: Path
) -> None:
    with connect(settings) as driver:
        driver.execute("CREATE TABLE orders AS SELECT 1 AS id")
    assert here(settings, "dump", "-o", "all.dump").exit_code == 0
    with connect(settings) as driver:
        driver.execute("INSERT INTO orders VALUES (2)")
    done = here(settings, "restore", "all.dump", "--yes")
    assert (done.exit_code, "2 orders" in done.stderr) == (0, True), done.stderr
    assert here(settings, "restore", str(backups(tmp_path)[0]), "--yes").exit_code == 0
    with connect(settings) as driver:
        assert driver.execute("SELECT id FROM orders ORDER BY id").fetchall() == [(1,), (2,)]


@every_destroyer
def test_no_backup_makes_none(command: str, here: Here, seeded_settings: Settings, tmp_path: Path) -> None:
    done = here(seeded_settings, *DESTROYERS[command], "--yes", "--no-backup")
    assert done.exit_code == 0, done.stderr
    assert tutors(seeded_settings) == LEFT[command]
    assert backups(tmp_path) == []


@pytest.mark.parametrize("command", ["reset", "down", "restore"])
def test_where_nothing_is_lost_no_backup_is_made(command: str, here: Here, settings: Settings, tmp_path: Path) -> None:
    done = here(settings, *DESTROYERS[command], *([] if command == "restore" else ["--yes"]))
    assert done.exit_code == 0, done.stderr
    assert backups(tmp_path) == []


MEANWHILE = {
    "one more": "INSERT INTO students (student_id, name) VALUES ('late', 'Late')",
    "another one": "UPDATE interventions SET intervention_id = 'other' WHERE intervention_id ="
    " (SELECT min(intervention_id) FROM interventions)",
}


@pytest.mark.parametrize("change", MEANWHILE)
@pytest.mark.parametrize("command", ["reset", "restore"])
def test_only_the_rows_that_were_confirmed_are_deleted(
    command: str, change: str, here: Here, seeded_settings: Settings, tmp_path: Path
) -> None:
    def meanwhile() -> None:
        with connect(seeded_settings) as driver:
            assert driver.execute(MEANWHILE[change].encode()).rowcount == 1

    name = f"{seeded_settings.dbname}\n"
    done = here(seeded_settings, *DESTROYERS[command], answer=name, meanwhile=meanwhile)
    assert (done.exit_code, done.stdout.replace(f"({seeded_settings.dbname})", "")) == (1, "")
    held = held_rows(seeded_settings)
    rows = ", ".join(f"{count:,} {table}" for table, count in held.items() if count)
    assert f"error: the rows to be deleted are no longer those that were confirmed: now {rows};" in done.stderr
    assert "run the command again" in done.stderr
    assert held["tutors"] == 60
    assert backups(tmp_path) == []


@pytest.mark.parametrize("command", ["reset", "restore"])
def test_rows_that_come_after_the_question_are_not_lost(
    command: str, here: Here, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def arrive(chosen: Settings, *arguments: object) -> Losses:
        with connect(chosen) as driver:
            driver.execute("INSERT INTO students (student_id, name) VALUES ('late', 'Late')")
        return Losses({})

    monkeypatch.setattr("tutormax_cli.backup.reset.would_delete", arrive)
    monkeypatch.setattr("tutormax_cli.backup.restore.would_lose", arrive)
    done = here(settings, *DESTROYERS[command], *([] if command == "restore" else ["--yes"]))
    assert (done.exit_code, done.stdout) == (1, "")
    assert (
        "error: the rows to be deleted are no longer those that were confirmed: now 1 students; nothing was changed"
        in done.stderr
    )
    assert held_rows(settings)["students"] == 1
    assert backups(tmp_path) == []


def tutors(settings: Settings) -> int | None:
    return held_rows(settings).get("tutors")


def test_a_real_terminal(company: Settings, untouched: None, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    environment = clean_environment(DATABASE_URL=url_of(company), TUTORMAX_HOME=str(tmp_path / "home"), TERM="xterm")
    with subprocess.Popen(
        [sys.executable, "-m", "tutormax_cli", "reset"], env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        os.write(ours, b"no\n")
        said = b""
        try:
            while piece := os.read(ours, 4096):
                said += piece
        except OSError:  # how Linux says that nobody is on the other side any more
            pass
    os.close(ours)
    assert process.returncode == 1
    assert b"Type the database's name" in said and b"not confirmed; nothing was changed" in said


def test_a_stamp_is_asked_for_and_written_down(seeded_url: str, tutormax: Here) -> None:
    refused = tutormax("migrate", "stamp", "base")
    assert (refused.exit_code, "no terminal to ask on" in refused.stderr) == (2, True)
    assert tutormax("migrate", "status").stdout.count("applied") > 0
    assert tutormax("migrate", "stamp", "base", "--yes").exit_code == 0
    assert tutormax("migrate", "stamp", "head", "--yes").exit_code == 0
    assert "migrate stamp base" in tutormax("log", "--limit", "5").stdout
