"""What every command keeps: exit codes, where output goes, help at once, one line for an error."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer

from tests.conftest import Finished, clean_environment, run_tutormax
from tests.support.stderr import after_database_line, without_database_line
from tutormax_cli import __version__
from tutormax_cli.cli import app
from tutormax_cli.cli.commands import COMMANDS, load_command

NAMES = [name for commands in COMMANDS.values() for name in commands]
README = Path(__file__).parents[2] / "README.md"
HEAVY = ("sqlalchemy", "psycopg", "numpy", "alembic", "faker", "tutormax_cli.database", "tutormax_cli.simulation")


def run(*arguments: str, folder: Path, **environment: str) -> Finished:
    return run_tutormax(arguments, environment, folder)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port on which nobody answers."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def leaves(command: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
    else:
        for name, child in children.items():
            yield from leaves(child, (*path, name))


def every_command() -> list[tuple[tuple[str, ...], object]]:
    return [leaf for name in NAMES for leaf in leaves(load_command(name), (name,))]


@pytest.mark.parametrize("name", NAMES)
def test_the_summary_in_the_list_is_how_the_commands_own_help_begins(name: str) -> None:
    summary = next(commands[name] for commands in COMMANDS.values() if name in commands)
    assert " ".join(str(load_command(name).help).split()).startswith(summary.rstrip("."))


@pytest.mark.parametrize(
    ("path", "command"), every_command(), ids=lambda value: "-".join(value) if isinstance(value, tuple) else ""
)
def test_every_option_has_help(path: tuple[str, ...], command: object) -> None:
    assert getattr(command, "help", None)
    for param in getattr(command, "params", []):
        assert getattr(param, "help", None), f"{' '.join(path)}: {param.name} has no help"


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_in_the_readme(name: str) -> None:
    assert f"tutormax {name}" in README.read_text(encoding="utf-8")


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys; from tutormax_cli.cli.app import run; code = run(['--help']); "
        f"sys.exit(code or ','.join(m for m in sys.modules if m.startswith({HEAVY!r})) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=clean_environment(), cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert all(f" {name} " in done.stdout for name in NAMES)


def test_version(tmp_path: Path) -> None:
    assert run("--version", folder=tmp_path) == Finished(0, f"tutormax {__version__}\n", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("sed",),
        ("seed", "--tutors", "-3"),
        ("seed", "--tutors", "many"),
        ("seed", "--days", "0"),
        ("seed", "--as-of", "yesterday-ish"),
        ("seed", "--as-of", "2999-01-01"),
        ("evaluate", "--as-of", "2026-02-30"),
        ("predict", "--as-of", ""),
        ("risk-report", "--limit", "0"),
        ("risk-report", "--format", "pdf"),
        ("risk-report", "--level", "Severe"),
        ("risk-report", "--fail-on", "critical:many"),
        ("stats", "--days", "-1"),
        ("migrate", "up", "nope"),
        ("migrate", "sideways"),
        ("init", "--wait", "soon"),
        ("stats", "--database-url", "mysql://root@localhost/db"),
    ],
    ids=" ".join,
)
def test_wrong_arguments_exit_2_with_one_line_and_where_to_look(
    arguments: tuple[str, ...], tutormax: Callable[..., Finished]
) -> None:
    done = tutormax(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    lines = without_database_line(done.stderr).splitlines()
    assert lines[0].startswith("error: ")
    assert len(lines) == 2 and lines[1].startswith("  ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("risk-report", "--limit", "x"), "--limit is 'x'; it can be a whole number"),
        (("risk-report", "--limit", "0"), "--limit is '0'; it can be 1 or more"),
        (("risk-report", "--min-score", "101"), "--min-score is '101'; it can be 100 or less"),
        (("risk-report", "--limit", "9" * 30), f"--limit is '{'9' * 30}'; it can be 10000000 or less"),
        (("risk-report", "-f", "pdf"), "--format is 'pdf'; it can be table, json, jsonl, csv, md or html"),
        (("risk-report", "--limit"), "--limit needs a value"),
        (("risk-report", "--min-scor", "5"), "there is no option --min-scor; did you mean --min-score?"),
        (("risk-report", "--nope"), "there is no option --nope"),
        (("risk-report", "two", "words"), "there is no place for the argument two words"),
        (("risk-repor",), "there is no command 'risk-repor'; did you mean risk-report?"),
        (("zzz",), "there is no command 'zzz'"),
        (("init", "--wait", "soon"), "--wait is 'soon'; it can be a number"),
        (("stats", "--as-of", "x"), "--as-of: 'x' is not a time; write 2026-06-01 or 2026-06-01T09:00+02:00"),
        (("migrate", "down"), "REVISION|-N is missing"),
        (("server", "status", "--check=3"), "--check takes no value"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_command_line_is_told_in_one_voice(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.run(arguments) == 2
    assert capsys.readouterr().err.splitlines()[0] == f"error: {said}"


@pytest.mark.parametrize(
    "query",
    ["sslmode=foo", "port=99999", "service=nope", "options=-cfoo%3Dbar", "target_session_attrs=x", "nonsense=1"],
)
def test_a_setting_that_says_nonsense_exits_2(
    query: str, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.run(["stats", "--database-url", f"{database_url}&{query}"]) == 2
    assert after_database_line(capsys.readouterr().err).startswith("error: --database-url: ")


@pytest.mark.parametrize("name", ["init", "seed", "stats", "evaluate", "predict", "risk-report"])
def test_a_server_that_is_not_there_exits_3(name: str, tmp_path: Path, silent_port: int) -> None:
    environment = {
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(silent_port),
        "TUTORMAX_HOME": str(tmp_path / "home"),
    }
    arguments = ("--wait", "0") if name == "init" else ()
    done = run(name, *arguments, folder=tmp_path, **environment)
    assert (done.exit_code, done.stdout) == (3, "")
    assert f"error: cannot reach PostgreSQL at 127.0.0.1:{silent_port} (POSTGRES_HOST): " in done.stderr
    assert "to use the embedded one instead, unset POSTGRES_HOST POSTGRES_PORT\n" in done.stderr
    assert not (tmp_path / "home").exists(), "never a silent fall-back to the embedded server"


def test_waiting_for_a_server_in_vain_exits_4(tmp_path: Path, silent_port: int) -> None:
    url = f"postgresql://127.0.0.1:{silent_port}/db"
    done = run("init", "--wait", "0.5", "--database-url", url, folder=tmp_path)
    assert done.exit_code == 4
    assert "waited 0.5 s" in done.stderr


def test_the_url_may_stand_before_or_after_the_command(database_url: str, tmp_path: Path, silent_port: int) -> None:
    other = f"postgresql://127.0.0.1:{silent_port}/db"
    for arguments in (
        ("--database-url", database_url, "migrate", "status", "--check"),
        ("migrate", "status", "--check", "--database-url", database_url),
        ("--database-url", other, "migrate", "status", "--check", f"--database-url={database_url}"),
    ):
        assert run(*arguments, folder=tmp_path, DATABASE_URL=other).exit_code == 0


def test_a_schema_that_is_missing_or_behind_names_the_next_command(
    database_url: str, tutormax: Callable[..., Finished]
) -> None:
    assert tutormax("migrate", "down", "base", "--yes").exit_code == 0
    done = tutormax("stats")
    assert done.exit_code == 1
    assert after_database_line(done.stderr) == (
        "error: the database has no TutorMax schema yet\n  create it: tutormax init\n"
    )


def test_a_database_that_does_not_exist_names_the_next_command(
    database_url: str, tutormax: Callable[..., Finished]
) -> None:
    done = tutormax("stats", DATABASE_URL=database_url.replace("/tutormax_test_", "/tutormax_nowhere_"))
    assert done.exit_code == 3
    assert "create it: tutormax init" in done.stderr


def test_a_closed_pipe_is_silent(seeded_url: str, tmp_path: Path) -> None:
    command = f"{sys.executable} -m tutormax_cli risk-report --min-score 0 --limit 1000 --format csv | head -c 10"
    done = subprocess.run(
        command,
        shell=True,
        env=clean_environment(DATABASE_URL=seeded_url),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (len(done.stdout), after_database_line(done.stderr)) == (10, "")


@pytest.mark.parametrize("target", ["/nonexistent/report.csv", "."])
def test_a_file_that_cannot_be_written(target: str, seeded_url: str, tutormax: Callable[..., Finished]) -> None:
    done = tutormax("stats", "--format", "csv", "-o", target)
    assert done.exit_code in (1, 2)
    assert after_database_line(done.stderr).startswith(f"error: can't write {target}: ")


def test_a_file_is_replaced_whole(seeded_url: str, tutormax: Callable[..., Finished], tmp_path: Path) -> None:
    (tmp_path / "stats.json").write_text("old")
    done = tutormax("stats", "--format", "json", "-o", "stats.json")
    assert (done.exit_code, done.stdout) == (0, "")
    assert json.loads((tmp_path / "stats.json").read_text())
    assert os.listdir(tmp_path) == ["stats.json"]


def test_piped_output_has_no_colour_unless_forced(seeded_url: str, tutormax: Callable[..., Finished]) -> None:
    assert "\x1b" not in tutormax("risk-report").stdout
    assert "\x1b" in tutormax("risk-report", FORCE_COLOR="1").stdout
    assert "\x1b" not in tutormax("risk-report", FORCE_COLOR="1", NO_COLOR="1").stdout
    assert "\x1b" not in tutormax("risk-report", FORCE_COLOR="0").stdout


def test_a_traceback_only_with_debug_and_never_with_values(tmp_path: Path, silent_port: int) -> None:
    url = f"postgresql://me:canary@127.0.0.1:{silent_port}/db"
    assert "Traceback" not in run("stats", "--database-url", url, folder=tmp_path).stderr
    for arguments in (("--debug", "stats"), ("stats", "--debug")):
        done = run(*arguments, "--database-url", url, folder=tmp_path)
        assert done.exit_code == 3
        assert "Traceback" in done.stderr and "canary" not in done.stderr


def test_ctrl_c_exits_130(database_url: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tutormax_cli", "init", "--wait", "30", "--database-url", "postgresql://127.0.0.1:1/db"],
        env=clean_environment(),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    ) as waiting:
        time.sleep(1.5)
        waiting.send_signal(signal.SIGINT)
        _, said = waiting.communicate(timeout=20)
    assert waiting.returncode == 130
    assert said.splitlines()[-1] == "interrupted; what was not finished was rolled back"


def test_an_unknown_error_is_one_line_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from tutormax_cli.cli import migrate

    def broken() -> None:
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr(migrate, "history", broken)
    broken_app = typer.Typer()
    broken_app.command("history")(broken)
    monkeypatch.setattr(migrate, "app", broken_app)
    assert app.run(["migrate"]) == 1
    assert capsys.readouterr().err.startswith(
        "error: unexpected ZeroDivisionError: division\n  this is a bug in tutormax"
    )
