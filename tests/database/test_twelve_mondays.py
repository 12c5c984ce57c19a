"""Twelve weeks of evaluating, predicting and reporting: true movement, each week from what was known then."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session as OrmSession

from tests.conftest import Server
from tutormax_cli.churn.composite import MODEL_VERSION as COMPOSITE
from tutormax_cli.churn.daily import predict
from tutormax_cli.database.engine import make_engine
from tutormax_cli.database.enums import RiskLevel
from tutormax_cli.evaluation import evaluate
from tutormax_cli.reports.render import Format, render
from tutormax_cli.reports.risk import risk_report
from tutormax_cli.reports.risk_data import Selection, assess
from tutormax_cli.seeding.seed import seed
from tutormax_cli.settings import Settings
from tutormax_cli.simulation import World

pytestmark = pytest.mark.xdist_group("twelve_mondays")  # the weeks are run once, by one worker

LAST = datetime(2026, 6, 1, tzinfo=UTC)
MONDAYS = [LAST - timedelta(weeks=back) for back in reversed(range(12))]
EVERYONE = Selection(min_score=0, limit=1000)

TAKEN_AWAY = (
    "DELETE FROM churn_predictions WHERE prediction_date >= :then",
    "DELETE FROM tutor_performance_metrics WHERE calculation_date >= :then",
    "DELETE FROM interventions WHERE recommended_date >= :then",
    "DELETE FROM tutor_events WHERE event_timestamp >= :then",
    "DELETE FROM student_feedback WHERE submitted_at >= :then",
    "DELETE FROM sessions WHERE scheduled_start >= :then",
    "UPDATE sessions SET actual_start = NULL WHERE actual_start >= :then",
    "DELETE FROM tutors WHERE onboarding_date >= :then",
    "UPDATE tutors SET status = 'active', churned_at = NULL WHERE status = 'churned' AND churned_at >= :then",
)
"""What makes a database what it was at a time: all that is dated later is taken away."""

PREDICTED = (
    "SELECT tutor_id, churn_score, risk_level, model_version, contributing_factors,"
    " window_1day_probability, window_7day_probability, window_30day_probability, window_90day_probability"
    " FROM churn_predictions WHERE prediction_date = :then ORDER BY tutor_id"
)


@pytest.fixture(scope="module")
def weekly(server: Server, migrated: Settings) -> Iterator[Settings]:
    """A company that was evaluated and predicted on each of twelve Mondays, long after they had passed."""
    with server.clone(migrated) as database:
        engine = make_engine(database)
        with OrmSession(engine) as db:
            seed(db, World(tutors=80, days=240, seed=11, as_of=LAST), raw=True)
            for monday in MONDAYS:
                evaluate(db, monday)
                predict(db, monday)
            db.commit()
        engine.dispose()
        yield database


@pytest.fixture
def company(server: Server, weekly: Settings) -> Iterator[OrmSession]:
    with server.clone(weekly) as database:
        engine = make_engine(database)
        with OrmSession(engine) as db:
            yield db
        engine.dispose()


def report(db: OrmSession, monday: datetime) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(render(risk_report(assess(db, monday, EVERYONE), monday), Format.JSON))
    return parsed


def notes(db: OrmSession, monday: datetime) -> tuple[str, ...]:
    return risk_report(assess(db, monday, EVERYONE), monday).notes


def predicted(db: OrmSession, monday: datetime) -> list[dict[str, Any]]:
    return [dict(row) for row in db.execute(text(PREDICTED), {"then": monday}).mappings()]


def test_every_report_shows_the_movement_between_the_stored_scores(company: OrmSession) -> None:
    scores = {monday: {row["tutor_id"]: row["churn_score"] for row in predicted(company, monday)} for monday in MONDAYS}
    levels = {monday: Counter(row["risk_level"] for row in predicted(company, monday)) for monday in MONDAYS}
    moved = 0
    for before, monday in pairwise(MONDAYS):
        found = report(company, monday)
        assert (found["as_of"][:10], found["compared_with"][:10]) == (f"{monday:%Y-%m-%d}", f"{before:%Y-%m-%d}")
        for row in found["queue"]:
            earlier = scores[before].get(row["tutor_id"])
            assert row["score"] == scores[monday][row["tutor_id"]]
            assert row["change"] == (None if earlier is None else row["score"] - earlier)
            moved += bool(row["change"])
        listed = [row["tutor_id"] for row in (*found["queue"], *found["silent"])]
        assert sorted(listed) == sorted(scores[monday])
        assert {row["level"]: (row["tutors"], row["change"]) for row in found["levels"]} == {
            level: (levels[monday][level], levels[monday][level] - levels[before][level]) for level in RiskLevel
        }
    assert moved > 100


def test_both_kinds_of_model_were_at_work_and_knew_who_would_leave(company: OrmSession) -> None:
    models = [{row["model_version"] for row in predicted(company, monday)} for monday in MONDAYS]
    assert all(len(versions) == 1 for versions in models)
    assert COMPOSITE in models[0] and COMPOSITE not in models[-1]
    mixed = [monday for monday in MONDAYS[1:] if "two kinds of score" in " ".join(notes(company, monday))]
    assert mixed == [
        next(monday for monday, versions in zip(MONDAYS, models, strict=True) if COMPOSITE not in versions)
    ]
    departures = company.execute(text("SELECT tutor_id, churned_at FROM tutors WHERE status = 'churned'"))
    departed: dict[str, datetime] = {row.tutor_id: row.churned_at for row in departures}
    left: list[int] = []
    stayed: list[int] = []
    for monday in MONDAYS[:-4]:
        for row in predicted(company, monday):
            gone = departed.get(row["tutor_id"], LAST + timedelta(days=999)) < monday + timedelta(days=30)
            (left if gone else stayed).append(row["churn_score"])
    assert sum(left) / len(left) > 2 * sum(stayed) / len(stayed)


def test_a_week_predicted_later_is_as_it_would_have_been_then(company: OrmSession) -> None:
    """The database goes back in time, Monday by Monday: predicting in it gives what was predicted with hindsight."""
    for monday in reversed(MONDAYS):
        hindsight, told = predicted(company, monday), report(company, monday)
        for statement in TAKEN_AWAY:
            company.execute(text(statement), {"then": monday})
        evaluate(company, monday)
        predict(company, monday)
        assert predicted(company, monday) == hindsight
        then = report(company, monday)
        for name in ("levels", "expected", "as_of", "data_until", "tutors"):
            assert then[name] == told[name], name
        for name, now in (("queue", "rank score change level goes_with tier"), ("silent", "days_silent missed_7_days")):
            for row, again in zip(told[name], then[name], strict=True):
                assert [row[key] for key in ("tutor_id", *now.split())] == [
                    again[key] for key in ("tutor_id", *now.split())
                ]
