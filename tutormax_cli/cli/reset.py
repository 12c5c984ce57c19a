"""`tutormax reset`: TutorMax's tables dropped and made anew, empty."""

from tutormax_cli.cli.connect import begin_change, settings
from tutormax_cli.cli.console import FILL, emit, next_step, say
from tutormax_cli.cli.guards import NoBackupOption, back_up_held, confirm_loss
from tutormax_cli.cli.options import ConfirmOption, FormatOption, OutputOption, YesOption
from tutormax_cli.reports.render import Format


def reset(
    yes: YesOption = False,
    confirm: ConfirmOption = None,
    no_backup: NoBackupOption = False,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Drop TutorMax's tables with all their rows, and make them anew, empty.

    Other tables in the database, its mark (production, say) and the admin log stay.
    """
    from tutormax_cli.backup.reset import reset as reset_database
    from tutormax_cli.backup.reset import would_delete
    from tutormax_cli.database.connection import connect
    from tutormax_cli.reports.migrations import tables_report

    chosen = settings()
    begin_change()
    losses = would_delete(chosen)
    confirm_loss(losses.counts, yes=yes, confirm=confirm, backup=not no_backup)
    state = reset_database(
        chosen,
        before=lambda held: back_up_held(held, confirmed=losses, skip=no_backup),
        waiting=lambda why: say(f"waiting: {why}"),
    )
    with connect(chosen) as connection:
        emit(tables_report(connection, chosen, f"Empty, schema at {state.current}"), format, output)
    next_step(FILL)
