"""`tutormax doctor`: what is wrong with the database, its server, its data or this machine, and what mends it."""

import shlex
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from tutormax_cli.cli.connect import begin_change, settings
from tutormax_cli.cli.console import emit, say
from tutormax_cli.cli.options import ConfirmOption, FormatOption, OutputOption
from tutormax_cli.errors import CheckFailed, UsageError
from tutormax_cli.reports.render import Format

if TYPE_CHECKING:
    from tutormax_cli.settings import Settings


class Mark(StrEnum):
    """What a database can be marked as: the members of `database.environment.Environment`, which is heavy to import."""

    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"


def doctor(
    check: Annotated[bool, typer.Option("--check", help="Exit 5 where anything failed; warnings pass.")] = False,
    mark: Annotated[
        Mark | None,
        typer.Option("--mark", help="First say, in the database itself, what it is for.", show_default=False),
    ] = None,
    confirm: ConfirmOption = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Examine database, server, data and this machine, and name what mends each fault.

    Nothing is changed, and a check that cannot be made says so. Where the database cannot be reached, the exit code is
    3. A database marked production is guarded: what destroys needs --confirm with its name, and so does another mark.
    """
    from tutormax_cli.reports.doctor.examine import examine
    from tutormax_cli.reports.doctor.findings import State
    from tutormax_cli.reports.doctor.report import doctor_report

    chosen = settings()
    if mark is not None:
        _mark(chosen, mark, confirm)
    found = examine(chosen, datetime.now(UTC), Path.cwd())
    emit(doctor_report(found, chosen), format, output)
    if found.unreachable is not None:
        raise found.unreachable
    failures = found.count(State.FAILED)
    if check and failures:
        raise CheckFailed(f"{failures} check(s) failed", "each failed line names what mends it")


def _mark(chosen: "Settings", wanted: Mark, confirm: str | None) -> None:
    """Mark the database and write that down, in one transaction."""
    from tutormax_cli.database import admin_log
    from tutormax_cli.database.connection import connect
    from tutormax_cli.database.environment import Environment, mark, marked
    from tutormax_cli.database.revisions import schema_state

    begin_change()
    began = monotonic()
    with connect(chosen) as driver:
        name = driver.info.dbname
        if marked(driver) is Environment.PRODUCTION and wanted is not Mark.PRODUCTION and confirm != name:
            raise UsageError(
                f"{name} is marked production; nothing was changed",
                f"if it is meant, add --confirm {shlex.quote(name)}",
            )
        mark(driver, Environment(wanted.value))
        if admin_log.may_write(driver) is not None:
            entry = admin_log.Entry(
                admin_log.command_name(), monotonic() - began, revision=schema_state(driver).current
            )
            admin_log.record(driver, entry)
        driver.commit()
    say(f"marked {wanted.value}")
