"""Every command and the library behind PgBouncer in transaction mode, beside busy clients: nothing stays behind."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session as OrmSession

from tests.conftest import Finished, Server, url_of
from tests.support.connections import connect
from tests.support.pooler import pooled
from tutormax_cli.database import Tutor, aio, get_tutor_statistics
from tutormax_cli.database.engine import make_engine
from tutormax_cli.settings import Settings

pytestmark = pytest.mark.debian

POOL_SIZE = 3

LEFT_BEHIND = """
    SELECT 'setting ' || name || ' = ' || setting FROM pg_settings
     WHERE source = 'session' AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone',
                                               'standard_conforming_strings')
    UNION ALL SELECT 'advisory lock ' || objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
    UNION ALL SELECT 'statement ' || name FROM pg_prepared_statements
    UNION ALL SELECT 'cursor ' || name FROM pg_cursors WHERE name <> ''
    UNION ALL SELECT 'channel ' || pg_listening_channels()
    UNION ALL SELECT 'temporary table ' || relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()
    UNION ALL SELECT 'path ' || current_setting('search_path')
               WHERE current_setting('search_path') <> '"$user", public'
    UNION ALL SELECT 'role ' || current_user WHERE current_user <> session_user
"""
"""What a session can keep. PgBouncer itself sets the five settings as each client had them at its start."""


@contextmanager
def busy_clients(pooler: Settings) -> Iterator[list[str]]:
    """Keep two clients working; they note what they find that isn't theirs."""
    wrong: list[str] = []
    done = threading.Event()

    def work() -> None:
        with psycopg.connect(**dict(pooler.keywords or {}), prepare_threshold=None) as client:  # type: ignore[arg-type]
            while not done.is_set():
                row = client.execute("SELECT current_setting('search_path'), current_setting('TimeZone')").fetchone()
                tables = client.execute("SELECT count(*) FROM tutors").fetchone()
                client.commit()
                if row != ('"$user", public', zone) or not tables:
                    wrong.append(f"{row} {tables}")

    with psycopg.connect(**dict(pooler.keywords or {}), prepare_threshold=None) as first:  # type: ignore[arg-type]
        zone = (first.execute("SELECT current_setting('TimeZone')").fetchone() or ("",))[0]
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield wrong
    finally:
        done.set()
        for thread in threads:
            thread.join(30)


def left_behind(pooler: Settings) -> list[str]:
    """Look at every server connection of the pool: as many transactions at once as there are."""
    found: list[str] = []
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(pooler)) for _ in range(POOL_SIZE)]
        pids = set()
        for client in clients:
            client.execute("SET LOCAL TimeZone = 'UTC'")
            pids |= set(client.execute("SELECT pg_backend_pid()").fetchall())
            found += [what for (what,) in client.execute(LEFT_BEHIND).fetchall()]
        assert len(pids) == POOL_SIZE
    return found


@pytest.fixture
def pooler(seeded_settings: Settings) -> Iterator[Settings]:
    with pooled(seeded_settings, pool_size=POOL_SIZE) as settings:
        yield settings


def url(pooler: Settings) -> str:
    keywords = dict(pooler.keywords or {})
    return f"postgresql://{keywords['user']}@{keywords['host']}:{keywords['port']}/{keywords['dbname']}"


def test_every_command_works_behind_a_pooler_and_leaves_nothing_on_its_connections(
    tutormax: Callable[..., Finished], seeded_settings: Settings, pooler: Settings, tmp_path: Path
) -> None:
    archive = tmp_path / "company.dump"
    direct = tutormax("dump", "-o", str(archive), DATABASE_URL=url_of(seeded_settings))
    assert direct.exit_code == 0, direct.stderr
    wrong = {}
    for line in (
        "init",
        "migrate up",
        "migrate status",
        "migrate check",
        "stats",
        "risk-report",
        "risk-report --tutor tutor_00001",
        "evaluate --as-of 2026-06-01",
        "predict --as-of 2026-06-01",
        "backtest --as-of 2026-06-01",
        "export --all -o company",
        "export --aggregates -o counts.csv",
        "import company --mode upsert",
        "seed --tutors 20 --days 60 --append --as-of 2026-06-01",
        "seed --tutors 60 --days 120 --seed 7 --replace --yes --no-backup --as-of 2026-06-01",
        "doctor",
        "doctor --mark staging",
        "roles",
        "log",
        "migrate stamp head --yes",
        f"restore {archive} --yes --no-backup",
        "migrate down -1 --yes --no-backup",
        "migrate up",
        "reset --yes --no-backup",
        "import company",
        "roles --apply --yes",
    ):
        with busy_clients(pooler) if "reset" not in line and "restore" not in line else ExitStack() as seen:
            done = tutormax(*line.split(), DATABASE_URL=url(pooler))
        behind = left_behind(pooler)
        if done.exit_code or behind or (isinstance(seen, list) and seen):
            wrong[line] = (done.exit_code, behind, seen if isinstance(seen, list) else [], done.stderr[-300:])
    assert not wrong


@pytest.mark.parametrize(
    "line",
    [
        "dump -o company.dump",
        "shell",
        "reset --yes",
        "seed --tutors 10 --replace --yes",
        "migrate down base --yes",
    ],
)
def test_what_needs_pg_dump_or_psql_refuses_a_pooler_before_anything_is_changed(
    tutormax: Callable[..., Finished], seeded_settings: Settings, pooler: Settings, tmp_path: Path, line: str
) -> None:
    with connect(seeded_settings) as driver:
        before = driver.execute("SELECT count(*) FROM tutors").fetchone()
    done = tutormax(*line.split(), DATABASE_URL=url(pooler))
    assert done.exit_code == 2, (done.exit_code, done.stderr)
    assert "pooler" in done.stderr
    assert "direct connection" in done.stderr
    assert not list(tmp_path.glob("*.dump"))
    assert not left_behind(pooler)
    with connect(seeded_settings) as driver:
        assert driver.execute("SELECT count(*) FROM tutors").fetchone() == before


def test_the_library_works_behind_a_pooler_and_leaves_nothing_on_its_connections(pooler: Settings) -> None:
    engine = make_engine(pooler)
    with busy_clients(pooler) as wrong:
        for _ in range(30):  # more often than psycopg would wait before it prepares a statement
            with OrmSession(engine) as db:
                tutor = db.scalars(select(Tutor).limit(1)).one()
                assert get_tutor_statistics(db, tutor.tutor_id)["tutor_id"] == tutor.tutor_id
                assert db.scalar(text("SELECT current_setting('TimeZone')")) == "UTC"
                db.commit()
        asyncio.run(_asynchronously(pooler))
    engine.dispose()
    assert not wrong
    assert not left_behind(pooler)


async def _asynchronously(pooler: Settings) -> None:
    engine = aio.make_engine(pooler)
    for _ in range(30):
        async with AsyncSession(engine) as db:
            found: Any = (await db.scalars(select(Tutor).limit(1))).one()
            assert (await aio.get_tutor_statistics(db, found.tutor_id))["tutor_id"] == found.tutor_id
            await db.commit()
    await engine.dispose()


def test_promote_refuses_a_pooler_before_it_creates_the_database(
    tutormax: Callable[..., Finished], pooler: Settings, server: Server, tmp_path: Path
) -> None:
    home = {"TUTORMAX_HOME": str(server.settings.home / "promoted")}
    assert tutormax("init", **home).exit_code == 0
    try:
        other = url(pooler).rpartition("/")[0] + "/promoted_elsewhere"
        done = tutormax("promote", "--to", other, **home)
        assert done.exit_code == 2 and "connection pooler" in done.stderr, done.stderr
        with connect(server.settings) as driver:
            assert not driver.execute("SELECT FROM pg_database WHERE datname = 'promoted_elsewhere'").fetchone()
    finally:
        assert tutormax("server", "stop", **home).exit_code == 0
