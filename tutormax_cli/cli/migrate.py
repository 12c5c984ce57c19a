"""`tutormax migrate`: move the schema, and say where it stands."""

from typing import TYPE_CHECKING, Annotated

import typer

from tutormax_cli.cli.connect import begin_change, settings
from tutormax_cli.cli.console import emit, next_step, say
from tutormax_cli.cli.guards import NoBackupOption, back_up, confirm_change, confirm_loss
from tutormax_cli.cli.options import ConfirmOption, FormatOption, OutputOption, WaitOption, YesOption
from tutormax_cli.errors import CheckFailed
from tutormax_cli.reports.render import Format

if TYPE_CHECKING:
    from collections.abc import Callable

    from tutormax_cli.database.losses import Losses
    from tutormax_cli.database.migrations import Listener, Migrated
    from tutormax_cli.database.revisions import Revision

app = typer.Typer(
    help="Move the schema up or down, and say where it stands. Alone it brings it to the newest revision.",
    invoke_without_command=True,
    add_completion=False,
)

DEFAULT_WAIT = 60.0
UpTarget = Annotated[str, typer.Argument(metavar="[REVISION|+N]", help="How far: a revision, +N or head.")]
DownTarget = Annotated[str, typer.Argument(metavar="REVISION|-N", help="How far: a revision, -N or base.")]


@app.callback()
def migrate(ctx: typer.Context) -> None:
    """Move the schema up or down, and say where it stands. Alone it brings it to the newest revision."""
    if ctx.invoked_subcommand is None:
        up()


@app.command()
def up(target: UpTarget = "head", wait: WaitOption = DEFAULT_WAIT) -> None:
    """Run the pending revisions, each in a transaction of its own.

    One migrator at a time: others wait, then find the work done. A lock that an application holds is never queued for.
    """
    from tutormax_cli.database.migrations import check_target, upgrade

    chosen = settings()
    check_target(target)
    begin_change()
    _tell(upgrade(chosen, target, wait=wait, listener=_listener("applied")))
    next_step("tutormax migrate status")


@app.command(context_settings={"ignore_unknown_options": True})  # -1 is an argument
def down(
    target: DownTarget,
    wait: WaitOption = DEFAULT_WAIT,
    yes: YesOption = False,
    confirm: ConfirmOption = None,
    no_backup: NoBackupOption = False,
) -> None:
    """Take revisions back. What their tables hold is lost."""
    from tutormax_cli.database.migrations import check_target, downgrade
    from tutormax_cli.database.revision_scripts import rows_lost

    chosen = settings()
    check_target(target)
    begin_change()
    losses = rows_lost(chosen, target)
    confirm_loss(losses.counts, yes=yes, confirm=confirm, backup=not no_backup)
    before = _once_backed_up(losses, skip=no_backup)
    losing = [table.name for table in losses.tables]
    _tell(downgrade(chosen, target, wait=wait, listener=_listener("reverted"), losing=losing, before=before))
    next_step("tutormax migrate status")


@app.command()
def status(
    check: Annotated[bool, typer.Option("--check", help="Exit 5 where a revision is pending.")] = False,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """List the revisions, applied and pending."""
    from tutormax_cli.database.migrations import state
    from tutormax_cli.database.revisions import require_head
    from tutormax_cli.reports.migrations import status_report

    chosen = settings()
    found = state(chosen)
    emit(status_report(found, chosen), format, output)
    if found.newer_than_program:
        require_head(found)
    if found.pending:
        next_step("tutormax migrate up")
        if check:
            raise CheckFailed(f"{len(found.pending)} revision(s) pending", "run them: tutormax migrate up")


@app.command()
def history(format: FormatOption = Format.TABLE, output: OutputOption = None) -> None:
    """List the revisions that this program carries, oldest first, without a database."""
    from tutormax_cli.database.revisions import revisions
    from tutormax_cli.reports.migrations import history_report

    emit(history_report(revisions()), format, output)


@app.command()
def sql(target: UpTarget = "head", output: OutputOption = None) -> None:
    """Write the SQL from where the database really stands to a revision, and run nothing."""
    from tutormax_cli.cli.console import write_file
    from tutormax_cli.database.migrations import check_target
    from tutormax_cli.database.revision_scripts import sql_script

    check_target(target)
    script = sql_script(settings(), target)
    if not script:
        say("nothing pending: there is no SQL to write")
    if output is None:
        typer.echo(script, nl=False)
    else:
        write_file(output, script)
        say(f"written to {output}")


@app.command()
def new(
    message: Annotated[str, typer.Option("--message", "-m", help="What the revision does, in a few words.")],
    empty: Annotated[
        bool, typer.Option("--empty", help="Write it even where nothing differs, to be filled in.")
    ] = False,
) -> None:
    """Write a new revision from the difference between the models and the database."""
    from tutormax_cli.database.revision_scripts import new_revision

    chosen = settings()
    begin_change()
    typer.echo(new_revision(chosen, message, empty=empty))
    next_step("read it, then: tutormax migrate up")


@app.command()
def check(format: FormatOption = Format.TABLE, output: OutputOption = None) -> None:
    """Compare the database's tables with the models; exit 5 where they differ or a revision is pending."""
    from tutormax_cli.database.drift import drift
    from tutormax_cli.database.migrations import state
    from tutormax_cli.reports.migrations import drift_report

    chosen = settings()
    found = state(chosen)
    if found.pending:
        raise CheckFailed(f"{len(found.pending)} revision(s) pending", "run them: tutormax migrate up")
    differences = drift(chosen)
    emit(drift_report(differences, chosen), format, output)
    if differences:
        raise CheckFailed(
            f"{len(differences)} difference(s) between the models and the database",
            "write a revision: tutormax migrate new -m 'what changes'",
        )


@app.command()
def stamp(
    target: Annotated[str, typer.Argument(metavar="REVISION", help="A revision, head or base.")],
    yes: YesOption = False,
    confirm: ConfirmOption = None,
) -> None:
    """Record that the database stands at a revision without running anything.

    No row is lost, but where it isn't true other commands go wrong; so it is asked first.
    """
    from tutormax_cli.database.migrations import check_target
    from tutormax_cli.database.migrations import stamp as stamp_database

    chosen = settings()
    check_target(target)
    begin_change()
    confirm_change(f"This says of {chosen.description} that its schema is at {target}", yes=yes, confirm=confirm)
    say(f"stamped; schema at {stamp_database(chosen, target).current or 'base'}")
    next_step("tutormax migrate check")


def _once_backed_up(confirmed: "Losses", *, skip: bool) -> "Callable[[Losses], None]":
    """Compare the rows to be deleted with those that were confirmed at each step, and back them up at the first."""
    from tutormax_cli.database.losses import refuse_other_losses

    backed_up = False

    def before(held: "Losses") -> None:
        nonlocal backed_up
        refuse_other_losses(confirmed, held)
        if not backed_up:
            back_up(held.counts, skip=skip)
            backed_up = True

    return before


def _listener(verb: str) -> "Listener":
    from tutormax_cli.database.migrations import Listener

    def finished(revision: "Revision", seconds: float) -> None:
        say(f"{verb} {revision.id}  {revision.title}  {seconds:.2f} s")

    return Listener(waiting=lambda why: say(f"waiting: {why}"), finished=finished)


def _tell(migrated: "Migrated") -> None:
    at = migrated.state.current or "base"
    say(f"schema at {at}" if migrated.ran else f"already up to date at {at}")
