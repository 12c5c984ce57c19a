"""What doctor reports about the backups: nothing, a dump that was never proved, an old proof, a leftover server."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg import sql

from tutormax_cli.database.admin_log import Entry, record
from tutormax_cli.database.connection import connect
from tutormax_cli.database.embedded.account import account_for
from tutormax_cli.database.embedded.throwaway import PREFIX
from tutormax_cli.database.migrations import downgrade
from tutormax_cli.reports.doctor.examine import COPY_CHECKS, examine, examine_copy
from tutormax_cli.reports.doctor.findings import NOTHING, Finding, Patient, State
from tutormax_cli.reports.doctor.proofs import newest_dump
from tutormax_cli.settings import Settings


@pytest.fixture
def patient(settings: Settings, tmp_path: Path) -> Iterator[Patient]:
    with connect(settings) as driver:
        yield Patient(settings, driver, datetime.now(UTC), tmp_path)
        driver.rollback()


def add_dump(patient: Patient, dump_id: str, file: str | None = "/backups/a b.dump") -> None:
    facts = {"id": dump_id, "bytes": 9, "file": file}
    record(patient.driver, Entry("tutormax dump", 1.0, details={"dump": facts}))


def add_proof(patient: Patient, dump_id: str, result: str = "proved") -> None:
    record(patient.driver, Entry("tutormax prove", 1.0, details={"proof": {"id": dump_id, "result": result}}))


def later(patient: Patient, days: float) -> Finding:
    now = datetime.now(UTC) + timedelta(days=days)
    return newest_dump(Patient(patient.settings, patient.driver, now, patient.folder))


def test_without_a_dump_there_is_nothing_to_report(patient: Patient, settings: Settings, tmp_path: Path) -> None:
    assert newest_dump(patient) == NOTHING
    assert "proofs" not in examine(settings, datetime.now(UTC), tmp_path).findings


def test_a_dump_that_was_never_proved(patient: Patient) -> None:
    add_dump(patient, "one")
    found = newest_dump(patient)
    assert (found.state, found.mend) == (State.WARNING, "tutormax prove '/backups/a b.dump'")
    assert found.says.endswith("was never proved")


def test_only_the_newest_dump_counts(patient: Patient) -> None:
    add_dump(patient, "one")
    add_dump(patient, "two", file=None)
    add_proof(patient, "one")
    assert (newest_dump(patient).state, newest_dump(patient).mend) == (State.WARNING, "tutormax prove FILE")
    add_proof(patient, "two")
    assert newest_dump(patient).state is State.OK


def test_a_proof_that_found_differences(patient: Patient) -> None:
    add_dump(patient, "one")
    add_proof(patient, "one")
    add_proof(patient, "one", "differences")
    found = newest_dump(patient)
    assert (found.state, found.mend) == (State.WARNING, "tutormax dump")
    assert found.says.endswith("was not proved: differences")


def test_a_proof_gets_old_after_a_week(patient: Patient) -> None:
    add_dump(patient, "one")
    add_proof(patient, "one")
    assert later(patient, 6.9).state is State.OK
    assert (later(patient, 7.1).state, later(patient, 7.1).mend) == (
        State.WARNING,
        "tutormax prove '/backups/a b.dump'",
    )


def test_a_log_that_cannot_be_read_or_is_older_is_no_warning(patient: Patient, settings: Settings) -> None:
    add_dump(patient, "one")
    role = sql.Identifier(f"blind_{settings.dbname}")
    with patient.driver.transaction(force_rollback=True):
        patient.driver.execute(sql.SQL("CREATE ROLE {0}; SET LOCAL ROLE {0}").format(role))
        assert newest_dump(patient).state is State.NOT_CHECKED
    patient.driver.rollback()
    downgrade(settings, "20261122_1900")
    patient.driver.execute("ALTER TABLE tutormax_admin.log DROP COLUMN details")
    assert newest_dump(patient) == NOTHING
    patient.driver.execute("DROP SCHEMA tutormax_admin CASCADE")
    assert newest_dump(patient) == NOTHING


def test_a_server_that_a_killed_command_left_is_named_with_its_command(
    settings: Settings, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = home / "left"
    parent.mkdir(exist_ok=True)
    parent.chmod(0o1777)
    monkeypatch.setattr("tempfile.tempdir", str(parent))
    folder = parent / f"{PREFIX}1234"
    account_for(folder, folder / "data").make_folder(folder)
    found = examine(settings, datetime.now(UTC), home).findings["throw-away servers"]
    assert (found.state, found.says) == (State.WARNING, f"left by a killed command: {folder}")
    assert found.mend == f"TUTORMAX_HOME={folder} tutormax server stop && rm -r {folder}"
    assert os.system(f"rm -r {folder}") == 0
    assert "throw-away servers" not in examine(settings, datetime.now(UTC), home).findings


def test_a_copy_is_examined_by_the_checks_of_schema_and_data(seeded: Settings) -> None:
    found = examine_copy(seeded, datetime(2026, 6, 1, tzinfo=UTC))
    assert tuple(found) == COPY_CHECKS
    assert {finding.state for finding in found.values()} <= {State.OK, State.WARNING}
