"""One tutor in full: the points that sum to the score, twelve weeks of history, and what has been done so far."""

from tutormax_cli.database.enums import InterventionOutcome, InterventionStatus, InterventionType, TutorStatus
from tutormax_cli.reports.advice import advice
from tutormax_cli.reports.reasons import contributions
from tutormax_cli.reports.report import Column, Fact, Kind, Layout, Report, Row, Section, Tone, record
from tutormax_cli.reports.risk import days_between
from tutormax_cli.reports.tutor_data import WEEKS, TutorHistory
from tutormax_cli.reports.words import LEVEL_TONES, TIER_TONES, as_of_fact, early_end, labels_of, warning_sections

BASELINE = "baseline"

_OUTCOME_TONES: dict[str, Tone] = {
    InterventionOutcome.IMPROVED: Tone.GOOD,
    InterventionOutcome.DECLINED: Tone.WARNING,
    InterventionOutcome.CHURNED: Tone.BAD,
}


def tutor_report(history: TutorHistory, predict: str = "tutormax predict") -> Report:
    """Lay one tutor's history out; `predict` is the command that makes a prediction where there is none."""
    return Report(
        "tutor-risk",
        history.tutor.name,
        facts=_facts(history),
        sections=(
            *warning_sections(_warning(history)),
            _score(history),
            _probabilities(history),
            _points(history, predict),
            _weeks(history),
            _interventions(history),
            _recommended(history),
        ),
        main="points",
        identity=_identity(history),
    )


def _warning(history: TutorHistory) -> str | None:
    """Say that the data end too early to tell anything of who is still active."""
    if history.status is not TutorStatus.ACTIVE:
        return None
    return early_end(history.newest_session, history.moment, "tutormax predict")


def _identity(history: TutorHistory) -> tuple[Fact, ...]:
    """Say for every row of a file whose points they are, and of what score."""
    tutor, latest = history.tutor, history.latest
    return (
        (Column("tutor_id", "id"), tutor.tutor_id),
        (Column("name", "tutor"), tutor.name),
        as_of_fact(history.moment),
        (Column("score", "score", Kind.INT), latest.churn_score if latest else None),
        (Column("level", "level"), latest.risk_level.value if latest else None),
    )


def _facts(history: TutorHistory) -> tuple[Fact, ...]:
    tutor, latest = history.tutor, history.latest
    until = history.departed or history.moment
    status_tones = {TutorStatus.CHURNED.value: Tone.BAD}
    return (
        (Column("tutor_id", ""), tutor.tutor_id),
        (Column("status", "", tones=status_tones), history.status.value),
        (Column("departed", "left", Kind.DATE, absent=""), history.departed),
        (Column("subjects", "", Kind.LIST), tuple(tutor.subjects)),
        (Column("tier", "", tones=TIER_TONES, absent="no tier"), history.tier),
        (Column("tenure_days", "days with us", Kind.INT), days_between(tutor.onboarding_date, until)),
        as_of_fact(history.moment),
        (Column("model_version", "model", absent="none"), latest.model_version if latest else None),
    )


def _score(history: TutorHistory) -> Section:
    latest, before = history.latest, history.previous_score
    change = None if latest is None or before is None else latest.churn_score - before
    facts: list[Fact] = [
        (Column("score", "score", Kind.INT), latest.churn_score if latest else None),
        (Column("level", "", tones=LEVEL_TONES, absent="no prediction"), latest.risk_level.value if latest else None),
        (Column("change", _since(history), Kind.CHANGE), change),
        (Column("level_since", "at this level since", Kind.DATE), history.level_since),
    ]
    return record("standing", facts, layout=Layout.LINE)


def _since(history: TutorHistory) -> str:
    return "in 7 days" if history.since is None else f"since {history.since.day} {history.since:%b}"


def _probabilities(history: TutorHistory) -> Section:
    latest = history.latest
    facts: list[Fact] = [
        (
            Column(f"within_{days}_days", f"{days} day{'s' * (days > 1)}", Kind.PERCENT),
            getattr(latest, f"window_{days}day_probability", None),
        )
        for days in (1, 7, 30, 90)
    ]
    uncalibrated = latest is not None and latest.window_30day_probability is None
    title = "Leaves within (unknown: the score is uncalibrated)" if uncalibrated else "Leaves within"
    return record("leaves", facts, title=title, layout=Layout.LINE)


def _points(history: TutorHistory, predict: str) -> Section:
    """List the average active tutor's score and what each component adds: together they are the score."""
    factors = history.latest.contributing_factors if history.latest else None
    parts = contributions(factors)
    columns = (
        Column("points", "points", Kind.CHANGE),
        Column(
            "component", "component", labels={BASELINE: "the average tutor"} | {p.component: p.label for p in parts}
        ),
        Column("evidence", "goes with", Kind.LIST, flexible=True, wrap=True, absent="", separator="; "),
    )
    rows: list[Row] = [(part.points, part.component, part.phrases) for part in parts]
    if factors and "baseline" in factors:
        rows.insert(0, (factors["baseline"], BASELINE, ()))
    no_points = "The prediction names no components."
    if not history.latest:
        none_yet = f"No prediction yet: {predict}"
        no_points = none_yet if history.status is TutorStatus.ACTIVE else "No prediction: only active tutors have one."
    return Section("points", columns, tuple(rows), title="Points that make the score", header=False, if_empty=no_points)


def _weeks(history: TutorHistory) -> Section:
    facts: list[Fact] = [
        (Column("sessions", "sessions", Kind.SPARK), tuple(week.sessions for week in history.weeks)),
        (Column("rating", "rating", Kind.SPARK, bounds=(1, 5)), tuple(week.rating for week in history.weeks)),
        (Column("score", "score", Kind.SPARK, bounds=(0, 100)), tuple(week.score for week in history.weeks)),
    ]
    return record("weeks", facts, title=f"The last {WEEKS} weeks", layout=Layout.LINE)


def _interventions(history: TutorHistory) -> Section:
    columns = (
        Column("type", "intervention", labels=labels_of(InterventionType)),
        Column("status", "status", labels=labels_of(InterventionStatus)),
        Column("owner", "owner", flexible=True),
        Column("recommended", "since", Kind.DATE),
        Column("due", "due", Kind.DATE),
        Column("completed", "completed", Kind.DATE, priority=1),
        Column("outcome", "outcome", labels=labels_of(InterventionOutcome), tones=_OUTCOME_TONES),
        Column("reason", "reason", flexible=True, min_width=20, priority=2),
    )
    rows = tuple(
        (
            task.intervention_type.value,
            task.status.value,
            task.assigned_to,
            task.recommended_date,
            task.due_date,
            task.completed_date,
            task.outcome and task.outcome.value,
            task.trigger_reason,
        )
        for task in history.interventions
    )
    return Section("interventions", columns, rows, title="Interventions", if_empty="none so far")


def _recommended(history: TutorHistory) -> Section:
    latest, advised = history.latest, None
    if history.status is TutorStatus.ACTIVE:
        tenure = days_between(history.tutor.onboarding_date, history.moment)
        level, factors = (latest.risk_level, latest.contributing_factors) if latest else (None, None)
        advised = advice(level, factors, tenure, silent=history.silent and not history.ended_early)
    facts: list[Fact] = [
        (
            Column("intervention", "", labels=labels_of(InterventionType), absent="nothing"),
            advised.intervention.value if advised else None,
        ),
        (Column("within_hours", "within h", Kind.INT, joined=" in {} h"), advised.hours if advised else None),
        (Column("rule", "rule", joined=" ({})"), advised.because if advised else None),
    ]
    return record("recommended", facts, title="Recommended", layout=Layout.LINE)
