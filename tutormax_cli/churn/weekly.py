"""The SELECTs behind the panel: who the tutors are, and what happened per tutor and week, one for each table.

A weekly one gives tutor_id, `week` (the beginning of a span of seven days that ends at as-of or whole weeks before) and
counters named as in the panel. A session is dated by its scheduled start, feedback by when it was submitted.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Double, Float, Select, SQLColumnExpression, and_, cast, func, literal, or_, select
from sqlalchemy.dialects.postgresql import JSONPATH

from tutormax_cli.database.enums import EventType, TutorStatus
from tutormax_cli.database.models import Session, StudentFeedback, Tutor, TutorEvent
from tutormax_cli.database.queries import departed_at

WEEK = timedelta(days=7)
SECONDS_PER_DAY = 86_400


def employment(population: ColumnElement[bool]) -> Select[Any]:
    """List the tutors of a population, when they joined and when, if so, they left."""
    joined: tuple[SQLColumnExpression[Any], ...] = (Tutor.tutor_id, Tutor.onboarding_date)
    return select(*joined, departed_at().label("departed_at")).where(population)


def worked_since(start: datetime, as_of: datetime) -> ColumnElement[bool]:
    """Tell whether a tutor joined before `as_of` and worked with us at `start` or later; not for inactive ones."""
    stayed = and_(Tutor.status == TutorStatus.CHURNED, departed_at() >= start)
    return and_(Tutor.onboarding_date < as_of, or_(Tutor.status == TutorStatus.ACTIVE, stayed))


def first_scheduled() -> Select[Any]:
    """Give when the first session of all was to begin."""
    return select(func.min(Session.scheduled_start))


def weekly_sessions(start: datetime, as_of: datetime) -> Select[Any]:
    """Count sessions; held_days_ago is that of the week's last session held, in days before `as_of`."""
    time = Session.scheduled_start
    # What began after its week was over nobody knew of at the week's end. (Adding a week instead would make it an hour
    # longer or shorter where the session's time zone changes its clocks.)
    held = and_(Session.actual_start - func.date_bin(WEEK, time, start) < literal(WEEK), ~Session.no_show)
    return _weekly(
        time,
        start,
        as_of,
        func.count().label("scheduled"),
        func.count().filter(held).label("held"),
        func.count().filter(Session.no_show).label("no_shows"),
        func.count().filter(Session.tutor_initiated_reschedule).label("rescheduled"),
        func.sum(Session.engagement_score).filter(held).label("engagement_sum"),
        func.count(Session.engagement_score).filter(held).label("engagement_count"),
        _days_before(as_of, func.max(time).filter(held)).label("held_days_ago"),
    )


def weekly_feedback(start: datetime, as_of: datetime) -> Select[Any]:
    """Add up the ratings of all sessions and of first sessions."""
    first = StudentFeedback.is_first_session
    return _weekly(
        StudentFeedback.submitted_at,
        start,
        as_of,
        func.sum(StudentFeedback.overall_rating).label("rating_sum"),
        func.count().label("rating_count"),
        func.sum(StudentFeedback.overall_rating).filter(first).label("first_rating_sum"),
        func.count().filter(first).label("first_rating_count"),
    )


def weekly_logins(start: datetime, as_of: datetime) -> Select[Any]:
    """Count logins; login_days_ago is that of the week's last one, in days before `as_of`."""
    time = TutorEvent.event_timestamp
    counters = func.count().label("logins"), _days_before(as_of, func.max(time)).label("login_days_ago")
    return _weekly(time, start, as_of, *counters).where(TutorEvent.event_type == EventType.LOGIN)


def availability_changes(as_of: datetime) -> Select[Any]:
    """List every change of the hours a week that a tutor offers, oldest first; what is no sensible number is left out.

    All of history counts, because hours declared long ago still hold.
    """
    sensible = cast("$.hours_per_week ? (@ >= 0 && @ <= 168)", JSONPATH)
    hours = cast(func.jsonb_path_query_first(TutorEvent.event_metadata, sensible), Float)
    time = TutorEvent.event_timestamp
    return (
        select(TutorEvent.tutor_id, time.label("changed_at"), hours.label("hours"))
        .where(TutorEvent.event_type == EventType.AVAILABILITY_CHANGE, time < as_of, hours.is_not(None))
        .order_by(time, TutorEvent.event_id)
    )


def _days_before(as_of: datetime, time: ColumnElement[datetime]) -> ColumnElement[float]:
    seconds: ColumnElement[float] = func.date_part("epoch", literal(as_of) - time, type_=Double)
    return seconds / literal(SECONDS_PER_DAY, Double)


def _weekly(
    time: SQLColumnExpression[datetime], start: datetime, as_of: datetime, *counters: ColumnElement[Any]
) -> Select[Any]:
    """Group a table by tutor and week; `start` lies a whole number of weeks before `as_of`."""
    table = time.class_  # type: ignore[attr-defined]
    week = func.date_bin(WEEK, time, start).label("week")
    return select(table.tutor_id, week, *counters).where(time >= start, time < as_of).group_by(table.tutor_id, week)
