"""One seeding from the first row to the last prediction. The caller commits: until then nothing of it exists."""

import enum
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import psycopg
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.churn import predict
from tutormax_cli.database.copy import BulkLoad, bulk_load
from tutormax_cli.database.engine import driver_connection
from tutormax_cli.database.models import Base
from tutormax_cli.database.queries import count_rows
from tutormax_cli.errors import TutormaxError
from tutormax_cli.evaluation import evaluate
from tutormax_cli.seeding.record import Seeded, read_seed_record, write_seed_record
from tutormax_cli.simulation import World, expected_rows, simulate

WEEKS_PREDICTED = 5
"""Predictions reach back this many weeks before as-of, so that the report has a trend."""

T = TypeVar("T")


class Mode(enum.StrEnum):
    """What to do where the database already holds rows."""

    REFUSE = "refuse"
    APPEND = "append"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Listener:
    """What a seeding tells: rows expected by table, rows loaded (table, how many more), what it is doing now."""

    expected: Callable[[Mapping[str, int]], None] = lambda rows: None
    loaded: Callable[[str, int], None] = lambda table, rows: None
    step: Callable[[str], None] = lambda what: None


@dataclass(frozen=True, slots=True)
class SeedSummary:
    """What a seeding made: the run as it is recorded, and the rows of each table."""

    run: Seeded
    rows: Mapping[str, int]


def seed(
    db: OrmSession, world: World, mode: Mode = Mode.REFUSE, *, raw: bool = False, listener: Listener | None = None
) -> SeedSummary:
    """Fill the database with a world, evaluate its tutors and predict for the last weeks (`raw`: load only).

    Appending numbers its tutors on from those that are there. Raises TutormaxError where the database holds rows
    and `mode` says to refuse, LockTimeout where another session uses the tables.
    """
    listener = listener or Listener()
    connection = db.connection()
    driver = driver_connection(connection)
    expected = expected_rows(world)
    listener.expected(expected)
    tables = Base.metadata.sorted_tables
    with bulk_load(
        connection, tables, sum(expected.values()), replace=mode is Mode.REPLACE, step=listener.step
    ) as load:
        if mode is Mode.REFUSE:
            refuse_rows(count_rows(driver))
        if mode is Mode.APPEND:
            world = replace(world, first_tutor=_synthetic_tutors(driver))
        run = Seeded(world, raw)
        rows = _load(load, world, listener)
        write_seed_record(driver, [*(read_seed_record(driver) if mode is Mode.APPEND else []), run])
    if not raw:
        rows += _conclude(db, world, listener)
    return SeedSummary(run, {table.name: rows[table.name] for table in tables if rows[table.name]})


def refuse_rows(held: Mapping[str, int]) -> None:
    """Raise TutormaxError where a database holds rows, saying how many of what."""
    if any(held.values()):
        what = ", ".join(f"{rows:,} {table}" for table, rows in held.items() if rows)
        raise TutormaxError(f"the database already holds rows: {what}", "add to them: --append; start over: --replace")


def _load(load: BulkLoad, world: World, listener: Listener) -> Counter[str]:
    rows: Counter[str] = Counter()
    for chunk in _made_ahead(simulate(world)):
        for name, columns in chunk.items():
            table = Base.metadata.tables[name]
            rows[name] += load.copy_in(table, columns, progress=partial(listener.loaded, name))
    return rows


def _made_ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield items while a thread makes the next one: the server and numpy leave each other room."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        upcoming = pool.submit(next, items, None)
        while (item := upcoming.result()) is not None:
            upcoming = pool.submit(next, items, None)
            yield item


def _synthetic_tutors(driver: psycopg.Connection) -> int:
    """Give the highest number in the ids of the tutors that are there: the next one's, counted from 0."""
    row = driver.execute(
        "SELECT coalesce(max(substring(tutor_id FROM '^tutor_([0-9]{1,15})$')::bigint), 0) FROM tutors"
    ).fetchone()
    assert row is not None
    return int(row[0])


def _conclude(db: OrmSession, world: World, listener: Listener) -> Counter[str]:
    """Evaluate as of the world's end, and predict for the weeks up to it, oldest first."""
    rows: Counter[str] = Counter()
    listener.step("evaluation")
    rows["tutor_performance_metrics"] = evaluate(db, world.as_of).rows
    for as_of in prediction_dates(world):
        listener.step(f"prediction for {as_of:%Y-%m-%d}")
        rows["churn_predictions"] += predict(db, as_of).tutors
    return rows


def prediction_dates(world: World) -> list[datetime]:
    """List the weekly instants to predict for: those within the world's days, the last being its end."""
    back = [timedelta(weeks=weeks) for weeks in range(WEEKS_PREDICTED, -1, -1)]
    return [world.as_of - time for time in back if time < timedelta(days=world.days)]
