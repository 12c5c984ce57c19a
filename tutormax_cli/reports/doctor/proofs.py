"""The check of the backups: was the newest dump proved, and not too long ago?"""

import shlex
from datetime import timedelta

from tutormax_cli.reports.doctor.findings import NOTHING, Finding, Patient, State, ok, rows, warning
from tutormax_cli.reports.words import day_words

OLDEST_PROOF = timedelta(days=7)
"""How old the last proof of a dump may be."""


def newest_dump(patient: Patient) -> Finding:
    """Look whether the newest dump in the admin log was proved. Without a dump there is nothing to report."""
    access = rows(patient, "log_access")
    if access and not access[0][0]:
        return Finding(State.NOT_CHECKED, "this role may not read the admin log")
    found = rows(patient, "newest_dump") if access else []
    if not found:
        return NOTHING
    made_at, file, result, proved_at, last_proof = found[0]
    command = f"tutormax prove {shlex.quote(file) if file else 'FILE'}"
    if result is None:
        return warning(f"the newest dump, of {day_words(made_at)}, was never proved", command)
    if result != "proved":
        return warning(f"the newest dump, of {day_words(made_at)}, was not proved: {result}", "tutormax dump")
    if patient.now - last_proof > OLDEST_PROOF:
        return warning(f"the last proof of a dump is of {day_words(last_proof)}", command)
    return ok(f"the newest dump was proved {day_words(proved_at)}")
