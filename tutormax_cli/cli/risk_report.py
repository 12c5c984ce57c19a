"""`tutormax risk-report`: who is about to leave, what goes with it, and what to do."""

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from tutormax_cli.cli.connect import database_session
from tutormax_cli.cli.console import FILL, emit, next_step, say
from tutormax_cli.cli.options import AsOf, FormatOption, OutputOption, parse_time
from tutormax_cli.errors import CheckFailed, UsageError
from tutormax_cli.reports.render import Format

if TYPE_CHECKING:
    from tutormax_cli.database.enums import RiskLevel
    from tutormax_cli.reports.report import Report
    from tutormax_cli.reports.risk_data import Assessment, Selection

MinScore = Annotated[
    int | None,
    typer.Option(
        "--min-score",
        min=0,
        max=100,
        metavar="SCORE",
        help="Queue the tutors who score this or more.",
        show_default="51; with --level all of that level",
    ),
]
Limit = Annotated[
    int,
    typer.Option("--limit", min=1, max=10_000_000, metavar="N", help="Show at most N tutors in each section."),
]
Level = Annotated[
    str | None,
    typer.Option("--level", metavar="LEVEL", help="Only one level: Low, Medium, High, Critical.", show_default=False),
]
Subject = Annotated[
    str | None, typer.Option("--subject", metavar="SUBJECT", help="Only tutors of a subject.", show_default=False)
]
TutorId = Annotated[
    str | None,
    typer.Option(
        "--tutor",
        metavar="TUTOR",
        help="One tutor in full, by id or name: points, history, actions.",
        show_default=False,
    ),
]
Since = Annotated[
    datetime | None,
    typer.Option(
        "--since",
        parser=parse_time,
        metavar="TIME",
        help="Show what changed since this day or ISO 8601 time (UTC).",
        show_default="a week before",
    ),
]
FailOn = Annotated[
    str | None,
    typer.Option(
        "--fail-on",
        metavar="LEVEL[:N]",
        help="Exit 5 when N or more active tutors (default 1) are at this level or above.",
        show_default=False,
    ),
]


def risk_report(
    min_score: MinScore = None,
    limit: Limit = 20,
    level: Level = None,
    subject: Subject = None,
    tutor: TutorId = None,
    since: Since = None,
    fail_on: FailOn = None,
    as_of: AsOf = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Show who is about to leave, what goes with it and what to do.

    The report of the newest predictions, or with --as-of of the newest until then. Levels and expected leavers count
    all active tutors, whatever the filters. Tutors who held no session for 7 days stand in a section of their own.
    """
    from tutormax_cli.reports.words import with_as_of

    asked = as_of or datetime.now(UTC)
    if since is not None and since >= asked:
        raise UsageError("--since must lie before the time of the report", "for example: --since 2026-05-01")
    selection, threshold = _selection(min_score, limit, level, subject, since), _threshold(fail_on)
    if tutor is not None:
        if min_score is not None or level or subject or threshold:
            raise UsageError("--tutor shows one tutor: --min-score, --level, --subject and --fail-on don't go with it")
        emit(_one_tutor(tutor, as_of, asked, since), format, output)
        return
    given = {"min-score": min_score, "level": level, "subject": subject, "since": since, "as-of": as_of}
    commands = _command(given), _command({"since": since, "as-of": as_of})
    report, assessment, fill = _company(asked, selection, commands)
    emit(report, format, output)
    first_step = fill or with_as_of("tutormax predict", as_of)
    if assessment.moments.latest is None:
        say("no predictions yet" if as_of is None else f"no predictions until {asked:%Y-%m-%d %H:%M} UTC")
        next_step(first_step)
    if threshold:
        _check(assessment, asked, first_step, *threshold)


def _command(given: Mapping[str, int | str | datetime | None]) -> str:
    """Write the command with the options that were given, to be typed again."""
    from tutormax_cli.reports.words import typed_time

    words = ["tutormax", "risk-report"]
    for option, value in given.items():
        text = typed_time(value) if isinstance(value, datetime) else value
        words += [] if text is None else [f"--{option}", str(text)]
    return shlex.join(words)


def _one_tutor(tutor_id: str, as_of: datetime | None, asked: datetime, since: datetime | None) -> "Report":
    from tutormax_cli.reports.tutor import tutor_report
    from tutormax_cli.reports.tutor_data import read_history
    from tutormax_cli.reports.words import with_as_of

    with database_session(writes=False) as db:
        return tutor_report(read_history(db, tutor_id, asked, since), with_as_of("tutormax predict", as_of))


def _company(
    asked: datetime, selection: "Selection", commands: tuple[str, str]
) -> "tuple[Report, Assessment, str | None]":
    """Give the report, what it is made from, and where there is not even a tutor what is to be done first."""
    from tutormax_cli.reports.lookup import holds_tutors, require_subject
    from tutormax_cli.reports.risk import Commands
    from tutormax_cli.reports.risk import risk_report as lay_out
    from tutormax_cli.reports.risk_data import assess

    with database_session(writes=False) as db:
        assessment = assess(db, asked, selection)
        if selection.subject and not assessment.standings:
            require_subject(db, selection.subject)
        fill = FILL if assessment.moments.latest is None and not holds_tutors(db) else None
    return lay_out(assessment, asked, Commands(*commands)), assessment, fill


def _selection(
    min_score: int | None, limit: int, level: str | None, subject: str | None, since: datetime | None
) -> "Selection":
    from tutormax_cli.database.enums import RiskLevel
    from tutormax_cli.reports.risk_data import Selection

    chosen = _level(level, "--level") if level else None
    if min_score is None:
        min_score = chosen.floor if chosen else RiskLevel.HIGH.floor
    return Selection(min_score, limit, chosen, subject, since)


def _level(text: str, option: str) -> "RiskLevel":
    from tutormax_cli.database.enums import RiskLevel

    try:
        return RiskLevel(text.strip().capitalize())
    except ValueError:
        raise UsageError(f"{option}: there is no level {text!r}", f"levels: {', '.join(RiskLevel)}") from None


def _threshold(text: str | None) -> "tuple[RiskLevel, int] | None":
    if text is None:
        return None
    name, colon, count = text.partition(":")
    if colon and not (count.isascii() and count.isdigit() and int(count) > 0):
        raise UsageError(f"--fail-on: {count!r} is no number of tutors", "for example: --fail-on critical:5")
    return _level(name, "--fail-on"), int(count or 1)


def _check(assessment: "Assessment", asked: datetime, first_step: str, level: "RiskLevel", most: int) -> None:
    """Raise CheckFailed when too many tutors are at a level, or when nothing tells how many are; warn of old data."""
    from tutormax_cli.reports.risk import outdated, untold
    from tutormax_cli.reports.words import counted

    if assessment.moments.latest is None:
        raise CheckFailed("--fail-on: there are no predictions to check", first_step)
    for warning in filter(None, (untold(assessment), outdated(assessment, asked))):
        say(f"warning: {warning}", style="yellow")
    found = assessment.at_or_above(level)
    if found >= most:
        raise CheckFailed(f"--fail-on: {counted(found, 'tutor')} at {level} or above; {most} or more fail")
