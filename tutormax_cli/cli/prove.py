"""`tutormax prove`: whether a dump can be restored, and holds what the database held."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutormax_cli.cli.backup_progress import backup_progress
from tutormax_cli.cli.connect import begin_change, named_settings, settings
from tutormax_cli.cli.console import emit, say
from tutormax_cli.cli.options import FormatOption, OutputOption
from tutormax_cli.errors import CheckFailed
from tutormax_cli.reports.render import Format

if TYPE_CHECKING:
    from tutormax_cli.backup.prove import Proof


def prove(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What tutormax dump wrote.")],
    into: Annotated[
        str | None,
        typer.Option(
            "--into",
            metavar="URL",
            help="Restore into this database, which must be empty, and leave the copy there.",
            show_default="a throw-away server",
        ),
    ] = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Restore a dump into a throw-away server, and compare it with what was dumped.

    Rows and checksums of every table, sequences and large objects are compared with those sealed in the dump. Then the
    copy is migrated to the newest revision, doctor checks its schema and data, and a risk report is made of it.

    Exit codes: 0 proved; 5 differences, a failed check, a damaged file, or a dump without a seal; 1 no proof could be
    made (disk space, another version of PostgreSQL, a missing extension); 2 the file is no dump. The result is added to
    the admin log of the database that was dumped, if that is the configured one.
    """
    from datetime import UTC, datetime

    from tutormax_cli.backup.prove import prove as prove_dump
    from tutormax_cli.backup.prove import record_proof
    from tutormax_cli.reports.proof import copy_checks, proof_report

    chosen = settings()
    begin_change()
    target = None if into is None else named_settings(into, "--into", chosen)
    with backup_progress() as listener:
        proof = prove_dump(
            chosen,
            file,
            copy_checks(datetime.now(UTC)),
            into=target,
            waiting=lambda why: say(f"waiting: {why}"),
            note=lambda line: say(line, style="dim"),
            listener=listener,
        )
    if (reason := record_proof(chosen, proof)) is not None:
        say(f"not added to the admin log: {reason}")
    emit(proof_report(proof), format, output)
    _judge(proof)


def _judge(proof: "Proof") -> None:
    """Raise CheckFailed unless the dump is proved."""
    from tutormax_cli.backup.prove import Outcome, Result

    if proof.result is Result.PROVED:
        return
    if proof.result is Result.NOT_PROVABLE:
        raise CheckFailed(
            f"not provable: {proof.archive.path} was restored, but it holds no seal to compare it with",
            "dump the database again: tutormax dump",
        )
    failed = next(step for step in proof.steps if step.outcome is Outcome.FAILED)
    raise CheckFailed(
        f"not proved: {failed.name}: {failed.message}", "keep an older dump, and make another: tutormax dump"
    )
