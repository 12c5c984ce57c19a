"""What a prediction stores, replaces and leaves alone, and that it sees nothing of the future."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.churn.components import EVIDENCE_DECIMALS, Component
from tutormax_cli.churn.daily import predict, predict_weekly
from tutormax_cli.database.models import ChurnPrediction, Session, StudentFeedback, Tutor, TutorEvent

AS_OF = datetime(2026, 5, 1, tzinfo=UTC)


def stored(db: OrmSession, as_of: datetime) -> list[tuple[Any, ...]]:
    """The predictions made for an instant, without the times at which they were written."""
    table = ChurnPrediction.__table__.c
    kept = [column for column in table if column.name not in ("created_at", "updated_at")]
    rows = db.execute(select(*kept).where(table.prediction_date == as_of).order_by(table.tutor_id))
    return [tuple(row) for row in rows]


def test_again_replaces_that_day_and_leaves_others_alone(seeded_db: OrmSession) -> None:
    the_day_before = AS_OF - timedelta(days=1)
    predict(seeded_db, the_day_before)
    first = predict(seeded_db, AS_OF)
    rows, earlier = stored(seeded_db, AS_OF), stored(seeded_db, the_day_before)
    assert rows and earlier

    assert predict(seeded_db, AS_OF) == first
    assert stored(seeded_db, AS_OF) == rows

    predict(seeded_db, AS_OF + timedelta(hours=23, minutes=59))
    assert stored(seeded_db, AS_OF) == []
    assert stored(seeded_db, the_day_before) == earlier


@pytest.mark.parametrize("as_of", [AS_OF, AS_OF - timedelta(weeks=9)], ids=["long history", "short history"])
def test_weeks_read_at_once_are_predicted_as_one_by_one(seeded_db: OrmSession, as_of: datetime) -> None:
    weeks = [5, 2, 0]
    instants = [as_of - timedelta(weeks=back) for back in weeks]
    alone = [(predict(seeded_db, instant), stored(seeded_db, instant)) for instant in instants]

    together = list(predict_weekly(seeded_db, as_of, weeks))

    assert [(each, stored(seeded_db, each.as_of)) for each in together] == alone


def test_a_time_is_the_same_in_every_zone(seeded_db: OrmSession) -> None:
    predict(seeded_db, AS_OF)
    rows = stored(seeded_db, AS_OF)
    seeded_db.execute(text("SET LOCAL TimeZone = 'America/New_York'"))
    predict(seeded_db, AS_OF.astimezone(timezone(timedelta(hours=-9))))
    assert stored(seeded_db, AS_OF) == rows


def test_commits_nothing(seeded_db: OrmSession) -> None:
    seeded_db.execute(delete(ChurnPrediction))
    seeded_db.commit()
    predict(seeded_db, AS_OF)
    seeded_db.rollback()
    assert seeded_db.scalar(select(func.count()).select_from(ChurnPrediction)) == 0


def forget_the_future(db: OrmSession) -> None:
    db.execute(delete(Session).where(Session.scheduled_start >= AS_OF))
    db.execute(delete(StudentFeedback).where(StudentFeedback.submitted_at >= AS_OF))
    db.execute(delete(TutorEvent).where(TutorEvent.event_timestamp >= AS_OF))


def move_the_future(db: OrmSession) -> None:
    """Whatever is dated from as-of on comes three weeks later, and turns out badly."""
    later = timedelta(days=21)
    bad = {"no_show": True, "actual_start": None, "tutor_initiated_reschedule": True}
    start = Session.scheduled_start
    db.execute(update(Session).where(start >= AS_OF).values({"scheduled_start": start + later, **bad}))
    submitted, time = StudentFeedback.submitted_at, TutorEvent.event_timestamp
    db.execute(
        update(StudentFeedback).where(submitted >= AS_OF).values(submitted_at=submitted + later, overall_rating=1)
    )
    db.execute(update(TutorEvent).where(time >= AS_OF).values(event_timestamp=time + later))


def hear_of_departures_earlier(db: OrmSession) -> None:
    """Departures after as-of are recorded at once when it has passed."""
    db.execute(update(Tutor).where(Tutor.churned_at > AS_OF).values(churned_at=AS_OF + timedelta(seconds=1)))


@pytest.mark.parametrize("change", [forget_the_future, move_the_future, hear_of_departures_earlier])
def test_the_future_changes_no_prediction(seeded_db: OrmSession, change: Callable[[OrmSession], None]) -> None:
    predict(seeded_db, AS_OF)
    rows = stored(seeded_db, AS_OF)
    change(seeded_db)
    predict(seeded_db, AS_OF)
    assert stored(seeded_db, AS_OF) == rows


def test_points_add_up_to_the_score(seeded_db: OrmSession) -> None:
    summary = predict(seeded_db, AS_OF)
    predictions = list(seeded_db.scalars(select(ChurnPrediction).where(ChurnPrediction.prediction_date == AS_OF)))
    assert len(predictions) == summary.tutors > 0
    for prediction in predictions:
        factors = prediction.contributing_factors
        assert factors is not None and factors.keys() == {"calibrated", "baseline", "components"}
        assert factors["baseline"] + sum(part["points"] for part in factors["components"]) == prediction.churn_score
        assert [part["component"] for part in factors["components"]] == list(Component)
        for part in factors["components"]:
            assert part["evidence"].keys() <= EVIDENCE_DECIMALS[Component(part["component"])].keys()


def test_says_that_it_is_not_calibrated(seeded_db: OrmSession) -> None:
    summary = predict(seeded_db, AS_OF)
    prediction = seeded_db.scalars(select(ChurnPrediction).where(ChurnPrediction.prediction_date == AS_OF)).first()
    assert prediction is not None and prediction.contributing_factors is not None
    assert (summary.calibrated, prediction.contributing_factors["calibrated"]) == (False, False)
    assert prediction.model_version == summary.model_version == "composite-1"
    assert prediction.window_30day_probability is None


def test_counts_tutors_by_level(seeded_db: OrmSession) -> None:
    summary = predict(seeded_db, AS_OF)
    table = ChurnPrediction.__table__.c
    counted = select(table.risk_level, func.count()).where(table.prediction_date == AS_OF).group_by(table.risk_level)
    assert {level: tutors for level, tutors in summary.levels.items() if tutors} == dict(
        seeded_db.execute(counted).all()
    )
    assert sum(summary.levels.values()) == summary.tutors


def test_sessions_alone_are_enough(seeded_db: OrmSession) -> None:
    seeded_db.execute(delete(TutorEvent))
    seeded_db.execute(delete(StudentFeedback))
    seeded_db.execute(update(Session).values(engagement_score=None))
    summary = predict(seeded_db, AS_OF)
    assert set(summary.unknown) == {
        Component.PERFORMANCE_TREND,
        Component.FIRST_SESSION_QUALITY,
        Component.AVAILABILITY_REDUCTION,
    }
    assert len({row[3] for row in stored(seeded_db, AS_OF)}) > 5


def test_tutors_alone_are_enough(seeded_db: OrmSession) -> None:
    seeded_db.execute(delete(TutorEvent))
    seeded_db.execute(delete(Session))
    assert predict(seeded_db, AS_OF).tutors > 0


def test_an_empty_company_is_predicted_too(db: OrmSession) -> None:
    summary = predict(db, AS_OF)
    assert (summary.tutors, set(summary.levels.values())) == (0, {0})
