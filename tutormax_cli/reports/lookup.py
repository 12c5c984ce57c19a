"""Finding the tutor that a person named."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.models import Tutor
from tutormax_cli.errors import UsageError

NEAR_MATCHES = 3


def find_tutor(db: OrmSession, tutor_id: str) -> Tutor:
    """Find a tutor by id. Raises UsageError with a hint at tutors whose id or name holds what was asked for."""
    tutor = db.get(Tutor, tutor_id)
    if tutor is None:
        near = _near(db, tutor_id)
        hint = f"did you mean {' or '.join(near)}?" if near else "ids: tutormax risk-report --min-score 0 --format csv"
        raise UsageError(f"there is no tutor {tutor_id!r}", hint)
    return tutor


def _near(db: OrmSession, asked: str) -> list[str]:
    described = func.concat(Tutor.tutor_id, " ", Tutor.name)
    chosen = select(Tutor.tutor_id, Tutor.name).where(described.icontains(asked, autoescape=True))
    return [
        f"{tutor_id} ({name})" for tutor_id, name in db.execute(chosen.order_by(Tutor.tutor_id).limit(NEAR_MATCHES))
    ]
