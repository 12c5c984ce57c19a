"""The database refuses what a row can never be, whoever writes it, and the models read and write plain values."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, text
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database import (
    Base,
    ChurnPrediction,
    Intervention,
    RiskLevel,
    Session,
    Student,
    StudentFeedback,
    Tutor,
    TutorEvent,
    TutorPerformanceMetric,
    TutorStatus,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def tutor(tutor_id: str = "t1", **values: Any) -> Tutor:
    return Tutor(
        **{
            "tutor_id": tutor_id,
            "name": "Dana Whitlock",
            "email": f"{tutor_id}@example.com",
            "onboarding_date": NOON - timedelta(days=100),
            "status": "active",
            "subjects": ["Mathematics"],
            **values,
        }
    )


def session(session_id: str = "s1", **values: Any) -> Session:
    return Session(
        **{
            "session_id": session_id,
            "tutor_id": "t1",
            "student_id": "p1",
            "session_number": 1,
            "scheduled_start": NOON,
            "actual_start": NOON,
            "duration_minutes": 60,
            "subject": "Mathematics",
            "session_type": "1-on-1",
            **values,
        }
    )


def feedback(**values: Any) -> StudentFeedback:
    return StudentFeedback(
        **{
            "feedback_id": "f1",
            "session_id": "s1",
            "student_id": "p1",
            "tutor_id": "t1",
            "overall_rating": 5,
            "submitted_at": NOON + timedelta(hours=3),
            **values,
        }
    )


def prediction(prediction_id: str = "c1", **values: Any) -> ChurnPrediction:
    return ChurnPrediction(
        **{
            "prediction_id": prediction_id,
            "tutor_id": "t1",
            "prediction_date": NOON,
            "churn_score": 84,
            "risk_level": "Critical",
            "model_version": "composite-1",
            **values,
        }
    )


def metric(**values: Any) -> TutorPerformanceMetric:
    return TutorPerformanceMetric(
        **{
            "metric_id": "m1",
            "tutor_id": "t1",
            "calculation_date": NOON,
            "window": "30day",
            "sessions_completed": 3,
            "no_show_count": 0,
            **values,
        }
    )


def intervention(**values: Any) -> Intervention:
    return Intervention(
        **{
            "intervention_id": "i1",
            "tutor_id": "t1",
            "intervention_type": "manager_coaching",
            "recommended_date": NOON,
            "status": "pending",
            **values,
        }
    )


@pytest.fixture
def world(db: OrmSession) -> OrmSession:
    db.add_all([tutor(), tutor("t2"), Student(student_id="p1", name="Pupil", age=12)])
    db.flush()
    db.add(session())
    db.commit()
    return db


def test_plain_strings_and_members_are_the_same(world: OrmSession) -> None:
    found = world.scalars(select(Tutor).where(Tutor.status == "active", Tutor.tutor_id == "t1")).one()
    assert found.status == "active"
    assert found.status is TutorStatus.ACTIVE
    found.status = TutorStatus.INACTIVE
    world.commit()
    assert world.execute(text("SELECT status FROM tutors WHERE tutor_id = 't1'")).scalar() == "inactive"
    assert world.scalars(select(Tutor).where(Tutor.status == TutorStatus.INACTIVE)).one() is found


def test_the_server_fills_the_times_and_the_orm_moves_updated_at(world: OrmSession) -> None:
    found = world.get_one(Tutor, "t1")
    before = found.updated_at
    assert found.created_at == before
    found.name = "Dana W."
    world.commit()
    world.refresh(found)
    assert found.updated_at > before == found.created_at


def test_a_time_without_an_offset_means_utc(world: OrmSession) -> None:
    world.add(TutorEvent(event_id="e1", tutor_id="t1", event_type="login", event_timestamp=NOON.replace(tzinfo=None)))
    world.commit()
    world.expire_all()
    assert world.get_one(TutorEvent, "e1").event_timestamp == NOON


def test_metadata_of_none_is_null(world: OrmSession) -> None:
    world.add(TutorEvent(event_id="e", tutor_id="t1", event_type="login", event_timestamp=NOON, event_metadata=None))
    world.flush()
    assert world.scalar(text("SELECT metadata IS NULL FROM tutor_events WHERE event_id = 'e'"))


def test_relationships_lead_both_ways(world: OrmSession) -> None:
    world.add_all([feedback(), prediction(), metric(), intervention()])
    world.add(TutorEvent(event_id="e1", tutor_id="t1", event_type="login", event_timestamp=NOON, event_metadata={}))
    world.commit()
    found = world.get_one(Tutor, "t1")
    assert found.sessions[0].feedback is found.feedback[0]
    assert found.feedback[0].session.tutor is found
    assert found.sessions[0].student.feedback == found.feedback
    for rows in (found.performance_metrics, found.churn_predictions, found.interventions, found.events):
        assert [row.tutor for row in rows] == [found]


def test_deleting_a_tutor_deletes_all_that_is_theirs(world: OrmSession) -> None:
    world.add_all([feedback(), prediction(), metric(), intervention()])
    world.commit()
    world.execute(delete(Tutor).where(Tutor.tutor_id == "t1"))
    world.commit()
    left = {table: world.execute(text(f"SELECT count(*) FROM {table}")).scalar() for table in Base.metadata.tables}
    assert {table for table, count in left.items() if count} == {"tutors", "students"}


IMPOSSIBLE = {
    "a rating of 7": feedback(overall_rating=7),
    "a sub-rating of 0": feedback(patience_rating=0),
    "feedback for another tutor's session": feedback(tutor_id="t2"),
    "an engagement of NaN": session("s2", engagement_score=float("nan")),
    "an engagement above 1": session("s2", engagement_score=1.01),
    "an infinite baseline": tutor("t3", baseline_sessions_per_week=float("inf")),
    "a baseline of NaN": tutor("t3", baseline_sessions_per_week=float("nan")),
    "a session of no length": session("s2", duration_minutes=0),
    "a session before the first": session("s2", session_number=0),
    "a no-show that started": session("s2", no_show=True),
    "a start earlier than planned": session("s2", late_start_minutes=-1),
    "P(7) above P(30)": prediction(window_7day_probability=0.5, window_30day_probability=0.4),
    "P(1) above P(90)": prediction(window_1day_probability=0.5, window_90day_probability=0.4),
    "P(1) above P(30), P(7) unknown": prediction(window_1day_probability=0.5, window_30day_probability=0.4),
    "a probability of NaN": prediction(window_90day_probability=float("nan")),
    "a score of 101": prediction(churn_score=101),
    "a level that is not the score's": prediction(risk_level=RiskLevel.LOW),
    "a rate above 1": metric(reschedule_rate=1.5),
    "a negative count": metric(no_show_count=-1),
    "completed without a date": intervention(status="completed"),
    "completed before it was recommended": intervention(status="completed", completed_date=NOON - timedelta(days=1)),
    "an outcome of something pending": intervention(outcome="improved"),
    "departed and still active": tutor("t3", churned_at=NOON),
    "an e-mail twice": tutor("t3", email="t1@example.com"),
    "an event of nobody": TutorEvent(event_id="e1", tutor_id="nobody", event_type="login", event_timestamp=NOON),
}


@pytest.mark.parametrize("row", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_the_database_refuses(world: OrmSession, row: Base) -> None:
    world.add(row)
    with pytest.raises(IntegrityError):
        world.flush()
    world.rollback()
    world.expunge_all()


@pytest.mark.parametrize(
    "update",
    [
        "UPDATE tutors SET status = 'ACTIVE'",
        "UPDATE sessions SET session_type = 'duel'",
        "UPDATE sessions SET scheduled_start = 'infinity'",
        "UPDATE tutors SET onboarding_date = '-infinity'",
        "UPDATE tutors SET onboarding_date = '0001-01-01 BC'",
        "UPDATE students SET age = 200",
    ],
)
def test_plain_sql_is_refused_too(world: OrmSession, update: str) -> None:
    with pytest.raises(IntegrityError):
        world.execute(text(update))


def test_text_that_is_too_long_is_refused(world: OrmSession) -> None:
    world.add(tutor("x" * 51))
    with pytest.raises(DataError):
        world.flush()


def test_one_prediction_a_tutor_and_day(world: OrmSession) -> None:
    world.add_all([prediction("c1"), prediction("c2", prediction_date=NOON + timedelta(days=1))])
    world.commit()
    world.add(prediction("c3", prediction_date=NOON + timedelta(hours=3)))
    with pytest.raises(IntegrityError):
        world.flush()
