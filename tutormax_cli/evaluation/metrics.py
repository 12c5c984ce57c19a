"""The metrics of every active tutor over every window, as one SELECT.

Sessions (each with its feedback) and events are read once, over the longest window, and summed per tutor and *band*:
the last 7 days, the 23 before, the 60 before those. A window is the running total of its bands, so no row is
looked at three times. Windows are whole multiples of 24 hours that end at as-of; nothing dated at or after as-of
is read: a session is dated by its scheduled start, and has started if it did so before as-of.

What the definitions leave open is settled here:

- feedback counts if it is about a completed session of the window and was submitted before as-of;
- a first session is one whose feedback says so;
- objectives are a share of the completed sessions for which somebody recorded them;
- engagement is the weighted mean of those of its parts that are known. Mean session engagement is unknown if no
  completed session has one, punctuality if none started, and logins if there was no session day to log in for, or
  if nobody at all is known to have logged in within 90 days: data imported without logins says nothing of them.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    FromClause,
    Integer,
    Numeric,
    Select,
    SQLColumnExpression,
    Subquery,
    and_,
    case,
    cast,
    column,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    true,
    values,
)
from sqlalchemy.dialects.postgresql import BIT, JSONPATH

from tutormax_cli.database.enums import EventType, MetricWindow
from tutormax_cli.database.models import Session, StudentFeedback, Tutor, TutorEvent
from tutormax_cli.database.queries import active_at
from tutormax_cli.evaluation.days import LONGEST, day_mask, offset_of_tutor

ON_TIME_MINUTES = 10
"""A session that starts no later than this is on time."""

GOOD_FIRST_RATING = 4
"""The lowest rating of a first session that is a success."""

SESSION_ENGAGEMENT_WEIGHT, LOGIN_WEIGHT, ON_TIME_WEIGHT = 0.4, 0.4, 0.2

METRICS = (
    "sessions_completed",
    "avg_rating",
    "first_session_success_rate",
    "reschedule_rate",
    "no_show_count",
    "engagement_score",
    "learning_objectives_met_pct",
    "response_time_avg_minutes",
)
"""The metrics that are stored, by column name."""

Number = ColumnElement[Any]
AnySelect = Select[*tuple[Any, ...]]


def metrics(as_of: datetime, offsets: Mapping[str, int], *, logins_known: bool) -> Select[Any]:
    """Select tutor_id, days (of the window), scheduled, no_show_rate and METRICS for all tutors active at `as_of`.

    Without `logins_known` (see `anyone_logs_in`) logins are unknown for everybody.
    """
    homes = _homes(as_of, offsets)
    totals = _running_totals(as_of, _sessions_per_band(homes, as_of), _events_per_band(homes, as_of))
    count = totals.c
    engagement = _weighted_mean(
        (SESSION_ENGAGEMENT_WEIGHT, _ratio(count.engagement, count.engagement_known)),
        (LOGIN_WEIGHT, _at_most_1(_ratio(count.login_days, count.session_days)) if logins_known else null()),
        (ON_TIME_WEIGHT, _ratio(count.on_time, count.completed)),
    )
    return select(
        count.tutor_id,
        count.days,
        count.scheduled,
        _ratio(count.no_shows, count.scheduled).label("no_show_rate"),
        cast(count.completed, Integer).label("sessions_completed"),
        _ratio(count.rating, count.rated).label("avg_rating"),
        _ratio(count.first_good, count.first_rated).label("first_session_success_rate"),
        _ratio(count.rescheduled, count.scheduled).label("reschedule_rate"),
        cast(count.no_shows, Integer).label("no_show_count"),
        engagement.label("engagement_score"),
        (100 * _ratio(count.objectives_met, count.objectives_known)).label("learning_objectives_met_pct"),
        _ratio(count.response_minutes, count.responses).label("response_time_avg_minutes"),
    )


def _homes(as_of: datetime, offsets: Mapping[str, int]) -> Subquery:
    """Select tutor_id and utc_offset of every tutor who may be active at `as_of`."""
    not_yet_gone = or_(Tutor.churned_at.is_(None), Tutor.churned_at >= as_of)
    home = select(Tutor.tutor_id, offset_of_tutor(offsets).label("utc_offset")).where(not_yet_gone)
    return _as_it_is(home, "homes")


def _by_band(
    measuring: AnySelect, tutor_id: Number, timestamp: SQLColumnExpression[datetime], as_of: datetime, name: str
) -> Subquery:
    """Group by tutor and band, and add tutor_id and the band as the `days` of the shortest window that it lies in."""
    *shorter, longest = sorted(window.days for window in MetricWindow)
    # PostgreSQL knows that a truth has two values. Of a CASE on a time it expects as many as there are times, and
    # for that many groups it won't aggregate in parallel.
    within = {days: (timestamp >= as_of - timedelta(days)).label(f"within_{days}") for days in shorter}
    truths = [truth.name for truth in within.values()]
    grouping = measuring.add_columns(tutor_id, *within.values()).group_by(tutor_id, *truths)
    grouped = grouping.subquery(f"{name}_grouped").c
    days = case(*((grouped[truth.name], days) for days, truth in within.items()), else_=longest)
    return select(days.label("days"), *(count for count in grouped if count.name not in truths)).subquery(name)


def _sessions_per_band(homes: Subquery, as_of: datetime) -> Subquery:
    start = Session.scheduled_start
    completed = Session.actual_start < as_of  # a no-show never started: the schema says so
    rating = StudentFeedback.overall_rating
    first_rated = and_(completed, StudentFeedback.is_first_session)
    counting = (
        select(
            func.count().label("scheduled"),
            func.count().filter(completed).label("completed"),
            func.count().filter(Session.no_show).label("no_shows"),
            func.count().filter(Session.tutor_initiated_reschedule).label("rescheduled"),
            func.count().filter(completed, Session.late_start_minutes <= ON_TIME_MINUTES).label("on_time"),
            func.count().filter(completed, Session.learning_objectives_met.is_(True)).label("objectives_met"),
            func.count(Session.learning_objectives_met).filter(completed).label("objectives_known"),
            func.sum(Session.engagement_score).filter(completed).label("engagement"),
            func.count(Session.engagement_score).filter(completed).label("engagement_known"),
            func.sum(rating).filter(completed).label("rating"),
            func.count(rating).filter(completed).label("rated"),
            func.count().filter(first_rated, rating >= GOOD_FIRST_RATING).label("first_good"),
            func.count(rating).filter(first_rated).label("first_rated"),
            day_mask(start, homes.c.utc_offset, as_of).label("session_days"),
        )
        .join(homes, homes.c.tutor_id == Session.tutor_id)
        .outerjoin(
            StudentFeedback,
            and_(
                StudentFeedback.tutor_id == Session.tutor_id,
                StudentFeedback.session_id == Session.session_id,
                # Nobody rates a session before it was given; the bound keeps older feedback out of the join.
                StudentFeedback.submitted_at >= as_of - LONGEST,
                StudentFeedback.submitted_at < as_of,
            ),
        )
        .where(start >= as_of - LONGEST, start < as_of)
    )
    return _by_band(counting, homes.c.tutor_id, start, as_of, "sessions_per_band")


def _events_per_band(homes: Subquery, as_of: datetime) -> Subquery:
    time = TutorEvent.event_timestamp
    event = _as_it_is(
        select(
            TutorEvent.tutor_id,
            time,
            (TutorEvent.event_type == EventType.LOGIN).label("is_login"),
            _response_minutes().label("minutes"),
        ).where(time >= as_of - LONGEST, time < as_of),
        "event",
    ).c
    counting = select(
        day_mask(event.event_timestamp, homes.c.utc_offset, as_of).filter(event.is_login).label("login_days"),
        func.sum(event.minutes).label("response_minutes"),
        func.count(event.minutes).label("responses"),
    ).join(homes, homes.c.tutor_id == event.tutor_id)
    return _by_band(counting, homes.c.tutor_id, event.event_timestamp, as_of, "events_per_band")


def _as_it_is(selected: AnySelect, name: str) -> Subquery:
    """Keep PostgreSQL from working expressions of a subquery out where they are used, again for every row and use."""
    # LIMIT NULL limits nothing. OFFSET 0 would do as well, but rules parallel plans out.
    return selected.limit(null()).subquery(name)


def _response_minutes() -> ColumnElement[Decimal]:
    """Read the minutes of a message_response event; NULL for other events and for what is no sensible number."""
    sensible = cast("$.response_minutes ? (@ >= 0 && @ < 1000000)", JSONPATH)
    minutes = cast(func.jsonb_path_query_first(TutorEvent.event_metadata, sensible), Numeric)
    return case((TutorEvent.event_type == EventType.MESSAGE_RESPONSE, minutes))


def _running_totals(as_of: datetime, *sources: Subquery) -> Subquery:
    """Sum bands to windows: a row per active tutor and window, and in it every count of `sources`, 0 if none."""
    windows = values(column("days", Integer), name="windows").data([(window.days,) for window in MetricWindow])
    active = select(Tutor.tutor_id, windows.c.days).join_from(Tutor, windows, true()).where(active_at(as_of))
    frame = active.subquery("frame")
    joined: FromClause = frame
    for source in sources:
        joined = joined.outerjoin(source, and_(source.c.tutor_id == frame.c.tutor_id, source.c.days == frame.c.days))
    counts = [_running_total(frame, count) for source in sources for count in source.c if count.name not in frame.c]
    return select(frame.c.tutor_id, frame.c.days, *counts).select_from(joined).subquery("totals")


def _running_total(frame: Subquery, count: ColumnElement[Any]) -> ColumnElement[Any]:
    is_mask = isinstance(count.type, BIT)
    added = func.bit_or(count) if is_mask else func.sum(count)
    total: Number = added.over(partition_by=frame.c.tutor_id, order_by=frame.c.days, rows=(None, 0))
    return func.coalesce(func.bit_count(total) if is_mask else total, 0).label(count.name)


def _ratio(part: Number, whole: Number) -> Number:
    """Divide, giving NULL where there is nothing to divide by."""
    return cast(part, Float) / cast(func.nullif(whole, 0), Float)


def _at_most_1(number: Number) -> Number:
    """Cut a number off at 1. LEAST would do so to NULL as well."""
    return case((number > 1.0, 1.0), else_=number)


def _weighted_mean(*parts: tuple[float, Number]) -> Number:
    """Average the parts that are not NULL by their weights."""
    known = sum((case((part.is_not(None), weight), else_=0.0) for weight, part in parts), literal(0.0))
    total = sum((func.coalesce(weight * part, 0.0) for weight, part in parts), literal(0.0))
    return _at_most_1(_ratio(total, known))


def anyone_logs_in(as_of: datetime) -> ColumnElement[bool]:
    """Tell whether any login at all is known in the longest window."""
    time = TutorEvent.event_timestamp
    return exists().where(TutorEvent.event_type == EventType.LOGIN, time >= as_of - LONGEST, time < as_of)
