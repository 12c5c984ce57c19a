"""Which database is meant: the order of the settings, and passwords with any character through every route."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutormax_cli.errors import UsageError
from tutormax_cli.settings import Settings, load_settings, parse_url

AWKWARD = "@ : / # ? % space ä '"
NOWHERE = Path("/nonexistent")


def load(url: str | None = None, directory: Path = NOWHERE, **environ: str) -> Settings:
    return load_settings(url, environ=environ, directory=directory)


def keywords(settings: Settings) -> Mapping[str, str]:
    assert settings.keywords is not None
    return settings.keywords


def test_nothing_configured_means_the_embedded_server() -> None:
    assert load().embedded
    assert load().source == "nothing configured"


def test_the_first_setting_that_is_set_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://dotenv/db\n")
    given_all = {"DATABASE_URL": "postgresql://variable/db", "POSTGRES_HOST": "parts"}
    sources = [
        load("postgresql://option/db", tmp_path, **given_all).source,
        load(None, tmp_path, **given_all).source,
        load(None, tmp_path, POSTGRES_HOST="parts").source,
        load(None, tmp_path).source,
    ]
    assert sources == ["--database-url", "DATABASE_URL", "POSTGRES_HOST", "DATABASE_URL, .env"]


def test_parts_of_dotenv_do_not_mix_with_the_environment(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POSTGRES_HOST=dotenv\nPOSTGRES_PASSWORD=secret\n")
    chosen = load(None, tmp_path, POSTGRES_USER="me")
    assert keywords(chosen) == {"user": "me", "host": "localhost", "port": "5432", "dbname": "tutormax"}


def test_any_part_alone_takes_the_defaults_for_the_rest() -> None:
    chosen = load(POSTGRES_DB="other")
    assert keywords(chosen) == {"user": "tutormax", "host": "localhost", "port": "5432", "dbname": "other"}
    assert chosen.source == "POSTGRES_DB"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+asyncpg"])
@pytest.mark.parametrize("password", [AWKWARD, quote(AWKWARD, safe=""), quote(AWKWARD)])
def test_awkward_passwords_in_a_url(scheme: str, password: str) -> None:
    read = parse_url(f"{scheme}://me:{password}@db.example.com:6543/tutors?sslmode=require", "DATABASE_URL")
    assert read == {
        "user": "me",
        "password": AWKWARD,
        "host": "db.example.com",
        "port": "6543",
        "dbname": "tutors",
        "sslmode": "require",
    }


def test_awkward_passwords_in_parts_and_dotenv(tmp_path: Path) -> None:
    assert keywords(load(POSTGRES_PASSWORD=AWKWARD))["password"] == AWKWARD
    (tmp_path / ".env").write_text(f'POSTGRES_PASSWORD="{AWKWARD} $HOME ${{HOME}}"\n')
    assert keywords(load(None, tmp_path))["password"] == f"{AWKWARD} $HOME ${{HOME}}"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_every_encoded_password_comes_back_and_is_never_shown(password: str) -> None:
    chosen = load(f"postgresql://me:{quote(password, safe='')}@host/db")
    assert keywords(chosen)["password"] == password
    assert chosen.database_url == "postgresql://me:***@host/db"
    assert repr(chosen) == "Settings(source='--database-url', database_url='postgresql://me:***@host/db')"


# A whole address in front of the @ (`5432/db?key=…@host`) is one, and `%` with two hex digits is an escape.
LOOKS_STANDARD = re.compile(r"\d{1,5}(/[^/?#@]*)?\?[A-Za-z_]+=|.*%[0-9a-fA-F]{2}", re.DOTALL)


@given(st.text("ab1@:/#?=&% ä'", min_size=1).filter(lambda text: not LOOKS_STANDARD.match(text)))
def test_raw_passwords_come_back_where_the_host_is_plain(password: str) -> None:
    read = parse_url(f"postgresql://me:{password}@db.example.com:5432/tutors", "DATABASE_URL")
    assert (read["host"], read["dbname"], read["password"]) == ("db.example.com", "tutors", password)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://", {}),
        ("postgresql:///db?host=/run/pg&user=a@b", {"dbname": "db", "host": "/run/pg", "user": "a@b"}),
        ("postgresql://one,two:5433/db", {"host": "one,two", "port": ",5433", "dbname": "db"}),
        ("postgresql://[::1]:5432/db", {"host": "::1", "port": "5432", "dbname": "db"}),
        ("postgresql://me@/db", {"user": "me", "dbname": "db"}),
        (
            "postgresql://host/db?options=-c%20work_mem%3D1MB",
            {"host": "host", "dbname": "db", "options": "-c work_mem=1MB"},
        ),
    ],
)
def test_urls_that_libpq_knows(url: str, expected: dict[str, str]) -> None:
    assert parse_url(url, "DATABASE_URL") == expected


@pytest.mark.parametrize("url", ["", "mysql://canary@host/db", "host=canary", "postgresql://host:port/canary"])
def test_a_url_that_cannot_be_read_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_url(url, "DATABASE_URL")
    assert "canary" not in refused.value.message + str(refused.value.hint)


@pytest.mark.parametrize(
    ("variable", "value"), [("POSTGRES_PORT", "five"), ("TUTORMAX_PG_VERSION", "12"), ("DB_ECHO", "perhaps")]
)
def test_settings_out_of_range_are_refused(variable: str, value: str) -> None:
    with pytest.raises(UsageError, match=variable):
        load_settings(environ={variable: value}, directory=NOWHERE)


def test_time_limits_give_way_to_libpq_variables() -> None:
    assert load().defaults["connect_timeout"] == "10"
    assert "connect_timeout" not in load(PGCONNECT_TIMEOUT="3").defaults


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("postgresql://localhost/db", True),
        ("postgresql://127.0.0.1/db", True),
        ("postgresql:///db?host=/run/postgresql", True),
        ("postgresql://localhost,db.example.com/db", False),
        ("postgresql:///?service=production", False),
        ("postgresql://db.example.com/db", False),
    ],
)
def test_what_is_on_this_machine(url: str, local: bool) -> None:
    assert load(url).local is local


def test_an_unreadable_dotenv_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"POSTGRES_HOST=\xff\xfe")
    with pytest.raises(UsageError, match=r"\.env"):
        load(None, tmp_path)


def test_an_unreadable_dotenv_matters_only_where_it_is_asked(tmp_path: Path) -> None:
    url = "postgresql://db.example.com/db"
    for content in (b"POSTGRES_HOST=\xff\xfe", b"A='open\n"):
        (tmp_path / ".env").write_bytes(content)
        assert load(url, tmp_path).source == "--database-url"
        assert load(None, tmp_path, DATABASE_URL=url).source == "DATABASE_URL"
        with pytest.raises(UsageError, match=r"\.env"):
            load(None, tmp_path)
