"""Rows for the reports' tests, each with what a test doesn't care about filled in."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.enums import RiskLevel
from tutormax_cli.database.models import ChurnPrediction, Intervention, Session, Student, StudentFeedback, Tutor

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
_numbers = count(1)


def unique(kind: str) -> str:
    return f"{kind}_{next(_numbers):05}"


def add_tutor(db: OrmSession, tutor_id: str, **given: Any) -> Tutor:
    tutor = Tutor(
        **{
            "tutor_id": tutor_id,
            "name": tutor_id.title(),
            "email": f"{tutor_id}@example.org",
            "onboarding_date": AS_OF - 200 * DAY,
            "status": "active",
            "subjects": ["mathematics"],
            **given,
        }
    )
    db.add(tutor)
    db.flush()
    return tutor


def add_prediction(db: OrmSession, tutor_id: str, score: int, at: datetime = AS_OF, **given: Any) -> None:
    level = max((level for level in RiskLevel if level.floor <= score), key=lambda level: level.floor)
    chances = {f"window_{days}day_probability": score / 100 for days in (1, 7, 30, 90)}
    values = {"risk_level": level, "model_version": "hazard-1", **chances, **given}
    db.add(
        ChurnPrediction(
            prediction_id=unique("prediction"), tutor_id=tutor_id, prediction_date=at, churn_score=score, **values
        )
    )
    db.flush()


def add_sessions(db: OrmSession, tutor_id: str, days_ago: Sequence[float], *, held: bool = True) -> None:
    """Book sessions so many days before AS_OF (negative: after), held or not."""
    db.merge(Student(student_id="student", name="Secret Student"))
    for ago in days_ago:
        start = AS_OF - ago * DAY
        session_id = unique("session")
        db.add(
            Session(
                session_id=session_id,
                tutor_id=tutor_id,
                student_id="student",
                session_number=1,
                scheduled_start=start,
                actual_start=start if held else None,
                duration_minutes=60,
                subject="mathematics",
                session_type="1-on-1",
                no_show=not held and ago > 0,
            )
        )
        db.flush()
        if held:
            add_feedback(db, tutor_id, session_id, start)


def add_feedback(db: OrmSession, tutor_id: str, session_id: str, at: datetime, rating: int = 4) -> None:
    db.add(
        StudentFeedback(
            feedback_id=unique("feedback"),
            session_id=session_id,
            student_id="student",
            tutor_id=tutor_id,
            overall_rating=rating,
            submitted_at=at + timedelta(hours=2),
        )
    )
    db.flush()


def add_intervention(db: OrmSession, tutor_id: str, kind: str, at: datetime, **given: Any) -> None:
    values = {"status": "pending", **given}
    db.add(
        Intervention(
            intervention_id=unique("intervention"),
            tutor_id=tutor_id,
            intervention_type=kind,
            recommended_date=at,
            **values,
        )
    )
    db.flush()


def add_at_work(db: OrmSession, tutor_id: str, score: int | None, **given: Any) -> None:
    """Add a tutor who held sessions lately, with a score as of AS_OF."""
    add_tutor(db, tutor_id, **given)
    add_sessions(db, tutor_id, (1, 3, 9))
    if score is not None:
        add_prediction(db, tutor_id, score)
