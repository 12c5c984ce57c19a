"""Functions and operators of a stranger, named like PostgreSQL's own, run in none of the commands."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg import sql

from tests.conftest import Finished, Server
from tests.support.connections import connect
from tests.support.strangers import plant, runs
from tutormax_cli.settings import Settings

STRANGER = "look_alike_stranger"


@pytest.fixture
def archive(tutormax: Callable[..., Finished], seeded_url: str, tmp_path: Path) -> Path:
    """A dump from before the stranger came."""
    path = tmp_path / "company.dump"
    assert tutormax("dump", "-o", str(path)).exit_code == 0
    return path


@pytest.fixture
def planted(server: Server, seeded_settings: Settings, archive: Path) -> Iterator[Settings]:
    """The small company, in whose schema a stranger owns some fifty look-alikes."""
    with connect(seeded_settings) as driver:
        assert plant(driver, STRANGER) >= 25
    yield seeded_settings
    server.drop(seeded_settings.dbname)
    server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(STRANGER)))


def trapped(settings: Settings) -> int:
    with connect(settings) as driver:
        return runs(driver)


def test_the_look_alikes_run_where_the_path_names_their_schema(planted: Settings) -> None:
    """Otherwise the tests below would prove nothing."""
    with connect(planted) as driver:
        driver.execute("SELECT quote_ident(relname) FROM pg_class LIMIT 1")
        driver.execute("SELECT lower(name) FROM tutors WHERE tutor_id = name LIMIT 1")
    assert trapped(planted) >= 2


def test_no_command_runs_a_look_alike(
    tutormax: Callable[..., Finished], seeded_url: str, planted: Settings, archive: Path, tmp_path: Path
) -> None:
    """Every command that reads or writes the database, most of them with their options."""
    exported = tmp_path / "company"
    failed = {}
    for line in (
        "stats",
        "stats --tutor tutor_00001",
        "risk-report",
        "risk-report --as-of 2026-05-26 --min-score 10 --level High --subject PSAT",
        "risk-report --tutor tutor_00001",
        "evaluate --as-of 2026-06-01",
        "predict --as-of 2026-06-01",
        "backtest --as-of 2026-06-01",
        f"export --all -o {exported}",
        "export tutors --pseudonymise",
        "export --aggregates",
        f"import {exported} --mode upsert",
        f"import {exported} --mode skip",
        "seed --tutors 20 --days 60 --append --as-of 2026-06-01",
        "seed --tutors 60 --days 120 --seed 7 --replace --yes --as-of 2026-06-01",
        "dump -o another.dump",
        f"restore {archive} --yes",
        "roles",
        "log",
        "doctor",
        "doctor --mark staging",
        "migrate status",
        "migrate history",
        "migrate sql",
        "roles --apply --yes",
        "evaluate --as-of 2026-06-01",
    ):
        done = tutormax(*line.split())
        if done.exit_code or trapped(planted):
            failed[line] = (done.exit_code, trapped(planted), done.stderr[-300:])
    assert not failed


@pytest.mark.parametrize("line", ["up", "check", "down -1 --yes --no-backup", "stamp head --yes"])
def test_migrations_refuse_a_schema_in_which_a_stranger_owns_functions(
    tutormax: Callable[..., Finished], seeded_url: str, planted: Settings, line: str
) -> None:
    with connect(planted) as driver:
        driver.execute("UPDATE alembic_version SET version_num = '20251107_0000'" if line == "up" else "SELECT 1")
    done = tutormax("migrate", *line.split())
    assert (done.exit_code, trapped(planted)) == (1, 0), done.stderr
    assert f"of role {STRANGER}" in done.stderr
    assert "nothing was changed" in done.stderr
    assert "DROP FUNCTION public." in done.stderr or "DROP OPERATOR public." in done.stderr


def test_doctor_names_look_alikes_and_rights_of_public_with_what_removes_them(
    tutormax: Callable[..., Finished], seeded_url: str, planted: Settings
) -> None:
    report = json.loads(tutormax("doctor", "--format", "json").stdout)
    found = {check["check"]: check for check in report["checks"]}
    assert found["look-alikes"]["state"] == "failed"
    assert found["look-alikes"]["mend"].startswith("DROP ")
    assert found["rights of PUBLIC"]["mend"] == "REVOKE CREATE ON SCHEMA public FROM PUBLIC;"
