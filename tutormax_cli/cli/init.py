"""`tutormax init`: from nothing to an empty database whose schema is at head."""

from tutormax_cli.cli.connect import begin_change, settings
from tutormax_cli.cli.console import FILL, emit, next_step, say
from tutormax_cli.cli.options import FormatOption, OutputOption, WaitOption
from tutormax_cli.reports.render import Format


def init(wait: WaitOption = 30.0, format: FormatOption = Format.TABLE, output: OutputOption = None) -> None:
    """Create the database and its eight tables, or bring them up to date.

    Safe to repeat. Waits for a server that is still starting, and for another migration under way.
    """
    from tutormax_cli.database.connection import connect
    from tutormax_cli.database.migrations import Listener, create_database, upgrade
    from tutormax_cli.database.queries import count_rows
    from tutormax_cli.reports.migrations import tables_report

    chosen = settings()
    begin_change()
    if create_database(chosen, wait, lambda why: say(f"waiting up to {wait:g} s: {why}")):
        say(f"created database {chosen.dbname}")
    migrated = upgrade(chosen, wait=wait, listener=Listener(waiting=lambda why: say(f"waiting: {why}")))
    done = f"schema at {migrated.state.current}" if migrated.ran else f"already up to date at {migrated.state.current}"
    with connect(chosen) as connection:
        emit(tables_report(connection, chosen, done[0].upper() + done[1:]), format, output)
        filled = count_rows(connection)["tutors"] > 0
    next_step("tutormax risk-report" if filled else FILL)
