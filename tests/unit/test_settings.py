"""Which database is meant: the order of the settings, how they are merged, and which are refused."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import pytest
from dotenv.parser import Position, Reader
from hypothesis import given
from hypothesis import strategies as st

from tutormax_cli.errors import UsageError
from tutormax_cli.settings import Settings, load_settings

AWKWARD = "@ : / # ? % space ä '"
NOWHERE = Path("/nonexistent")
URL = "postgresql://db.example.com/tutors"


def load(url: str | None = None, directory: Path = NOWHERE, **environ: str) -> Settings:
    return load_settings(url, environ=environ, directory=directory)


def keywords(settings: Settings) -> Mapping[str, str]:
    assert settings.keywords is not None
    return settings.keywords


def refusal(url: str | None = None, directory: Path = NOWHERE, **environ: str) -> str:
    with pytest.raises(UsageError) as refused:
        load(url, directory, **environ)
    return f"{refused.value.message}\n{refused.value.hint}"


def test_nothing_configured_means_the_embedded_server() -> None:
    assert load().embedded
    assert load().description == "embedded PostgreSQL (nothing configured)"


def test_the_first_setting_that_is_set_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://dotenv/db\n")
    everything = {"DATABASE_URL": "postgresql://variable/db", "POSTGRES_HOST": "parts"}
    sources = [
        load("postgresql://option/db", tmp_path, **everything).source,
        load(None, tmp_path, **everything).source,
        load(None, tmp_path).source,
        load(POSTGRES_HOST="parts").source,
    ]
    assert sources == ["--database-url", "DATABASE_URL", "DATABASE_URL, .env", "POSTGRES_HOST"]


def test_parts_are_merged_per_variable(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POSTGRES_HOST=dotenv\nPOSTGRES_PASSWORD=secret\nPOSTGRES_DB=tutors\n")
    chosen = load(None, tmp_path, POSTGRES_USER="me", POSTGRES_HOST="here")
    assert keywords(chosen) == {
        "user": "me",
        "password": "secret",
        "host": "here",
        "port": "5432",
        "dbname": "tutors",
    }
    assert chosen.source == "POSTGRES_USER, POSTGRES_HOST; POSTGRES_PASSWORD, POSTGRES_DB from .env"


def test_the_source_names_a_file_only_if_it_added_something(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POSTGRES_HOST=dotenv\nPOSTGRES_PORT=6543\n")
    assert load(None, tmp_path).source == "POSTGRES_HOST, .env"
    assert load(None, tmp_path, POSTGRES_PORT="5433").source == "POSTGRES_PORT; POSTGRES_HOST from .env"
    assert load(None, tmp_path, POSTGRES_HOST="a", POSTGRES_PORT="1").source == "POSTGRES_HOST"


def test_an_empty_part_counts_as_not_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POSTGRES_HOST=dotenv\nPOSTGRES_DB=\n")
    chosen = load(None, tmp_path, POSTGRES_HOST=" ", POSTGRES_PASSWORD="\n", POSTGRES_USER="")
    assert keywords(chosen) == {"user": "tutormax", "host": "dotenv", "port": "5432", "dbname": "tutormax"}
    assert load(POSTGRES_HOST="", POSTGRES_DB="\r\n").embedded


def test_any_part_alone_takes_the_defaults_for_the_rest() -> None:
    chosen = load(POSTGRES_DB="other")
    assert keywords(chosen) == {"user": "tutormax", "host": "localhost", "port": "5432", "dbname": "other"}
    assert chosen.source == "POSTGRES_DB"


@pytest.mark.parametrize("end", ["\n", "\r\n", " ", "\t\n"])
def test_white_space_around_parts_is_dropped(end: str) -> None:
    given_parts = {"POSTGRES_USER": "me", "POSTGRES_HOST": "host", "POSTGRES_PORT": "1", "POSTGRES_DB": "db"}
    chosen = load(None, NOWHERE, **{key: f"{end}{value}{end}" for key, value in given_parts.items()})
    assert keywords(chosen) == {"user": "me", "host": "host", "port": "1", "dbname": "db"}


@pytest.mark.parametrize(
    ("password", "used"), [(" a b \n", " a b "), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a\tb", "a\tb"), (" ", " ")]
)
def test_a_password_loses_only_the_line_break_at_its_end(password: str, used: str) -> None:
    assert keywords(load(POSTGRES_PASSWORD=password))["password"] == used


@pytest.mark.parametrize("key", ["POSTGRES_USER", "POSTGRES_HOST", "POSTGRES_DB"])
def test_a_control_character_in_a_part_is_refused(key: str, tmp_path: Path) -> None:
    assert f"{key} contains a control character" in refusal(None, NOWHERE, **{key: "a\nb"})
    (tmp_path / ".env").write_text(f'{key}="a\tb"\n')
    assert f"{key} contains a control character" in refusal(None, tmp_path)


@pytest.mark.parametrize("value", ["", " ", "\n", "\t\r\n"])
def test_an_empty_url_is_an_error_that_names_the_fix(value: str, tmp_path: Path) -> None:
    example = "postgresql://user:password@host:5432/database"
    assert refusal(DATABASE_URL=value) == f"DATABASE_URL is empty\nunset DATABASE_URL, or set it to {example}"
    assert refusal(value).startswith("--database-url is empty\nomit it")
    (tmp_path / ".env").write_text(f'DATABASE_URL="{value}"\n')
    said = refusal(None, tmp_path, POSTGRES_HOST="here")
    assert said.startswith("DATABASE_URL, .env is empty\nremove the line DATABASE_URL= from .env, or complete it")


def test_an_empty_url_does_not_matter_if_an_earlier_setting_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=\n")
    assert load(URL, tmp_path, DATABASE_URL="").source == "--database-url"
    assert load(None, tmp_path, DATABASE_URL=URL).source == "DATABASE_URL"


def test_a_url_in_the_file_and_parts_in_the_environment_are_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"DATABASE_URL={URL}\n")
    assert refusal(None, tmp_path, POSTGRES_HOST="here", POSTGRES_DB="other") == (
        "DATABASE_URL in .env and POSTGRES_HOST, POSTGRES_DB in the environment name a database each\n"
        "unset POSTGRES_HOST POSTGRES_DB, or remove DATABASE_URL from .env"
    )
    assert load(None, tmp_path, POSTGRES_HOST="").source == "DATABASE_URL, .env"


def test_a_file_with_a_url_and_parts_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"POSTGRES_PASSWORD=canary\nDATABASE_URL={URL}\n")
    said = refusal(None, tmp_path)
    assert said.startswith(".env has both DATABASE_URL and POSTGRES_PASSWORD\n")
    assert "canary" not in said
    assert load(URL, tmp_path).source == "--database-url"
    assert load(None, tmp_path, DATABASE_URL=URL, POSTGRES_HOST="here").source == "DATABASE_URL"


def test_awkward_passwords_in_parts_and_dotenv(tmp_path: Path) -> None:
    assert keywords(load(POSTGRES_PASSWORD=AWKWARD))["password"] == AWKWARD
    (tmp_path / ".env").write_text(f'POSTGRES_PASSWORD="{AWKWARD} $HOME ${{HOME}}"\n')
    assert keywords(load(None, tmp_path))["password"] == f"{AWKWARD} $HOME ${{HOME}}"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_every_encoded_password_comes_back_and_is_never_shown(password: str) -> None:
    chosen = load(f"postgresql://me:{quote(password, safe='')}@host/db")
    assert keywords(chosen)["password"] == password
    assert chosen.database_url == "postgresql://me:***@host/db"
    assert repr(chosen) == "Settings(source='--database-url', database_url='postgresql://me:***@host/db')"


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("line", ["POSTGRES_HOST=host", "export POSTGRES_HOST='host'", 'POSTGRES_HOST = "host" # note'])
def test_a_file_from_any_system_is_read(mark: str, newline: str, line: str, tmp_path: Path) -> None:
    text = newline.join([line, "POSTGRES_PASSWORD='a b#c'", "POSTGRES_DB=tutors"])
    (tmp_path / ".env").write_bytes(f"{mark}{text}{newline}".encode())
    chosen = keywords(load(None, tmp_path))
    assert (chosen["host"], chosen["password"], chosen["dbname"]) == ("host", "a b#c", "tutors")


def test_a_byte_order_mark_hides_no_key_from_an_older_python_dotenv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newer versions drop the mark themselves; python-dotenv 1.1.0 begins to read like this."""

    def begin(self: Any, stream: IO[str]) -> None:
        self.string = stream.read()
        self.position, self.mark = Position.start(), Position.start()

    monkeypatch.setattr(Reader, "__init__", begin)
    (tmp_path / ".env").write_bytes("\ufeffPOSTGRES_HOST=host\r\n".encode())
    assert load(None, tmp_path).source == "POSTGRES_HOST, .env"


def test_a_file_in_utf_16_is_refused(tmp_path: Path) -> None:
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        (tmp_path / ".env").write_bytes("DATABASE_URL=postgresql://host/db\n".encode(encoding))
        assert "can't read" in refusal(None, tmp_path)


def test_a_named_file_takes_the_place_of_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POSTGRES_HOST=default\nPOSTGRES_DB=default\n")
    (tmp_path / "production.env").write_text("POSTGRES_HOST=production\n")
    by_option = load_settings(environ={}, directory=tmp_path, env_file=Path("production.env"))
    assert by_option.description == "tutormax on production:5432 (POSTGRES_HOST, production.env)"
    by_variable = load(None, tmp_path, TUTORMAX_ENV_FILE=str(tmp_path / "production.env"))
    assert by_variable.source == f"POSTGRES_HOST, {tmp_path}/production.env"
    assert load_settings(environ={"TUTORMAX_ENV_FILE": "none"}, directory=tmp_path, env_file=Path(".env")).dbname


@pytest.mark.parametrize("content", [None, b"POSTGRES_HOST=\xff", b"A='open\n"])
def test_a_named_file_that_cannot_be_read_is_an_error_whatever_else_is_set(
    content: bytes | None, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "my.env").write_bytes(content)
    assert "my.env" in refusal(URL, tmp_path, TUTORMAX_ENV_FILE="my.env", DATABASE_URL=URL)
    with pytest.raises(UsageError, match=r"my\.env"):
        load_settings(URL, environ={}, directory=tmp_path, env_file=Path("my.env"))


def test_a_named_folder_and_an_empty_name_are_errors(tmp_path: Path) -> None:
    assert "Is a directory" in refusal(None, tmp_path, TUTORMAX_ENV_FILE=str(tmp_path))
    assert refusal(TUTORMAX_ENV_FILE=" ").startswith("TUTORMAX_ENV_FILE is empty\n")


def test_a_folder_called_dotenv_is_ignored_but_a_broken_link_is_not(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert load(None, tmp_path).embedded
    (tmp_path / ".env").rmdir()
    (tmp_path / ".env").symlink_to(tmp_path / "gone")
    assert "No such file" in refusal(None, tmp_path)


def test_no_embedded_refuses_what_is_not_configured(tmp_path: Path) -> None:
    said = refusal(TUTORMAX_NO_EMBEDDED="1")
    assert said.startswith("no database is configured, and --no-embedded rules out the embedded one\nset DATABASE_URL=")
    with pytest.raises(UsageError, match="no database is configured"):
        load_settings(environ={}, directory=NOWHERE, no_embedded=True)
    assert load_settings(environ={"TUTORMAX_NO_EMBEDDED": "1"}, directory=NOWHERE, no_embedded=False).embedded
    assert load(TUTORMAX_NO_EMBEDDED="1", POSTGRES_HOST="here").source == "POSTGRES_HOST"
    assert load(TUTORMAX_NO_EMBEDDED="0").embedded
    (tmp_path / ".env").write_text("TUTORMAX_NO_EMBEDDED=true\n")
    assert refusal(None, tmp_path).startswith("no database is configured")


def test_the_schema_is_public_or_the_named_one(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TUTORMAX_SCHEMA=from_file\nPOSTGRES_HOST=host\n")
    assert load().schema == "public"
    assert load(None, tmp_path).schema == "from_file"
    assert load(None, tmp_path, TUTORMAX_SCHEMA="from_variable").schema == "from_variable"
    chosen = load_settings(
        environ={"TUTORMAX_SCHEMA": "from_variable"}, directory=tmp_path, schema='Odd "Näme.x@y', no_embedded=True
    )
    assert chosen.schema == 'Odd "Näme.x@y'
    assert chosen.description == 'tutormax on host:5432, schema Odd "Näme.x@y (POSTGRES_HOST, .env)'


@pytest.mark.parametrize(
    "name", ["", " ", "a\nb", "a\n", "a\x00", " a", "ä" * 32, "x" * 64, "pg_temp", "pg_catalog", "information_schema"]
)
def test_names_that_no_schema_can_have_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="--schema "):
        load_settings(environ={}, directory=NOWHERE, schema=name)
    assert refusal(TUTORMAX_SCHEMA=name).startswith("TUTORMAX_SCHEMA ")


@pytest.mark.parametrize("name", ["x" * 63, "ä" * 31, "PG_x", "tutormax_admin", "a b"])
def test_names_that_a_schema_can_have_are_taken(name: str) -> None:
    assert load(TUTORMAX_SCHEMA=name).schema == name


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a `.env` that names a server, two levels above an empty one."""
    (tmp_path / "project" / "reports" / "weekly").mkdir(parents=True)
    (tmp_path / "project" / ".env").write_text(f"DATABASE_URL={URL}\nSECRET_KEY=canary\n")
    return tmp_path / "project"


def test_a_file_in_a_parent_folder_is_warned_about(project: Path) -> None:
    assert load(None, project / "reports" / "weekly").warning == (
        f"warning: {project}/.env sets DATABASE_URL, but the .env of a parent folder is not read\n"
        "  to read it, add --env-file ../../.env"
    )
    assert "--env-file ../.env" in load(None, project / "reports", POSTGRES_HOST="here").warning
    assert f"to read {project}/.env, add --env-file ../.env" in refusal(
        None, project / "reports", TUTORMAX_NO_EMBEDDED="1"
    )


def test_the_warning_names_the_nearest_file_with_settings_of_ours(project: Path) -> None:
    (project / "reports" / ".env").write_text("SECRET_KEY=canary\n")
    assert f"{project}/.env" in load(None, project / "reports" / "weekly").warning
    (project / "reports" / ".env").write_text("TUTORMAX_SCHEMA=a\nPOSTGRES_DB=b\n")
    assert f"{project}/reports/.env sets POSTGRES_DB, TUTORMAX_SCHEMA" in load(None, project / "reports/weekly").warning


def test_no_warning_if_the_database_is_named_or_the_file_was_read(project: Path) -> None:
    folder = project / "reports"
    assert load(URL, folder).warning == ""
    assert load(None, folder, DATABASE_URL=URL).warning == ""
    assert load(None, project).warning == ""
    assert load(None, folder, TUTORMAX_ENV_FILE="../.env").warning == ""
    (folder / ".env").write_text("POSTGRES_HOST=here\n")
    assert load(None, folder).warning == ""
    (folder / ".env").write_text("TUTORMAX_PG_VERSION=18\n")
    assert load(None, folder).warning != ""
    (project / ".env").write_text("TUTORMAX_PG_VERSION=16\n")
    assert load(None, folder, TUTORMAX_ENV_FILE="../.env").warning == ""


def test_no_warning_about_a_file_above_the_home_folder(project: Path) -> None:
    weekly = project / "reports" / "weekly"
    assert load(None, weekly, HOME=str(project)).warning != ""
    assert load(None, weekly, HOME=str(project / "reports")).warning == ""
    assert load(None, weekly, HOME=f"{weekly}/").warning == ""


@pytest.mark.parametrize("content", [b"POSTGRES_HOST=\xff", b"A='open\n", b"D\0A\0"])
def test_a_file_in_a_parent_folder_that_cannot_be_read_is_ignored(content: bytes, project: Path) -> None:
    (project / ".env").write_bytes(content)
    assert load(None, project / "reports").warning == ""


def test_a_working_directory_that_is_gone_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load_settings(environ={}).warning == ""
    os.chdir(tmp_path)


def test_how_to_use_the_embedded_server_instead(tmp_path: Path) -> None:
    assert load(DATABASE_URL=URL).unset == "unset DATABASE_URL"
    (tmp_path / ".env").write_text("POSTGRES_HOST=dotenv\n")
    assert load(None, tmp_path, POSTGRES_USER="me").unset == "unset POSTGRES_USER and remove POSTGRES_HOST from .env"
    assert load(None, tmp_path, POSTGRES_USER="me", TUTORMAX_NO_EMBEDDED="1").unset == ""


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("POSTGRES_PORT", "five"),
        ("POSTGRES_PORT", "٥"),
        ("TUTORMAX_PG_VERSION", "12"),
        ("DB_ECHO", "perhaps"),
        ("TUTORMAX_NO_EMBEDDED", "perhaps"),
    ],
)
def test_settings_out_of_range_are_refused(variable: str, value: str) -> None:
    assert variable in refusal(None, NOWHERE, **{variable: value})


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


@pytest.mark.parametrize(
    ("url", "described"),
    [
        ("postgresql://db.example.com/tutors", "tutors on db.example.com:5432"),
        ("postgresql://one,two:5433/tutors", "tutors on one:5432, two:5433"),
        ("postgresql://[::1]/tutors", "tutors on [::1]:5432"),
        ("postgresql://name/tutors?hostaddr=10.0.0.1", "tutors on 10.0.0.1:5432"),
        ("postgresql:///tutors?host=/run/pg&port=5433", "tutors on /run/pg:5433"),
        ("postgresql:///?service=x", "the default database on service x"),
        ("postgresql://", "the default database on libpq's default server"),
    ],
)
def test_the_database_is_described_for_people(url: str, described: str) -> None:
    assert load(url).description == f"{described} (--database-url)"


def test_an_unreadable_dotenv_matters_only_if_it_is_needed(tmp_path: Path) -> None:
    for content in (b"POSTGRES_HOST=\xff\xfe", b"A='open\n"):
        (tmp_path / ".env").write_bytes(content)
        assert load(URL, tmp_path).source == "--database-url"
        assert load(None, tmp_path, DATABASE_URL=URL).source == "DATABASE_URL"
        assert ".env" in refusal(None, tmp_path)
        assert ".env" in refusal(None, tmp_path, POSTGRES_HOST="here")
