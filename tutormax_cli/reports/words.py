"""The words and tones that several reports use: for stored values, for times, for counted things."""

import enum
from datetime import UTC, datetime, time

from tutormax_cli.database.enums import PerformanceTier, RiskLevel
from tutormax_cli.reports.report import Column, Fact, Kind, Tone

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
