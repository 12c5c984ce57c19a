"""The asyncio twin of `tutormax_cli.database`: the same names, awaited, and the FastAPI dependency.

Every query is written once, in `queries`, over a synchronous session; here it runs through
`AsyncSession.run_sync`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import cache, update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database import engine as sync
from tutormax_cli.database import queries
from tutormax_cli.database.connection import connect_async
from tutormax_cli.database.engine import DIALECT, POOL, get_settings, schema_map
from tutormax_cli.database.enums import (
    BehavioralArchetype,
    EventType,
    InterventionOutcome,
    InterventionStatus,
    InterventionType,
    MetricWindow,
    PerformanceTier,
    RiskLevel,
    SessionType,
    TutorStatus,
)
from tutormax_cli.database.models import (
    Base,
    ChurnPrediction,
    Intervention,
    Session,
    Student,
    StudentFeedback,
    Tutor,
    TutorEvent,
    TutorPerformanceMetric,
)
from tutormax_cli.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")


def make_engine(settings: Settings) -> AsyncEngine:
    """Make an asyncio engine for these settings; it connects on first use."""
    return create_async_engine(
        DIALECT,
        async_creator=lambda: connect_async(settings),
        echo=settings.echo,
        hide_parameters=not settings.echo,
        execution_options={"schema_translate_map": schema_map(settings)},
        **POOL,
    )


@cache
def _engine() -> AsyncEngine:
    return make_engine(get_settings())


def get_engine(echo: bool | None = None) -> AsyncEngine:
    """Give this process's asyncio engine; `echo=True` logs every statement from now on."""
    engine = _engine()
    if echo is not None:
        engine.sync_engine.echo = echo
    return engine


@cache
def get_session_factory() -> async_sessionmaker[AsyncSession]:
    """Give the factory that every asyncio session of this process comes from."""
    return async_sessionmaker(get_engine(), expire_on_commit=False)


@asynccontextmanager
async def get_session() -> AsyncIterator[AsyncSession]:
    """Open a session; the caller commits. What is not committed is rolled back at the end."""
    async with get_session_factory()() as session:
        yield session


async def get_db_session() -> AsyncIterator[AsyncSession]:
    """Give a FastAPI route its session: `db: AsyncSession = Depends(get_db_session)`."""
    async with get_session() as session:
        yield session


async def init_db() -> None:
    """Create the database if it is missing and bring its schema to the newest revision."""
    await asyncio.to_thread(sync.init_db)


async def close_db() -> None:
    """Close every pooled connection and forget the engine and the settings, so that the next use starts anew."""
    if _engine.cache_info().currsize:
        await _engine().dispose()
    get_session_factory.cache_clear()
    _engine.cache_clear()
    sync.close_db()


def _awaited(
    query: Callable[Concatenate[OrmSession, P], T],
) -> Callable[Concatenate[AsyncSession, P], Coroutine[Any, Any, T]]:
    """Turn a query over a session into a coroutine function over an asyncio session."""

    async def run(db: AsyncSession, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await db.run_sync(query, *args, **kwargs)

    update_wrapper(run, query)
    return run


get_tutor_by_id = _awaited(queries.get_tutor_by_id)
get_active_tutors = _awaited(queries.get_active_tutors)
get_tutors_by_risk_level = _awaited(queries.get_tutors_by_risk_level)
get_tutor_sessions = _awaited(queries.get_tutor_sessions)
get_first_sessions = _awaited(queries.get_first_sessions)
get_latest_performance_metrics = _awaited(queries.get_latest_performance_metrics)
get_all_performance_metrics = _awaited(queries.get_all_performance_metrics)
get_latest_churn_prediction = _awaited(queries.get_latest_churn_prediction)
get_high_risk_tutors = _awaited(queries.get_high_risk_tutors)
get_pending_interventions = _awaited(queries.get_pending_interventions)
get_tutor_events = _awaited(queries.get_tutor_events)
get_tutor_statistics = _awaited(queries.get_tutor_statistics)

__all__ = [
    "Base",
    "BehavioralArchetype",
    "ChurnPrediction",
    "EventType",
    "Intervention",
    "InterventionOutcome",
    "InterventionStatus",
    "InterventionType",
    "MetricWindow",
    "PerformanceTier",
    "RiskLevel",
    "Session",
    "SessionType",
    "Settings",
    "Student",
    "StudentFeedback",
    "Tutor",
    "TutorEvent",
    "TutorPerformanceMetric",
    "TutorStatus",
    "close_db",
    "get_active_tutors",
    "get_all_performance_metrics",
    "get_db_session",
    "get_engine",
    "get_first_sessions",
    "get_high_risk_tutors",
    "get_latest_churn_prediction",
    "get_latest_performance_metrics",
    "get_pending_interventions",
    "get_session",
    "get_session_factory",
    "get_settings",
    "get_tutor_by_id",
    "get_tutor_events",
    "get_tutor_sessions",
    "get_tutor_statistics",
    "get_tutors_by_risk_level",
    "init_db",
    "make_engine",
]
