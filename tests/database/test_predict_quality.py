"""What comes out on a seeded company of ordinary size: the mix of tiers and levels, and whether scores find leavers."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session as OrmSession

from tests.conftest import Server
from tutormax_cli.churn.daily import predict
from tutormax_cli.database.engine import make_engine
from tutormax_cli.database.enums import PerformanceTier, RiskLevel
from tutormax_cli.database.models import ChurnPrediction, Tutor
from tutormax_cli.database.queries import departed_at
from tutormax_cli.evaluation import evaluate
from tutormax_cli.evaluation.tiers import TARGET_MIX
from tutormax_cli.seeding.seed import seed
from tutormax_cli.settings import Settings
from tutormax_cli.simulation import World

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DATES = [NOW - timedelta(days=days) for days in (31, 59, 87)]


@pytest.fixture(scope="module")
def company(server: Server, migrated: Settings) -> Iterator[OrmSession]:
    with server.clone(migrated) as database:
        engine = make_engine(database)
        with OrmSession(engine) as db:
            seed(db, World(900, 200, seed=3, as_of=NOW), raw=True)
            db.commit()
            db.execute(text("ANALYZE"))
            yield db
        engine.dispose()


@pytest.mark.parametrize("as_of", DATES)
def test_the_tiers_are_mixed_as_the_product_wants(company: OrmSession, as_of: datetime) -> None:
    summary = evaluate(company, as_of)
    graded = sum(summary.tiers[tier] for tier in PerformanceTier)
    shares = {tier: summary.tiers[tier] / graded for tier in PerformanceTier}
    assert shares == pytest.approx(TARGET_MIX, abs=0.05)


def test_few_are_critical_and_most_at_low_risk(company: OrmSession) -> None:
    summaries = [predict(company, as_of) for as_of in DATES]
    tutors = sum(summary.tutors for summary in summaries)
    share = {level: sum(summary.levels[level] for summary in summaries) / tutors for level in RiskLevel}
    assert 0.02 < share[RiskLevel.CRITICAL] < 0.08
    assert 0.01 < share[RiskLevel.HIGH] < 0.08
    assert 0.02 < share[RiskLevel.MEDIUM] < 0.15


def test_scores_find_those_who_leave_within_30_days(company: OrmSession) -> None:
    pairs = [pair for as_of in DATES for pair in scores_and_departures(company, as_of)]
    scores, left = (np.array(values) for values in zip(*pairs, strict=True))
    assert roc_auc(scores, left) > 0.84
    assert left[scores > 75].mean() > 0.6 > left[(scores > 25) & (scores <= 50)].mean() > left[scores <= 25].mean()


def scores_and_departures(db: OrmSession, as_of: datetime) -> list[tuple[int, bool]]:
    """Give every tutor's score at `as_of`, and whether the tutor had left 30 days later."""
    predict(db, as_of)
    rows = db.execute(
        select(ChurnPrediction.churn_score, departed_at())
        .join(Tutor, Tutor.tutor_id == ChurnPrediction.tutor_id)
        .where(ChurnPrediction.prediction_date == as_of)
    )
    return [(score, departed is not None and departed < as_of + timedelta(days=30)) for score, departed in rows]


def roc_auc(scores: npt.NDArray[np.int64], left: npt.NDArray[np.bool_]) -> float:
    """Give the chance that a leaver scores above a stayer, a tie counting half."""
    difference = scores[left][:, None] - scores[~left][None, :]
    return float((difference > 0).mean() + (difference == 0).mean() / 2)
