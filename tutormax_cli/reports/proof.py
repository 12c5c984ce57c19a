"""The proof of a dump: the checks of a restored copy, and the report of what was found."""

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from tutormax_cli.database.engine import command_engine
from tutormax_cli.database.failures import explain
from tutormax_cli.errors import CheckFailed
from tutormax_cli.reports.doctor.examine import COPY_CHECKS, examine_copy
from tutormax_cli.reports.doctor.findings import State
from tutormax_cli.reports.render import Format, render
from tutormax_cli.reports.report import Column, Fact, Kind, Report, Section, Tone
from tutormax_cli.reports.risk import risk_report
from tutormax_cli.reports.risk_data import Selection, assess
from tutormax_cli.reports.words import counted, day_words
from tutormax_cli.settings import Settings

if TYPE_CHECKING:
    from tutormax_cli.backup.archive import Archive
    from tutormax_cli.backup.prove import Check, Compared, Proof

_ADMIN_LOG = "admin log"

_RESULT_TONES = {
    "proved": Tone.GOOD,
    "differences": Tone.BAD,
    "failed": Tone.BAD,
    "not provable": Tone.WARNING,
}
_STEP_TONES = {"ok": Tone.GOOD, "failed": Tone.BAD, "not run": Tone.WARNING}
_COMPARED_TONES = {"ok": Tone.GOOD, "different": Tone.BAD, "not sealed": Tone.WARNING}


def copy_checks(now: datetime) -> "dict[str, Check]":
    """Return the checks of a restored copy, by name: doctor's of schema and data, and a risk report."""
    return {"doctor": partial(_examine, now), "risk report": partial(_render_risk_report, now)}


def _examine(now: datetime, copy: Settings, archive: "Archive") -> str:
    """Run doctor's checks of schema and data. Raises CheckFailed if one fails; warnings pass.

    A backup of TutorMax's tables alone has no admin log to check.
    """
    from tutormax_cli.backup.tables import LOG

    names = [name for name in COPY_CHECKS if name != _ADMIN_LOG or LOG in archive.rows]
    findings = examine_copy(copy, now, names)
    failed = [f"{name}: {found.says}" for name, found in findings.items() if found.state is State.FAILED]
    if failed:
        raise CheckFailed("; ".join(failed))
    warned = [f"{name}: {found.says}" for name, found in findings.items() if found.state is State.WARNING]
    passed = f"{counted(len(findings) - len(warned), 'check')} passed"
    return "; ".join([passed, *(f"warning: {line}" for line in warned)])


def _render_risk_report(now: datetime, copy: Settings, archive: "Archive") -> str:
    """Render the risk report of the newest predictions. Raises CheckFailed if the copy can't be read."""
    engine = command_engine(copy)
    try:
        with Session(engine) as db:
            assessment = assess(db, now, Selection())
    except SQLAlchemyError as problem:
        raise CheckFailed(explain(problem).message) from problem
    finally:
        engine.dispose()
    render(risk_report(assessment, now), Format.TABLE)
    latest = assessment.moments.latest
    return "no predictions yet" if latest is None else f"predictions of {day_words(latest)}"


def proof_report(proof: "Proof") -> Report:
    """List the steps of a proof, and each table, sequence and the large objects with the result of the comparison."""
    return Report(
        "prove",
        "Proof",
        (_steps(proof), _tables(proof), _others(proof)),
        facts=_facts(proof),
        main=("steps", "tables", "others"),
    )


def _facts(proof: "Proof") -> tuple[Fact, ...]:
    archive, seal = proof.archive, proof.archive.seal
    return (
        (Column("result", "result", tones=_RESULT_TONES), proof.result.value),
        (Column("file", "file"), str(archive.path)),
        (Column("bytes", "size", Kind.BYTES), proof.bytes),
        (Column("made_at", "dumped"), archive.made_at),
        (Column("dump_id", "id", absent="none: not sealed"), seal.dump_id if seal else None),
        (Column("source", "of database", absent="unknown"), seal.database if seal else None),
        (Column("revision", "schema at"), archive.revision),
        (Column("version", "PostgreSQL", Kind.INT), proof.version),
        (Column("seconds", "in", Kind.SECONDS), proof.seconds),
    )


def _steps(proof: "Proof") -> Section:
    columns = (
        Column("step", "step"),
        Column("outcome", "result", tones=_STEP_TONES),
        Column("seconds", "time", Kind.SECONDS),
        Column("finding", "finding", flexible=True, wrap=True, min_width=30),
    )
    return Section(
        "steps", columns, tuple((step.name, step.outcome.value, step.seconds, step.message) for step in proof.steps)
    )


def _tables(proof: "Proof") -> Section:
    columns = (
        Column("table", "table"),
        Column("rows", "rows", Kind.INT),
        Column("sealed_rows", "sealed", Kind.INT),
        Column("contents", "contents", tones=_COMPARED_TONES),
    )
    rows = tuple(
        (each.name, each.rows, each.sealed_rows, _verdict(proof, each))
        for each in proof.compared
        if each.kind == "table"
    )
    return Section("tables", columns, rows, if_empty="Nothing was restored.")


def _others(proof: "Proof") -> Section:
    columns = (
        Column("name", "also"),
        Column("kind", "kind"),
        Column("contents", "contents", tones=_COMPARED_TONES),
    )
    rows = tuple((each.name, each.kind, _verdict(proof, each)) for each in proof.compared if each.kind != "table")
    return Section("others", columns, rows)


def _verdict(proof: "Proof", compared: "Compared") -> str:
    if compared.difference:
        return "different"
    return "ok" if proof.archive.seal else "not sealed"
