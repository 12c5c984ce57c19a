"""The weekly risk report: how many tutors are at risk, whom to call first, and who has already fallen silent."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tutormax_cli.database.enums import InterventionType, RiskLevel
from tutormax_cli.interventions.rules import Recommendation
from tutormax_cli.reports.actions import actions
from tutormax_cli.reports.advice import advice
from tutormax_cli.reports.reasons import main_reasons
from tutormax_cli.reports.report import ABSENT, Column, Fact, Kind, Report, Row, Section, Tone
from tutormax_cli.reports.risk_data import Assessment, Standing
from tutormax_cli.reports.words import (
    DATA_REACH,
    LEVEL_TONES,
    TIER_TONES,
    as_of_fact,
    at_data_end,
    data_end_early,
    day_words,
    early_end,
    labels_of,
    moment_kind,
    warning_sections,
)

STALE_AFTER = timedelta(days=7)
"""Older predictions than this are said to be old."""

HOURS_PER_DAY = 24

HORIZONS = {7: "leavers_7_days", 30: "leavers_30_days", 90: "leavers_90_days"}

_INTERVENTIONS = labels_of(InterventionType)

OPEN_COLUMNS = (
    Column("open_intervention", "open", priority=4, flexible=True, min_width=18, labels=_INTERVENTIONS),
    Column("intervention_owner", "owner", joined=", {}"),
    Column("intervention_due", "due", Kind.DATE, joined=", due {}"),
)
ADVICE_COLUMNS = (
    Column("recommended", "recommended", priority=2, labels=_INTERVENTIONS),
    Column("recommended_within_hours", "within h", Kind.INT, joined=" in {} h"),
)

# Fitted for 80 columns; what has a priority appears on wider terminals, in that order. The score is the chance of
# leaving within 30 days in percent, so that chance itself is the first to be left out.
QUEUE_COLUMNS = (
    Column("rank", "#", Kind.INT),
    Column("tutor_id", "id", priority=8),
    Column("name", "tutor", flexible=True, min_width=16),
    Column("subjects", "subjects", Kind.LIST, priority=6, flexible=True, min_width=12),
    Column("tenure_days", "days with us", Kind.INT, priority=5),
    Column("tier", "tier", priority=7, tones=TIER_TONES),
    Column("score", "score", Kind.INT),
    Column("change", "7 d", Kind.CHANGE, absent="new"),
    Column("level", "level", tones=LEVEL_TONES),
    Column("probability_7_days", "P 7 d", Kind.PERCENT, priority=3),
    Column("probability_30_days", "30 d", Kind.PERCENT, priority=1),
    Column("probability_90_days", "90 d", Kind.PERCENT, priority=3),
    Column("goes_with", "goes with", Kind.LIST, flexible=True, min_width=33, separator="; "),
    *OPEN_COLUMNS,
    Column("last_session", "last session", Kind.DATE, priority=10),
    *ADVICE_COLUMNS,
)

SILENT_COLUMNS = (
    Column("tutor_id", "id", priority=4),
    Column("name", "tutor", flexible=True, min_width=16),
    Column("subjects", "subjects", Kind.LIST, priority=3, flexible=True, min_width=12),
    Column("score", "score", Kind.INT),
    Column("level", "level", tones=LEVEL_TONES),
    Column("last_session", "last session", Kind.DATE, priority=1, absent="never"),
    Column("days_silent", "days", Kind.INT),
    Column("missed_7_days", "missed 7 d", Kind.INT, priority=1),
    Column("booked_7_days", "next 7 d", Kind.INT, priority=1),
    *OPEN_COLUMNS,
    *ADVICE_COLUMNS,
)


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands that notes name: what the person typed, without a limit, and the same for one tutor."""

    more: str
    one: str


COMMANDS = Commands("tutormax risk-report", "tutormax risk-report")


def risk_report(assessment: Assessment, as_of: datetime, commands: Commands = COMMANDS) -> Report:
    """Lay an assessment out; `as_of` is the time that was asked for, which tells how old the predictions are."""
    return Report(
        "risk-report",
        "Churn risk",
        facts=_facts(assessment),
        sections=(
            *warning_sections(untold(assessment)),
            _levels(assessment),
            _expected(assessment),
            _queue(assessment),
            _silent(assessment),
            _actions(assessment),
        ),
        notes=tuple(_notes(assessment, as_of, commands)),
        main=("queue", "silent"),
    )


def untold(assessment: Assessment) -> str | None:
    """Say that the predictions are of a time that the data don't reach; None where they do."""
    moments = assessment.moments
    return early_end(moments.newest_predicted_from, moments.latest, "tutormax predict")


def outdated(assessment: Assessment, as_of: datetime) -> str | None:
    """Say that the predictions are old, and what makes newer ones that tell something; None where they are not."""
    latest, newest = assessment.moments.latest, assessment.moments.newest_session
    if latest is None or as_of - latest <= STALE_AFTER:
        return None
    renew = "renew them: tutormax predict"
    if newest is not None and data_end_early(newest, as_of):
        ended = f"the data end {day_words(newest)}"
        renew = f"{ended}; renew them: {at_data_end('tutormax predict', newest)}"
        if newest - latest <= DATA_REACH:
            renew = f"{ended}; import newer sessions, then tutormax predict"
    return f"These predictions are {(as_of - latest).days} days old; {renew}"


def _facts(assessment: Assessment) -> tuple[Fact, ...]:
    moments = assessment.moments
    models = sorted({count.model_version for count in assessment.levels if count.tutors})
    return (
        as_of_fact(moments.latest),
        (Column("model_version", "model"), ", ".join(models) or None),
        (
            Column("calibrated", "", Kind.FLAG, absent="", labels={"yes": "calibrated", "no": "uncalibrated"}),
            assessment.calibrated,
        ),
        (Column("data_until", "data to", Kind.TIMESTAMP), moments.data_until),
        (Column("compared_with", "change since", moment_kind(moments.previous), absent=""), moments.previous),
        (Column("tutors", "tutors scored", Kind.INT), assessment.tutors),
    )


def _levels(assessment: Assessment) -> Section:
    columns = (
        Column("level", "level", tones=LEVEL_TONES),
        Column("tutors", "tutors", Kind.INT),
        # Whether more of them are good or bad depends on the level, whose colour says so.
        Column("change", _since(assessment), Kind.TREND, rising=Tone.PLAIN),
    )
    rows: list[Row] = []
    for level in reversed(RiskLevel):
        counts = [count for count in assessment.levels if count.risk_level == level]
        now, before = sum(count.tutors for count in counts), sum(count.tutors_before for count in counts)
        rows.append((level.value, now, now - before if assessment.moments.previous else None))
    return Section("levels", columns, tuple(rows), header=False)


def _expected(assessment: Assessment) -> Section:
    """Sum the probabilities of all tutors, silent ones included: that many are expected to have left."""
    columns = (
        Column("within_days", "within", Kind.INT, labels={str(days): f"within {days} days" for days in HORIZONS}),
        Column("leavers", "tutors", Kind.FLOAT, digits=0),
        Column("share", "share", Kind.PERCENT),
    )
    rows: list[Row] = []
    for days, field in HORIZONS.items() if assessment.calibrated else ():
        leavers = sum(getattr(count, field) for count in assessment.levels)
        rows.append((days, round(leavers, 1), round(leavers / assessment.tutors, 4)))
    unknown = "unknown: scores are uncalibrated" if assessment.tutors else "unknown"
    return Section(
        "expected", columns, tuple(rows), title="Expected to leave", header=False, beside=True, if_empty=unknown
    )


def _queue(assessment: Assessment) -> Section:
    rows = tuple(_queue_row(assessment, tutor) for tutor in assessment.queue)
    if_empty = f"No tutor {_asked_for(assessment)}." if assessment.tutors else "No predictions yet."
    # Where nobody has an earlier score, nobody is new either.
    absent = "new" if assessment.moments.previous else ABSENT
    columns = tuple(
        replace(column, label=_since(assessment), absent=absent) if column.key == "change" else column
        for column in QUEUE_COLUMNS
    )
    return Section("queue", columns, rows, if_empty=if_empty)


def _asked_for(assessment: Assessment) -> str:
    """Say whom the queue is of: "at 51 or above", "at Low"."""
    level, least = assessment.selection.level, assessment.selection.min_score
    scores = f"{least} or above"
    if level is None:
        return f"at {scores}"
    return f"at {level}" if least <= level.floor else f"at {level}, {scores}"


def _since(assessment: Assessment) -> str:
    """Name the time over which scores are compared."""
    return "7 d" if assessment.selection.since is None else "change"


def _queue_row(assessment: Assessment, tutor: Standing) -> Row:
    return (
        tutor.rank,
        tutor.tutor_id,
        tutor.name,
        tuple(tutor.subjects),
        days_between(tutor.onboarding_date, assessment.moments.latest),
        tutor.performance_tier,
        tutor.churn_score,
        tutor.change,
        tutor.risk_level,
        tutor.window_7day_probability,
        tutor.window_30day_probability,
        tutor.window_90day_probability,
        main_reasons(tutor.contributing_factors),
        tutor.open_intervention,
        tutor.intervention_owner,
        tutor.intervention_due,
        tutor.last_session,
        *_advice(assessment, tutor),
    )


def _silent(assessment: Assessment) -> Section:
    rows = tuple(_silent_row(assessment, tutor) for tutor in assessment.silent)
    found = assessment.silent[0].matching if rows else 0
    title = "Silent for 7 days or more" + (f": {found}, {_urgency(assessment, found)}" if found else "")
    # Without predictions nobody was looked at: that is not to be read as all is well.
    if_empty = "nobody" if assessment.tutors else "unknown: no predictions yet"
    return Section("silent", SILENT_COLUMNS, rows, title=title, if_empty=if_empty)


def _urgency(assessment: Assessment, found: int) -> str:
    """Say in a few words what is recommended for all silent tutors found; those not shown score no higher."""
    if assessment.moments.ended_early:
        return "but the data end too early to tell"
    advised = [_advised(assessment, tutor) for tutor in assessment.silent]
    today = [found is not None and found.hours <= HOURS_PER_DAY for found in advised]
    if all(today) and len(today) == found:
        return "contact today"
    return "contact today from Medium up" if any(today) else "contact in 48 h"


def _silent_row(assessment: Assessment, tutor: Standing) -> Row:
    return (
        tutor.tutor_id,
        tutor.name,
        tuple(tutor.subjects),
        tutor.churn_score,
        tutor.risk_level,
        tutor.last_session,
        days_between(tutor.last_session, assessment.moments.latest),
        tutor.booked_last_7_days,
        tutor.booked_next_7_days,
        tutor.open_intervention,
        tutor.intervention_owner,
        tutor.intervention_due,
        *_advice(assessment, tutor),
    )


def _actions(assessment: Assessment) -> Section:
    queue = [(tutor.rank, _advised(assessment, tutor)) for tutor in assessment.queue]
    return actions(queue, [_advised(assessment, tutor) for tutor in assessment.silent])


def _advice(assessment: Assessment, tutor: Standing) -> tuple[str | None, int | None]:
    advised = _advised(assessment, tutor)
    return (advised.intervention.value, advised.hours) if advised else (None, None)


def _advised(assessment: Assessment, tutor: Standing) -> Recommendation | None:
    tenure = days_between(tutor.onboarding_date, assessment.moments.latest)
    silent = tutor.silent and not assessment.moments.ended_early
    return advice(tutor.risk_level, tutor.contributing_factors, tenure, silent=silent)


def days_between(earlier: datetime | None, later: datetime | None) -> int | None:
    """Count whole days."""
    return None if earlier is None or later is None else (later - earlier).days


def _notes(assessment: Assessment, as_of: datetime, commands: Commands) -> Iterator[str]:
    """Say what is not shown, how to see one tutor in full, and when the predictions are old."""
    which = {_asked_for(assessment): assessment.queue, "silent": assessment.silent}
    for name, shown in which.items():
        hidden = shown[0].matching - len(shown) if shown else 0
        if hidden:
            yield f"{hidden:,} more {name}: {commands.more} --limit {hidden + len(shown)}"
    listed = (*assessment.queue, *assessment.silent)
    if listed:
        most = max(listed, key=lambda tutor: tutor.churn_score or 0)
        yield f"One tutor in full, by name or id: {commands.one} --tutor {shlex.quote(_called(most))}"
    if assessment.mixed:
        yield "The changes compare two kinds of score: chances to leave, and uncalibrated ones of another model."
    if old := outdated(assessment, as_of):
        yield old


def _called(tutor: Standing) -> str:
    """Give the name, which is on the screen however narrow it is, or the id where a name can't be typed."""
    return tutor.name if tutor.name.isprintable() and tutor.name.strip() else tutor.tutor_id
