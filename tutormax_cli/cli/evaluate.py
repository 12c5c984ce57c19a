"""`tutormax evaluate`: how every active tutor did over 7, 30 and 90 days."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tutormax_cli.cli.connect import on_one_moment
from tutormax_cli.cli.console import FILL, emit, next_step, say
from tutormax_cli.cli.options import AsOf, FormatOption, OutputOption
from tutormax_cli.reports.render import Format

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tutormax_cli.evaluation import EvaluationSummary
    from tutormax_cli.reports.report import Report


def evaluate(as_of: AsOf = None, format: FormatOption = Format.TABLE, output: OutputOption = None) -> None:
    """Compute every active tutor's metrics over 7, 30 and 90 days, and their tiers.

    Stores them in place of that day's earlier evaluation; other days' stay. Nothing dated at or after --as-of counts.
    """
    from tutormax_cli.database.models import TutorPerformanceMetric
    from tutormax_cli.evaluation import evaluate
    from tutormax_cli.reports.lookup import holds_logins, holds_tutors, newest_session
    from tutormax_cli.reports.words import at_data_end, early_end, with_as_of

    def work(db: "Session") -> tuple["EvaluationSummary", bool, bool, datetime | None]:
        summary = evaluate(db, as_of or datetime.now(UTC))
        empty = not summary.tutors and not holds_tutors(db)
        older_logins = not summary.logins_known and holds_logins(db)
        newest = newest_session(db, summary.as_of) if summary.tutors else None
        db.commit()
        return summary, empty, older_logins, newest

    summary, empty, older_logins, newest = on_one_moment(work, locked=[TutorPerformanceMetric.__tablename__])
    warning = early_end(newest, summary.as_of, "tutormax evaluate")
    emit(_report(summary, warning, older_logins=older_logins), format, output)
    following = with_as_of("tutormax predict", as_of) if summary.tutors else FILL if empty else "tutormax stats"
    if newest and warning:
        say(f"warning: {warning}", style="yellow")
        following = at_data_end("tutormax evaluate", newest)
    next_step(following)


def _report(summary: "EvaluationSummary", warning: str | None, *, older_logins: bool) -> "Report":
    from tutormax_cli.database.enums import PerformanceTier
    from tutormax_cli.reports.report import Column, Kind, Report, Section
    from tutormax_cli.reports.words import TIER_TONES, as_of_fact, warning_sections

    graded = sum(summary.tiers[tier] for tier in PerformanceTier)
    rows = tuple(
        (tier.value, summary.tiers[tier], summary.tiers[tier] / graded if graded else None) for tier in PerformanceTier
    )
    columns = (
        Column("tier", "tier", tones=TIER_TONES),
        Column("tutors", "tutors", Kind.INT),
        Column("share", "share", Kind.PERCENT),
    )
    facts = (
        as_of_fact(summary.as_of),
        (Column("tutors", "tutors evaluated", Kind.INT), summary.tutors),
        (Column("rows", "rows written", Kind.INT), summary.rows),
        (Column("without_tier", "no session in 30 days", Kind.INT), summary.tiers[None]),
    )
    sections = (*warning_sections(warning), Section("tiers", columns, rows))
    return Report("evaluate", "Evaluation", sections, facts, tuple(_notes(summary, older_logins=older_logins)))


def _notes(summary: "EvaluationSummary", *, older_logins: bool) -> list[str]:
    """Say what the data did not tell."""
    from tutormax_cli.reports.words import METRIC_WORDS

    if not summary.tutors:
        return ["No tutor was active then, so there was nothing to evaluate."]
    unknown = [METRIC_WORDS[metric] for metric, tutors in summary.known.items() if not tutors]
    notes = [f"Unknown for every tutor over 30 days: {', '.join(unknown)}."] if unknown else []
    if not summary.logins_known:
        when = " in the last 90 days" if older_logins else ""
        notes.append(f"No logins{when} are recorded, so engagement is told by sessions alone.")
    return notes
