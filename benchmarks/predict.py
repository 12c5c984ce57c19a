"""How long `tutormax predict` takes, fitting included, against one GROUP BY tutor_id, week scan of the sessions.

    python benchmarks/predict.py [URL] [--tutors 20000] [--days 180] [--rounds 5]

URL names a server whose role may create databases (default: the one that is configured, else the embedded one). Two
seeded companies, one of them a quarter as large, are loaded into databases of the benchmark's own, dropped at the end.
The scan counts what the panel counts in sessions, over the weeks that predicting reads, and its rows are fetched as
columns. Predicting reads feedback and logins as well, fits the hazards twice (once to rehearse), explains every score
and writes the rows. The two alternate; the ratio is the median of the rounds' ratios. Memory is this process's peak.
"""

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from databases import company
from sqlalchemy import func, select
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.churn.daily import predict
from tutormax_cli.churn.features import WEEKS
from tutormax_cli.churn.training import TRAINING_WEEKS
from tutormax_cli.churn.weekly import WEEK, weekly_sessions
from tutormax_cli.database.copy import copy_out
from tutormax_cli.settings import load_settings
from tutormax_cli.simulation import World

NAME = "tutormax_benchmark_predict"
AS_OF = datetime(2026, 6, 1, tzinfo=UTC)


def main() -> None:
    """Measure both companies and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?")
    parser.add_argument("--tutors", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=180)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    settings = load_settings(options.url)
    taken = []
    for tutors in (options.tutors // 4, options.tutors):
        print(f"{tutors:,} tutors, {options.days} days")
        with company(settings, NAME, World(tutors, options.days, seed=42, as_of=AS_OF)) as db:
            taken.append(compare(db, options.days, options.rounds))
    print(f"four times the tutors take {taken[1] / taken[0]:.2f} × the time")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
    print(f"peak memory of the client, seeding included: {peak:.2f} GiB")


def compare(db: OrmSession, days: int, rounds: int) -> float:
    """Time scans and predictions in turn, print what they took, and give the median time of a prediction."""
    print("round      scan   predict    ratio")
    ratios, taken = [], []
    for number in range(rounds):
        scanned = seconds(db, lambda: scan(db, days))
        taken.append(seconds(db, lambda: predict(db, AS_OF)))
        ratios.append(taken[-1] / scanned)
        print(f"{number + 1:5} {scanned:8.3f} s {taken[-1]:7.3f} s {ratios[-1]:8.2f}")
    print(f"predict takes {statistics.median(ratios):.2f} × the scan")
    return statistics.median(taken)


def scan(db: OrmSession, days: int) -> None:
    """Group the sessions by tutor and week, with room for one hash table."""
    db.execute(select(func.set_config("work_mem", "256MB", True), func.set_config("jit", "off", True)))
    weeks = min(-(-days // WEEK.days), TRAINING_WEEKS + WEEKS)
    copy_out(db.connection(), weekly_sessions(AS_OF - weeks * WEEK, AS_OF))


def seconds(db: OrmSession, work: Callable[[], object]) -> float:
    """Time a piece of work in a transaction of its own."""
    start = time.perf_counter()
    work()
    db.commit()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
