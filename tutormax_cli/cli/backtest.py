"""`tutormax backtest`: how good predictions would have been, had they been made in the past."""

import enum
from datetime import UTC, datetime
from typing import Annotated

import typer

from tutormax_cli.cli.connect import database_session
from tutormax_cli.cli.console import emit, next_step, progress
from tutormax_cli.cli.options import AsOf, FormatOption, OutputOption
from tutormax_cli.reports.render import Format


class Horizon(enum.StrEnum):
    """The days ahead that predictions are made for."""

    DAY = "1"
    WEEK = "7"
    MONTH = "30"
    QUARTER = "90"


def backtest(
    as_of: AsOf = None,
    horizon: Annotated[Horizon, typer.Option("--horizon", help="Days ahead.")] = Horizon.MONTH,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Judge past predictions by who left afterwards.

    Fits the model as of an earlier time, predicts for the weeks that followed, and compares with what came. Without
    --as-of, all records up to now count. On seeded data the best possible predictions stand beside the model's, and
    those for the same company without any signal. Writes nothing to the database.
    """
    from tutormax_cli.backtesting import compare, last_midnight
    from tutormax_cli.reports.backtest import backtest_report
    from tutormax_cli.reports.words import data_end_early, with_as_of

    with database_session(writes=False) as db, progress() as shown:
        task = shown.add_task("reading", total=None, rate="")
        now = datetime.now(UTC)
        instant = as_of or last_midnight(db, now)
        found = compare(db, instant, int(horizon), lambda what: shown.update(task, description=what))
    emit(backtest_report(found), format, output)
    # Where the records end long before today, predictions as of today would tell nothing.
    next_step(with_as_of("tutormax predict", instant if as_of or data_end_early(instant, now) else None))
