"""PostgreSQL's own programs: the right one is found, and reaches the database that we would reach."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.connections import connect
from tutormax_cli.database import clients
from tutormax_cli.database.clients import client_environment, client_program
from tutormax_cli.errors import TutormaxError, UsageError
from tutormax_cli.settings import Settings, load_settings


def program(folder: Path, name: str, version: str) -> Path:
    """Make a program that does nothing but say its version."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """A machine without any program of PostgreSQL's but the embedded server's."""
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(clients, "_WELL_KNOWN_FOLDERS", (f"{tmp_path}/versions/*/bin",))
    return load_settings("postgresql://me@db.example.com/tutors", environ={})


def test_one_on_path_that_is_new_enough_comes_first(nowhere: Settings, tmp_path: Path) -> None:
    on_path = program(tmp_path / "path", "pg_dump", "17.2 (Debian 17.2-1)")
    other = program(tmp_path / "versions" / "18" / "bin", "pg_dump", "19beta1")
    assert client_program("pg_dump", nowhere, 16) == client_program("pg_dump", nowhere, 17) == on_path
    assert client_program("pg_dump", nowhere, 18) == other


def test_else_the_embedded_servers_own(nowhere: Settings, tmp_path: Path) -> None:
    program(tmp_path / "path", "pg_dump", "15.1")
    assert "pginstall18" in str(client_program("pg_dump", nowhere, 16))


def test_a_newer_server_than_any_program(nowhere: Settings, tmp_path: Path) -> None:
    assert "pginstall18" in str(client_program("psql", nowhere, 99))
    with pytest.raises(TutormaxError, match="no pg_restore of PostgreSQL 99 or newer on this machine"):
        client_program("pg_restore", nowhere, 99)


def test_tls_needs_a_program_that_knows_it(nowhere: Settings, tmp_path: Path) -> None:
    with pytest.raises(TutormaxError, match="that knows TLS"):
        client_program("psql", nowhere, 18, tls=True)
    assert client_program("psql", nowhere, 18).name == "psql"
    old = program(tmp_path / "path", "psql", "14.0")
    assert client_program("psql", nowhere, 18, tls=True) == old


def asked(environment: Mapping[str, str], settings: Settings) -> str:
    """Ask psql, with no argument about the connection, where it has come to."""
    question = "SELECT current_user, current_database(), current_setting('application_name')"
    done = subprocess.run(
        [client_program("psql", settings, 14), "-XAtc", question], env=environment, capture_output=True, text=True
    )
    return done.stdout.strip() or done.stderr


def test_a_program_reaches_our_database_whatever_the_callers_variables(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    services = tmp_path / "services.conf"
    services.write_text("[elsewhere]\nhost=/nowhere\ndbname=elsewhere\nuser=nobody-here\n")
    for name, value in {
        "PGSERVICEFILE": str(services),
        "PGSERVICE": "elsewhere",
        "PGDATABASE": "elsewhere",
        "PGAPPNAME": "mine",
    }.items():
        monkeypatch.setenv(name, value)
    with connect(settings) as connection:
        user = connection.info.user
    assert asked(client_environment(settings), settings) == f"{user}|{settings.dbname}|mine"
    assert asked(client_environment(settings, "postgres"), settings) == f"{user}|postgres|mine"


def test_keywords_become_variables_and_what_tunes_the_network_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    url = "postgresql://me:s%20e'c\\ret@127.0.0.1:1,127.0.0.2:2/db?sslmode=require&options=-cwork_mem%3D1MB&keepalives_idle=3"
    environment = client_environment(load_settings(url, environ={}))
    assert {name: value for name, value in environment.items() if name.startswith("PG")}.items() >= {
        "PGHOST": "127.0.0.1,127.0.0.2",
        "PGPORT": "1,2",
        "PGUSER": "me",
        "PGPASSWORD": "s e'c\\ret",
        "PGDATABASE": "db",
        "PGSSLMODE": "require",
        "PGOPTIONS": "-cwork_mem=1MB",
    }.items()
    assert "PGAPPNAME" not in environment


def test_a_keyword_that_no_variable_carries_is_refused_by_name() -> None:
    settings = load_settings("postgresql://me@localhost/db?sslpassword=canary", environ={})
    with pytest.raises(UsageError, match="take sslpassword from a service file") as refused:
        client_environment(settings)
    assert "canary" not in f"{refused.value}{refused.value.hint}"
