"""One day's predictions: all active tutors scored and stored in place of that day's earlier predictions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import delete, text
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.churn.components import Component
from tutormax_cli.churn.composite import MODEL_VERSION, contributions
from tutormax_cli.churn.explain import Explained, Integers, explain, factors_json
from tutormax_cli.churn.findings import WEEKS, find
from tutormax_cli.churn.panel import Ids, read_panel
from tutormax_cli.columns import Coded, Columns
from tutormax_cli.database.copy import copy_in
from tutormax_cli.database.models import Base, ChurnPrediction, RiskLevel
from tutormax_cli.database.queries import active_at

_LEVELS = tuple(RiskLevel)


@dataclass(frozen=True, slots=True)
class PredictionSummary:
    """What a prediction did: by which model, for how many tutors, and how many of them have each risk level.

    `unknown` are the components of which the data told nothing for any tutor.
    """

    as_of: datetime
    model_version: str
    calibrated: bool
    tutors: int
    levels: Mapping[RiskLevel, int]
    unknown: tuple[Component, ...]


def predict(db: OrmSession, as_of: datetime) -> PredictionSummary:
    """Score every tutor active at `as_of` from rows dated before it alone.

    Replaces the predictions of that UTC day and leaves other days' as they are. Runs in the caller's transaction, and
    until its end holds other writers of predictions back, so that two runs for one day follow each other; the caller
    commits.
    """
    db.execute(text(f"LOCK TABLE {ChurnPrediction.__tablename__} IN SHARE ROW EXCLUSIVE MODE"))
    day = as_of.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    stored = ChurnPrediction.prediction_date
    db.execute(delete(ChurnPrediction).where(stored >= day, stored < day + timedelta(days=1)))
    panel = read_panel(db, as_of, WEEKS, active_at(as_of))
    findings = find(panel)
    explained = explain(contributions(findings))
    factors = factors_json(explained, findings, calibrated=False)
    levels = _levels(explained.scores)
    rows = _rows(panel.tutor_ids, explained, levels, factors, as_of)
    copy_in(db.connection(), Base.metadata.tables[ChurnPrediction.__tablename__], rows)
    counts = np.bincount(levels, minlength=len(_LEVELS)).tolist()
    return PredictionSummary(
        as_of=as_of,
        model_version=MODEL_VERSION,
        calibrated=False,
        tutors=len(levels),
        levels=dict(zip(_LEVELS, counts, strict=True)),
        unknown=tuple(component for component in Component if np.isnan(findings[component].risk).all()),
    )


def _rows(tutor_ids: Ids, explained: Explained, levels: Integers, factors: Ids, as_of: datetime) -> Columns:
    """Lay out the day's predictions, numbered by tutor: prediction_20260601_000000001."""
    count = len(tutor_ids)
    instant = as_of.astimezone(UTC)
    ids = [f"prediction_{instant:%Y%m%d}_{number:09}".encode() for number in range(1, count + 1)]
    return {
        "prediction_id": np.array(ids, np.bytes_),
        "tutor_id": tutor_ids,
        "prediction_date": np.full(count, np.datetime64(instant.replace(tzinfo=None), "us")),
        "churn_score": explained.scores,
        "risk_level": Coded(levels, [level.value for level in _LEVELS]),
        "contributing_factors": factors,
        "model_version": Coded(np.zeros(count, np.int64), [MODEL_VERSION]),
    }


def _levels(scores: Integers) -> Integers:
    """Give the position of each score's risk level."""
    floors = [level.floor for level in _LEVELS]
    return np.searchsorted(floors, scores, side="right").astype(np.int64) - 1
