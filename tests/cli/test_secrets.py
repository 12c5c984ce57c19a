"""Passwords: any character works through every route, and none is ever shown."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from psycopg import sql

from tests.cli.test_conventions import every_command
from tests.conftest import clean_environment, run_tutormax
from tests.support.connections import connect
from tutormax_cli.database.embedded import EmbeddedServer
from tutormax_cli.settings import Settings

AWKWARD = "@ : / # ? % space ä ' canary"


@dataclass(frozen=True)
class Guarded:
    """A server that asks for a password."""

    host: str
    user: str = "tutormax"
    port: str = "5432"

    def url(self, password: str = quote(AWKWARD, safe="")) -> str:
        return f"postgresql://{self.user}:{password}@/tutormax?host={quote(self.host, safe='/')}"

    @property
    def parts(self) -> dict[str, str]:
        return {"POSTGRES_HOST": self.host, "POSTGRES_PASSWORD": AWKWARD}


@pytest.fixture(scope="module")
def guarded(home: Path) -> Iterator[Guarded]:
    """A server of this module's own, whose pg_hba.conf asks everybody for a password."""
    embedded = EmbeddedServer(home / "guarded")
    try:
        embedded.start()
        keywords = embedded.connection_keywords()
        with connect(Settings("tests", keywords, home), autocommit=True) as connection:
            role = sql.Identifier(keywords["user"])
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(AWKWARD)))
            rules = connection.execute("SELECT current_setting('hba_file')").fetchone()
            assert rules is not None
            Path(rules[0]).write_text("local all all scram-sha-256\n")
            connection.execute("SELECT pg_reload_conf()")
        yield Guarded(keywords["host"], keywords["user"], keywords["port"])
    finally:
        embedded.stop()


def status(environment: dict[str, str], folder: Path) -> tuple[int, str]:
    done = run_tutormax(("migrate", "status"), environment, folder)
    return done.exit_code, done.stdout + done.stderr


def test_through_the_url_encoded_or_raw(guarded: Guarded, tmp_path: Path) -> None:
    for password in (quote(AWKWARD, safe=""), AWKWARD):
        code, said = status({"DATABASE_URL": guarded.url(password)}, tmp_path)
        assert (code, "canary" in said) == (0, False), said


def test_through_the_parts(guarded: Guarded, tmp_path: Path) -> None:
    code, said = status(guarded.parts, tmp_path)
    assert (code, "canary" in said) == (0, False), said


def test_through_dotenv(guarded: Guarded, tmp_path: Path) -> None:
    lines = [f'{key}="{value}"' for key, value in guarded.parts.items()]
    (tmp_path / ".env").write_text("\n".join(lines), encoding="utf-8")
    code, said = status({}, tmp_path)
    assert (code, "canary" in said, "(POSTGRES_HOST, .env)" in said) == (0, False, True), said


def test_through_pgpass(guarded: Guarded, tmp_path: Path) -> None:
    escaped = AWKWARD.replace("\\", r"\\").replace(":", r"\:")
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"*:*:*:{guarded.user}:{escaped}\n", encoding="utf-8")
    passwords.chmod(0o600)
    code, said = status({"POSTGRES_HOST": guarded.host, "PGPASSFILE": str(passwords)}, tmp_path)
    assert (code, "canary" in said) == (0, False), said


def test_through_a_service_file(guarded: Guarded, tmp_path: Path) -> None:
    services = tmp_path / "services.conf"
    services.write_text(
        f"[tutors]\nhost={guarded.host}\nuser={guarded.user}\ndbname=tutormax\npassword={AWKWARD}\n", encoding="utf-8"
    )
    environment = {"PGSERVICEFILE": str(services), "PGSERVICE": "tutors", "DATABASE_URL": "postgresql://"}
    code, said = status(environment, tmp_path)
    assert (code, "canary" in said) == (0, False), said


@pytest.mark.parametrize("how", ["url", "parts"])
def test_psql_gets_the_password_but_its_command_line_does_not(guarded: Guarded, tmp_path: Path, how: str) -> None:
    environment = {"DATABASE_URL": guarded.url()} if how == "url" else guarded.parts
    done = run_tutormax(("shell", "--", "-X", "-c", "\\! ps -o args= -p $PPID"), environment, tmp_path)
    assert done.exit_code == 0, done.stderr
    assert "psql" in done.stdout
    assert "canary" not in done.stdout + done.stderr


def test_a_wrong_password_exits_3_and_is_not_repeated(guarded: Guarded, tmp_path: Path) -> None:
    code, said = status({"DATABASE_URL": guarded.url("wrong-canary")}, tmp_path)
    assert code == 3
    assert "password authentication failed" in said
    assert "canary" not in said


def command_lines() -> list[tuple[str, ...]]:
    """Give every command with arguments enough to run, and every command's help."""
    arguments: dict[tuple[str, ...], tuple[str, ...]] = {
        ("init",): ("--wait", "0"),
        ("migrate", "down"): ("base",),
        ("migrate", "stamp"): ("head", "--yes"),
        ("migrate", "new"): ("-m", "x"),
        ("export",): ("tutors",),
    }
    # These write into the source tree, start the other server or become psql; what they say of the URL is said by the
    # others too.
    left_out: set[tuple[str, ...]] = {
        ("migrate", "new"),
        ("server", "start"),
        ("server", "stop"),
        ("server", "logs"),
        ("server", "status"),
        ("shell",),
    }
    paths = [path for path, _ in every_command()]
    runs = [(*path, *arguments.get(path, ())) for path in paths if path not in left_out]
    return [(), ("--help",), *runs, *((*path, "--help") for path in paths)]


@pytest.mark.parametrize("how", ["reachable", "unreachable"])
def test_no_command_shows_a_password(guarded: Guarded, tmp_path: Path, how: str) -> None:
    """Every command, its help, its log of SQL and its traceback, on a good connection and on a bad one."""
    url = guarded.url() if how == "reachable" else f"postgresql://me:{quote(AWKWARD, safe='')}@127.0.0.1:1/db"
    environment = clean_environment(DATABASE_URL=url, DB_ECHO="true", TUTORMAX_HOME=str(tmp_path / "home"))
    program = (
        "import sys; from tutormax_cli.cli.app import run\n"
        "for line in sys.stdin.read().splitlines():\n"
        "    print('::', line, flush=True); run(['--debug', *line.split()])"
    )
    small = ("--tutors", "3", "--days", "10")
    lines = [" ".join((*line, *(small if line == ("seed",) else ()))) for line in command_lines()]
    done = subprocess.run(
        [sys.executable, "-c", program],
        input="\n".join(lines),
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert said.count("::") >= len(lines)
    assert "canary" not in said
