"""Predictions of a company that has lost enough tutors to learn from: what is stored, and that nothing leaks."""

from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session as OrmSession

from tests.conftest import Server
from tutormax_cli.backtesting.simulated import simulated_panel
from tutormax_cli.churn.daily import find_model, predict
from tutormax_cli.churn.features import WEEKS, features
from tutormax_cli.churn.panel import Panel, read_history, read_panel
from tutormax_cli.churn.training import train
from tutormax_cli.churn.weekly import worked_since
from tutormax_cli.database.engine import make_engine
from tutormax_cli.database.enums import TutorStatus
from tutormax_cli.database.models import ChurnPrediction, Session, StudentFeedback, Tutor, TutorEvent
from tutormax_cli.seeding.seed import seed
from tutormax_cli.settings import Settings
from tutormax_cli.simulation import World

NOW = datetime(2026, 6, 1, tzinfo=UTC)
AS_OF = NOW - timedelta(days=20)
COMPANY = World(220, 170, seed=11, as_of=NOW)
HORIZONS = (
    "window_1day_probability",
    "window_7day_probability",
    "window_30day_probability",
    "window_90day_probability",
)


@pytest.fixture(scope="module")
def company(server: Server, migrated: Settings) -> Iterator[OrmSession]:
    """A company that every test leaves as it was."""
    with server.clone(migrated) as database:
        engine = make_engine(database)
        with OrmSession(engine) as db:
            seed(db, COMPANY, raw=True)
            db.commit()
            yield db
        engine.dispose()


@pytest.fixture
def db(company: OrmSession) -> Iterator[OrmSession]:
    yield company
    company.rollback()


def stored(db: OrmSession) -> list[ChurnPrediction]:
    db.expire_all()
    return list(db.scalars(select(ChurnPrediction).order_by(ChurnPrediction.tutor_id)))


def test_the_score_is_the_chance_to_leave_within_30_days(db: OrmSession) -> None:
    summary = predict(db, AS_OF)
    assert summary.calibrated and summary.model_version.startswith("hazard-")
    rows = stored(db)
    assert len(rows) == summary.tutors > 100
    for row in rows:
        chances = [getattr(row, name) for name in HORIZONS]
        assert chances == sorted(chances)
        assert row.churn_score == int(100 * chances[2] + 0.5)
        factors = row.contributing_factors
        assert factors is not None and factors["calibrated"] is True
        assert factors["baseline"] + sum(part["points"] for part in factors["components"]) == row.churn_score


def test_a_prediction_leads_to_its_model_and_the_model_to_the_prediction(db: OrmSession) -> None:
    summary = predict(db, AS_OF)
    model = find_model(db, summary.model_version)
    assert model is not None and model.version == summary.model_version
    assert model.trained_until == AS_OF.isoformat()
    assert model.backtest is not None and model.backtest["horizon_days"] == 30
    rows = stored(db)
    today = active(read_history(db, AS_OF, 100))
    again = model.chances(model.log_odds(features(today, [0])[:, 0]))
    assert [row.tutor_id.encode() for row in rows] == today.tutor_ids.tolist()
    assert again == pytest.approx(np.array([[getattr(row, name) for name in HORIZONS] for row in rows]))
    assert find_model(db, "composite-1") is None


def test_the_model_stays_when_its_first_tutor_goes(db: OrmSession) -> None:
    summary = predict(db, AS_OF)
    db.execute(delete(Tutor).where(Tutor.tutor_id == stored(db)[0].tutor_id))
    assert find_model(db, summary.model_version) is not None


def test_with_fewer_than_30_departures_the_composite_score_stays(db: OrmSession) -> None:
    churned = select(Tutor.tutor_id).where(Tutor.churned_at < AS_OF).order_by(Tutor.tutor_id).offset(29)
    gone = select(churned.subquery().c.tutor_id)
    db.execute(delete(Tutor).where(Tutor.tutor_id.in_(gone)))
    summary = predict(db, AS_OF)
    assert (summary.calibrated, summary.model_version) == (False, "composite-1")
    assert stored(db)[0].window_30day_probability is None


def test_what_comes_later_changes_neither_the_model_nor_a_prediction(db: OrmSession) -> None:
    before = predict(db, AS_OF)
    chances = [row.window_30day_probability for row in stored(db)]
    bad = {"no_show": True, "actual_start": None, "engagement_score": None}
    db.execute(update(Session).where(Session.scheduled_start >= AS_OF).values(bad))
    db.execute(delete(StudentFeedback).where(StudentFeedback.submitted_at >= AS_OF))
    db.execute(delete(TutorEvent).where(TutorEvent.event_timestamp >= AS_OF))
    tomorrow = AS_OF + timedelta(days=1)
    db.execute(update(Tutor).where(Tutor.churned_at >= AS_OF).values(churned_at=tomorrow))
    leaves = select(Tutor.tutor_id).where(Tutor.status == TutorStatus.ACTIVE).limit(40)
    db.execute(
        update(Tutor).where(Tutor.tutor_id.in_(leaves)).values(status=TutorStatus.CHURNED, churned_at=tomorrow),
        execution_options={"synchronize_session": False},
    )
    assert predict(db, AS_OF) == before
    assert [row.window_30day_probability for row in stored(db)] == chances


def test_a_missing_departure_time_is_14_days_after_the_last_session_not_missed(db: OrmSession) -> None:
    given = select(func.max(Session.scheduled_start)).where(Session.tutor_id == Tutor.tutor_id, ~Session.no_show)
    last = given.scalar_subquery()
    db.execute(update(Tutor).where(Tutor.churned_at.is_not(None)).values(churned_at=last + timedelta(days=14)))
    panel = read_history(db, AS_OF, 100)
    db.execute(update(Tutor).values(churned_at=None))
    assert_equal(read_history(db, AS_OF, 100), panel)


def test_a_landmark_has_the_features_that_its_own_time_gave(db: OrmSession) -> None:
    weeks = 3
    landmark = AS_OF - timedelta(weeks=weeks)
    everyone = Tutor.onboarding_date < AS_OF
    later = read_panel(db, AS_OF, WEEKS + weeks, everyone)
    then = read_panel(db, landmark, WEEKS, everyone)
    ids = np.isin(later.tutor_ids, then.tutor_ids)
    assert features(later.of(ids), [weeks]) == pytest.approx(features(then.of(slice(None)), [0]), abs=1e-4)


def test_the_panel_of_a_simulated_world_is_that_of_its_rows(db: OrmSession) -> None:
    weeks = 20
    read = read_panel(db, AS_OF, weeks, worked_since(AS_OF - timedelta(weeks=weeks), AS_OF))
    assert_equal(simulated_panel(COMPANY, AS_OF, weeks), read)


def test_nobody_left_to_score_is_no_error(db: OrmSession) -> None:
    db.execute(update(Tutor).values(status=TutorStatus.CHURNED, churned_at=AS_OF - timedelta(days=1)))
    assert predict(db, AS_OF).tutors == 0


def test_records_of_a_few_weeks_are_no_error(db: OrmSession) -> None:
    for days in (1, 8, 20, 40):
        panel = read_history(db, NOW - timedelta(days=170 - days), 100)
        train(panel, NOW)
    db.execute(text("SELECT 1"))


def active(panel: Panel) -> Panel:
    return panel.of(panel.active)


def assert_equal(panel: Panel, other: Panel) -> None:
    for field in fields(Panel):
        ours, theirs = getattr(panel, field.name), getattr(other, field.name)
        if field.name == "tutor_ids":
            assert ours.tolist() == theirs.tolist()
        else:
            np.testing.assert_allclose(ours, theirs, atol=1e-9, err_msg=field.name)
