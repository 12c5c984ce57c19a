"""TutorMax's tables in another schema than `public`: never a second, empty set, and the printed setting works."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg import sql

from tests.conftest import Finished, Server, url_of
from tests.support.connections import connect
from tutormax_cli.settings import Settings

LOGS_SCHEMA = "tutormax_admin"

SEED = ("seed", "--tutors", "30", "--days", "60", "--as-of", "2026-06-01")

COMMANDS = (
    "init",
    "migrate up",
    "migrate down -1 --yes",
    "migrate status",
    "migrate check",
    "migrate sql",
    "migrate stamp head --yes",
    "seed",
    "seed --replace --yes",
    "stats",
    "evaluate",
    "predict",
    "backtest",
    "risk-report",
    "export --all -o out",
    "import tutors.csv",
    "dump -o company.dump",
    "reset --yes",
    "roles",
    "roles --apply",
    "log",
    "doctor",
    "doctor --mark staging",
    "shell",
)


@pytest.fixture
def moved(seeded_settings: Settings) -> Settings:
    """A company whose tables are in the schema of its role, as earlier versions created them."""
    with connect(seeded_settings) as driver:
        driver.execute('CREATE SCHEMA "Ann\'s schema"')
        tables = driver.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            driver.execute(
                sql.SQL("ALTER TABLE public.{} SET SCHEMA {}").format(
                    sql.Identifier(table), sql.Identifier("Ann's schema")
                )
            )
    return seeded_settings


def tables_in(settings: Settings, schema: str) -> int:
    with connect(settings) as driver:
        row = driver.execute("SELECT count(*) FROM pg_tables WHERE schemaname = %s", [schema]).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_refuses_if_the_tables_are_in_another_schema_and_prints_the_setting(
    tutormax: Callable[..., Finished], seeded_url: str, moved: Settings, tmp_path: Path, line: str
) -> None:
    (tmp_path / "tutors.csv").write_text("tutor_id,name,email\n")
    done = tutormax(*line.split())
    assert done.exit_code == 2, done
    assert "TutorMax's tables are in schema Ann's schema, not in public; nothing was changed" in done.stderr
    assert tables_in(moved, "public") == 0
    assert not list(tmp_path.glob("out*")) and not list(tmp_path.glob("*.dump"))
    printed = re.search(r"export TUTORMAX_SCHEMA=(.*)", done.stderr)
    assert printed is not None
    assert shlex.split(printed[1]) == ["Ann's schema"]


def test_the_printed_setting_works_from_the_report_to_a_restore(
    tutormax: Callable[..., Finished], seeded_url: str, moved: Settings
) -> None:
    for line in (
        "risk-report",
        "evaluate --as-of 2026-06-01",
        "dump -o company.dump",
        "prove company.dump",
        "restore company.dump --yes",
        "seed --tutors 20 --days 40 --replace --yes",
        "migrate check",
        "doctor --check",
        "reset --yes",
        "roles --apply --yes",
        "stats",
    ):
        done = tutormax(*line.split(), TUTORMAX_SCHEMA="Ann's schema")
        assert done.exit_code == 0, (line, done.stderr, done.stdout[-600:])
        assert "schema Ann's schema" in done.stderr
    assert tables_in(moved, "public") == 0


def test_an_archive_from_another_schema_is_refused_with_the_setting(
    tutormax: Callable[..., Finished], seeded_url: str, moved: Settings, server: Server, migrated: Settings
) -> None:
    assert tutormax("dump", "-o", "company.dump", TUTORMAX_SCHEMA="Ann's schema").exit_code == 0
    with server.clone(migrated) as other:
        done = tutormax("restore", "company.dump", DATABASE_URL=url_of(other))
        assert done.exit_code == 2, done.stderr
        assert 'TUTORMAX_SCHEMA="Ann\'s schema"' in done.stderr or "TUTORMAX_SCHEMA='Ann'\"'\"'s schema'" in done.stderr


@pytest.fixture
def log_named_role(server: Server) -> Iterator[str]:
    role = sql.Identifier(LOGS_SCHEMA)
    server.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(role))
    keywords = dict(server.settings.keywords or {})
    yield f"postgresql://{LOGS_SCHEMA}@/logrole?host={keywords['host']}&port={keywords['port']}"
    server.drop("logrole")
    server.execute(sql.SQL("DROP ROLE {}").format(role))


def test_a_role_named_like_the_logs_schema_works(tutormax: Callable[..., Finished], log_named_role: str) -> None:
    for line in (
        ("init",),
        SEED,
        ("risk-report",),
        ("dump", "-o", "company.dump"),
        ("prove", "company.dump"),
        ("restore", "company.dump", "--yes"),
        ("migrate", "down", "base", "--yes"),
        ("init",),
        ("doctor", "--check"),
    ):
        done = tutormax(*line, DATABASE_URL=log_named_role)
        assert done.exit_code == 0, (line, done.stderr)


def test_tables_in_the_logs_own_schema_work_with_the_setting(
    tutormax: Callable[..., Finished], log_named_role: str
) -> None:
    """Where a role of that name has created them under its own search_path, before they were named with a schema."""
    for line in (
        ("init",),
        SEED,
        ("evaluate", "--as-of", "2026-06-01"),
        ("risk-report",),
        ("log",),
        ("dump", "-o", "company.dump"),
        ("prove", "company.dump"),
        ("restore", "company.dump", "--yes"),
        ("seed", "--tutors", "20", "--days", "40", "--replace", "--yes"),
        ("migrate", "check"),
        ("doctor", "--check"),
        ("reset", "--yes"),
        ("migrate", "down", "base", "--yes"),
        ("migrate", "up"),
        ("stats",),
    ):
        done = tutormax(*line, DATABASE_URL=log_named_role, TUTORMAX_SCHEMA=LOGS_SCHEMA)
        assert done.exit_code == 0, (line, done.stderr)
    plain = tutormax("stats", DATABASE_URL=log_named_role)
    assert plain.exit_code == 2
    assert f"export TUTORMAX_SCHEMA={LOGS_SCHEMA}" in plain.stderr
