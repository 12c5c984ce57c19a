"""A real PostgreSQL for every test that wants one.

The suite starts an embedded server of its own (one per worker), or uses the one that TUTORMAX_TEST_DATABASE_URL
names, whose role must be allowed to create databases. The schema is migrated once into a template database; each
test gets a clone.
"""

import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import pytest
from psycopg import sql
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests.support.connections import connect
from tutormax_cli.database.connection import connection_keywords
from tutormax_cli.database.embedded import EmbeddedServer
from tutormax_cli.database.engine import make_engine
from tutormax_cli.database.migrations import create_database, upgrade
from tutormax_cli.settings import Settings, load_settings

GIVEN_SERVER = "TUTORMAX_TEST_DATABASE_URL"
"""The variable that names a server for the suite, which then starts none of its own."""

SEEDED_WORLD = ("--tutors", "60", "--days", "120", "--seed", "7", "--as-of", "2026-06-01")


# Where the suite runs in the background, shells have it ignore Ctrl-C, and so would the processes that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Finished:
    """What a run of the command left behind."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Server:
    """The server of this worker."""

    settings: Settings

    def database(self, name: str) -> Settings:
        keywords = connection_keywords(self.settings)
        return replace(self.settings, keywords={**keywords, "dbname": name}, source="tests")

    def execute(self, statement: sql.Composed) -> None:
        with connect(self.settings, dbname="postgres", autocommit=True) as connection:
            connection.execute(statement)

    @contextmanager
    def clone(self, template: Settings) -> Iterator[Settings]:
        """Give a database that is a copy of `template`, dropped at the end."""
        name = f"tutormax_test_{uuid.uuid4().hex[:12]}"
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self.execute(copy.format(sql.Identifier(name), sql.Identifier(template.dbname)))
        try:
            yield self.database(name)
        finally:
            self.drop(name)

    def drop(self, name: str) -> None:
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def url_of(settings: Settings) -> str:
    """Write a test database's settings as a URL, password included."""
    keywords = dict(settings.keywords or {})
    dbname = keywords.pop("dbname")
    return f"postgresql:///{dbname}?" + "&".join(f"{k}={quote(v, safe='')}" for k, v in keywords.items() if v)


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A short path that an unprivileged account can enter too, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="tutormax-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def server(home: Path) -> Iterator[Server]:
    given = os.environ.get(GIVEN_SERVER)
    if given:
        yield Server(load_settings(given, environ={}))
        return
    version = os.environ.get("TUTORMAX_PG_VERSION")
    embedded = EmbeddedServer(home / "home", int(version) if version else None)
    try:
        embedded.start()
        settings = Settings("tests", embedded.connection_keywords("postgres"), home)
        with connect(settings, autocommit=True) as connection:
            # Nothing here has to survive a power cut.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield Server(settings)
    finally:
        embedded.stop()


@pytest.fixture(scope="session")
def migrated(server: Server) -> Iterator[Settings]:
    """The template: a database with the schema at head and no rows."""
    name = f"tutormax_template_{uuid.uuid4().hex[:12]}"
    template = server.database(name)
    try:
        create_database(template)
        upgrade(template)
        yield template
    finally:
        server.drop(name)


@pytest.fixture(scope="session")
def seeded(server: Server, migrated: Settings) -> Iterator[Settings]:
    """The template of a small company: loaded, evaluated and predicted as of 1 June 2026."""
    with server.clone(migrated) as template:
        done = run_tutormax(("seed", *SEEDED_WORLD), {"DATABASE_URL": url_of(template)}, Path.cwd())
        assert done.exit_code == 0, done.stderr
        yield template


@pytest.fixture
def settings(server: Server, migrated: Settings) -> Iterator[Settings]:
    with server.clone(migrated) as database:
        yield database


@pytest.fixture
def database_url(settings: Settings) -> str:
    """The URL of a fresh database with the schema at head and no rows."""
    return url_of(settings)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    made = make_engine(settings)
    yield made
    made.dispose()


@pytest.fixture
def db(engine: Engine) -> Iterator[Session]:
    with Session(engine, expire_on_commit=False) as session:
        yield session


@pytest.fixture
def seeded_settings(server: Server, seeded: Settings) -> Iterator[Settings]:
    with server.clone(seeded) as database:
        yield database


@pytest.fixture
def seeded_url(seeded_settings: Settings) -> str:
    """The URL of a database of this test's own that holds the small company."""
    return url_of(seeded_settings)


@pytest.fixture
def seeded_db(seeded_settings: Settings) -> Iterator[Session]:
    made = make_engine(seeded_settings)
    with Session(made, expire_on_commit=False) as session:
        yield session
    made.dispose()


def clean_environment(**variables: str) -> dict[str, str]:
    """Give the environment of a child: nothing of ours or libpq's but what is named."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "POSTGRES_", "TUTORMAX_"))}
    for unwanted in ("DATABASE_URL", "DB_ECHO", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "GITHUB_ACTIONS"):
        kept.pop(unwanted, None)
    return kept | variables


def run_tutormax(arguments: tuple[str, ...], environment: dict[str, str], folder: Path) -> Finished:
    """Run the command as a real process, at home in `folder` unless the environment names another home."""
    done = subprocess.run(
        [sys.executable, "-m", "tutormax_cli", *arguments],
        env=clean_environment(**{"TUTORMAX_HOME": str(folder / "home"), **environment}),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def tutormax(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., Finished]:
    """Run the command against this test's database: `tutormax("init", "--wait", "3", DB_ECHO="true")`.

    The database is `seeded_url` where the test asks for that, else `database_url` (unless DATABASE_URL is given).
    """

    def run(*arguments: str, **environment: str) -> Finished:
        if "DATABASE_URL" not in environment and "TUTORMAX_HOME" not in environment:
            fixture = "seeded_url" if "seeded_url" in request.fixturenames else "database_url"
            environment["DATABASE_URL"] = request.getfixturevalue(fixture)
        return run_tutormax(arguments, environment, tmp_path)

    return run
