"""`tutormax seed`: a synthetic tutoring company, the same for the same arguments."""

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, time
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from tutormax_cli.cli.connect import database_session
from tutormax_cli.cli.console import emit, next_step
from tutormax_cli.cli.guards import NoBackupOption, back_up_held, confirm_loss
from tutormax_cli.cli.options import ConfirmOption, FormatOption, OutputOption, YesOption, parse_time
from tutormax_cli.errors import UsageError
from tutormax_cli.reports.render import Format

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy.orm import Session

    from tutormax_cli.database.losses import Losses
    from tutormax_cli.reports.report import Report
    from tutormax_cli.seeding.seed import Mode
    from tutormax_cli.simulation import World


def seed(
    tutors: Annotated[int, typer.Option("--tutors", metavar="N", min=1, max=1_000_000, help="How many tutors.")] = 500,
    days: Annotated[
        int, typer.Option("--days", metavar="N", min=1, max=3650, help="How many days of history, up to --as-of.")
    ] = 180,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, max=2**63 - 1, help="Another number makes another company.")
    ] = 42,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            "--as-of",
            parser=parse_time,
            metavar="DATE",
            help="The day at whose midnight (UTC) the history ends.",
            show_default="today; with --append, when that of the tutors there ends",
        ),
    ] = None,
    append: Annotated[bool, typer.Option("--append", help="Add more tutors to those that are there.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Delete all rows of all tables first.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Load only: no evaluation, no predictions.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many rows, how much room and time it takes, and do nothing.")
    ] = False,
    yes: YesOption = False,
    confirm: ConfirmOption = None,
    no_backup: NoBackupOption = False,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Fill the database with a realistic synthetic tutoring company.

    The same tutors, days, seed and as-of give the same rows on every machine. All or nothing: whatever goes wrong, the
    database stays as it was.
    """
    from tutormax_cli.database.engine import driver_connection
    from tutormax_cli.database.logged_session import note_rows
    from tutormax_cli.seeding.seed import Mode
    from tutormax_cli.simulation import World

    if append and replace:
        raise UsageError("--append and --replace exclude each other", "see tutormax seed --help")
    mode = Mode.APPEND if append else Mode.REPLACE if replace else Mode.REFUSE
    world = World(tutors, days, seed, as_of or datetime.combine(datetime.now(UTC), time(), UTC))
    with database_session(writes=not dry_run) as db:
        world, held, losses = _look(db, world, mode, ends=as_of is not None)
        if dry_run:
            report = _planned(world, mode, held, raw)
        else:
            if mode is Mode.REPLACE:
                if losses:
                    confirm_loss(held, yes=yes, confirm=confirm, backup=not no_backup)
                _back_up(driver_connection(db.connection()), losses, skip=no_backup)
                note_rows(db, "deleted", held)
            report = _run(db, world, mode, raw)
    emit(report, format, output)
    if not dry_run:
        next_step("tutormax evaluate" if raw else "tutormax risk-report")


def _look(db: "Session", world: "World", mode: "Mode", *, ends: bool) -> tuple["World", Mapping[str, int], "Losses"]:
    """Count the rows of every table, and those that replacing would delete; fit the world to existing tutors.

    An appended world ends when theirs does unless it was told when it `ends`. Raises TutormaxError if it is refused.
    """
    from tutormax_cli.database.engine import driver_connection
    from tutormax_cli.database.losses import Losses
    from tutormax_cli.database.queries import count_rows
    from tutormax_cli.seeding.record import read_seed_record
    from tutormax_cli.seeding.seed import continued, refuse_rows

    driver = driver_connection(db.connection())
    held = count_rows(driver)
    losses = _losses(driver) if mode == "replace" else Losses({})
    if mode == "refuse":
        refuse_rows(held)
    if mode == "append":
        runs = read_seed_record(driver)
        if held["tutors"] and runs and not ends:
            world = dataclasses.replace(world, as_of=runs[-1].as_of)
        world = continued(driver, world)
    db.rollback()  # No transaction stays open while somebody thinks about a question.
    return world, held, losses


def _losses(driver: "psycopg.Connection") -> "Losses":
    from tutormax_cli.database.losses import count_losses
    from tutormax_cli.database.names import own_table
    from tutormax_cli.database.queries import existing_tables

    return count_losses(driver, [own_table(driver, name) for name in existing_tables(driver)])


def _back_up(driver: "psycopg.Connection", confirmed: "Losses", *, skip: bool) -> None:
    """Lock the tables, compare their rows with those that were confirmed, and back these up."""
    from tutormax_cli.backup.tables import existing
    from tutormax_cli.backup.transaction import lock_out_writers
    from tutormax_cli.database.time_limits import lift_time_limits

    lift_time_limits(driver)
    lock_out_writers(driver, existing(driver))
    back_up_held(_losses(driver), confirmed=confirmed, skip=skip)


def _planned(world: "World", mode: "Mode", held: Mapping[str, int], raw: bool) -> "Report":
    from tutormax_cli.reports.seeding import described, planned
    from tutormax_cli.seeding.plan import plan

    fate = "deleted" if mode == "replace" else "kept"
    return planned(described(world.tutors, world.days, world.as_of), plan(world, raw=raw), held, fate)


def _run(db: "Session", world: "World", mode: "Mode", raw: bool) -> "Report":
    from tutormax_cli.cli.seed_progress import seed_progress
    from tutormax_cli.reports.seeding import done
    from tutormax_cli.seeding.seed import seed

    started = monotonic()
    with seed_progress() as listener:
        summary = seed(db, world, mode, raw=raw, listener=listener)
        listener.step("commit")
        db.commit()
    return done(summary.run, summary.rows, monotonic() - started)
