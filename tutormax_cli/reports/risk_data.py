"""What the risk report reads: three statements whose cost doesn't depend on how many predictions are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.enums import RiskLevel
from tutormax_cli.reports.sql import statement, statement_on_active
from tutormax_cli.reports.words import data_end_early


@dataclass(frozen=True, slots=True)
class Moments:
    """The newest prediction, the earlier one it is compared with, and the newest recorded session or event.

    `newest_session` is the newest one held before the time that was asked for, `newest_predicted_from` the newest one
    held before the newest prediction.
    """

    latest: datetime | None
    previous: datetime | None
    data_until: datetime | None
    newest_session: datetime | None
    newest_predicted_from: datetime | None

    @property
    def ended_early(self) -> bool:
        """Whether the predictions are of a time that the data don't reach, so that nobody's silence can be told."""
        return data_end_early(self.newest_predicted_from, self.latest)


@dataclass(frozen=True, slots=True)
class LevelCount:
    """The tutors of one risk level and model, now or before, and the leavers expected among them.

    `calibrated` counts those whose score comes with probabilities.
    """

    risk_level: str
    model_version: str
    tutors: int
    tutors_before: int
    calibrated: int
    calibrated_before: int
    leavers_7_days: float
    leavers_30_days: float
    leavers_90_days: float


@dataclass(frozen=True, slots=True)
class Standing:
    """One tutor with the newest prediction, the earlier score, and what else tells whom to call first."""

    tutor_id: str
    name: str
    subjects: list[str]
    onboarding_date: datetime
    churn_score: int | None
    risk_level: str | None
    window_7day_probability: float | None
    window_30day_probability: float | None
    window_90day_probability: float | None
    contributing_factors: Mapping[str, Any] | None
    booked_last_7_days: int
    silent: bool
    matching: int
    rank: int
    previous_score: int | None
    last_session: datetime | None
    booked_next_7_days: int
    performance_tier: str | None
    open_intervention: str | None
    intervention_owner: str | None
    intervention_due: datetime | None

    @property
    def change(self) -> int | None:
        """The score against the earlier one."""
        if self.churn_score is None or self.previous_score is None:
            return None
        return self.churn_score - self.previous_score


@dataclass(frozen=True, slots=True)
class Selection:
    """Whom the report is to show: scores from `min_score` up, `limit` in each section, of one level or subject.

    Changes are those since about a week before the newest prediction, or since `since`.
    """

    min_score: int = RiskLevel.HIGH.floor
    limit: int = 20
    level: RiskLevel | None = None
    subject: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Assessment:
    """All that the report says: when, how many tutors per level, and the tutors of the two sections."""

    moments: Moments
    levels: tuple[LevelCount, ...]
    standings: tuple[Standing, ...]
    selection: Selection

    @property
    def queue(self) -> list[Standing]:
        """The tutors to call, highest score first."""
        return [tutor for tutor in self.standings if not tutor.silent]

    @property
    def silent(self) -> list[Standing]:
        """The tutors who fell silent, highest score first."""
        return [tutor for tutor in self.standings if tutor.silent]

    @property
    def calibrated(self) -> bool | None:
        """Whether every score comes with probabilities; None without scores."""
        return self.tutors == sum(count.calibrated for count in self.levels) if self.tutors else None

    @property
    def tutors(self) -> int:
        """The active tutors who have a prediction."""
        return sum(count.tutors for count in self.levels)

    @property
    def mixed(self) -> bool:
        """Whether changes compare a score that is a chance to leave with one that is not."""
        before = sum(count.tutors_before for count in self.levels)
        return before > 0 and (sum(count.calibrated_before for count in self.levels) == before) is not self.calibrated

    def at_or_above(self, floor: RiskLevel) -> int:
        """Count the tutors of a level and of those above it."""
        return sum(count.tutors for count in self.levels if RiskLevel(count.risk_level).floor >= floor.floor)


def assess(db: OrmSession, as_of: datetime, selection: Selection) -> Assessment:
    """Read the report of the newest predictions until `as_of`, on the tutors who were active then.

    Everything else (silence, bookings, tiers, interventions) is told as of those predictions.
    """
    # Compiling these statements takes longer than running them.
    db.execute(text("SET LOCAL jit = off"))
    moments = _moments(db, as_of, selection.since)
    if moments.latest is None:
        return Assessment(moments, (), (), selection)
    levels, standings = _levels(db, as_of, moments), _standings(db, as_of, moments.latest, selection)
    return Assessment(moments, tuple(levels), tuple(standings), selection)


def _moments(db: OrmSession, as_of: datetime, since: datetime | None) -> Moments:
    return Moments(*db.execute(statement("risk_moments", db), {"as_of": as_of, "since": since}).one())


def _levels(db: OrmSession, as_of: datetime, moments: Moments) -> list[LevelCount]:
    parameters = {"latest": moments.latest, "previous": moments.previous}
    return [LevelCount(*row) for row in db.execute(statement_on_active("risk_levels", db, as_of), parameters)]


def _standings(db: OrmSession, as_of: datetime, latest: datetime, selection: Selection) -> list[Standing]:
    parameters = {
        "latest": latest,
        "min_score": selection.min_score,
        "limit": selection.limit,
        "level": selection.level and selection.level.value,
        "subject": selection.subject,
        "since": selection.since,
    }
    rows = db.execute(statement_on_active("risk_tutors", db, as_of), parameters)
    return sorted((Standing(**row) for row in rows.mappings()), key=lambda tutor: (tutor.silent, tutor.rank))
