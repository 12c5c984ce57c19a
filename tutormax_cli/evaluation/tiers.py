"""A tutor's tier, from the metrics of the last 30 days: red flags first, rank second.

A red flag is a metric on the wrong side of its line (`MEASURES`). Tutors are ranked by their number of flags, then by
their headroom: how far their metrics lie from the lines, averaged over the metrics that are known. The rank shares out
the tiers in the proportions of `TARGET_MIX`; the flags bound what the rank can give (`RANGES`): nobody with a flag is
Exemplary, nobody without one is worse than Developing, however the others do. Ties go by tutor_id, so the same rows
always give the same tiers. A tutor without a session in 30 days has no tier.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Numeric, Subquery, case, cast, func, select

from tutormax_cli.database.enums import MetricWindow, PerformanceTier

TIER_WINDOW = MetricWindow.DAYS_30
"""The window that tiers are taken from."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric that can raise a red flag: beyond `line`, seen from `best`, the best value that there is."""

    metric: str
    line: float
    best: float


MEASURES = (
    Measure("avg_rating", line=3.5, best=5),
    Measure("first_session_success_rate", line=0.70, best=1),
    Measure("reschedule_rate", line=0.15, best=0),
    Measure("no_show_rate", line=0.05, best=0),
    Measure("engagement_score", line=0.60, best=1),
    Measure("learning_objectives_met_pct", line=80, best=100),
)

TARGET_MIX = {
    PerformanceTier.EXEMPLARY: 0.10,
    PerformanceTier.STRONG: 0.40,
    PerformanceTier.DEVELOPING: 0.35,
    PerformanceTier.NEEDS_ATTENTION: 0.12,
    PerformanceTier.AT_RISK: 0.03,
}
"""The shares of the tiers among the tutors of an ordinary company, best first."""

RANGES = (
    (PerformanceTier.EXEMPLARY, PerformanceTier.DEVELOPING),
    (PerformanceTier.STRONG, PerformanceTier.NEEDS_ATTENTION),
    (PerformanceTier.DEVELOPING, PerformanceTier.AT_RISK),
    (PerformanceTier.NEEDS_ATTENTION, PerformanceTier.AT_RISK),
)
"""The best and the worst tier of a tutor with 0, 1, 2, and with 3 or more red flags."""

_TIERS = tuple(PerformanceTier)


def tiers(metrics: FromClause) -> Subquery:
    """Select tutor_id and performance_tier of every tutor with a session in the tier window."""
    row = metrics.c
    measured = (
        select(row.tutor_id, _flags(metrics).label("flags"), _headroom(metrics).label("headroom"))
        .where(row.days == TIER_WINDOW.days, row.scheduled > 0)
        .subquery("measured")
    )
    flags = measured.c.flags
    rank = func.row_number().over(order_by=(flags, measured.c.headroom.desc().nulls_last(), measured.c.tutor_id))
    # The middle of a tutor's place: the only tutor of a company stands at 0.5, not at the very top.
    place = (rank - 0.5) / func.count().over()
    ranked = select(measured.c.tutor_id, flags, place.label("place")).subquery("ranked")
    position = func.greatest(_bound(ranked, 0), func.least(_bound(ranked, 1), _position(ranked.c.place)))
    names = {position: tier.value for position, tier in enumerate(_TIERS)}
    return select(ranked.c.tutor_id, case(names, value=position).label("performance_tier")).subquery("tiers")


def _headroom_of(metrics: FromClause, measure: Measure) -> ColumnElement[Any]:
    """Place a metric on the scale where its line is 0 and its best value 1, no lower than -1."""
    room = (metrics.c[measure.metric] - measure.line) / (measure.best - measure.line)
    return case((room < -1.0, -1.0), else_=room)  # GREATEST would turn an unknown metric into -1


def _flags(metrics: FromClause) -> ColumnElement[int]:
    flags = [case((_headroom_of(metrics, measure) < 0, 1), else_=0) for measure in MEASURES]
    return _sum(flags)


def _headroom(metrics: FromClause) -> ColumnElement[Any]:
    """Average the headrooms that are known; rounded, so that the order of adding up can't decide a rank."""
    rooms = [_headroom_of(metrics, measure) for measure in MEASURES]
    mean = _sum([func.coalesce(room, 0.0) for room in rooms]) / func.num_nonnulls(*rooms)
    return func.round(cast(mean, Numeric), 9)


def _bound(ranked: Subquery, end: int) -> ColumnElement[int]:
    *exact, last = (_TIERS.index(bounds[end]) for bounds in RANGES)
    return case(dict(enumerate(exact)), value=ranked.c.flags, else_=last)


def _position(place: ColumnElement[Any]) -> ColumnElement[int]:
    """Give the index of the tier that a place in the ranking falls in, by the target mix alone."""
    upper = [round(share, 9) for share in accumulate(TARGET_MIX.values())]
    return case(*((place <= share, index) for index, share in enumerate(upper[:-1])), else_=len(upper) - 1)


def _sum(terms: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
    return reduce(operator.add, terms)
