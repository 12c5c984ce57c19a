"""An examination as a report."""

from tutormax_cli.reports.doctor.examine import Examination
from tutormax_cli.reports.doctor.findings import State
from tutormax_cli.reports.report import Column, Fact, Kind, Report, Section, Tone
from tutormax_cli.settings import Settings

_TONES: dict[str, Tone] = {
    State.OK: Tone.GOOD,
    State.WARNING: Tone.WARNING,
    State.FAILED: Tone.BAD,
    State.NOT_CHECKED: Tone.NOTICE,
}


def doctor_report(examination: Examination, settings: Settings) -> Report:
    """List what was found, a line a check: its state, what it says, and what mends it."""
    columns = (
        Column("check", "check"),
        Column("state", "state", tones=_TONES),
        Column("says", "finding", flexible=True, wrap=True, min_width=30),
        Column("mend", "mend with", joined=" → {}"),
    )
    found = tuple(
        (name, finding.state.value, finding.says, finding.mend) for name, finding in examination.findings.items()
    )
    mark = examination.environment
    facts: tuple[Fact, ...] = (
        (Column("", "database"), settings.description),
        (Column("environment", "marked", absent="nothing"), mark.value if mark else None),
        *(_count(examination, state) for state in (State.FAILED, State.WARNING, State.OK)),
    )
    sql = any((finding.mend or "").endswith(";") for finding in examination.findings.values())
    notes = ("What ends in a semicolon is SQL, for: tutormax shell",) if sql else ()
    return Report("doctor", "Doctor", (Section("checks", columns, found),), facts=facts, notes=notes)


def _count(examination: Examination, state: State) -> Fact:
    return Column(state.value, state.value, Kind.INT), examination.count(state)
