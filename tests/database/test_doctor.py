"""Every check of the doctor in both states, and the examination as a whole where there is little to examine.

A fault is made in the transaction that the check then looks at, and taken back with it.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.conftest import Server
from tests.support.connections import connect
from tutormax_cli.database.environment import Environment, mark
from tutormax_cli.reports.doctor import access, activity, data, machine, schema, server
from tutormax_cli.reports.doctor.examine import CHECKS, Examination, examine
from tutormax_cli.reports.doctor.findings import Check, Finding, Patient, State
from tutormax_cli.settings import Settings

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def company(server: Server, seeded: Settings) -> Iterator[Settings]:
    with server.clone(seeded) as database:
        yield database


@pytest.fixture
def patient(company: Settings, tmp_path: Path) -> Iterator[Patient]:
    with connect(company) as driver:
        yield Patient(company, driver, AS_OF, tmp_path)
        driver.rollback()


def whole(settings: Settings, folder: Path, now: datetime = AS_OF) -> Examination:
    return examine(settings, now, folder)


def test_a_healthy_company(company: Settings, tmp_path: Path) -> None:
    found = whole(company, tmp_path)
    unwell = {name: finding for name, finding in found.findings.items() if finding.state is not State.OK}
    # Statistics of the clone come when the server likes, and seeded companies leave work undone.
    assert set(unwell) <= {"vacuum", "high risk", "interventions"}, unwell
    assert {"connection", *CHECKS, "settings file"} - {"proofs"} == set(found.findings)
    assert (found.environment, found.unreachable) == (None, None)


FAULTS: dict[str, tuple[Check, str, State, str, str]] = {
    "an invalid index": (
        schema.indexes,
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_tutors_status'::regclass",
        State.FAILED,
        "invalid: public.ix_tutors_status",
        "REINDEX INDEX CONCURRENTLY public.ix_tutors_status;",
    ),
    "a constraint that is not valid": (
        schema.constraints,
        'ALTER TABLE students ADD CONSTRAINT "ck Odd" CHECK (age < 5) NOT VALID',
        State.WARNING,
        "never checked against the rows that were there: students.ck Odd",
        'ALTER TABLE students VALIDATE CONSTRAINT "ck Odd";',
    ),
    "a missing constraint": (
        schema.constraints,
        "ALTER TABLE students DROP CONSTRAINT ck_students_age_range",
        State.FAILED,
        "missing: students.ck_students_age_range",
        "ALTER TABLE students ADD CONSTRAINT ck_students_age_range CHECK (age BETWEEN 0 AND 130);",
    ),
    "foreign keys switched off": (
        schema.constraints,
        "ALTER TABLE student_feedback DISABLE TRIGGER ALL",
        State.FAILED,
        "student_feedback.fk_student_feedback_student_id_students is switched off",
        "ALTER TABLE student_feedback ENABLE TRIGGER ALL;",
    ),
    "a pending revision": (
        schema.revision,
        "UPDATE alembic_version SET version_num = '20261122_1900'",
        State.FAILED,
        "at 20261122_1900, 1 revision(s) behind",
        "tutormax migrate up",
    ),
    "a newer schema": (
        schema.revision,
        "UPDATE alembic_version SET version_num = '29990101_0000'",
        State.FAILED,
        "at 29990101_0000, newer than this tutormax",
        "pip install --upgrade tutormax",
    ),
    "no schema": (
        schema.revision,
        "DROP TABLE alembic_version",
        State.FAILED,
        "there is no TutorMax schema",
        "tutormax init",
    ),
    "an admin log that can be changed": (
        schema.admin_log,
        "ALTER TABLE tutormax_admin.log DISABLE TRIGGER append_only",
        State.FAILED,
        "entries of the admin log can be changed",
        "ALTER TABLE tutormax_admin.log ENABLE ALWAYS TRIGGER append_only;",
    ),
    "an admin log whose guard lets pass": (
        schema.admin_log,
        "CREATE OR REPLACE FUNCTION tutormax_admin.refuse() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RETURN NULL; END $$",
        State.FAILED,
        "is missing, or another one",
        "tutormax migrate stamp 20251107_0000, then tutormax migrate up",
    ),
    "an admin log that can be emptied": (
        schema.admin_log,
        "CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE ON tutormax_admin.log"
        " FOR EACH STATEMENT EXECUTE FUNCTION tutormax_admin.refuse();"
        "ALTER TABLE tutormax_admin.log ENABLE ALWAYS TRIGGER append_only",
        State.FAILED,
        "is missing, or another one",
        "tutormax migrate stamp 20251107_0000, then tutormax migrate up",
    ),
    "a schema where everybody may create": (
        access.rights_of_public,
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        State.WARNING,
        "every role may create functions in schema public",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC;",
    ),
    "a function named like PostgreSQL's own": (
        access.look_alikes,
        "CREATE ROLE stranger_in_doctor; GRANT CREATE ON SCHEMA public TO stranger_in_doctor;"
        "SET LOCAL ROLE stranger_in_doctor;"
        "CREATE FUNCTION public.quote_ident(name) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$; RESET ROLE",
        State.FAILED,
        "function public.quote_ident(name) of role stranger_in_doctor",
        "DROP FUNCTION public.quote_ident(name);",
    ),
    "a stranger's type in our schema": (
        access.look_alikes,
        "CREATE ROLE stranger_in_doctor; GRANT CREATE ON SCHEMA public TO stranger_in_doctor;"
        "SET LOCAL ROLE stranger_in_doctor; CREATE DOMAIN public.mark AS int; RESET ROLE",
        State.WARNING,
        "migrations will refuse the schema while it holds type public.mark of role stranger_in_doctor",
        "DROP DOMAIN public.mark;",
    ),
    "a trigger's function without a path": (
        access.trigger_functions,
        "CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;"
        "CREATE TRIGGER noted BEFORE INSERT ON public.tutors FOR EACH ROW EXECUTE FUNCTION public.note()",
        State.WARNING,
        "public.note (trigger noted on tutors)",
        "ALTER FUNCTION public.note() SET search_path = public, pg_temp;",
    ),
    "no admin log": (
        schema.admin_log,
        "DROP SCHEMA tutormax_admin CASCADE",
        State.FAILED,
        "there is no admin log",
        "tutormax migrate stamp 20251107_0000, then tutormax migrate up",
    ),
    "an outdated extension": (
        server.extensions,
        "UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'plpgsql'",
        State.WARNING,
        "older than what the server has: plpgsql",
        "ALTER EXTENSION plpgsql UPDATE;",
    ),
    "no plpgsql": (
        server.extensions,
        "DELETE FROM pg_extension",
        State.FAILED,
        "plpgsql is missing",
        "CREATE EXTENSION plpgsql;",
    ),
    "a missing table": (
        server.rights,
        "DROP TABLE tutor_events",
        State.WARNING,
        "rights can't be told while tables are missing",
        "tutormax migrate up",
    ),
    "old metrics": (
        data.metrics,
        "UPDATE tutor_performance_metrics SET calculation_date = calculation_date - interval '9 days'",
        State.WARNING,
        "of 23 May 2026, but there are sessions of 31 May 2026",
        "tutormax evaluate",
    ),
    "no metrics": (
        data.metrics,
        "DELETE FROM tutor_performance_metrics",
        State.WARNING,
        "nobody was evaluated",
        "tutormax evaluate",
    ),
    "old predictions": (
        data.predictions,
        "DELETE FROM churn_predictions WHERE prediction_date > '2026-05-20'",
        State.WARNING,
        "of 18 May 2026, but there are metrics of 1 Jun 2026",
        "tutormax predict",
    ),
    "no predictions": (
        data.predictions,
        "DELETE FROM churn_predictions",
        State.WARNING,
        "nothing is predicted",
        "tutormax predict",
    ),
    "old sessions": (
        data.sessions,
        "DELETE FROM sessions WHERE scheduled_start >= '2026-05-20'",
        State.WARNING,
        "the newest was held 19 May 2026, 12 days ago",
        "tutormax import sessions FILE",
    ),
}
"""Check, the fault, and what is found: state, words, what mends it."""


@pytest.mark.parametrize(("check", "fault", "state", "says", "mend"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found_with_what_mends_it(
    patient: Patient, check: Check, fault: str, state: State, says: str, mend: str
) -> None:
    assert check(patient).state is State.OK
    patient.driver.execute(fault.encode())
    patient.driver.execute("SET LOCAL search_path = pg_catalog, pg_temp")
    found = check(patient)
    assert (found.state, found.mend) == (state, mend)
    assert says in found.says


def test_a_tutor_at_high_risk_whom_nobody_looks_after(patient: Patient) -> None:
    patient.driver.execute("DELETE FROM interventions")
    found = data.high_risk(patient)
    assert found.state is State.WARNING and "without an open intervention: tutor_" in found.says
    patient.driver.execute("UPDATE tutors SET status = 'inactive', churned_at = NULL WHERE status = 'active'")
    assert data.high_risk(patient).state is State.OK


def test_an_overdue_intervention(patient: Patient) -> None:
    patient.driver.execute("UPDATE interventions SET due_date = NULL")
    assert data.overdue(patient).state is State.OK
    patient.driver.execute(
        "INSERT INTO interventions (intervention_id, tutor_id, intervention_type, recommended_date, status, due_date)"
        " VALUES ('late', 'tutor_00001', 'recognition', '2026-05-01', 'in_progress', '2026-05-09')"
    )
    found = data.overdue(patient)
    assert found == Finding(
        State.WARNING, "1 overdue, the oldest since 9 May 2026", "tutormax risk-report --tutor tutor_00001"
    )


def test_no_sessions_is_no_fault(patient: Patient) -> None:
    patient.driver.execute("TRUNCATE tutors CASCADE")
    for check in (data.sessions, data.metrics, data.predictions, data.high_risk, data.overdue):
        assert check(patient).state is State.OK


def test_dead_rows_and_missing_statistics(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = patient.driver
    driver.execute("SELECT pg_stat_reset()")
    monkeypatch.setattr(activity, "UNANALYZED_ROWS", -1)
    found = activity.vacuum(patient)
    assert found.state is State.WARNING and found.says.startswith("never analyzed: ")
    assert found.mend and found.mend.startswith("ANALYZE ")
    monkeypatch.setattr(activity, "DEAD_ROWS", -1)
    found = activity.vacuum(patient)
    assert found.state is State.WARNING and "(0 dead of 0; vacuumed never)" in found.says
    assert found.mend and found.mend.startswith("VACUUM (ANALYZE) ")


@pytest.mark.parametrize(
    ("constant", "check", "state"),
    [
        ("OLDEST_TRANSACTION_AGE", activity.transaction_ids, State.FAILED),
        ("IDLE_SECONDS", activity.idle_transactions, State.OK),  # nobody sleeps, however short the patience
    ],
)
def test_limits_decide(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, constant: str, check: Check, state: State
) -> None:
    assert check(patient).state is State.OK
    monkeypatch.setattr(activity, constant, 0)
    assert check(patient).state is state


def test_a_session_asleep_in_a_transaction_and_one_that_waits_for_it(
    patient: Patient, company: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "IDLE_SECONDS", 0)
    monkeypatch.setattr(activity, "BLOCKED_SECONDS", 0)
    assert activity.blocking(patient).state is State.OK
    patient.driver.rollback()
    named = replace(company, keywords={**(company.keywords or {}), "application_name": "nightly"})
    with connect(named) as sleeper, connect(company) as waiting:
        sleeper.execute("LOCK TABLE tutors")
        thread = threading.Thread(target=waiting.execute, args=(b"SELECT count(*) FROM tutors",))
        thread.start()
        blocked = until_blocked(patient)
        asleep = activity.idle_transactions(patient)
        pid, waiting_pid = sleeper.info.backend_pid, waiting.info.backend_pid
        sleeper.rollback()
        thread.join()
    assert blocked.says == f"pid {waiting_pid} has waited 0 s for pid {pid} (nightly)"
    assert blocked.mend == asleep.mend == f"SELECT pg_terminate_backend({pid});"
    assert (blocked.state, asleep.state) == (State.WARNING, State.WARNING)


def until_blocked(patient: Patient) -> Finding:
    deadline = time.monotonic() + 10
    while (found := activity.blocking(patient)).state is State.OK and time.monotonic() < deadline:
        patient.driver.rollback()
        time.sleep(0.02)
    return found


def test_the_clock(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert server.clock(patient).state is State.OK
    for limit, state in (("CLOCK_SECONDS", State.WARNING), ("CLOCK_SECONDS_BAD", State.FAILED)):
        monkeypatch.setattr(server, limit, 0.0)
        assert server.clock(patient).state is state


@pytest.mark.parametrize(("oldest", "newest", "state"), [(99, 99, State.FAILED), (1, 9, State.WARNING)])
def test_the_version(patient: Patient, monkeypatch: pytest.MonkeyPatch, oldest: int, newest: int, state: State) -> None:
    assert server.version(patient).state is State.OK
    monkeypatch.setattr(server, "OLDEST", oldest)
    monkeypatch.setattr(server, "NEWEST", newest)
    assert server.version(patient).state is state


def test_connections(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert server.connections(patient).state is State.OK
    monkeypatch.setattr(server, "CONNECTIONS_SHARE", 0.0)
    assert server.connections(patient).state is State.WARNING


@pytest.mark.parametrize(
    ("granted", "state", "says"),
    [
        ("", State.FAILED, "may not read all tables"),
        ("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}", State.OK, "may read, not write"),
        ("GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}", State.FAILED, "but not the admin log"),
        (
            "GRANT ALL ON ALL TABLES IN SCHEMA public, tutormax_admin TO {role};"
            "GRANT USAGE ON SCHEMA tutormax_admin TO {role}",
            State.OK,
            "may read and write rows",
        ),
    ],
    ids=["none", "reads", "writes", "writes and logs"],
)
def test_rights(patient: Patient, granted: str, state: State, says: str) -> None:
    role = f"nurse_{patient.settings.dbname}"
    patient.driver.execute(f"CREATE ROLE {role}; {granted.format(role=role)}; SET ROLE {role}".encode())
    found = server.rights(patient)
    assert found.state is state
    assert says in found.says


def test_a_superuser_far_away_has_more_rights_than_it_needs(patient: Patient) -> None:
    far = replace(patient.settings, keywords={**(patient.settings.keywords or {}), "host": "db.example.com"})
    assert server.rights(replace(patient, settings=far)).state is State.WARNING


def test_drift(seeded_settings: Settings, tmp_path: Path) -> None:
    with connect(seeded_settings) as driver:
        driver.execute("ALTER TABLE tutors ADD COLUMN phone text")
        driver.execute("ALTER TABLE students ADD CONSTRAINT odd CHECK (age < 5) NOT VALID")
    found = whole(seeded_settings, tmp_path).findings["drift"]
    assert (found.state, found.mend) == (State.FAILED, "tutormax migrate check")
    assert "phone" in found.says


def test_a_check_that_may_not_look_says_so_and_the_others_go_on(
    company: Settings, server: Server, tmp_path: Path
) -> None:
    name = f"blind_{company.dbname}"
    role = sql.Identifier(name)
    server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'blind'").format(role))
    try:
        blind = replace(company, keywords={**(company.keywords or {}), "user": name, "password": "blind"})
        found = whole(blind, tmp_path).findings
    finally:
        server.execute(sql.SQL("DROP ROLE {}").format(role))
    assert found["rights"].state is State.FAILED
    for check in ("sessions", "metrics", "predictions", "high risk", "interventions", "schema"):
        assert found[check].state is State.WARNING, check
        assert found[check].says.startswith("could not be checked: this role may not do that: permission denied")
    assert found["indexes"].state is State.OK


def test_a_database_without_a_schema(server: Server, tmp_path: Path) -> None:
    found = whole(server.database("postgres"), tmp_path).findings
    assert (found["schema"].state, found["schema"].mend) == (State.FAILED, "tutormax init")
    assert (found["constraints"].mend, found["admin log"].mend) == ("tutormax init", "tutormax init")
    assert found["sessions"].says.startswith("could not be checked: relation")
    assert found["version"].state is State.OK


def test_a_database_that_is_not_there(server: Server, tmp_path: Path) -> None:
    found = whole(server.database("nowhere"), tmp_path)
    assert found.unreachable is not None and found.unreachable.exit_code == 3
    assert found.findings["connection"].mend == "create it: tutormax init"
    assert {found.findings[name].state for name in CHECKS} == {State.NOT_CHECKED}
    assert found.findings["settings file"].state is State.OK


def test_nothing_is_made_where_nothing_is_configured(tmp_path: Path) -> None:
    home = tmp_path / "home"
    found = whole(Settings("nothing configured", None, home), tmp_path)
    assert found.findings["connection"].mend == "make it: tutormax init"
    assert not home.exists()


def test_the_mark_is_told(seeded_settings: Settings, tmp_path: Path) -> None:
    with connect(seeded_settings) as driver:
        mark(driver, Environment.STAGING)
    assert whole(seeded_settings, tmp_path).environment is Environment.STAGING


@pytest.mark.parametrize(("mode", "state"), [(0o600, State.OK), (0o640, State.WARNING), (0o644, State.FAILED)])
def test_who_can_read_the_settings_file(tmp_path: Path, mode: int, state: State) -> None:
    path = tmp_path / ".env"
    path.touch()
    path.chmod(mode)
    found = machine.settings_file(tmp_path / ".env")
    assert found.state is state
    assert (found.mend is None) == (state is State.OK)
    if found.mend:
        assert found.mend == f"chmod 600 {path}"


def test_who_can_enter_the_folders_of_the_embedded_server(tmp_path: Path) -> None:
    embedded = Settings("nothing configured", None, tmp_path)
    for name in ("data", "run"):
        (tmp_path / name).mkdir(mode=0o700)
    assert machine.embedded_folders(embedded).state is State.OK
    (tmp_path / "data").chmod(0o750)
    found = machine.embedded_folders(embedded)
    assert (found.state, found.mend) == (State.FAILED, f"chmod 700 {tmp_path / 'data'}")


def test_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded = Settings("nothing configured", None, tmp_path)
    for little, too_little, state in ((0, 0, State.OK), (10**18, 0, State.WARNING), (10**18, 10**18, State.FAILED)):
        monkeypatch.setattr(machine, "LITTLE_ROOM", little)
        monkeypatch.setattr(machine, "TOO_LITTLE_ROOM", too_little)
        assert machine.disk_room(embedded).state is state


class Away:
    """A connection to another machine."""

    def __init__(self, driver: psycopg.Connection, encrypted: bool, mode: str) -> None:
        self.info = AwayInfo(mode)
        self.pgconn = AwayConnection(encrypted)


class AwayInfo:
    """What libpq tells of such a connection."""

    host, hostaddr = "db.example.com", "203.0.113.7"

    def __init__(self, mode: str) -> None:
        self.mode = mode

    def get_parameters(self) -> dict[str, str]:
        return {"sslmode": self.mode}


class AwayConnection:
    """Whether it is encrypted."""

    def __init__(self, encrypted: bool) -> None:
        self.ssl_in_use = encrypted


@pytest.mark.parametrize(
    ("encrypted", "mode", "state"),
    [
        (False, "prefer", State.FAILED),
        (True, "prefer", State.WARNING),
        (True, "require", State.WARNING),
        (True, "verify-full", State.OK),
    ],
)
def test_encryption(patient: Patient, encrypted: bool, mode: str, state: State) -> None:
    assert server.encryption(patient).state is State.OK  # on this machine
    away = replace(patient, driver=Away(patient.driver, encrypted, mode))  # type: ignore[arg-type]
    assert server.encryption(away).state is state


def test_autovacuum_off(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "row", lambda patient, name: ("off",))
    assert activity.vacuum(patient).state is State.FAILED


def test_time_passes(patient: Patient) -> None:
    later = replace(patient, now=AS_OF + timedelta(days=30))
    assert (data.sessions(patient).state, data.sessions(later).state) == (State.OK, State.WARNING)
