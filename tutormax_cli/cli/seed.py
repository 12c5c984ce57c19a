"""`tutormax seed`: a synthetic tutoring company, the same for the same arguments."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, time
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from tutormax_cli.cli.connect import database_session
from tutormax_cli.cli.console import next_step, out, progress, say
from tutormax_cli.cli.guards import confirm_loss
from tutormax_cli.cli.options import ConfirmOption, YesOption, parse_time
from tutormax_cli.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tutormax_cli.seeding import Listener, Mode
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
            show_default="today",
        ),
    ] = None,
    append: Annotated[bool, typer.Option("--append", help="Add more tutors to those that are there.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Delete all rows of all tables first.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Load only: no evaluation, no predictions.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    yes: YesOption = False,
    confirm: ConfirmOption = None,
) -> None:
    """Fill the database with a realistic synthetic tutoring company.

    The same tutors, days, seed and as-of give the same rows on every machine. All or nothing: whatever goes wrong, the
    database stays as it was.
    """
    from tutormax_cli.seeding import Mode
    from tutormax_cli.simulation import World

    if append and replace:
        raise UsageError("--append and --replace exclude each other", "see tutormax seed --help")
    world = World(tutors, days, seed, as_of or datetime.combine(datetime.now(UTC), time(), UTC))
    mode = Mode.APPEND if append else Mode.REPLACE if replace else Mode.REFUSE
    with database_session(writes=not dry_run) as db:
        held = _held(db)
        if dry_run:
            _tell_plan(world, mode, held)
        else:
            _guard(mode, held, yes, confirm)
            _run(db, world, mode, raw)


def _held(db: "Session") -> Mapping[str, int]:
    """Count the rows of every table."""
    from tutormax_cli.database.engine import driver_connection
    from tutormax_cli.database.queries import count_rows

    held = count_rows(driver_connection(db.connection()))
    db.rollback()  # No transaction stays open while somebody thinks about a question.
    return held


def _tell_plan(world: "World", mode: "Mode", held: Mapping[str, int]) -> None:
    """Say on stdout what a seeding would load, and what would become of the rows that are there."""
    from tutormax_cli.seeding import refuse_rows
    from tutormax_cli.simulation import expected_rows

    expected = expected_rows(world)
    out().print(f"Would seed {_described(world)}: about {sum(expected.values()):,} rows")
    for table, rows in expected.items():
        out().print(f"  {table:<20}{rows:>14,}")
    if mode == "refuse":
        refuse_rows(held)
    fate = {"append": "Kept", "replace": "Deleted"}.get(mode)
    if fate and any(held.values()):
        out().print(
            f"{fate}: " + ", ".join(f"{rows:,} {table}" for table, rows in held.items() if rows), soft_wrap=True
        )
    say("nothing was changed")


def _guard(mode: "Mode", held: Mapping[str, int], yes: bool, confirm: str | None) -> None:
    """Refuse a database that holds rows, or ask before they are lost; adding to them needs no leave."""
    from tutormax_cli.seeding import refuse_rows

    if mode == "refuse":
        refuse_rows(held)
    if mode == "replace" and any(held.values()):
        confirm_loss(held, yes=yes, confirm=confirm)


def _run(db: "Session", world: "World", mode: "Mode", raw: bool) -> None:
    from tutormax_cli.seeding import seed

    started = monotonic()
    with _shown() as listener:
        summary = seed(db, world, mode, raw=raw, listener=listener)
        listener.step("commit")
        db.commit()
    total = sum(summary.rows.values())
    out().print(f"Seeded {_described(world)}: {total:,} rows in {monotonic() - started:.1f} s", soft_wrap=True)
    out().print(f"Again, byte for byte: {summary.run.command}", soft_wrap=True)
    next_step("tutormax evaluate" if raw else "tutormax risk-report")


def _described(world: "World") -> str:
    return f"{world.tutors:,} tutors, {world.days:,} days to {world.as_of.day} {world.as_of:%b %Y}"


@contextmanager
def _shown() -> Iterator["Listener"]:
    """Show a bar per table and, below, what is being done now; give the listener that moves them."""
    from tutormax_cli.seeding import Listener

    started = monotonic()
    with progress() as shown:
        bars = {"": shown.add_task("preparing", total=None, rate="")}

        def expected(tables: Mapping[str, int]) -> None:
            bars.update({table: shown.add_task(table, total=rows, rate="") for table, rows in tables.items()})

        def loaded(table: str, rows: int) -> None:
            done = shown.tasks[bars[table]].completed + rows
            shown.update(bars[table], advance=rows, rate=f"{done / (monotonic() - started) / 1000:,.0f}k rows/s")

        def step(what: str) -> None:
            shown.update(bars[""], description=what)

        yield Listener(expected, loaded, step)
