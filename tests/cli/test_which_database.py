"""No command works on a database that was not meant: it is named, and doubtful settings are refused."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.test_conventions import every_command
from tests.conftest import Finished, Server, clean_environment, run_tutormax
from tests.support.stderr import after_database_line, without_database_line
from tutormax_cli.database.connection import connect
from tutormax_cli.database.embedded import EmbeddedServer
from tutormax_cli.settings import Settings

Run = Callable[..., Finished]

WITHOUT_A_DATABASE = {("migrate", "history"), *(("server", name) for name in ("stop", "status", "logs"))}
ARGUMENTS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("init",): ("--wait", "0"),
    ("import",): ("tutors.csv",),
    ("export",): ("tutors",),
    ("restore",): ("my.dump",),
    ("prove",): ("my.dump",),
    ("migrate", "down"): ("base",),
    ("migrate", "stamp"): ("head",),
    ("migrate", "new"): ("-m", "x"),
}
"""What commands need to get as far as their database."""

NOBODY_ANSWERS = "postgresql://ada:canary@127.0.0.1:1/tutors"
EVERY_COMMAND_IN_ONE_PROCESS = (
    "import sys; from tutormax_cli.cli.app import run\n"
    "for line in sys.stdin.read().splitlines():\n"
    "    print('::', line, file=sys.stderr, flush=True); run(line.split())"
)


def run(*arguments: str, folder: Path, **environment: str) -> Finished:
    return run_tutormax(arguments, environment, folder)


def stderr_of_every_command(folder: Path, **environment: str) -> dict[str, str]:
    """Run every command in one process, and return what each printed on stderr by its command line.

    `promote` and `server start` would start an embedded server; they have tests of their own.
    """
    paths = [path for path, _ in every_command() if path not in (("promote",), ("server", "start"))]
    lines = [" ".join((*path, *ARGUMENTS.get(path, ()))) for path in paths]
    (folder / "tutors.csv").write_text("tutor_id\nt1\n")
    done = subprocess.run(
        [sys.executable, "-c", EVERY_COMMAND_IN_ONE_PROCESS],
        input="\n".join(lines),
        env=clean_environment(TUTORMAX_HOME=str(folder / "home"), **environment),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    blocks = [block.partition("\n") for block in done.stderr.split(":: ")[1:]]
    assert [line for line, _, _ in blocks] == lines, done.stderr
    return {line: said for line, _, said in blocks}


def test_every_command_names_its_database_once_before_it_connects(tmp_path: Path) -> None:
    said = stderr_of_every_command(tmp_path, DATABASE_URL=NOBODY_ANSWERS)
    without = {" ".join(path) for path in WITHOUT_A_DATABASE}
    for line, stderr in said.items():
        if line in without:
            assert "database: " not in stderr, line
        else:
            assert stderr.startswith("database: tutors on 127.0.0.1:1 (DATABASE_URL)\n"), line
            assert "error: " in after_database_line(stderr), line


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("stats", "--help"), ("migrate", "history")])
def test_what_has_no_database_names_none(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*arguments, folder=tmp_path, DATABASE_URL=NOBODY_ANSWERS)
    assert (done.exit_code, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("stats",),
        ("evaluate",),
        ("predict",),
        ("risk-report",),
        ("risk-report", "--tutor", "tutor_00001"),
        ("backtest", "--as-of", "2026-06-01"),
        ("doctor",),
        ("log",),
        ("init",),
        ("migrate", "status"),
        ("migrate", "check"),
        ("dump", "-o", "my.dump"),
        ("seed", "--dry-run", "--replace"),
        ("reset", "--yes", "--no-backup"),
    ],
    ids=" ".join,
)
def test_every_json_document_carries_the_database(
    arguments: tuple[str, ...], seeded_settings: Settings, seeded_url: str, tutormax: Run
) -> None:
    done = tutormax(*arguments, "--format", "json")
    document = json.loads(done.stdout)
    assert list(document)[:3] == ["tutormax", "report", "database"], done.stderr
    assert document["database"] == {
        "name": seeded_settings.dbname,
        "server": seeded_settings.place,
        "source": "DATABASE_URL",
        "schema": "public",
    }
    after_database_line(done.stderr)


def test_json_without_a_database_says_so_and_json_lines_carry_none(seeded_url: str, tutormax: Run) -> None:
    assert json.loads(tutormax("migrate", "history", "-f", "json").stdout)["database"] is None
    assert json.loads(tutormax("server", "status", "-f", "json").stdout)["database"] is None
    first, *_ = tutormax("stats", "-f", "jsonl").stdout.splitlines()
    assert json.loads(first).keys() == {"table", "rows", "bytes", "latest"}


def test_no_document_contains_the_password(database_url: str, tutormax: Run) -> None:
    url = database_url.replace("postgresql:///", "postgresql://tutormax:canary@/", 1)
    done = tutormax("stats", "-f", "json", DATABASE_URL=url)
    assert done.exit_code == 0 and "canary" not in done.stdout + done.stderr


@pytest.fixture
def embedded_home(home: Path) -> Iterator[Path]:
    yield home / "which"
    EmbeddedServer(home / "which").stop()


def test_the_embedded_database_is_named_or_ruled_out(tmp_path: Path, embedded_home: Path) -> None:
    place = {"TUTORMAX_HOME": str(embedded_home)}
    for arguments, variables in (
        (("--no-embedded", "init"), place),
        (("init", "--no-embedded"), place),
        (("init",), {**place, "TUTORMAX_NO_EMBEDDED": "1"}),
    ):
        done = run(*arguments, folder=tmp_path, **variables)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith("error: no database is configured") and "set DATABASE_URL=" in done.stderr
        assert not embedded_home.exists()
    assert run("server", "status", folder=tmp_path, TUTORMAX_NO_EMBEDDED="1", **place).exit_code == 0
    done = run("init", folder=tmp_path, **place)
    assert (done.exit_code, done.stderr.splitlines()[0]) == (0, "database: embedded PostgreSQL (nothing configured)")


def parts(settings: Settings) -> dict[str, str]:
    """The POSTGRES_* of a test database."""
    names = {"POSTGRES_USER": "user", "POSTGRES_HOST": "host", "POSTGRES_PORT": "port", "POSTGRES_DB": "dbname"}
    keywords = settings.keywords or {}
    return {name: keywords[keyword] for name, keyword in names.items() if keywords.get(keyword)}


def written(values: dict[str, str]) -> str:
    return "".join(f"{key}='{value}'\n" for key, value in values.items())


def test_parts_half_in_the_environment_and_half_in_the_file_make_one_database(
    settings: Settings, tmp_path: Path
) -> None:
    named = parts(settings)
    here = {key: named.pop(key) for key in ("POSTGRES_DB",)}
    (tmp_path / ".env").write_text(written(named))
    done = run("migrate", "status", "--check", folder=tmp_path, **here)
    assert done.exit_code == 0, done.stderr
    assert (
        done.stderr == f"database: {settings.dbname} on {settings.place} (POSTGRES_DB; {', '.join(named)} from .env)\n"
    )


@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_a_byte_order_mark_and_windows_line_ends_hide_no_setting(
    mark: str, settings: Settings, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_bytes(f"{mark}DATABASE_URL={database_url}\r\n".encode())
    done = run("migrate", "status", "--check", folder=tmp_path)
    assert (done.exit_code, done.stderr.splitlines()[0]) == (
        0,
        f"database: {settings.dbname} on {settings.place} (DATABASE_URL, .env)",
    )


@pytest.mark.parametrize("end", ["\n", "\r\n", " "])
def test_white_space_behind_a_url_makes_no_other_database(
    end: str, server: Server, settings: Settings, tmp_path: Path
) -> None:
    keywords = dict(settings.keywords or {})
    user, host, port = keywords.get("user", ""), keywords["host"].replace("/", "%2F"), keywords.get("port", "")
    url = f"postgresql://{user}@{host}{f':{port}' if port else ''}/{settings.dbname}"
    done = run("init", folder=tmp_path, DATABASE_URL=url + end)
    assert (done.exit_code, "created database" in done.stderr) == (0, False), done.stderr
    with connect(server.settings, dbname="postgres") as connection:
        names = [row[0] for row in connection.execute("SELECT datname FROM pg_database").fetchall()]
    assert not [name for name in names if name != name.strip()]


def test_two_databases_at_once_are_refused(database_url: str, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"DATABASE_URL={database_url}\n")
    done = run("init", folder=tmp_path, POSTGRES_HOST="db.example.com")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "DATABASE_URL in .env and POSTGRES_HOST in the environment" in done.stderr
    (tmp_path / ".env").write_text(f"DATABASE_URL={database_url}\nPOSTGRES_DB=other\n")
    done = run("init", folder=tmp_path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert ".env has both DATABASE_URL and POSTGRES_DB" in done.stderr
    assert run("migrate", "status", "--database-url", database_url, folder=tmp_path).exit_code == 0


@pytest.mark.parametrize("value", ["", " \n"])
def test_an_empty_url_is_refused_and_nothing_is_made(value: str, tmp_path: Path) -> None:
    for arguments, variables in (
        (("init",), {"DATABASE_URL": value}),
        (("init", "--database-url", value), {"DATABASE_URL": NOBODY_ANSWERS}),
        (("--database-url", value, "init"), {}),
    ):
        done = run(*arguments, folder=tmp_path, **variables)
        assert (done.exit_code, done.stdout) == (2, "")
        assert " is empty\n" in done.stderr
    (tmp_path / ".env").write_text("DATABASE_URL=\n")
    assert "DATABASE_URL, .env is empty\n" in run("init", folder=tmp_path).stderr
    assert not (tmp_path / "home").exists()


@pytest.fixture
def settings_file(database_url: str, tmp_path: Path) -> Path:
    """A file that names this test's database, with blanks in its name."""
    path = tmp_path / "my settings.env"
    path.write_text(f"DATABASE_URL={database_url}\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ("--env-file", "my settings.env", "migrate", "status", "--check"),
        ("migrate", "--env-file", "my settings.env", "status", "--check"),
        ("migrate", "status", "--check", "--env-file", "my settings.env"),
        ("--env-file", "elsewhere.env", "migrate", "status", "--check", "--env-file=my settings.env"),
    ],
)
def test_the_file_is_named_before_or_after_the_command(
    arguments: tuple[str, ...], settings_file: Path, settings: Settings, tmp_path: Path
) -> None:
    done = run(*arguments, folder=tmp_path)
    assert (done.exit_code, done.stderr) == (
        0,
        f"database: {settings.dbname} on {settings.place} (DATABASE_URL, my settings.env)\n",
    )


def test_the_file_is_named_by_a_variable_wherever_the_command_runs(settings_file: Path, settings: Settings) -> None:
    done = run("migrate", "status", "--check", folder=Path("/"), TUTORMAX_ENV_FILE=str(settings_file))
    assert (done.exit_code, f"{settings.dbname} on " in done.stderr) == (0, True)
    missing = run("stats", folder=Path("/"), TUTORMAX_ENV_FILE="/nonexistent/.env", DATABASE_URL=NOBODY_ANSWERS)
    assert (missing.exit_code, "can't read /nonexistent/.env: No such file" in missing.stderr) == (2, True)


def test_doctor_examines_the_named_file(settings_file: Path, tmp_path: Path) -> None:
    settings_file.chmod(0o644)
    (tmp_path / ".env").touch(0o600)
    done = run("doctor", "--env-file", settings_file.name, "-f", "json", folder=tmp_path)
    (found,) = [check for check in json.loads(done.stdout)["checks"] if check["check"] == "settings file"]
    assert found["says"] == "my settings.env can be read by every account of this machine (mode 644)"
    assert found["mend"] == "chmod 600 'my settings.env'"


def next_command(stderr: str) -> list[str]:
    """The command behind `Next: tutormax`."""
    line = next(line for line in stderr.splitlines() if line.startswith("Next: tutormax "))
    return shlex.split(line.removeprefix("Next: tutormax "))


def test_hints_repeat_the_options_that_choose_the_database(settings_file: Path, tmp_path: Path) -> None:
    options = ("--schema", "public", "--no-embedded", "--env-file", settings_file.name)
    done = run("migrate", "up", *options, folder=tmp_path)
    assert done.exit_code == 0, done.stderr
    following = next_command(done.stderr)
    assert following[:5] == ["--env-file", settings_file.name, "--schema", "public", "--no-embedded"]
    again = run(*following, folder=tmp_path)
    assert (again.exit_code, again.stderr.splitlines()[0]) == (0, done.stderr.splitlines()[0])


def test_hints_of_errors_repeat_them_too_but_help_needs_none(settings_file: Path, tmp_path: Path) -> None:
    run("migrate", "down", "base", "--yes", "--env-file", settings_file.name, folder=tmp_path)
    done = run("stats", "--env-file", settings_file.name, folder=tmp_path)
    assert done.stderr.splitlines()[-1] == f"  create it: tutormax --env-file '{settings_file.name}' init"
    wrong = run("stats", "--nope", "--env-file", settings_file.name, folder=tmp_path)
    assert wrong.stderr.splitlines()[-1] == "  see tutormax stats --help"


def test_hints_remind_of_the_url_but_never_repeat_it(database_url: str, tmp_path: Path) -> None:
    url = database_url.replace("postgresql:///", "postgresql://tutormax:canary@/", 1)
    done = run("migrate", "up", "--database-url", url, folder=tmp_path)
    assert "Next: tutormax migrate status  (with the same --database-url)\n" in done.stderr
    assert "canary" not in done.stdout + done.stderr


def test_a_file_in_a_parent_folder_is_not_read_without_a_word(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(written(parts(settings)))
    (tmp_path / "reports").mkdir()
    command = ("migrate", "status", "--check")
    refused = run(*command, "--no-embedded", folder=tmp_path / "reports")
    assert (refused.exit_code, "add --env-file ../.env" in refused.stderr) == (2, True)
    elsewhere = run(*command, folder=tmp_path / "reports", POSTGRES_HOST="127.0.0.1", POSTGRES_PORT="1")
    warning, fix, line, *_ = elsewhere.stderr.splitlines()
    assert warning == (
        f"warning: {tmp_path}/.env sets {', '.join(parts(settings))}, but the .env of a parent folder is not read"
    )
    assert (fix, line) == (
        "  to read it, add --env-file ../.env",
        "database: tutormax on 127.0.0.1:1 (POSTGRES_HOST)",
    )
    done = run(*command, *shlex.split(fix.partition("add ")[2]), folder=tmp_path / "reports")
    assert (done.exit_code, done.stderr) == (
        0,
        f"database: {settings.description.partition(' (')[0]} (POSTGRES_HOST, ../.env)\n",
    )


def test_server_warns_of_a_file_that_names_another_home(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TUTORMAX_HOME=/srv/tutormax\n")
    (tmp_path / "reports").mkdir()
    assert "sets TUTORMAX_HOME" in run("server", "status", folder=tmp_path / "reports").stderr


@pytest.mark.parametrize("arguments", [("--schema", "pg_temp", "stats"), ("stats", "--schema", "")])
def test_a_schema_that_cannot_be_is_refused(arguments: tuple[str, ...], database_url: str, tutormax: Run) -> None:
    done = tutormax(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert without_database_line(done.stderr).startswith("error: --schema is ")


def test_another_schema_is_named(database_url: str, tutormax: Run) -> None:
    done = tutormax("log", "--schema", "tenant one", "-f", "json")
    assert done.exit_code == 2  # its tables are in public
    assert ", schema tenant one (DATABASE_URL)\n" in done.stderr
