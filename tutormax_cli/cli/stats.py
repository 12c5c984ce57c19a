"""`tutormax stats`: what the database holds."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from tutormax_cli.cli.connect import database_session
from tutormax_cli.cli.console import FILL, emit, next_step
from tutormax_cli.cli.options import AsOf, FormatOption, OutputOption
from tutormax_cli.errors import UsageError
from tutormax_cli.reports.render import Format


def stats(
    tutor: Annotated[
        str | None,
        typer.Option("--tutor", metavar="TUTOR", help="One tutor in figures, by id or name.", show_default=False),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(
            "--days",
            metavar="N",
            min=1,
            max=36500,
            help="With --tutor: how many days back.",
            show_default="7, 30 and 90",
        ),
    ] = None,
    as_of: AsOf = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Count what the database holds and say how fresh it is.

    Rows, sizes and the newest time of every table; ratings, tiers and risk levels; the last 12 weeks, also by subject.
    With --as-of all of it as it was known then. Synthetic data name the command that made them.
    """
    from tutormax_cli.reports import stats as library
    from tutormax_cli.reports.lookup import holds_tutors

    if days is not None and tutor is None:
        raise UsageError("--days goes with --tutor", "one tutor: tutormax stats --tutor tutor_00001 --days 30")
    windows = [days] if days else library.WINDOWS
    now = datetime.now(UTC)
    with database_session(writes=False) as db:
        report = library.tutor_stats(db, tutor, windows, as_of or now) if tutor else library.stats(db, now, as_of)
        empty = tutor is None and not holds_tutors(db)
    emit(report, format, output)
    if empty:
        next_step(FILL)
