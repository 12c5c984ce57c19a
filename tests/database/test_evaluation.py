"""What an evaluation stores, replaces and leaves alone."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.enums import EventType, TutorStatus
from tutormax_cli.database.models import Session, StudentFeedback, Tutor, TutorEvent, TutorPerformanceMetric
from tutormax_cli.evaluation import evaluate
from tutormax_cli.evaluation.metrics import METRICS

AS_OF = datetime(2026, 5, 1, tzinfo=UTC)


def stored(db: OrmSession, as_of: datetime) -> list[tuple[Any, ...]]:
    """The rows of an evaluation, without the times at which they were written."""
    table = TutorPerformanceMetric.__table__.c
    columns = [table.metric_id, table.tutor_id, table.window, table.performance_tier, *(table[m] for m in METRICS)]
    rows = db.execute(select(*columns).where(table.calculation_date == as_of).order_by(table.metric_id))
    return [tuple(row) for row in rows]


def test_again_replaces_that_day_and_leaves_others_alone(seeded_db: OrmSession) -> None:
    the_day_before = AS_OF - timedelta(days=1)
    evaluate(seeded_db, the_day_before)
    first = evaluate(seeded_db, AS_OF)
    rows, earlier = stored(seeded_db, AS_OF), stored(seeded_db, the_day_before)
    assert rows and earlier

    assert evaluate(seeded_db, AS_OF) == first
    assert stored(seeded_db, AS_OF) == rows

    evaluate(seeded_db, AS_OF + timedelta(hours=23, minutes=59))
    assert stored(seeded_db, AS_OF) == []
    assert stored(seeded_db, the_day_before) == earlier


def test_a_time_is_the_same_in_every_zone(seeded_db: OrmSession) -> None:
    evaluate(seeded_db, AS_OF)
    rows = stored(seeded_db, AS_OF)
    seeded_db.execute(text("SET LOCAL TimeZone = 'America/New_York'"))

    evaluate(seeded_db, AS_OF.astimezone(timezone(timedelta(hours=-9))))

    assert stored(seeded_db, AS_OF) == rows


def test_commits_nothing(seeded_db: OrmSession) -> None:
    seeded_db.execute(delete(TutorPerformanceMetric))
    seeded_db.commit()
    evaluate(seeded_db, AS_OF)
    seeded_db.rollback()
    assert seeded_db.scalar(select(func.count()).select_from(TutorPerformanceMetric)) == 0


def test_rows_from_as_of_on_change_nothing(seeded_db: OrmSession) -> None:
    evaluate(seeded_db, AS_OF)
    rows = stored(seeded_db, AS_OF)

    seeded_db.execute(delete(Session).where(Session.scheduled_start >= AS_OF))
    seeded_db.execute(delete(StudentFeedback).where(StudentFeedback.submitted_at >= AS_OF))
    seeded_db.execute(delete(TutorEvent).where(TutorEvent.event_timestamp >= AS_OF))

    evaluate(seeded_db, AS_OF)
    assert stored(seeded_db, AS_OF) == rows


def test_evaluates_who_was_active_then(seeded_db: OrmSession) -> None:
    left, stays, away, joined = seeded_db.scalars(
        select(Tutor).where(Tutor.onboarding_date < AS_OF, Tutor.status == TutorStatus.ACTIVE).limit(4)
    )
    left.status, left.churned_at = TutorStatus.CHURNED, AS_OF - timedelta(days=1)
    stays.status, stays.churned_at = TutorStatus.CHURNED, AS_OF + timedelta(days=1)
    away.status = TutorStatus.INACTIVE
    joined.onboarding_date = AS_OF

    evaluate(seeded_db, AS_OF)

    evaluated = {row[1] for row in stored(seeded_db, AS_OF)}
    chosen = {tutor.tutor_id for tutor in (left, stays, away, joined)}
    assert evaluated & chosen == {stays.tutor_id}


def test_no_logins_at_all_are_not_zero_logins(seeded_db: OrmSession) -> None:
    evaluate(seeded_db, AS_OF)
    mean = select(func.avg(TutorPerformanceMetric.engagement_score)).where(
        TutorPerformanceMetric.calculation_date == AS_OF
    )
    with_logins = seeded_db.scalar(mean)
    seeded_db.execute(delete(TutorEvent).where(TutorEvent.event_type == EventType.LOGIN))

    summary = evaluate(seeded_db, AS_OF)

    without = seeded_db.scalar(mean)
    assert not summary.logins_known
    assert with_logins is not None and without is not None and abs(without - with_logins) < 0.1


def test_an_empty_company_is_evaluated_too(db: OrmSession) -> None:
    summary = evaluate(db, AS_OF)
    assert (summary.tutors, summary.rows, set(summary.tiers.values())) == (0, 0, {0})


def test_a_tutor_without_sessions_for_30_days_has_no_tier(seeded_db: OrmSession) -> None:
    tutor = seeded_db.scalars(
        select(Tutor).where(Tutor.onboarding_date < AS_OF - timedelta(days=60), Tutor.status == TutorStatus.ACTIVE)
    ).first()
    assert tutor is not None
    recent = Session.scheduled_start >= AS_OF - timedelta(days=30)
    seeded_db.execute(delete(Session).where(Session.tutor_id == tutor.tutor_id, recent))

    summary = evaluate(seeded_db, AS_OF)

    rows = [row for row in stored(seeded_db, AS_OF) if row[1] == tutor.tutor_id]
    assert [row[3] for row in rows] == [None] * 3
    assert summary.tiers[None] >= 1


def test_windows_are_days_of_24_hours_across_a_change_of_clocks(seeded_db: OrmSession) -> None:
    """New York puts its clocks forward on 8 March 2026, within the 7 days before this as-of."""
    as_of = datetime(2026, 3, 10, 13, 45, tzinfo=UTC)
    tutor_id, moved = seeded_db.execute(
        select(Session.tutor_id, Session.session_id)
        .join(Tutor, Tutor.tutor_id == Session.tutor_id)
        .where(Tutor.status == TutorStatus.ACTIVE, Tutor.onboarding_date < as_of - timedelta(days=10))
        .limit(1)
    ).one()
    counts = []
    for start in (as_of - timedelta(days=7), as_of - timedelta(days=7, microseconds=1)):
        change = {"scheduled_start": start, "actual_start": start, "no_show": False}
        seeded_db.execute(update(Session).where(Session.session_id == moved).values(change))
        seeded_db.execute(text("SET LOCAL TimeZone = 'America/New_York'"))
        evaluate(seeded_db, as_of)
        rows = {row[2]: row for row in stored(seeded_db, as_of) if row[1] == tutor_id}
        counts.append([rows[window][4] for window in ("7day", "30day", "90day")])
    assert counts[0][0] - counts[1][0] == 1
    assert counts[0][1:] == counts[1][1:]
