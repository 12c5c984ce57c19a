"""The words and tones that several reports use: for stored values, for times, for counted things."""

import enum
from datetime import UTC, datetime, time, timedelta

from tutormax_cli.database.enums import PerformanceTier, RiskLevel
from tutormax_cli.reports.report import Column, Fact, Kind, Layout, Section, Tone, record

LEVEL_TONES: dict[str, Tone] = {
    RiskLevel.CRITICAL: Tone.BAD,
    RiskLevel.HIGH: Tone.WARNING,
    RiskLevel.MEDIUM: Tone.NOTICE,
}
TIER_TONES: dict[str, Tone] = {
    PerformanceTier.EXEMPLARY: Tone.GOOD,
    PerformanceTier.NEEDS_ATTENTION: Tone.WARNING,
    PerformanceTier.AT_RISK: Tone.BAD,
}

METRIC_WORDS = {
    "sessions_completed": "sessions held",
    "avg_rating": "ratings",
    "first_session_success_rate": "first sessions",
    "reschedule_rate": "reschedules",
    "no_show_count": "no-shows",
    "engagement_score": "engagement",
    "learning_objectives_met_pct": "learning objectives met",
    "response_time_avg_minutes": "response time",
}
"""The metrics' names for people, by column name."""

DATA_REACH = timedelta(days=2)
"""Where the newest session lies longer before a time than this, the data end before that time."""


def labels_of(kind: type[enum.StrEnum]) -> dict[str, str]:
    """Give each stored value the words that people read: retention_interview is "retention interview"."""
    return {member.value: member.value.replace("_", " ") for member in kind}


def as_of_fact(moment: datetime | None) -> Fact:
    """Give the time that a report is of."""
    return Column("as_of", "as of", moment_kind(moment)), moment


def moment_kind(moment: datetime | None) -> Kind:
    """Show midnight as a day, any other time in full."""
    midnight = moment is None or moment.astimezone(UTC).time() == time.min
    return Kind.DATE if midnight else Kind.TIMESTAMP


def counted(number: int, noun: str) -> str:
    """Write a number of things: 1 tutor, 2,000 tutors."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def day_words(moment: datetime) -> str:
    """Write the day (UTC) of a time as in 1 Jun 2026."""
    day = moment.astimezone(UTC)
    return f"{day.day} {day:%b %Y}"


def typed_time(moment: datetime) -> str:
    """Write a time as an option takes it: a midnight in UTC as its day, any other time in full."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}".removesuffix("T00:00:00Z")


def with_as_of(command: str, as_of: datetime | None) -> str:
    """Write a command for the time that was asked for, if one was."""
    return command if as_of is None else f"{command} --as-of {typed_time(as_of)}"


def data_end_early(newest: datetime | None, as_of: datetime | None) -> bool:
    """Tell whether the newest session held before `as_of` lies so far back that the data must end there."""
    return newest is not None and as_of is not None and as_of - newest > DATA_REACH


def at_data_end(command: str, newest: datetime) -> str:
    """Write a command for the midnight (UTC) after the newest session, where the data still tell everything."""
    return f"{command} --as-of {(newest.astimezone(UTC) + timedelta(days=1)).date()}"


def early_end(newest: datetime | None, as_of: datetime | None, command: str) -> str | None:
    """Say how long before `as_of` the data end and what to do; None where they reach it, or hold no session."""
    if newest is None or as_of is None or not data_end_early(newest, as_of):
        return None
    return (
        f"The data end {day_words(newest)}, {counted((as_of - newest).days, 'day')} before: import newer sessions,"
        f" or look at that time: {at_data_end(command, newest)}"
    )


def warning_sections(warning: str | None) -> tuple[Section, ...]:
    """Give the section that stands at the top of a report with something to warn of; none without."""
    if warning is None:
        return ()
    return (record("warning", [(Column("text", "", tones={warning: Tone.WARNING}), warning)], layout=Layout.LINE),)
