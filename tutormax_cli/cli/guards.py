"""The guard before destructive commands: state the rows to be deleted, ask for confirmation, and make a backup."""

import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutormax_cli.cli.backup_progress import backup_progress
from tutormax_cli.cli.connect import settings
from tutormax_cli.cli.console import err, on_same_database, say
from tutormax_cli.errors import TutormaxError, UsageError

if TYPE_CHECKING:
    from tutormax_cli.database.losses import Losses
    from tutormax_cli.settings import Settings

NoBackupOption = Annotated[bool, typer.Option("--no-backup", help="Don't back up the rows to be deleted first.")]


def confirm_loss(losses: Mapping[str, int], *, yes: bool, confirm: str | None, backup: bool) -> None:
    """Print how many rows of each table will be deleted, and ask as `confirm_change` does.

    If a `backup` is to be made first, raise UsageError for a connection through a pooler before asking.
    """
    if backup and any(losses.values()):
        _require_direct_connection()
    rows = ", ".join(f"{count:,} {table}" for table, count in losses.items() if count) or "no rows"
    confirm_change(f"This deletes, in {settings().description}: {rows}", yes=yes, confirm=confirm)


def confirm_change(what: str, *, yes: bool, confirm: str | None) -> None:
    """Print what will be done, and ask.

    Without a terminal --yes is needed; if the server is not on this machine, or the database is labelled production,
    --confirm with the database's name. Raises UsageError if that is missing, TutormaxError if the answer is no.
    """
    dbname, danger = _judge(settings())
    if confirm is not None and confirm != dbname:
        raise UsageError(f"--confirm says {confirm!r}, but the database is {dbname!r}", "nothing was changed")
    say(what)
    if confirm is None and not (yes and danger is None):
        _ask(dbname, danger, yes)


def _require_direct_connection() -> None:
    from tutormax_cli.database.connection import connect, refuse_pooler

    chosen = settings()
    with connect(chosen) as driver:
        refuse_pooler(driver, chosen, "a backup")


def _judge(chosen: "Settings") -> tuple[str, str | None]:
    """Return the database's name, and why --yes alone is not enough for it (None if it is)."""
    from tutormax_cli.database.connection import connect
    from tutormax_cli.database.environment import Environment, marked, on_this_machine

    with connect(chosen) as driver:
        if marked(driver) is Environment.PRODUCTION:
            return driver.info.dbname, "it is marked production"
        near = chosen.local and on_this_machine(driver)
        return driver.info.dbname, None if near else "its server is not on this machine"


def _ask(dbname: str, danger: str | None, yes: bool) -> None:
    if not sys.stdin.isatty():
        flag = f"--confirm {shlex.quote(dbname)}" if danger else "--yes"
        why = f"--yes is not enough for {dbname}: {danger}" if yes else "no terminal to ask on"
        raise UsageError(f"{why}; nothing was changed", f"if it is meant, add {flag}")
    try:
        answer = err().input(f"Type the database's name ({dbname}) to go on: ", markup=False)
    except EOFError:
        answer = ""
    if answer.strip() != dbname:
        raise TutormaxError("not confirmed; nothing was changed")


def back_up_held(held: "Losses", *, confirmed: "Losses", skip: bool) -> None:
    """Back up the rows to be deleted, counted now that nobody else can write.

    Raises TutormaxError if they are more or others than those that were confirmed, and if there is no backup.
    """
    from tutormax_cli.database.losses import refuse_other_losses

    refuse_other_losses(confirmed, held)
    back_up(held.counts, skip=skip)


def back_up(losses: Mapping[str, int], *, skip: bool) -> None:
    """Keep our tables (or all, if others lose rows too) in an archive first, and print how to restore it.

    It goes into the folder `backups` of the home folder. The caller keeps others from writing, so that nothing is
    written between backup and loss. `skip` and a loss of no rows make none. Raises TutormaxError if it fails: then
    nothing may be deleted.
    """
    if skip or not any(losses.values()):
        return
    from tutormax_cli.backup.dump import dump, free_name
    from tutormax_cli.backup.tables import OURS, own_tables
    from tutormax_cli.reports.render.cells import shown
    from tutormax_cli.reports.report import Column, Kind

    chosen = settings()
    folder = chosen.home / "backups"
    ours = {*OURS, *(table.display for table in own_tables(chosen.schema))}
    say(f"backing up {sum(losses.values()):,} rows first (--no-backup goes without)")
    try:
        path = free_name(_private(folder), chosen.dbname, datetime.now(UTC))
        with backup_progress() as listener:
            made = dump(chosen, path, ours_alone=set(losses) <= ours, overwrite=False, listener=listener)
    except TutormaxError as problem:
        raise type(problem)(
            f"no backup, so nothing was changed: {problem.message}", "to go on without one, add --no-backup"
        ) from problem
    say(f"backup: {made.path} ({shown(Column('bytes', 'size', Kind.BYTES), made.bytes)})")
    say(f"  to go back: {on_same_database(f'tutormax restore {shlex.quote(str(made.path))}')}")


def _private(folder: Path) -> Path:
    """Create a folder that only its owner can enter, if it is missing."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as problem:
        raise TutormaxError(f"can't make {folder}: {problem.strerror}") from None
    return folder
