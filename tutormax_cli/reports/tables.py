"""How much each table holds, and how fresh it is: now in full, or as it was known at an earlier time."""

from dataclasses import dataclass
from datetime import datetime
from operator import le, lt

from sqlalchemy import BigInteger, DateTime, Executable, SelectBase, cast, func, literal, null, select, union_all
from sqlalchemy.dialects.postgresql import OID
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.engine import driver_connection
from tutormax_cli.database.models import (
    ChurnPrediction,
    Intervention,
    Session,
    Student,
    StudentFeedback,
    Tutor,
    TutorEvent,
    TutorPerformanceMetric,
)
from tutormax_cli.database.names import own_table, table_oids

Moment = InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None]


@dataclass(frozen=True, slots=True)
class Dating:
    """How a table's rows are dated: `known` when each came to be known, `latest` how far the table's data reach.

    What is `computed` as of a time is known at that time already; what happens at it is known only after it. Where no
    column tells since when a row is known, `known` is None.
    """

    known: Moment | None
    latest: Moment
    computed: bool = False


DATING: dict[str, Dating] = {
    Tutor.__tablename__: Dating(Tutor.onboarding_date, Tutor.onboarding_date),
    Student.__tablename__: Dating(None, Student.created_at),
    Session.__tablename__: Dating(Session.scheduled_start, Session.actual_start),
    StudentFeedback.__tablename__: Dating(StudentFeedback.submitted_at, StudentFeedback.submitted_at),
    TutorPerformanceMetric.__tablename__: Dating(
        TutorPerformanceMetric.calculation_date, TutorPerformanceMetric.calculation_date, computed=True
    ),
    ChurnPrediction.__tablename__: Dating(
        ChurnPrediction.prediction_date, ChurnPrediction.prediction_date, computed=True
    ),
    Intervention.__tablename__: Dating(Intervention.recommended_date, Intervention.recommended_date, computed=True),
    TutorEvent.__tablename__: Dating(TutorEvent.event_timestamp, TutorEvent.event_timestamp),
}
"""Of every table, the times that tell what was known when."""


@dataclass(frozen=True, slots=True)
class TableFacts:
    """One table: its rows, its bytes with indexes and TOAST, and its newest time; None is what can't be known."""

    table: str
    rows: int | None
    bytes: int | None
    latest: datetime | None


def measure_tables(db: OrmSession, as_of: datetime | None = None) -> list[TableFacts]:
    """Count, measure and date every table in one statement, in full or as of an earlier time."""
    driver = driver_connection(db.connection())
    oids = table_oids(driver, [own_table(driver, name) for name in DATING])
    statements = (
        _in_full(*item, oid) if as_of is None else _at(*item, as_of)
        for item, oid in zip(DATING.items(), oids, strict=True)
    )
    statement: Executable = union_all(*statements)
    measured = {row[0]: TableFacts(*row) for row in db.execute(statement)}
    return [measured[table] for table in DATING]


def _in_full(table: str, dating: Dating, oid: int) -> SelectBase:
    size = func.pg_total_relation_size(cast(literal(oid, BigInteger), OID))
    return select(literal(table), func.count(), size, func.max(dating.latest))


def _at(table: str, dating: Dating, as_of: datetime) -> SelectBase:
    unknown, moment = cast(null(), BigInteger), cast(null(), DateTime(timezone=True))
    if dating.known is None:
        return select(literal(table), unknown, unknown, moment)
    reaches = le if dating.computed else lt
    latest = func.max(dating.latest).filter(reaches(dating.latest, as_of))
    return select(literal(table), func.count(), unknown, latest).where(reaches(dating.known, as_of))
