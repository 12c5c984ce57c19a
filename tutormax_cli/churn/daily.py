"""One day's predictions: all active tutors scored and stored in place of that day's earlier predictions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import Text, cast, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.churn.components import Component
from tutormax_cli.churn.composite import MODEL_VERSION, contributions
from tutormax_cli.churn.explain import Explained, Integers, explain_hazards, explain_sum, factors_json, levels
from tutormax_cli.churn.features import WEEKS, features
from tutormax_cli.churn.findings import find
from tutormax_cli.churn.hazard import HORIZONS, HazardModel, read_model
from tutormax_cli.churn.panel import Floats, Ids, Panel, read_history
from tutormax_cli.churn.training import TRAINING_WEEKS, train
from tutormax_cli.churn.weekly import WEEK
from tutormax_cli.columns import Coded, Column
from tutormax_cli.database.copy import copy_in
from tutormax_cli.database.enums import RiskLevel
from tutormax_cli.database.locks import lock_against_writers
from tutormax_cli.database.models import Base, ChurnPrediction

_LEVELS = tuple(RiskLevel)
_PROBABILITIES = tuple(f"window_{days}day_probability" for days in HORIZONS)
_COPIES = 3
_HISTORY_WEEKS = TRAINING_WEEKS + WEEKS


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
    return next(predict_weekly(db, as_of, [0]))


def predict_weekly(db: OrmSession, as_of: datetime, weeks: Sequence[int]) -> Iterator[PredictionSummary]:
    """Do what `predict` does for instants so many weeks before `as_of`, one after the other, from one reading."""
    lock_against_writers(db, ChurnPrediction.__tablename__)
    history = read_history(db, as_of, _HISTORY_WEEKS, max(weeks))
    for back in weeks:
        yield _predict(db, as_of - back * WEEK, history.before(back).last(_HISTORY_WEEKS))


def _predict(db: OrmSession, as_of: datetime, panel: Panel) -> PredictionSummary:
    """Replace one day's predictions by those from the panel as it stood then."""
    day = as_of.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    stored = ChurnPrediction.prediction_date
    db.execute(delete(ChurnPrediction).where(stored >= day, stored < day + timedelta(days=1)))
    model = train(panel, as_of)
    today = panel.of(panel.active).last(WEEKS)
    findings = find(today)
    found = _explain_by_model(model, today) if model else _Scored(explain_sum(contributions(findings)), MODEL_VERSION)
    position = levels(found.explained.scores)
    factors = factors_json(found.explained, findings, calibrated=model is not None)
    rows = _rows(today.tutor_ids, found, position, factors, as_of)
    copy_in(db.connection(), Base.metadata.tables[ChurnPrediction.__tablename__], rows)
    if model:
        _keep(db, model, rows["prediction_id"])
    counts = np.bincount(position, minlength=len(_LEVELS)).tolist()
    return PredictionSummary(
        as_of=as_of,
        model_version=found.model_version,
        calibrated=model is not None,
        tutors=len(position),
        levels=dict(zip(_LEVELS, counts, strict=True)),
        unknown=tuple(component for component in Component if np.isnan(findings[component].risk).all()),
    )


@dataclass(frozen=True, slots=True)
class _Scored:
    """All tutors' scores with their points, and the chances to leave by horizon where the model gives them."""

    explained: Explained
    model_version: str
    chances: Floats | None = None


def _explain_by_model(model: HazardModel, panel: Panel) -> _Scored:
    now = features(panel, [0])[:, 0]
    return _Scored(explain_hazards(model, now), model.version, model.chances(model.log_odds(now)))


def _rows(tutor_ids: Ids, found: _Scored, position: Integers, factors: Ids, as_of: datetime) -> dict[str, Column]:
    """Lay out the day's predictions, numbered by tutor: prediction_20260601_000000001."""
    count = len(tutor_ids)
    instant = as_of.astimezone(UTC)
    ids = [f"prediction_{instant:%Y%m%d}_{number:09}".encode() for number in range(1, count + 1)]
    chances = {} if found.chances is None else dict(zip(_PROBABILITIES, found.chances.T, strict=True))
    return chances | {
        "prediction_id": np.array(ids, np.bytes_),
        "tutor_id": tutor_ids,
        "prediction_date": np.full(count, np.datetime64(instant.replace(tzinfo=None), "us")),
        "churn_score": found.explained.scores,
        "risk_level": Coded(position, [level.value for level in _LEVELS]),
        "contributing_factors": factors,
        "model_version": Coded(np.zeros(count, np.int64), [found.model_version]),
    }


def _keep(db: OrmSession, model: HazardModel, prediction_ids: Column) -> None:
    """Put the model into the first of its predictions; into several, as one may be deleted with its tutor."""
    assert isinstance(prediction_ids, np.ndarray)
    first = [identifier.decode() for identifier in prediction_ids[:_COPIES].tolist()]
    factors = ChurnPrediction.contributing_factors
    kept = factors.op("||")(func.jsonb_build_object("model", cast(literal(model.text, Text), JSONB)))
    change = update(ChurnPrediction).where(ChurnPrediction.prediction_id.in_(first))
    db.execute(change.values(contributing_factors=kept), execution_options={"synchronize_session": False})


def find_model(db: OrmSession, version: str) -> HazardModel | None:
    """Find the model that predictions refer to by `model_version`; None where they do not stem from a model."""
    model = ChurnPrediction.contributing_factors["model"]
    chosen = select(cast(model, Text)).where(ChurnPrediction.model_version == version, model.is_not(None))
    found = db.scalars(chosen.limit(1)).first()
    return read_model(found) if found else None
