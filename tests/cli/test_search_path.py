"""Which search_path is in force for every statement of every command, seen from the driver."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.conftest import SEEDED_WORLD
from tutormax_cli.cli.app import run
from tutormax_cli.database.driver import SAFE_PATH
from tutormax_cli.settings import Settings

OF_REVISIONS = ("public, pg_temp", '"public", pg_temp')
"""The path of revisions and of what Alembic does itself."""

OF_RESTORED_DEFINITIONS = ("", '""')
"""pg_dump's own: everything in an archive is named with its schema."""

ALEMBICS = re.compile(
    r"\s*(CREATE|ALTER|DROP|COMMENT|DO|GRANT)\b"  # revisions
    r"|INSERT INTO alembic_version|UPDATE alembic_version SET|DELETE FROM alembic_version|SELECT alembic_version\."
    r"|SELECT (anon_\d+|pg_catalog\.pg_class|DISTINCT)?.*\bpg_catalog\."  # reflection names every catalogue
    r"|select pg_catalog\.version\(\)|select current_schema\(\)|show \w|SELECT typname AS name",
    re.DOTALL,
)
"""All that may run under the path of revisions."""

OUTSIDE_TRANSACTIONS = re.compile(r"CREATE DATABASE |;$")
"""What can't run in one, and SQLAlchemy's ping."""


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """Every statement that the driver sends from now on, with the search_path in force for it."""
    seen: list[tuple[str, str]] = []

    def watched(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(cursor: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
            text = query if isinstance(query, str) else bytes(query).decode() if isinstance(query, bytes) else ""
            text = text or query.as_string(cursor)
            path = cursor.connection.info.parameter_status("search_path") or ""
            idle = cursor.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
            if idle and not cursor.connection.autocommit:  # the statement begins the transaction, which sets the path
                path = getattr(cursor.connection, "path", None) or path
            seen.append((" ".join(text.split()), path))
            return original(cursor, query, *args, **kwargs)

        return call

    for kind in (psycopg.Cursor, psycopg.ClientCursor, psycopg.ServerCursor):
        for name in ("execute", "executemany", "copy"):
            if name in vars(kind):
                monkeypatch.setattr(kind, name, watched(name, vars(kind)[name]))
    yield seen


def others(statements: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """List the statements that are neither under our path nor on one of the short lists."""
    found = []
    for text, path in statements:
        allowed = (
            path in (SAFE_PATH, *OF_RESTORED_DEFINITIONS)
            or (path in OF_REVISIONS and ALEMBICS.match(text))
            or text.startswith(("SET LOCAL ", "SAVEPOINT ", "RELEASE ", "ROLLBACK TO "))
            or OUTSIDE_TRANSACTIONS.match(text)
        )
        if not allowed:
            found.append((text, path))
    return found


def test_every_statement_runs_under_pg_catalog_or_is_on_a_short_list(
    statements: list[tuple[str, str]],
    database_url: str,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("TUTORMAX_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    seed = " ".join(SEEDED_WORLD)
    for line in (
        "migrate down base --yes",
        "init",
        "migrate status",
        "migrate check",
        "migrate sql",
        f"seed {seed} --dry-run",
        f"seed {seed}",
        "seed --tutors 20 --days 120 --append --as-of 2026-06-01",
        "evaluate --as-of 2026-06-01",
        "predict --as-of 2026-06-01",
        "backtest --as-of 2026-06-01",
        "risk-report",
        "risk-report --tutor tutor_00001",
        "stats",
        "stats --as-of 2026-05-01",
        "export --all -o company",
        "export --all -o hidden --pseudonymise",
        "export --aggregates -o counts.csv",
        "import company --mode upsert",
        "dump -o company.dump",
        "restore company.dump --yes",
        f"seed {seed} --replace --yes",
        "roles",
        "log",
        "doctor",
        "doctor --mark staging",
        "migrate stamp head --yes",
        "reset --yes",
        "import company",
        "roles --apply --yes",
    ):
        assert run(line.split()) == 0, line
    assert len(statements) > 500
    found = others(statements)
    assert not found, "\n".join(f"{path}: {text[:200]}" for text, path in found[:20])
