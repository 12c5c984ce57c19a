"""One seeding from the first row to the last prediction. The caller commits: until then nothing of it exists."""

import enum
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import psycopg
from psycopg import sql
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli import __version__
from tutormax_cli.churn.daily import predict_weekly
from tutormax_cli.database.copy import BulkLoad, Encoded, bulk_load, encode, made_ahead
from tutormax_cli.database.engine import driver_connection
from tutormax_cli.database.models import Base
from tutormax_cli.database.names import own_table
from tutormax_cli.database.queries import count_rows
from tutormax_cli.errors import TutormaxError
from tutormax_cli.evaluation import evaluate
from tutormax_cli.seeding.record import Seeded, read_seed_record, write_seed_record
from tutormax_cli.simulation import World, expected_rows, simulate

CHUNK_TUTORS = 250
"""Tutors whose rows are made and sent together: few, so that the server has something to do soon and memory is small;
enough for numpy to be fast."""

WEEKS_PREDICTED = 5
"""Predictions reach back this many weeks before as-of, so that the report has a trend."""


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
    and `mode` says to refuse, or tutors that no appended ones go with; LockTimeout where another session uses the
    tables.
    """
    listener = listener or Listener()
    connection = db.connection()
    driver = driver_connection(connection)
    if mode is Mode.APPEND:
        world = continued(driver, world)
    digests: dict[str, hashlib._Hash] = {}
    with made_ahead(_encoded(world, digests)) as chunks:
        expected = expected_rows(world)
        listener.expected(expected)
        tables = Base.metadata.sorted_tables
        replacing = mode is Mode.REPLACE
        with bulk_load(connection, tables, sum(expected.values()), replace=replacing, step=listener.step) as load:
            _check_again(driver, world, mode)
            rows = _load(load, chunks, listener)
            run = _run(world, raw, digests)
            write_seed_record(driver, [*(read_seed_record(driver) if world.first_tutor else []), run])
    if not raw:
        rows += _conclude(db, world, listener)
    return SeedSummary(run, {table: rows[table] for table in Base.metadata.tables if rows[table]})


def _run(world: World, raw: bool, digests: Mapping[str, "hashlib._Hash"]) -> Seeded:
    """Describe this run for the record."""
    return Seeded(
        tutors=world.tutors,
        days=world.days,
        seed=world.seed,
        as_of=world.as_of,
        first_tutor=world.first_tutor,
        signal=world.signal,
        raw=raw,
        version=__version__,
        digests={table: digest.hexdigest() for table, digest in digests.items()},
    )


def refuse_rows(held: Mapping[str, int]) -> None:
    """Raise TutormaxError where a database holds rows, saying how many of what."""
    if any(held.values()):
        what = ", ".join(f"{rows:,} {table}" for table, rows in held.items() if rows)
        raise TutormaxError(f"the database already holds rows: {what}", "add to them: --append; start over: --replace")


def continued(driver: psycopg.Connection, world: World) -> World:
    """Give the world whose tutors are numbered on from those that are there, to be appended to them.

    Raises TutormaxError where some are not synthetic, or have a history that ends at another time.
    """
    known = sql.SQL("SELECT tutor_id FROM {} WHERE behavioral_archetype IS NULL LIMIT 1")
    real = driver.execute(known.format(own_table(driver, "tutors").sql)).fetchone()
    if real:
        raise TutormaxError(
            f"the database holds tutors that are not synthetic, such as {real[0]}, and predictions would mix the two",
            "seed another database: --database-url URL",
        )
    first = _synthetic_tutors(driver)
    runs = read_seed_record(driver) if first else []
    if runs and runs[-1].as_of != world.as_of:
        ends = f"{runs[-1].as_of:%Y-%m-%d}"
        raise TutormaxError(
            f"the history of the tutors that are there ends on {ends}, and that of appended ones must, too",
            f"append with --as-of {ends}, or start over: --replace",
        )
    return replace(world, first_tutor=first)


def _check_again(driver: psycopg.Connection, world: World, mode: Mode) -> None:
    """Look once more, now that nobody else can write."""
    if mode is Mode.REFUSE:
        refuse_rows(count_rows(driver))
    if mode is Mode.APPEND and _synthetic_tutors(driver) != world.first_tutor:
        raise TutormaxError("somebody else added tutors in this moment; nothing was changed", "try again")


def _synthetic_tutors(driver: psycopg.Connection) -> int:
    """Give the highest number in the ids of the tutors that are there: the next one's, counted from 0."""
    highest = sql.SQL("SELECT coalesce(max(substring(tutor_id FROM {})::bigint), 0) FROM {}")
    query = highest.format(sql.Literal("^tutor_([0-9]{1,15})$"), own_table(driver, "tutors").sql)
    row = driver.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def _encoded(world: World, digests: MutableMapping[str, "hashlib._Hash"]) -> Iterator[list[Encoded]]:
    """Simulate and encode the world chunk by chunk, and digest the bytes of each table."""
    for chunk in simulate(world, chunk_tutors=CHUNK_TUTORS):
        made = [encode(columns, Base.metadata.tables[name]) for name, columns in chunk.items()]
        for encoded in made:
            digest = digests.setdefault(encoded.table.name, hashlib.sha256())
            for _, buffer in encoded.slices:
                digest.update(buffer)
        yield made


def _load(load: BulkLoad, chunks: Iterator[list[Encoded]], listener: Listener) -> Counter[str]:
    """Load the chunks, and count the rows of each table."""
    rows: Counter[str] = Counter()
    for chunk in chunks:
        for encoded in chunk:
            name = encoded.table.name
            rows[name] += load.send(encoded, progress=partial(listener.loaded, name))
    return rows


def _conclude(db: OrmSession, world: World, listener: Listener) -> Counter[str]:
    """Evaluate as of the world's end, and predict for the weeks up to it, oldest first."""
    rows: Counter[str] = Counter()
    listener.step("evaluation")
    rows["tutor_performance_metrics"] = evaluate(db, world.as_of).rows
    listener.step("predictions")
    for summary in predict_weekly(db, world.as_of, weeks_predicted(world)):
        rows["churn_predictions"] += summary.tutors
        listener.step(f"predictions for {summary.as_of:%Y-%m-%d}")
    return rows


def weeks_predicted(world: World) -> list[int]:
    """List how many weeks before its end to predict for, earliest first: those within the world's days."""
    return [weeks for weeks in range(WEEKS_PREDICTED, -1, -1) if timedelta(weeks=weeks) < timedelta(days=world.days)]
