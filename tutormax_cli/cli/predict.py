"""`tutormax predict`: every active tutor's risk to leave, and what goes with it."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tutormax_cli.cli.connect import on_one_moment
from tutormax_cli.cli.console import FILL, emit, next_step, say
from tutormax_cli.cli.options import AsOf, FormatOption, OutputOption
from tutormax_cli.reports.render import Format

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tutormax_cli.churn.daily import PredictionSummary
    from tutormax_cli.reports.report import Report


UNCALIBRATED = "Too few departures are recorded to learn from: the scores weigh signs, they are not chances to leave."


def predict(as_of: AsOf = None, format: FormatOption = Format.TABLE, output: OutputOption = None) -> None:
    """Score every active tutor's risk to leave, 0 to 100, and keep what goes with the score.

    The score is the chance to leave within 30 days, learned from past departures; with fewer than 30 of them it is a
    weighted sum of signs. Stores the predictions in place of that day's earlier ones; other days' stay. Nothing dated
    at or after --as-of counts, so a past day is predicted as it would have been then.
    """
    from tutormax_cli.churn.daily import predict
    from tutormax_cli.database.models import ChurnPrediction
    from tutormax_cli.reports.lookup import holds_tutors, newest_session
    from tutormax_cli.reports.words import at_data_end, early_end, with_as_of

    def work(db: "Session") -> tuple["PredictionSummary", bool, datetime | None]:
        summary = predict(db, as_of or datetime.now(UTC))
        empty = not summary.tutors and not holds_tutors(db)
        newest = newest_session(db, summary.as_of) if summary.tutors else None
        db.commit()
        return summary, empty, newest

    summary, empty, newest = on_one_moment(work, locked=[ChurnPrediction.__tablename__])
    warning = early_end(newest, summary.as_of, "tutormax predict")
    emit(_report(summary, warning), format, output)
    following = with_as_of("tutormax risk-report", as_of) if summary.tutors else FILL if empty else "tutormax stats"
    if newest and warning:
        say(f"warning: {warning}", style="yellow")
        following = at_data_end("tutormax predict", newest)
    next_step(following)


def _report(summary: "PredictionSummary", warning: str | None) -> "Report":
    from tutormax_cli.database.enums import RiskLevel
    from tutormax_cli.reports.report import Column, Kind, Report, Section
    from tutormax_cli.reports.words import LEVEL_TONES, as_of_fact, warning_sections

    tutors = summary.tutors
    rows = tuple(
        (level.value, level.floor, summary.levels[level], summary.levels[level] / tutors if tutors else None)
        for level in reversed(RiskLevel)
    )
    columns = (
        Column("level", "level", tones=LEVEL_TONES),
        Column("from_score", "from score", Kind.INT),
        Column("tutors", "tutors", Kind.INT),
        Column("share", "share", Kind.PERCENT),
    )
    facts = (
        as_of_fact(summary.as_of),
        (Column("model_version", "model"), summary.model_version),
        (
            Column("calibrated", "", Kind.FLAG, labels={"yes": "calibrated", "no": "uncalibrated"}),
            summary.calibrated,
        ),
        (Column("tutors", "tutors scored", Kind.INT), tutors),
    )
    sections = (*warning_sections(warning), Section("levels", columns, rows))
    return Report("predict", "Churn prediction", sections, facts, tuple(_notes(summary)))


def _notes(summary: "PredictionSummary") -> list[str]:
    """Say what the data did not tell, and what uncalibrated scores are."""
    from tutormax_cli.reports.phrases import COMPONENTS

    if not summary.tutors:
        return ["No tutor was active then, so there was nobody to score."]
    notes = [] if summary.calibrated else [UNCALIBRATED]
    unknown = [COMPONENTS[component.value][0] for component in summary.unknown]
    if unknown:
        notes.append(f"The data tell nothing of {', '.join(unknown)}; the other signs count for more.")
    return notes
