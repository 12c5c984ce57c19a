"""Named SELECTs over a session. Each is written once; `aio` runs the same ones for asyncio."""

from datetime import UTC, datetime, timedelta
from typing import TypedDict

import psycopg
from psycopg import sql
from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, true
from sqlalchemy.orm import Session as OrmSession
from sqlalchemy.orm import aliased, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from tutormax_cli.database.driver import schema_of
from tutormax_cli.database.enums import InterventionStatus, MetricWindow, RiskLevel, TutorStatus
from tutormax_cli.database.models import (
    Base,
    ChurnPrediction,
    Intervention,
    Session,
    StudentFeedback,
    Tutor,
    TutorEvent,
    TutorPerformanceMetric,
)
from tutormax_cli.database.names import own_table

SILENCE_BEFORE_DEPARTURE = timedelta(days=14)
"""How long a tutor has to be silent to be recorded as churned."""


def count_rows(connection: psycopg.Connection) -> dict[str, int]:
    """Count the rows of each of our tables that exists, by name, in the order in which they refer to each other."""
    existing = existing_tables(connection)
    if not existing:
        return {}
    counts = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {}, count(*) FROM {}").format(sql.Literal(name), own_table(connection, name).sql)
        for name in existing
    )
    counted: dict[str, int] = dict(connection.execute(counts).fetchall())
    return {name: counted[name] for name in existing}


def existing_tables(connection: psycopg.Connection) -> list[str]:
    """List our tables that exist, in the order in which they refer to each other."""
    names = list(Base.metadata.tables)
    found = connection.execute(
        "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = ANY (%s) AND c.relkind IN ('r', 'p')",
        [schema_of(connection), names],
    ).fetchall()
    existing = {name for (name,) in found}
    return [name for name in names if name in existing]


class TutorStatistics(TypedDict):
    """What `get_tutor_statistics` tells of one tutor."""

    tutor_id: str
    days_back: int
    total_sessions: int
    average_rating: float | None
    no_shows: int
    reschedules: int


def departed_at() -> ColumnElement[datetime]:
    """Give, for a churned tutor, the time of departure; for others NULL.

    It is `churned_at`, or where nobody recorded that, 14 days after the last session: the last that the tutor did not
    miss, because who falls silent leaves booked sessions behind; the last of all where each was missed.
    """
    start = Session.scheduled_start
    last_session = (
        select(func.coalesce(func.max(start).filter(~Session.no_show), func.max(start)))
        .where(Session.tutor_id == Tutor.tutor_id)
        .correlate(Tutor)
        .scalar_subquery()
    )
    return case(
        (
            Tutor.status == TutorStatus.CHURNED,
            func.coalesce(Tutor.churned_at, last_session + SILENCE_BEFORE_DEPARTURE),
        )
    )


def active_at(as_of: datetime) -> ColumnElement[bool]:
    """Tell whether a tutor worked with us at `as_of`: on board before it, not yet departed, not inactive."""
    return and_(
        Tutor.onboarding_date < as_of,
        or_(
            Tutor.status == TutorStatus.ACTIVE,
            and_(Tutor.status == TutorStatus.CHURNED, departed_at() >= as_of),
        ),
    )


def get_tutor_by_id(db: OrmSession, tutor_id: str, with_relations: bool = False) -> Tutor | None:
    """Find a tutor, or None; `with_relations` loads all that is recorded of them, in one statement per table."""
    return db.get(Tutor, tutor_id, options=_relations() if with_relations else None)


def _relations() -> list[ORMOption]:
    return [
        selectinload(Tutor.sessions).selectinload(Session.feedback),
        selectinload(Tutor.feedback),
        selectinload(Tutor.performance_metrics),
        selectinload(Tutor.churn_predictions),
        selectinload(Tutor.interventions),
        selectinload(Tutor.events),
    ]


def get_active_tutors(db: OrmSession, limit: int | None = None) -> list[Tutor]:
    """List the tutors whose status is active, by name."""
    chosen = select(Tutor).where(Tutor.status == TutorStatus.ACTIVE).order_by(Tutor.name, Tutor.tutor_id)
    return list(db.scalars(chosen.limit(limit)))


def get_tutors_by_risk_level(db: OrmSession, risk_level: RiskLevel | str) -> list[Tutor]:
    """List the active tutors whose latest prediction has this level, highest score first."""
    latest = _latest_prediction()
    chosen = _active_with(latest).where(latest.risk_level == RiskLevel(risk_level))
    return [tutor for tutor, _ in db.execute(chosen)]


def get_high_risk_tutors(
    db: OrmSession, min_score: int = RiskLevel.HIGH.floor, limit: int | None = None
) -> list[tuple[Tutor, ChurnPrediction]]:
    """List active tutors, each with the latest prediction, where that scores at least `min_score`, highest first."""
    latest = _latest_prediction()
    chosen = _active_with(latest).where(latest.churn_score >= min_score).limit(limit)
    return [(tutor, prediction) for tutor, prediction in db.execute(chosen)]


def _latest_prediction() -> type[ChurnPrediction]:
    """Alias the newest prediction of the tutor of the enclosing SELECT: one index step a tutor, any history."""
    newest = (
        select(ChurnPrediction)
        .where(ChurnPrediction.tutor_id == Tutor.tutor_id)
        .order_by(ChurnPrediction.prediction_date.desc())
        .limit(1)
        .correlate(Tutor)
        .lateral("latest")
    )
    return aliased(ChurnPrediction, newest)


def _active_with(latest: type[ChurnPrediction]) -> Select[Tutor, ChurnPrediction]:
    return (
        select(Tutor, latest)
        .join(latest, true())
        .where(Tutor.status == TutorStatus.ACTIVE)
        .order_by(latest.churn_score.desc(), Tutor.tutor_id)
    )


def get_tutor_sessions(
    db: OrmSession,
    tutor_id: str,
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int | None = None,
) -> list[Session]:
    """List a tutor's sessions scheduled from `start` until before `end`, newest first."""
    chosen = select(Session).where(Session.tutor_id == tutor_id)
    if start is not None:
        chosen = chosen.where(Session.scheduled_start >= start)
    if end is not None:
        chosen = chosen.where(Session.scheduled_start < end)
    return list(db.scalars(chosen.order_by(Session.scheduled_start.desc(), Session.session_id).limit(limit)))


def get_first_sessions(db: OrmSession, tutor_id: str, limit: int | None = None) -> list[Session]:
    """List a tutor's first sessions with each student, newest first, their feedback loaded."""
    chosen = (
        select(Session)
        .where(Session.tutor_id == tutor_id, Session.session_number == 1)
        .options(selectinload(Session.feedback))
        .order_by(Session.scheduled_start.desc(), Session.session_id)
    )
    return list(db.scalars(chosen.limit(limit)))


def get_latest_performance_metrics(
    db: OrmSession, tutor_id: str, window: MetricWindow | str = MetricWindow.DAYS_30
) -> TutorPerformanceMetric | None:
    """Find a tutor's newest metrics over one window."""
    return db.scalars(_metrics(tutor_id).where(TutorPerformanceMetric.window == MetricWindow(window)).limit(1)).first()


def get_all_performance_metrics(
    db: OrmSession, tutor_id: str, window: MetricWindow | str | None = None
) -> list[TutorPerformanceMetric]:
    """List a tutor's metrics, newest first, of one window or of all."""
    chosen = _metrics(tutor_id)
    if window is not None:
        chosen = chosen.where(TutorPerformanceMetric.window == MetricWindow(window))
    return list(db.scalars(chosen))


def _metrics(tutor_id: str) -> Select[TutorPerformanceMetric]:
    return (
        select(TutorPerformanceMetric)
        .where(TutorPerformanceMetric.tutor_id == tutor_id)
        .order_by(TutorPerformanceMetric.calculation_date.desc(), TutorPerformanceMetric.window)
    )


def get_latest_churn_prediction(db: OrmSession, tutor_id: str) -> ChurnPrediction | None:
    """Find a tutor's newest prediction."""
    chosen = select(ChurnPrediction).where(ChurnPrediction.tutor_id == tutor_id)
    return db.scalars(chosen.order_by(ChurnPrediction.prediction_date.desc()).limit(1)).first()


def get_pending_interventions(db: OrmSession, tutor_id: str | None = None) -> list[Intervention]:
    """List the interventions that nobody has begun, of one tutor or of all, the most urgent first."""
    chosen = select(Intervention).where(Intervention.status == InterventionStatus.PENDING)
    if tutor_id is not None:
        chosen = chosen.where(Intervention.tutor_id == tutor_id)
    return list(
        db.scalars(
            chosen.order_by(
                Intervention.due_date.asc().nulls_last(), Intervention.recommended_date, Intervention.intervention_id
            )
        )
    )


def get_tutor_events(
    db: OrmSession,
    tutor_id: str,
    event_type: str | None = None,
    since: datetime | None = None,
    limit: int | None = None,
) -> list[TutorEvent]:
    """List a tutor's events, of one type or of all, newest first."""
    chosen = select(TutorEvent).where(TutorEvent.tutor_id == tutor_id)
    if event_type is not None:
        chosen = chosen.where(TutorEvent.event_type == event_type)
    if since is not None:
        chosen = chosen.where(TutorEvent.event_timestamp >= since)
    return list(db.scalars(chosen.order_by(TutorEvent.event_timestamp.desc(), TutorEvent.event_id).limit(limit)))


def get_tutor_statistics(
    db: OrmSession, tutor_id: str, days_back: int = 30, as_of: datetime | None = None
) -> TutorStatistics:
    """Count a tutor's sessions scheduled in the `days_back` days before `as_of` (default: now).

    The average is over the overall ratings that those sessions had by then, None where nobody had rated.
    """
    until = as_of or datetime.now(UTC)
    feedback = and_(
        StudentFeedback.tutor_id == Session.tutor_id,
        StudentFeedback.session_id == Session.session_id,
        StudentFeedback.submitted_at < until,
    )
    row = db.execute(
        select(
            func.count(Session.session_id),
            func.avg(StudentFeedback.overall_rating),
            func.count().filter(Session.no_show),
            func.count().filter(Session.tutor_initiated_reschedule),
        )
        .select_from(Session)
        .outerjoin(StudentFeedback, feedback)
        .where(
            Session.tutor_id == tutor_id,
            Session.scheduled_start >= until - timedelta(days=days_back),
            Session.scheduled_start < until,
        )
    ).one()
    total, rating, no_shows, reschedules = row
    return {
        "tutor_id": tutor_id,
        "days_back": days_back,
        "total_sessions": total,
        "average_rating": None if rating is None else float(rating),
        "no_shows": no_shows,
        "reschedules": reschedules,
    }
