"""What the risk report reads: three statements whose cost doesn't depend on how many predictions are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.models import RiskLevel
from tutormax_cli.reports.sql import statement, statement_on_active


@dataclass(frozen=True, slots=True)
class Moments:
    """The newest prediction, the one about a week before it, and the newest recorded session or event."""

    latest: datetime | None
    previous: datetime | None
    data_until: datetime | None


@dataclass(frozen=True, slots=True)
class LevelCount:
    """The tutors of one risk level and model, now or before, and the leavers expected among them."""

    risk_level: str
    model_version: str | None
    tutors: int
    tutors_before: int
    calibrated: int
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
        """The score against that of about a week before."""
        if self.churn_score is None or self.previous_score is None:
            return None
        return self.churn_score - self.previous_score


@dataclass(frozen=True, slots=True)
class Selection:
    """Whom the report is to show: scores from `min_score` up, at most `limit` in each section, of one level or subject."""

    min_score: int = RiskLevel.HIGH.floor
    limit: int = 20
    level: RiskLevel | None = None
    subject: str | None = None


def read_moments(db: OrmSession, as_of: datetime) -> Moments:
    """Find the times that a report as of `as_of` is about."""
    return Moments(*db.execute(statement("risk_moments"), {"as_of": as_of}).one())


def read_levels(db: OrmSession, as_of: datetime, moments: Moments) -> list[LevelCount]:
    """Count the tutors active at `as_of` per risk level, then those of the earlier prediction."""
    parameters = {"latest": moments.latest, "previous": moments.previous}
    return [LevelCount(*row) for row in db.execute(statement_on_active("risk_levels", as_of), parameters)]


def read_standings(db: OrmSession, as_of: datetime, latest: datetime, selection: Selection) -> list[Standing]:
    """Read the tutors to show, the queue first and then the silent, each ranked."""
    parameters = {
        "latest": latest,
        "min_score": selection.min_score,
        "limit": selection.limit,
        "level": selection.level and selection.level.value,
        "subject": selection.subject,
    }
    rows = db.execute(statement_on_active("risk_tutors", as_of), parameters)
    return sorted((Standing(**row) for row in rows.mappings()), key=lambda tutor: (tutor.silent, tutor.rank))
