"""The named queries, on a few rows whose answers can be counted by hand."""

from datetime import timedelta

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session as OrmSession

from tests.database.test_models import NOON, feedback, intervention, metric, prediction, session, tutor
from tutormax_cli.database import (
    Student,
    Tutor,
    TutorEvent,
    get_active_tutors,
    get_all_performance_metrics,
    get_first_sessions,
    get_high_risk_tutors,
    get_latest_churn_prediction,
    get_latest_performance_metrics,
    get_pending_interventions,
    get_tutor_by_id,
    get_tutor_events,
    get_tutor_sessions,
    get_tutor_statistics,
    get_tutors_by_risk_level,
)
from tutormax_cli.database.queries import active_at, count_rows, departed_at


@pytest.fixture
def world(db: OrmSession) -> OrmSession:
    day = timedelta(days=1)
    db.add_all(
        [
            tutor(),
            tutor("t2", status="churned", churned_at=NOON - 3 * day),
            tutor("t3", status="churned"),
            tutor("t4", status="inactive"),
            tutor("t5", onboarding_date=NOON),
            Student(student_id="p1", name="Pupil"),
        ]
    )
    db.flush()
    db.add_all(
        [
            session("s1", scheduled_start=NOON - 40 * day),
            session("s2", session_number=2, scheduled_start=NOON - 30 * day, tutor_initiated_reschedule=True),
            session("s3", session_number=3, scheduled_start=NOON - day, actual_start=None, no_show=True),
            session("s4", session_number=4, scheduled_start=NOON),
            session("x1", tutor_id="t3", scheduled_start=NOON - 20 * day),
            session("x2", tutor_id="t3", scheduled_start=NOON - 9 * day, actual_start=None, no_show=True),
        ]
    )
    db.flush()
    db.add_all(
        [
            feedback(session_id="s2", overall_rating=4, submitted_at=NOON - timedelta(hours=1)),
            prediction("c1", prediction_date=NOON - 7 * day, churn_score=10, risk_level="Low"),
            prediction("c2", prediction_date=NOON),
            prediction("c3", tutor_id="t2"),
            prediction("c4", tutor_id="t5", churn_score=51, risk_level="High"),
            metric(),
            metric(metric_id="m2", calculation_date=NOON - 7 * day, avg_rating=4.5),
            metric(metric_id="m3", window="7day"),
            intervention(),
            intervention(intervention_id="i2", tutor_id="t5", due_date=NOON),
            intervention(intervention_id="i3", status="in_progress"),
            TutorEvent(event_id="e1", tutor_id="t1", event_type="login", event_timestamp=NOON - day),
            TutorEvent(event_id="e2", tutor_id="t1", event_type="status_change", event_timestamp=NOON),
        ]
    )
    db.commit()
    return db


def ids(rows: list[Tutor]) -> list[str]:
    return [row.tutor_id for row in rows]


def test_by_id(world: OrmSession) -> None:
    assert get_tutor_by_id(world, "nobody") is None
    found = get_tutor_by_id(world, "t1")
    assert found is not None and found.name == "Dana Whitlock"


def test_with_relations_takes_one_statement_per_table(world: OrmSession) -> None:
    world.expire_all()
    statements: list[str] = []
    event.listen(world.get_bind(), "before_cursor_execute", lambda *call: statements.append(call[2]))
    found = get_tutor_by_id(world, "t1", with_relations=True)
    assert found is not None
    assert len(found.sessions) == 4 and sum(row.feedback is not None for row in found.sessions) == 1
    assert (len(found.churn_predictions), len(found.performance_metrics), len(found.interventions)) == (2, 3, 2)
    assert (len(found.events), len(found.feedback)) == (2, 1)
    assert len(statements) == 8


def test_active_tutors(world: OrmSession) -> None:
    assert ids(get_active_tutors(world)) == ["t1", "t5"]
    assert ids(get_active_tutors(world, limit=1)) == ["t1"]


def test_risk_is_that_of_the_latest_prediction(world: OrmSession) -> None:
    assert ids(get_tutors_by_risk_level(world, "Critical")) == ["t1"]
    assert ids(get_tutors_by_risk_level(world, "Low")) == []
    assert [(who.tutor_id, what.churn_score) for who, what in get_high_risk_tutors(world)] == [("t1", 84), ("t5", 51)]
    assert [who.tutor_id for who, _ in get_high_risk_tutors(world, min_score=52, limit=10)] == ["t1"]
    latest = get_latest_churn_prediction(world, "t1")
    assert latest is not None and latest.prediction_id == "c2"


def test_sessions(world: OrmSession) -> None:
    assert [row.session_id for row in get_tutor_sessions(world, "t1")] == ["s4", "s3", "s2", "s1"]
    within = get_tutor_sessions(world, "t1", start=NOON - timedelta(days=30), end=NOON)
    assert [row.session_id for row in within] == ["s3", "s2"]
    assert [row.session_id for row in get_first_sessions(world, "t1")] == ["s1"]


def test_metrics(world: OrmSession) -> None:
    latest = get_latest_performance_metrics(world, "t1", "30day")
    assert latest is not None and latest.metric_id == "m1"
    assert [row.metric_id for row in get_all_performance_metrics(world, "t1")] == ["m1", "m3", "m2"]
    assert [row.metric_id for row in get_all_performance_metrics(world, "t1", "7day")] == ["m3"]


def test_pending_interventions_most_urgent_first(world: OrmSession) -> None:
    assert [row.intervention_id for row in get_pending_interventions(world)] == ["i2", "i1"]
    assert [row.intervention_id for row in get_pending_interventions(world, "t1")] == ["i1"]


def test_events(world: OrmSession) -> None:
    assert [row.event_id for row in get_tutor_events(world, "t1")] == ["e2", "e1"]
    assert [row.event_id for row in get_tutor_events(world, "t1", event_type="login")] == ["e1"]
    assert [row.event_id for row in get_tutor_events(world, "t1", since=NOON)] == ["e2"]


def test_statistics_count_the_window_whose_end_is_exclusive(world: OrmSession) -> None:
    assert get_tutor_statistics(world, "t1", days_back=30, as_of=NOON) == {
        "tutor_id": "t1",
        "days_back": 30,
        "total_sessions": 2,
        "average_rating": 4.0,
        "no_shows": 1,
        "reschedules": 1,
    }
    nothing = get_tutor_statistics(world, "t4")
    assert (nothing["total_sessions"], nothing["average_rating"]) == (0, None)


def test_a_departure_nobody_recorded_is_fourteen_days_after_the_last_session(world: OrmSession) -> None:
    found = dict(world.execute(select(Tutor.tutor_id, departed_at())).all())
    assert found["t2"] == NOON - timedelta(days=3)
    assert found["t3"] == NOON - timedelta(days=6)
    assert found["t1"] is None and found["t4"] is None


@pytest.mark.parametrize(
    ("days_ago", "active"),
    [(0, ["t1"]), (3, ["t1", "t2"]), (6, ["t1", "t2", "t3"]), (100, []), (99, ["t1", "t2", "t3"])],
)
def test_who_was_active_at_a_time(world: OrmSession, days_ago: int, active: list[str]) -> None:
    at = NOON - timedelta(days=days_ago)
    assert ids(list(world.scalars(select(Tutor).where(active_at(at)).order_by(Tutor.tutor_id)))) == active


def test_rows_are_counted_in_the_order_of_the_tables(world: OrmSession) -> None:
    driver = world.connection().connection.driver_connection
    assert driver is not None
    assert list(count_rows(driver).items())[:3] == [("tutors", 5), ("students", 1), ("sessions", 6)]
