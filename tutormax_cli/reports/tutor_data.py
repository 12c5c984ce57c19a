"""What the report on one tutor reads, in one statement per table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.enums import MetricWindow, PerformanceTier, TutorStatus
from tutormax_cli.database.models import ChurnPrediction, Intervention, Session, Tutor, TutorPerformanceMetric
from tutormax_cli.reports.lookup import departure, find_tutor, newest_session, tutor_status
from tutormax_cli.reports.sql import statement
from tutormax_cli.reports.words import data_end_early

WEEKS = 12
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Week:
    """One of the last weeks: sessions booked and held, mean rating of those, and the week's last score."""

    booked: int
    sessions: int
    rating: float | None
    score: int | None


@dataclass(frozen=True, slots=True)
class TutorHistory:
    """One tutor as of `moment`: the newest prediction first, twelve weeks oldest first, interventions newest first.

    `departed` is when who has left did so, `held_any` whether the tutor ever held a session, `newest_session` the
    newest one that anybody held.
    """

    tutor: Tutor
    status: TutorStatus
    moment: datetime
    predictions: Sequence[ChurnPrediction]
    weeks: tuple[Week, ...]
    interventions: Sequence[Intervention]
    tier: PerformanceTier | None
    departed: datetime | None
    held_any: bool
    newest_session: datetime | None
    since: datetime | None = None

    @property
    def latest(self) -> ChurnPrediction | None:
        """The newest prediction."""
        return self.predictions[0] if self.predictions else None

    @property
    def previous_score(self) -> int | None:
        """The earlier score to compare with: the one rule that the weekly report has in SQL."""
        until = self.since or self.moment - timedelta(days=6, hours=12)
        after = self.since - _WEEK if self.since else self.moment - 2 * _WEEK
        today = self.moment.astimezone(UTC).date()
        for prediction in self.predictions:
            dated = prediction.prediction_date
            if dated <= until and dated.astimezone(UTC).date() < today:
                return prediction.churn_score if dated > after else None
        return None

    @property
    def silent(self) -> bool:
        """Whether no session was held in the last week though some were booked, or earlier ones held.

        The one rule that the weekly report has in SQL.
        """
        last = self.weeks[-1]
        return not last.sessions and (last.booked > 0 or self.held_any)

    @property
    def ended_early(self) -> bool:
        """Whether the data end so long before `moment` that silence can't be told."""
        return data_end_early(self.newest_session, self.moment)

    @property
    def level_since(self) -> datetime | None:
        """When the tutor came to the present level, as far as the last weeks tell."""
        since = None
        for prediction in self.predictions:
            if prediction.risk_level != self.predictions[0].risk_level:
                break
            since = prediction.prediction_date
        return since


def read_history(db: OrmSession, asked: str, as_of: datetime, since: datetime | None = None) -> TutorHistory:
    """Read one tutor as of the newest prediction until `as_of`, compared with a week before it or with `since`.

    `asked` is an id or a name. Raises UsageError when no tutor is called so, or several are.
    """
    tutor = find_tutor(db, asked)
    tutor_id = tutor.tutor_id
    newest = _predictions(db, tutor_id, as_of, limit=1)
    moment = newest[0].prediction_date if newest else as_of
    oldest = min(moment - WEEKS * _WEEK, since - _WEEK if since else moment)
    predictions = _predictions(db, tutor_id, moment, since=oldest)
    status = TutorStatus(tutor_status(db, tutor, as_of))
    return TutorHistory(
        tutor,
        status,
        moment,
        predictions,
        _weeks(db, tutor_id, moment, predictions),
        _interventions(db, tutor_id, moment),
        _tier(db, tutor_id, moment),
        departure(db, tutor) if status is TutorStatus.CHURNED else None,
        _held_any(db, tutor_id, moment),
        newest_session(db, moment),
        since,
    )


def _predictions(
    db: OrmSession, tutor_id: str, until: datetime, *, since: datetime | None = None, limit: int | None = None
) -> Sequence[ChurnPrediction]:
    """List predictions from `since` until `until`, newest first."""
    dated = ChurnPrediction.prediction_date
    chosen = select(ChurnPrediction).where(ChurnPrediction.tutor_id == tutor_id, dated <= until)
    if since is not None:
        chosen = chosen.where(dated > since)
    return db.scalars(chosen.order_by(dated.desc()).limit(limit)).all()


def _weeks(db: OrmSession, tutor_id: str, moment: datetime, predictions: Sequence[ChurnPrediction]) -> tuple[Week, ...]:
    worked = {
        weeks_ago: (booked, sessions, rating)
        for weeks_ago, booked, sessions, rating in db.execute(
            statement("tutor_weeks", db), {"tutor_id": tutor_id, "latest": moment}
        )
    }
    scores: dict[int, int] = {}
    for prediction in predictions:  # newest first: the first of a week is the one that stays
        scores.setdefault((moment - prediction.prediction_date) // _WEEK, prediction.churn_score)
    return tuple(Week(*worked.get(ago, (0, 0, None)), scores.get(ago)) for ago in reversed(range(WEEKS)))


def _held_any(db: OrmSession, tutor_id: str, moment: datetime) -> bool:
    """Tell whether the tutor held a session before `moment`, however long before."""
    held = exists().where(Session.tutor_id == tutor_id, Session.scheduled_start < moment, Session.actual_start < moment)
    return bool(db.scalar(select(held)))


def _interventions(db: OrmSession, tutor_id: str, moment: datetime) -> Sequence[Intervention]:
    """List the interventions that were known at `moment`, the newest first."""
    chosen = select(Intervention).where(Intervention.tutor_id == tutor_id, Intervention.recommended_date <= moment)
    return db.scalars(chosen.order_by(Intervention.recommended_date.desc(), Intervention.intervention_id)).all()


def _tier(db: OrmSession, tutor_id: str, moment: datetime) -> PerformanceTier | None:
    measured = TutorPerformanceMetric.calculation_date
    chosen = select(TutorPerformanceMetric.performance_tier).where(
        TutorPerformanceMetric.tutor_id == tutor_id,
        TutorPerformanceMetric.window == MetricWindow.DAYS_30,
        measured <= moment,
    )
    return db.scalars(chosen.order_by(measured.desc()).limit(1)).first()
