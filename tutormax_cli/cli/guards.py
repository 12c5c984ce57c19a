"""The guard before destructive work: say what will be lost, and make sure that it is meant."""

import sys
from collections.abc import Mapping

from tutormax_cli.cli.connect import settings
from tutormax_cli.cli.console import err, say
from tutormax_cli.errors import TutormaxError, UsageError


def confirm_loss(losses: Mapping[str, int], *, yes: bool, confirm: str | None) -> None:
    """Say how many rows of each table will be lost, and ask.

    Without a terminal --yes is needed; where the server is not on this machine, --confirm with the database's name.
    Raises UsageError where that is missing, TutormaxError where the answer is no.
    """
    chosen = settings()
    if confirm is not None and confirm != chosen.dbname:
        raise UsageError(f"--confirm says {confirm!r}, but the database is {chosen.dbname!r}", "nothing was changed")
    rows = ", ".join(f"{count:,} {table}" for table, count in losses.items() if count) or "no rows"
    say(f"This deletes for good, in {chosen.description}: {rows}")
    if confirm is None and not (yes and chosen.local):
        _ask(chosen.dbname, "--yes" if chosen.local else f"--confirm {chosen.dbname}")


def _ask(dbname: str, flag: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError("no terminal to ask on; nothing was changed", f"if it is meant, add {flag}")
    answer = err().input(f"Type the database's name ({dbname}) to go on: ")
    if answer.strip() != dbname:
        raise TutormaxError("not confirmed; nothing was changed")
