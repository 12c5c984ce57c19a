"""The panel against plain counting, and its promise that what came later doesn't show in it."""

from collections import defaultdict
from dataclasses import fields
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.churn.panel import Panel, read_panel
from tutormax_cli.database.enums import EventType
from tutormax_cli.database.models import Session, StudentFeedback, Tutor, TutorEvent
from tutormax_cli.database.queries import active_at

AS_OF = datetime(2026, 5, 20, 17, 30, tzinfo=UTC)
WEEKS = 12


def test_counts_what_a_plain_loop_counts(seeded_db: OrmSession) -> None:
    panel = read_panel(seeded_db, AS_OF, WEEKS, active_at(AS_OF))
    expected = plain_counts(seeded_db)
    ids = [tutor_id.decode() for tutor_id in panel.tutor_ids]
    assert ids == sorted(seeded_db.scalars(select(Tutor.tutor_id).where(active_at(AS_OF))))
    for name, counts in expected.items():
        wanted = np.array([[counts[tutor_id, week] for week in range(WEEKS)] for tutor_id in ids])
        assert getattr(panel, name) == pytest.approx(wanted), name


def plain_counts(db: OrmSession) -> dict[str, defaultdict[tuple[str, int], float]]:
    counts: dict[str, defaultdict[tuple[str, int], float]] = defaultdict(lambda: defaultdict(float))

    def add(name: str, tutor_id: str, time: datetime, value: float = 1) -> None:
        if time < AS_OF:
            counts[name][tutor_id, (AS_OF - time - timedelta(microseconds=1)) // timedelta(days=7)] += value

    for session in db.scalars(select(Session)):
        end = AS_OF - (AS_OF - session.scheduled_start - timedelta(microseconds=1)) // timedelta(days=7) * timedelta(
            days=7
        )
        held = session.actual_start is not None and session.actual_start < end and not session.no_show
        key = session.tutor_id, session.scheduled_start
        add("scheduled", *key)
        add("held", *key, held)
        add("no_shows", *key, session.no_show)
        add("rescheduled", *key, session.tutor_initiated_reschedule)
        if held and session.engagement_score is not None:
            add("engagement_sum", *key, session.engagement_score)
            add("engagement_count", *key)
    for feedback in db.scalars(select(StudentFeedback)):
        key = feedback.tutor_id, feedback.submitted_at
        for name in ("rating", "first_rating")[: 1 + feedback.is_first_session]:
            add(f"{name}_sum", *key, feedback.overall_rating)
            add(f"{name}_count", *key)
    for event in db.scalars(select(TutorEvent).where(TutorEvent.event_type == EventType.LOGIN)):
        add("logins", event.tutor_id, event.event_timestamp)
    return counts


def test_silence_and_hours_are_those_at_the_end_of_each_week(seeded_db: OrmSession) -> None:
    panel = read_panel(seeded_db, AS_OF, WEEKS, active_at(AS_OF))
    start = AS_OF - timedelta(days=7 * WEEKS)
    for row, tutor_id in enumerate(panel.tutor_ids):
        for week in range(0, WEEKS, 4):
            end = AS_OF - timedelta(days=7 * week)
            assert panel.silent_days[row, week] == pytest.approx(
                plain_silence(seeded_db, tutor_id.decode(), start, end)
            )
            declared = plain_hours(seeded_db, tutor_id.decode(), end)
            assert panel.hours_per_week[row, week] == pytest.approx(declared, nan_ok=True)


def plain_silence(db: OrmSession, tutor_id: str, start: datetime, end: datetime) -> float:
    held = select(Session.scheduled_start).where(
        Session.tutor_id == tutor_id,
        Session.actual_start < AS_OF,
        Session.scheduled_start >= start,
        Session.scheduled_start < end,
    )
    last = db.scalar(held.order_by(Session.scheduled_start.desc()).limit(1))
    return float("inf") if last is None else (end - last) / timedelta(days=1)


def plain_hours(db: OrmSession, tutor_id: str, end: datetime) -> float:
    changes = select(TutorEvent.event_metadata).where(
        TutorEvent.tutor_id == tutor_id,
        TutorEvent.event_type == EventType.AVAILABILITY_CHANGE,
        TutorEvent.event_timestamp < end,
    )
    last = db.scalar(changes.order_by(TutorEvent.event_timestamp.desc()).limit(1))
    return float("nan") if last is None else float(last["hours_per_week"])


def test_without_its_first_weeks_it_is_the_panel_of_that_time(seeded_db: OrmSession) -> None:
    landmark = AS_OF - timedelta(days=21)
    late = select(Session.session_id).where(Session.scheduled_start < landmark, Session.actual_start.is_not(None))
    latest = late.order_by(Session.scheduled_start.desc()).limit(20).subquery()
    began_after = update(Session).where(Session.session_id.in_(select(latest.c.session_id)))
    seeded_db.execute(began_after.values(actual_start=landmark + timedelta(minutes=1)))
    population = Tutor.onboarding_date < landmark - timedelta(days=30)

    later = read_panel(seeded_db, AS_OF, WEEKS, population).before(3)

    assert_equal(later, read_panel(seeded_db, landmark, WEEKS - 3, population))


def test_rows_from_as_of_on_change_nothing(seeded_db: OrmSession) -> None:
    population = Tutor.onboarding_date < AS_OF
    panel = read_panel(seeded_db, AS_OF, WEEKS, population)
    seeded_db.execute(delete(Session).where(Session.scheduled_start >= AS_OF))
    seeded_db.execute(delete(StudentFeedback).where(StudentFeedback.submitted_at >= AS_OF))
    seeded_db.execute(delete(TutorEvent).where(TutorEvent.event_timestamp >= AS_OF))
    assert_equal(read_panel(seeded_db, AS_OF, WEEKS, population), panel)


def test_a_border_belongs_to_the_later_week_and_as_of_to_none(seeded_db: OrmSession) -> None:
    tutor_id = seeded_db.scalars(select(Tutor.tutor_id).where(active_at(AS_OF)).order_by(Tutor.tutor_id)).first()
    moments = [AS_OF, AS_OF - timedelta(days=7), AS_OF - timedelta(days=7, microseconds=1)]
    moments.append(AS_OF - timedelta(days=7 * WEEKS))
    moments.append(AS_OF - timedelta(days=7 * WEEKS, microseconds=1))
    seeded_db.execute(delete(TutorEvent).where(or_(TutorEvent.tutor_id == tutor_id)))
    for number, moment in enumerate(moments):
        seeded_db.add(
            TutorEvent(event_id=f"border_{number}", tutor_id=tutor_id, event_type="login", event_timestamp=moment)
        )
    seeded_db.flush()

    logins = read_panel(seeded_db, AS_OF, WEEKS, active_at(AS_OF)).logins[0]

    assert logins.tolist() == [1, 1] + [0] * (WEEKS - 3) + [1]


def test_hours_that_are_no_sensible_number_are_left_out(seeded_db: OrmSession) -> None:
    tutor_id = seeded_db.scalars(select(Tutor.tutor_id).where(active_at(AS_OF)).order_by(Tutor.tutor_id)).first()
    seeded_db.execute(delete(TutorEvent).where(TutorEvent.tutor_id == tutor_id))
    nonsense: list[object] = ["a few", -3, 1e9, None, []]
    for number, hours in enumerate([12, *nonsense]):
        seeded_db.add(
            TutorEvent(
                event_id=f"hours_{number}",
                tutor_id=tutor_id,
                event_type=EventType.AVAILABILITY_CHANGE,
                event_timestamp=AS_OF - timedelta(days=50 - number),
                event_metadata={"hours_per_week": hours},
            )
        )
    seeded_db.flush()

    panel = read_panel(seeded_db, AS_OF, WEEKS, active_at(AS_OF))

    assert panel.hours_per_week[0].tolist() == pytest.approx([12] * 8 + [float("nan")] * 4, nan_ok=True)


def test_nobody_gives_an_empty_panel(db: OrmSession) -> None:
    panel = read_panel(db, AS_OF, WEEKS, active_at(AS_OF))
    assert panel.scheduled.shape == panel.silent_days.shape == (0, WEEKS)


def assert_equal(panel: Panel, other: Panel) -> None:
    for field in fields(Panel):
        ours, theirs = getattr(panel, field.name), getattr(other, field.name)
        if field.name == "tutor_ids":
            assert ours.tolist() == theirs.tolist()
        else:
            np.testing.assert_allclose(ours, theirs, atol=1e-9, err_msg=field.name)
