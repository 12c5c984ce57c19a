"""One day's evaluation: computed for all tutors at once and stored in place of that day's earlier one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    DateTime,
    FromClause,
    Select,
    Table,
    Text,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.enums import MetricWindow, PerformanceTier
from tutormax_cli.database.locks import lock_against_writers
from tutormax_cli.database.models import TutorPerformanceMetric
from tutormax_cli.evaluation.days import utc_offsets
from tutormax_cli.evaluation.metrics import METRICS, anyone_logs_in, metrics
from tutormax_cli.evaluation.tiers import TIER_WINDOW, tiers

_PLANNING = text("SELECT set_config('work_mem', '128MB', true), set_config('jit', 'off', true)")
"""Until the transaction ends: room for one hash table of all tutors, without which PostgreSQL sorts the sessions, and
no compiling, which takes longer than running."""


@dataclass(frozen=True, slots=True)
class EvaluationSummary:
    """What an evaluation did: tutors and rows written, and tutors per tier (None: no session in 30 days).

    `known` counts the tutors of whom a metric is known over the tier window; `logins_known` tells whether anyone at
    all is known to have logged in, without which engagement leaves logins out.
    """

    as_of: datetime
    tutors: int
    rows: int
    tiers: Mapping[PerformanceTier | None, int]
    known: Mapping[str, int]
    logins_known: bool


def evaluate(db: OrmSession, as_of: datetime) -> EvaluationSummary:
    """Evaluate every tutor active at `as_of` over each window that ends there, from rows dated before it alone.

    Replaces the rows of that UTC day and leaves other days' as they are. All windows' rows of a tutor carry the one
    tier, which comes from the 30-day window. Runs in the caller's transaction, and until its end holds other
    writers of the metrics back, so that two runs for one day follow each other; the caller commits.
    """
    lock_against_writers(db, TutorPerformanceMetric.__tablename__)
    db.execute(_PLANNING)
    day = as_of.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    stored = TutorPerformanceMetric.calculation_date
    db.execute(delete(TutorPerformanceMetric).where(stored >= day, stored < day + timedelta(days=1)))
    logins_known = bool(db.scalar(select(anyone_logs_in(as_of))))
    with _measured(db, metrics(as_of, utc_offsets(db, as_of), logins_known=logins_known)) as measured:
        columns, rows = _evaluation(measured, as_of)
        db.execute(insert(TutorPerformanceMetric).from_select(columns, rows))
    return _summary(db, as_of, logins_known)


@contextmanager
def _measured(db: OrmSession, measuring: Select[Any]) -> Iterator[Table]:
    """Keep the metrics in a temporary table: PostgreSQL fills one in parallel, which it never does in INSERT."""
    creating = measuring.into("evaluation_metrics", temporary=True, schema="pg_temp")
    db.execute(creating)
    yield creating.table
    creating.table.drop(db.connection())


def _evaluation(measured: FromClause, as_of: datetime) -> tuple[list[str], Select[Any]]:
    """Give the columns of the metrics table that are filled, and the SELECT that fills them."""
    graded = tiers(measured)
    names = {window.days: window.value for window in MetricWindow}
    values = {
        "metric_id": _metric_id(measured, as_of),
        "tutor_id": measured.c.tutor_id,
        "calculation_date": literal(as_of, DateTime(timezone=True)),
        "window": case(names, value=measured.c.days),
        **{metric: measured.c[metric] for metric in METRICS},
        "performance_tier": graded.c.performance_tier,
    }
    joined = measured.outerjoin(graded, graded.c.tutor_id == measured.c.tutor_id)
    return list(values), select(*(value.label(name) for name, value in values.items())).select_from(joined)


def _metric_id(measured: FromClause, as_of: datetime) -> ColumnElement[str]:
    """Number the rows of the day, which are always replaced together: metric_20260601_000000001."""
    number = func.row_number().over(order_by=(measured.c.tutor_id, measured.c.days))
    return literal(f"metric_{as_of.astimezone(UTC):%Y%m%d}_") + func.lpad(cast(number, Text), 9, "0")


def _summary(db: OrmSession, as_of: datetime, logins_known: bool) -> EvaluationSummary:
    table = TutorPerformanceMetric.__table__.c
    counted = db.execute(
        select(table.performance_tier, func.count(), *(func.count(table[metric]) for metric in METRICS))
        .where(table.calculation_date == as_of, table.window == TIER_WINDOW)
        .group_by(table.performance_tier)
    ).all()
    found = {row[0]: row[1] for row in counted}
    tutors = sum(found.values())
    return EvaluationSummary(
        as_of=as_of,
        tutors=tutors,
        rows=tutors * len(MetricWindow),
        tiers={tier: found.get(tier, 0) for tier in (*PerformanceTier, None)},
        known={metric: sum(row[column] for row in counted) for column, metric in enumerate(METRICS, 2)},
        logins_known=logins_known,
    )
