"""The words and tones that several reports use for stored values."""

import enum

from tutormax_cli.database.enums import PerformanceTier, RiskLevel
from tutormax_cli.reports.report import Tone

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
