"""The long statements of the reports, one per file, and how they are read.

A statement that is about active tutors reads a relation called `active`: the tutors whom the one definition in
`database.queries` calls active, put before it as a common table expression.
"""

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import CTE, DateTime, Executable, Integer, Text, TextClause, bindparam, select, text
from sqlalchemy.orm import Session as OrmSession
from sqlalchemy.types import TypeEngine

from tutormax_cli.database.driver import schema_of
from tutormax_cli.database.engine import driver_connection
from tutormax_cli.database.models import Tutor
from tutormax_cli.database.names import SCHEMA_PLACE, quoted
from tutormax_cli.database.queries import active_at

PARAMETERS: dict[str, TypeEngine[Any]] = {
    "as_of": DateTime(timezone=True),
    "known_before": DateTime(timezone=True),
    "latest": DateTime(timezone=True),
    "previous": DateTime(timezone=True),
    "since": DateTime(timezone=True),
    "tutor_id": Text(),
    "level": Text(),
    "subject": Text(),
    "min_score": Integer(),
    "limit": Integer(),
}
"""The parameters of all statements. The types go along to the server, which can't always guess them."""


def statement(name: str, db: OrmSession) -> TextClause:
    """Read the statement in `name`.sql, for the schema of the session's tables."""
    return _bound(_source(name, db))


def statement_on_active(name: str, db: OrmSession, as_of: datetime) -> Executable:
    """Read the statement in `name`.sql and put `active`, the tutors active at `as_of`, before it.

    The order of its rows is lost.
    """
    active = select(Tutor.tutor_id, Tutor.name, Tutor.subjects, Tutor.onboarding_date).where(active_at(as_of))
    return statement_on(name, db, active.cte("active"))


def statement_on(name: str, db: OrmSession, relation: CTE) -> Executable:
    """Read the statement in `name`.sql and put a relation that it reads before it. The order of its rows is lost."""
    # A statement that has common table expressions of its own may not follow another, but may be selected from.
    return _bound(f"SELECT * FROM ({_source(name, db)}) AS {name}").columns().add_cte(relation)


def _source(name: str, db: OrmSession) -> str:
    schema = quoted(schema_of(driver_connection(db.connection())))
    return _file(name).replace(SCHEMA_PLACE, schema.replace(":", "\\:"))  # a colon would begin a parameter


@cache
def _file(name: str) -> str:
    return Path(__file__).with_name(f"{name}.sql").read_text(encoding="utf-8")


def _bound(source: str) -> TextClause:
    return text(source).bindparams(
        *(bindparam(name, type_=kind) for name, kind in PARAMETERS.items() if f":{name}" in source)
    )
