"""Finding what a person named: a tutor by id or by name, a subject; and what to say when there is none."""

from collections.abc import Iterable
from datetime import datetime
from difflib import get_close_matches

from sqlalchemy import ColumnElement, case, exists, func, select
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.enums import EventType, TutorStatus
from tutormax_cli.database.models import Session, Tutor, TutorEvent
from tutormax_cli.database.queries import departed_at
from tutormax_cli.errors import UsageError

CANDIDATES = 5
"""Tutors named at most when it isn't clear which one is meant."""

_ALL_IDS = "ids: tutormax risk-report --min-score 0 --limit 100000 --format csv"


def find_tutor(db: OrmSession, asked: str) -> Tutor:
    """Find a tutor by id, or by full name (upper and lower case alike) where only one is called so.

    Raises UsageError with a hint at those who may be meant.
    """
    tutor = db.get(Tutor, asked)
    if tutor is not None:
        return tutor
    name = " ".join(asked.split())
    called = select(Tutor).where(func.lower(Tutor.name) == func.lower(name)).order_by(Tutor.status, Tutor.tutor_id)
    found = db.scalars(called.limit(CANDIDATES + 1)).all()
    if len(found) == 1:
        return found[0]
    if found:
        how_many = len(found) if len(found) <= CANDIDATES else f"more than {CANDIDATES}"
        raise UsageError(f"{how_many} tutors are called {name!r}", f"name one by id: {_listed(found)}")
    near = _near(db, name.rstrip("…"))
    raise UsageError(f"there is no tutor {asked!r}", f"did you mean {_listed(near)}?" if near else _ALL_IDS)


def _near(db: OrmSession, asked: str) -> list[Tutor]:
    """Find tutors whose id or name holds what was asked for."""
    described = func.concat(Tutor.tutor_id, " ", Tutor.name)
    chosen = select(Tutor).where(described.icontains(asked, autoescape=True))
    return list(db.scalars(chosen.order_by(Tutor.status, Tutor.tutor_id).limit(CANDIDATES)))


def _listed(tutors: Iterable[Tutor]) -> str:
    """Name tutors with what tells namesakes apart."""
    described = (
        f"{tutor.tutor_id} ({'; '.join((tutor.name, tutor.status.value, *tutor.subjects[:1]))})" for tutor in tutors
    )
    return " or ".join(described)


def require_subject(db: OrmSession, asked: str) -> None:
    """Raise UsageError, naming those that exist, when no tutor of any status has this subject."""
    taught = func.unnest(Tutor.subjects).label("subject")
    subjects = sorted({subject for (subject,) in db.execute(select(taught).distinct())}, key=str.casefold)
    by_lower = {subject.lower(): subject for subject in subjects}
    if not subjects or asked.lower() in by_lower:
        return
    near = [by_lower[match] for match in get_close_matches(asked.lower(), by_lower, n=1)]
    meant = [f"did you mean {subject}?" for subject in near]
    hint = " ".join((*meant, f"there are: {', '.join(subjects)}"))
    raise UsageError(f"--subject: no tutor teaches {asked!r}", hint)


def holds_tutors(db: OrmSession) -> bool:
    """Tell whether there is any tutor at all."""
    return bool(db.scalar(select(exists().select_from(Tutor))))


def holds_logins(db: OrmSession) -> bool:
    """Tell whether any login at all is recorded, however long ago."""
    return bool(db.scalar(select(exists().where(TutorEvent.event_type == EventType.LOGIN))))


def newest_session(db: OrmSession, before: datetime) -> datetime | None:
    """Find when the newest session was scheduled that was held before a time: as far as that the data reach."""
    start = Session.scheduled_start
    held = select(start).where(start < before, Session.actual_start < before)
    return db.scalars(held.order_by(start.desc()).limit(1)).first()


def status_at(as_of: datetime) -> ColumnElement[str]:
    """Give a tutor's status at a past time: who left later was active still. Nothing tells when one became inactive."""
    stayed = (Tutor.status == TutorStatus.CHURNED) & (departed_at() >= as_of)
    return case((stayed, TutorStatus.ACTIVE.value), else_=Tutor.status)


def tutor_status(db: OrmSession, tutor: Tutor, as_of: datetime) -> str:
    """Give one tutor's status at a past time."""
    return str(db.scalar(select(status_at(as_of)).where(Tutor.tutor_id == tutor.tutor_id)))


def departure(db: OrmSession, tutor: Tutor) -> datetime | None:
    """Tell when a churned tutor left; None for others, and where nothing tells."""
    return db.scalar(select(departed_at()).where(Tutor.tutor_id == tutor.tutor_id))
