"""What the library promises its users: each documented way to use it, with the import pointed at our package."""

import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session as OrmSession
from sqlalchemy.orm import selectinload

from tests.conftest import clean_environment
from tests.database.test_models import feedback, prediction, session, tutor
from tutormax_cli import database
from tutormax_cli.database import Session, Student, Tutor, aio


@pytest.fixture
def configured(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)
    database.close_db()
    return database_url


async def test_create_and_query(configured: str) -> None:
    async with aio.get_session() as db:
        made = Tutor(
            tutor_id="tutor_001",
            name="Jane Doe",
            email="jane@example.com",
            onboarding_date=datetime(2026, 1, 1),
            status="active",
            subjects=["Mathematics", "Physics"],
            baseline_sessions_per_week=15.0,
        )
        db.add(made)
        await db.commit()

    async with aio.get_session() as db:
        result = await db.execute(select(Tutor).where(Tutor.status == "active"))
        active_tutors = result.scalars().all()
        assert [found.name for found in active_tutors] == ["Jane Doe"]
        assert active_tutors[0].onboarding_date == datetime(2026, 1, 1, tzinfo=UTC)
    await aio.close_db()


def add_company(db: OrmSession) -> None:
    db.add_all([tutor("tutor_001"), Student(student_id="p1", name="Pupil")])
    db.flush()
    recently = datetime.now(UTC) - timedelta(days=2)
    db.add(session(tutor_id="tutor_001", scheduled_start=recently, actual_start=recently))
    db.flush()
    db.add_all([feedback(tutor_id="tutor_001"), prediction(tutor_id="tutor_001")])
    db.commit()


async def test_utility_functions(configured: str, db: OrmSession) -> None:
    add_company(db)
    async with aio.get_session() as asynchronous:
        found = await aio.get_tutor_by_id(asynchronous, "tutor_001", with_relations=True)
        assert found is not None and found.sessions[0].feedback is not None

        stats = await aio.get_tutor_statistics(asynchronous, "tutor_001", days_back=30)
        assert stats == {
            "tutor_id": "tutor_001",
            "days_back": 30,
            "total_sessions": 1,
            "average_rating": 5.0,
            "no_shows": 0,
            "reschedules": 0,
        }
        high_risk = await aio.get_high_risk_tutors(asynchronous, min_score=51, limit=10)
        assert [(who.tutor_id, what.churn_score) for who, what in high_risk] == [("tutor_001", 84)]
    await aio.close_db()


def test_fastapi(configured: str, db: OrmSession) -> None:
    add_company(db)
    app = FastAPI()

    @app.get("/tutors/{tutor_id}")
    async def get_tutor(tutor_id: str, db: AsyncSession = Depends(aio.get_db_session)) -> dict[str, str | None]:  # noqa: B008
        result = await db.execute(select(Tutor).where(Tutor.tutor_id == tutor_id))
        found = result.scalar_one_or_none()
        return {"name": found.name if found else None}

    with TestClient(app) as client:
        assert client.get("/tutors/tutor_001").json() == {"name": "Dana Whitlock"}
        assert client.get("/tutors/nobody").json() == {"name": None}
        client.portal.call(aio.close_db)  # type: ignore[union-attr]


async def test_eager_loading(configured: str, db: OrmSession) -> None:
    add_company(db)
    async with aio.get_session() as asynchronous:
        result = await asynchronous.execute(
            select(Tutor)
            .options(
                selectinload(Tutor.sessions).selectinload(Session.feedback), selectinload(Tutor.performance_metrics)
            )
            .where(Tutor.status == "active")
            .limit(100)
        )
        tutors = result.scalars().all()
        assert tutors[0].sessions[0].feedback is not None and tutors[0].performance_metrics == []
    await aio.close_db()


def test_what_is_not_committed_is_rolled_back(configured: str) -> None:
    with database.get_session() as db:
        db.add(tutor())
        db.flush()
    with database.get_session() as db:
        assert db.scalar(select(func.count()).select_from(Tutor)) == 0
    database.close_db()


def test_echo_logs_every_statement(configured: str, caplog: pytest.LogCaptureFixture) -> None:
    engine = database.get_engine(echo=True)
    with engine.connect() as connection:
        connection.execute(text("SELECT 42"))
    assert "SELECT 42" in caplog.text
    database.close_db()


def test_settings_show_no_password(configured: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:canary@db.example.com/tutors")
    assert str(database.get_settings().database_url) == "postgresql://me:***@db.example.com/tutors"
    assert "canary" not in repr(database.get_engine()) + repr(database.get_settings())
    database.close_db()


def test_importing_connects_to_nothing_and_builds_no_engine(tmp_path: Path) -> None:
    program = """
        import tutormax_cli.database.aio as aio, tutormax_cli.database as database
        from tutormax_cli.database import engine
        assert engine._engine.cache_info().currsize == aio._engine.cache_info().currsize == 0
        assert engine.get_settings.cache_info().currsize == 0
    """
    environment = clean_environment(DATABASE_URL="postgresql://127.0.0.1:1/nowhere")
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, env=environment, cwd=tmp_path)


EXAMPLE_TESTS = """
import pytest
from datetime import datetime
from tutormax_cli.database.aio import get_engine, Base, close_db


@pytest.fixture
async def test_db():
    engine = get_engine()
    async with engine.begin() as conn:
        await conn.run_sync(Base.metadata.create_all)
    yield
    async with engine.begin() as conn:
        await conn.run_sync(Base.metadata.drop_all)
    await close_db()


@pytest.mark.asyncio
async def test_create_tutor(test_db):
    from tutormax_cli.database.aio import get_session, Tutor

    async with get_session() as db:
        tutor = Tutor(
            tutor_id="test_001",
            name="Test Tutor",
            email="test@example.com",
            onboarding_date=datetime.utcnow(),
            status="active",
            subjects=["Math"],
        )
        db.add(tutor)
        await db.commit()

        from sqlalchemy import select

        result = await db.execute(select(Tutor).where(Tutor.tutor_id == "test_001"))
        assert result.scalar_one().name == "Test Tutor"
"""


def test_a_test_database_made_from_the_models(configured: str, tmp_path: Path) -> None:
    (tmp_path / "test_example.py").write_text(EXAMPLE_TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", "-p", "no:cacheprovider", str(tmp_path)],
        env=clean_environment(DATABASE_URL=configured),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_init_db_makes_database_and_schema(configured: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = configured.replace("/tutormax_test_", "/tutormax_test_new_")
    monkeypatch.setenv("DATABASE_URL", fresh)
    try:
        database.init_db()
        database.init_db()
        with database.get_session() as db:
            assert database.get_active_tutors(db) == []
    finally:
        database.close_db()
        monkeypatch.setenv("DATABASE_URL", configured)
        name = fresh.split("/")[3].split("?")[0]
        with database.get_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        database.close_db()


def test_the_two_faces_offer_the_same_names() -> None:
    assert set(aio.__all__) - set(database.__all__) == {"get_db_session"}
    assert set(database.__all__) - set(aio.__all__) == set()
    assert all(hasattr(face, name) for face in (aio, database) for name in face.__all__)
