"""The whole examination: every check in its order, each surviving what the others do."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from time import monotonic

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from tutormax_cli.database.connection import connect
from tutormax_cli.database.environment import Environment, marked
from tutormax_cli.database.failures import explain
from tutormax_cli.database.revisions import require_chosen_schema
from tutormax_cli.errors import ConnectionFailed, TutormaxError
from tutormax_cli.reports.doctor import access, activity, data, machine, proofs, schema, server
from tutormax_cli.reports.doctor.findings import NOTHING, Check, Finding, Patient, State, failed, ok, warning
from tutormax_cli.settings import Settings

PATIENCE_SECONDS = 10
LOCK_SECONDS = 1
"""How long one statement of a check may take and may wait for a lock: a doctor must not become the disease."""

CHECKS: dict[str, Check] = {
    "version": server.version,
    "encryption": server.encryption,
    "clock": server.clock,
    "rights": server.rights,
    "look-alikes": access.look_alikes,
    "rights of PUBLIC": access.rights_of_public,
    "trigger functions": access.trigger_functions,
    "extensions": server.extensions,
    "connections": server.connections,
    "schema": schema.revision,
    "drift": schema.drift,
    "indexes": schema.indexes,
    "constraints": schema.constraints,
    "admin log": schema.admin_log,
    "vacuum": activity.vacuum,
    "transaction ids": activity.transaction_ids,
    "blocking": activity.blocking,
    "idle transactions": activity.idle_transactions,
    "sessions": data.sessions,
    "metrics": data.metrics,
    "predictions": data.predictions,
    "high risk": data.high_risk,
    "interventions": data.overdue,
    "proofs": proofs.newest_dump,
}
"""The checks that need the database, by name, in their order."""

COPY_CHECKS = ("schema", "drift", "indexes", "constraints", "admin log", "high risk", "interventions")
"""The checks of schema and data that make sense for a copy: not those of server, freshness and proofs."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found, by the check's name; the database's mark; and the error, where it could not be reached."""

    findings: dict[str, Finding]
    environment: Environment | None
    unreachable: TutormaxError | None = None

    def count(self, state: State) -> int:
        """Count the findings of one state."""
        return sum(finding.state is state for finding in self.findings.values())


def examine(settings: Settings, now: datetime, folder: Path) -> Examination:
    """Make every check. `now` is the time; `folder` is the working directory. Changes nothing."""
    here = _examine_machine(settings, folder)
    began = monotonic()
    try:
        _refuse_unmade(settings)
        with connect(settings) as driver:
            driver.read_only = True
            require_chosen_schema(driver)
            reached = _reached(settings, driver, monotonic() - began)
            environment = marked(driver)
            found = _examine_database(Patient(settings, driver, now, folder))
    except (TutormaxError, psycopg.Error) as problem:
        error = problem if isinstance(problem, TutormaxError) else explain(problem)
        nothing = dict.fromkeys(CHECKS, Finding(State.NOT_CHECKED, "no connection"))
        return Examination({"connection": failed(error.message, error.hint)} | nothing | here, None, error)
    return Examination({"connection": reached} | found | here, environment)


def examine_copy(settings: Settings, now: datetime, names: Iterable[str] = COPY_CHECKS) -> dict[str, Finding]:
    """Make some checks of a copy of a database. Raises ConnectionFailed."""
    with connect(settings) as driver:
        driver.read_only = True
        return _examine_database(Patient(settings, driver, now, Path()), names)


def _refuse_unmade(settings: Settings) -> None:
    """Keep from making the embedded server's cluster, which connecting would."""
    if settings.embedded and not (settings.home / "data").exists():
        raise ConnectionFailed("nothing is configured, and there is no embedded database yet", "make it: tutormax init")


def _reached(settings: Settings, driver: psycopg.Connection, seconds: float) -> Finding:
    return ok(f"{driver.info.dbname} on {settings.place} as {driver.info.user}, in {1000 * seconds:,.0f} ms")


def _examine_machine(settings: Settings, folder: Path) -> dict[str, Finding]:
    checks: dict[str, Callable[[], Finding]] = {
        "settings file": partial(machine.settings_file, settings.env_file or folder / ".env"),
        "throw-away servers": machine.throwaway_servers,
        "unfinished files": partial(machine.stray_files, settings, folder),
    }
    if settings.embedded and settings.home.exists():
        checks["folders"] = partial(machine.embedded_folders, settings)
        checks["disk"] = partial(machine.disk_room, settings)
    return _with_something_to_say({name: _survived(check) for name, check in checks.items()})


def _with_something_to_say(findings: Mapping[str, Finding]) -> dict[str, Finding]:
    return {name: finding for name, finding in findings.items() if finding != NOTHING}


def _examine_database(patient: Patient, names: Iterable[str] = CHECKS) -> dict[str, Finding]:
    limits = f"SET LOCAL statement_timeout = '{PATIENCE_SECONDS}s'; SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"
    patient.driver.execute(limits.encode())
    return _with_something_to_say({name: _survived(partial(_apart, CHECKS[name], patient)) for name in names})


def _apart(check: Check, patient: Patient) -> Finding:
    """Make a check whose error doesn't end the transaction of the others."""
    with patient.driver.transaction():
        return check(patient)


def _survived(check: Callable[[], Finding]) -> Finding:
    """Make a check, and say it as a warning where that is not possible."""
    try:
        return check()
    except (psycopg.Error, SQLAlchemyError) as problem:
        error = explain(problem)
    except TutormaxError as problem:
        error = problem
    except OSError as problem:
        error = TutormaxError(f"{problem.filename or ''} {problem.strerror}".strip())
    return warning(f"could not be checked: {error.message}", error.hint)
