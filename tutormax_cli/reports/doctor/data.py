"""Checks of the data: is it fresh, are metrics and predictions, and is somebody looking after those at risk?"""

from datetime import datetime, timedelta

from tutormax_cli.database.enums import RiskLevel
from tutormax_cli.reports.doctor.findings import Finding, Patient, listed, ok, row, rows, warning

STALE_SESSIONS = timedelta(days=7)
"""With no session for so long, either nobody works or nobody brings the data in."""

METRICS_BEHIND = timedelta(days=1)
"""How far the metrics may lag behind the sessions."""


def sessions(patient: Patient) -> Finding:
    """Look how far the recorded sessions reach."""
    newest, _, _ = _moments(patient)
    if newest is None:
        return ok("no session has been held yet")
    if patient.now - newest > STALE_SESSIONS:
        return warning(f"the newest was held {_day(newest)}, {_ago(patient, newest)}", "tutormax import sessions FILE")
    return ok(f"the newest was held {_day(newest)}")


def metrics(patient: Patient) -> Finding:
    """Look whether the metrics are as new as the sessions."""
    newest, measured, _ = _moments(patient)
    if newest is None:
        return ok("no session has been held yet")
    if measured is None:
        return warning("sessions are recorded, but nobody was evaluated", "tutormax evaluate")
    if newest - measured > METRICS_BEHIND:
        return warning(f"of {_day(measured)}, but there are sessions of {_day(newest)}", "tutormax evaluate")
    return ok(f"of {_day(measured)}")


def predictions(patient: Patient) -> Finding:
    """Look whether the predictions are as new as the metrics."""
    _, measured, predicted = _moments(patient)
    if measured is None:
        return ok("nobody was evaluated yet")
    if predicted is None:
        return warning("tutors are evaluated, but nothing is predicted", "tutormax predict")
    if predicted.date() < measured.date():
        return warning(f"of {_day(predicted)}, but there are metrics of {_day(measured)}", "tutormax predict")
    return ok(f"of {_day(predicted)}")


def high_risk(patient: Patient) -> Finding:
    """Look for active tutors at high risk whom nobody looks after."""
    found = rows(patient, "unattended", {"score": RiskLevel.HIGH.floor, "now": patient.now})
    if not found:
        return ok("nobody at high risk is without an open intervention")
    names = [f"{tutor_id} ({score})" for tutor_id, score in found]
    return warning(
        f"{len(found)} without an open intervention: {listed(names)}", f"tutormax risk-report --tutor {found[0][0]}"
    )


def overdue(patient: Patient) -> Finding:
    """Look for interventions that should be done by now."""
    found = rows(patient, "overdue", {"now": patient.now})
    if not found:
        return ok("none is overdue")
    tutor_id, due, _ = found[0]
    return warning(f"{len(found)} overdue, the oldest since {_day(due)}", f"tutormax risk-report --tutor {tutor_id}")


def _moments(patient: Patient) -> tuple[datetime | None, datetime | None, datetime | None]:
    """Give the times of the newest held session, metrics and prediction."""
    newest, measured, predicted = row(patient, "freshness", {"now": patient.now})
    return newest, measured, predicted


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%b %Y}"


def _ago(patient: Patient, moment: datetime) -> str:
    return f"{(patient.now - moment).days} days ago"
