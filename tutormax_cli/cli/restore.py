"""`tutormax restore`: a dump back into a database, all of it or nothing."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutormax_cli.cli.backup_progress import backup_progress
from tutormax_cli.cli.connect import begin_change, settings
from tutormax_cli.cli.console import emit, next_step, say
from tutormax_cli.cli.guards import NoBackupOption, back_up_held, confirm_loss
from tutormax_cli.cli.options import ConfirmOption, FormatOption, OutputOption, YesOption
from tutormax_cli.reports.render import Format

if TYPE_CHECKING:
    from tutormax_cli.backup.archive import Archive
    from tutormax_cli.database.losses import Losses
    from tutormax_cli.settings import Settings


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What tutormax dump wrote.")],
    yes: YesOption = False,
    confirm: ConfirmOption = None,
    no_backup: NoBackupOption = False,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Bring a dump back, all of it or nothing.

    A database that is missing is created. Of one that holds rows, TutorMax's tables and others that the dump holds are
    replaced, which is asked first; whatever else is in it stays. The file is read to its end before anything changes.
    """
    from tutormax_cli.backup.archive import read_archive
    from tutormax_cli.backup.restore import require_restorable

    chosen = settings()
    begin_change()
    with backup_progress() as listener:
        archive = read_archive(chosen, file, listener)
    state = require_restorable(chosen, archive)
    losses = _losses(chosen, archive)
    if losses:
        confirm_loss(losses.counts, yes=yes, confirm=confirm, backup=not no_backup)
    _run(chosen, archive, losses, no_backup, format, output)
    next_step("tutormax migrate up" if state.pending else "tutormax stats")


def _losses(chosen: "Settings", archive: "Archive") -> "Losses":
    """Create the database if it is missing, and count the rows that would be deleted."""
    from tutormax_cli.backup.restore import would_lose
    from tutormax_cli.database.migrations import create_database

    if create_database(chosen):
        say(f"created database {chosen.dbname}")
    return would_lose(chosen, archive)


def _run(
    chosen: "Settings",
    archive: "Archive",
    losses: "Losses",
    no_backup: bool,
    format: Format,
    output: Path | None,
) -> None:
    from tutormax_cli.backup.restore import restore as restore_database
    from tutormax_cli.reports.backup import restored_report

    with backup_progress() as listener:
        restored = restore_database(
            chosen,
            archive,
            before=lambda held: back_up_held(held, confirmed=losses, skip=no_backup),
            waiting=lambda why: say(f"waiting: {why}"),
            listener=listener,
        )
    if restored.missing_roles:
        say(f"left out the rights of roles that this server doesn't have: {', '.join(restored.missing_roles)}")
    emit(restored_report(archive, restored), format, output)
