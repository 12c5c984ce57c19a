"""How long `tutormax evaluate` takes against one GROUP BY tutor_id scan of the 90-day sessions.

    python benchmarks/evaluate.py [URL] [--tutors 5000] [--days 180] [--rounds 5]

URL names a server whose role may create databases (default: the one that is configured, else the embedded one). A
seeded company is loaded into a database of the benchmark's own, dropped at the end. The scan is what one window of the
sessions costs alone: every session metric over 90 days, no feedback, no events, nothing written. Evaluating reads all
three tables for three windows and writes its rows. The two alternate; the ratio is the median of the rounds' ratios.
Beside it stands the ratio to that scan plus one each of feedback and events, which evaluating has to read as well.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from databases import company
from sqlalchemy import Select, SQLColumnExpression, and_, func, select, text
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.models import Session, StudentFeedback, TutorEvent
from tutormax_cli.evaluation import evaluate
from tutormax_cli.evaluation.days import LONGEST
from tutormax_cli.settings import load_settings
from tutormax_cli.simulation import World

NAME = "tutormax_benchmark_evaluate"
AS_OF = datetime(2026, 6, 1, tzinfo=UTC)


def main() -> None:
    """Measure and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?")
    parser.add_argument("--tutors", type=int, default=5000)
    parser.add_argument("--days", type=int, default=180)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with company(load_settings(options.url), NAME, World(options.tutors, options.days, seed=42, as_of=AS_OF)) as db:
        compare(db, options.rounds)


def compare(db: OrmSession, rounds: int) -> None:
    """Time scans and evaluations in turn and print what they took."""
    scans = [sessions_scan(), feedback_scan(), events_scan()]
    print("round      scan  with feedback and events  evaluate    ratio  to all three")
    ratios, wider = [], []
    for number in range(rounds):
        one, *others = (seconds(db, partial(read, db, scan)) for scan in scans)
        taken = seconds(db, lambda: evaluate(db, AS_OF))
        ratios.append(taken / one)
        wider.append(taken / (one + sum(others)))
        print(
            f"{number + 1:5} {one:8.3f} s {one + sum(others):23.3f} s {taken:7.3f} s"
            f" {ratios[-1]:8.2f} {wider[-1]:13.2f}"
        )
    print(f"evaluate takes {statistics.median(ratios):.2f} × the scan ({statistics.median(wider):.2f} × all three)")


def read(db: OrmSession, scan: Select[Any]) -> None:
    """Run a scan and fetch its rows."""
    db.execute(scan).all()


def seconds(db: OrmSession, work: Callable[[], object]) -> float:
    """Time a piece of work in a transaction of its own, with the memory that evaluating gives itself."""
    db.execute(text("SELECT set_config('work_mem', '128MB', true)"))
    start = time.perf_counter()
    work()
    db.commit()
    return time.perf_counter() - start


def sessions_scan() -> Select[Any]:
    """Select the session metrics of every tutor over the 90 days."""
    start = Session.scheduled_start
    completed = and_(Session.actual_start.is_not(None), ~Session.no_show)
    return (
        select(
            Session.tutor_id,
            func.count(),
            func.count().filter(completed),
            func.count().filter(Session.no_show),
            func.count().filter(Session.tutor_initiated_reschedule),
            func.count().filter(completed, Session.late_start_minutes <= 10),
            func.count().filter(completed, Session.learning_objectives_met.is_(True)),
            func.avg(Session.engagement_score).filter(completed),
        )
        .where(start >= AS_OF - LONGEST, start < AS_OF)
        .group_by(Session.tutor_id)
    )


def feedback_scan() -> Select[Any]:
    """Select the mean rating of every tutor over the 90 days."""
    time = StudentFeedback.submitted_at
    columns: tuple[SQLColumnExpression[Any], ...] = (StudentFeedback.tutor_id, func.avg(StudentFeedback.overall_rating))
    return select(*columns).where(time >= AS_OF - LONGEST, time < AS_OF).group_by(StudentFeedback.tutor_id)


def events_scan() -> Select[Any]:
    """Select the events of every tutor over the 90 days."""
    time = TutorEvent.event_timestamp
    columns: tuple[SQLColumnExpression[Any], ...] = (TutorEvent.tutor_id, func.count())
    return select(*columns).where(time >= AS_OF - LONGEST, time < AS_OF).group_by(TutorEvent.tutor_id)


if __name__ == "__main__":
    main()
