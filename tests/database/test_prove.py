"""What a proof finds: the same contents, differences, rows that are refused, a copy that can't be used."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from psycopg import sql

from tests.conftest import Server
from tests.support.archives import changed, pg_dump, resealed, sealed, unsealed
from tests.support.clusters import debian_cluster
from tests.support.connections import connect
from tutormax_cli.backup import copy_server
from tutormax_cli.backup.contents import Digest
from tutormax_cli.backup.dump import dump
from tutormax_cli.backup.prove import Check, Outcome, Proof, Result, prove, record_proof
from tutormax_cli.database.admin_log import entries
from tutormax_cli.database.connection import connect as connect_as_command
from tutormax_cli.database.migrations import downgrade, upgrade
from tutormax_cli.database.names import TableName
from tutormax_cli.database.revisions import revisions
from tutormax_cli.errors import CheckFailed, SchemaNotReady, TutormaxError, UsageError
from tutormax_cli.reports.proof import copy_checks, proof_report
from tutormax_cli.reports.render import Format, render
from tutormax_cli.settings import Settings

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def company(seeded: Settings, home: Path) -> Path:
    """A sealed dump of the small company."""
    path = home / "proved.dump"
    dump(seeded, path)
    return path


@pytest.fixture
def nowhere(server: Server) -> Iterator[Settings]:
    """A database that does not exist yet."""
    name = f"tutormax_test_{os.urandom(6).hex()}"
    yield server.database(name)
    server.drop(name)


def proof_of(path: Path, into: Settings, checks: Mapping[str, Check] | None = None) -> Proof:
    return prove(into, path, copy_checks(NOW) if checks is None else checks, into=into)


def failed_steps(proof: Proof) -> dict[str, str]:
    return {step.name: step.message for step in proof.steps if step.outcome is Outcome.FAILED}


def test_a_dump_is_proved(company: Path, nowhere: Settings) -> None:
    proof = proof_of(company, nowhere)
    assert proof.result is Result.PROVED
    assert [step.name for step in proof.steps] == [
        "read the file",
        "restore",
        "compare",
        "migrate",
        "doctor",
        "risk report",
    ]
    assert {each.difference for each in proof.compared} == {None}
    found = {each.name: (each.rows, each.sealed_rows) for each in proof.compared if each.kind == "table"}
    assert found["tutors"] == (60, 60) and "alembic_version" in found and "tutormax_admin.log" in found
    assert [each.name for each in proof.compared if each.kind == "sequence"] == ["tutormax_admin.log_id_seq"]


def test_a_changed_number_of_rows_is_a_difference(company: Path, nowhere: Settings, tmp_path: Path) -> None:
    seal = sealed(company)
    other = replace(seal, contents=changed(seal.contents, "tutors", rows=61))
    proof = proof_of(resealed(company, tmp_path / "a.dump", other), nowhere)
    assert proof.result is Result.DIFFERENCES
    assert failed_steps(proof) == {"compare": "table tutors: expected 61 rows, found 60"}
    assert proof.steps[-1].outcome is Outcome.OK  # the copy is checked all the same


@pytest.mark.parametrize("what", ["checksum", "missing", "not expected", "sequence", "large objects"])
def test_every_kind_of_difference_is_found(company: Path, nowhere: Settings, tmp_path: Path, what: str) -> None:
    seal = sealed(company)
    contents = seal.contents
    log = TableName("tutormax_admin", "log_id_seq")
    without = {name: digest for name, digest in contents.tables.items() if name.name != "students"}
    changes = {
        "checksum": changed(contents, "sessions", checksum="1"),
        "missing": replace(contents, tables={**contents.tables, TableName("public", "gone"): Digest(0, "0")}),
        "not expected": replace(contents, tables=without),
        "sequence": replace(contents, sequences={log: "41, called"}),
        "large objects": replace(contents, large_objects=Digest(1, "5")),
    }
    proof = proof_of(resealed(company, tmp_path / "a.dump", replace(seal, contents=changes[what])), nowhere, {})
    assert proof.result is Result.DIFFERENCES
    assert what in failed_steps(proof)["compare"].replace("contents differ", "checksum")


def test_a_dump_without_a_seal_is_restored_and_counted(company: Path, nowhere: Settings, tmp_path: Path) -> None:
    proof = proof_of(unsealed(company, tmp_path / "a.dump"), nowhere)
    assert proof.result is Result.NOT_PROVABLE
    assert failed_steps(proof) == {}
    assert {each.name: each.rows for each in proof.compared}["tutors"] == 60
    assert record_proof(nowhere, proof) == "the dump does not identify its database"


def test_rows_that_break_the_dumps_own_constraints_are_no_proof(
    settings: Settings, nowhere: Settings, tmp_path: Path
) -> None:
    with connect(settings) as driver:
        driver.execute("CREATE FUNCTION fine(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true'")
        driver.execute("CREATE TABLE odd (x int CHECK (fine(x))); INSERT INTO odd VALUES (1)")
        driver.execute("CREATE OR REPLACE FUNCTION fine(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT false'")
    dump(settings, tmp_path / "a.dump")
    proof = proof_of(tmp_path / "a.dump", nowhere)
    assert proof.result is Result.FAILED
    assert failed_steps(proof) == {"restore": "the dump can't be restored: the database refused a row: odd.odd_x_check"}
    assert [step.outcome for step in proof.steps[2:]] == [Outcome.SKIPPED] * 4


def test_a_dump_of_a_schema_that_doctor_rejects_is_no_proof(
    settings: Settings, nowhere: Settings, tmp_path: Path
) -> None:
    with connect(settings) as driver:
        driver.execute("ALTER TABLE students DROP CONSTRAINT ck_students_age_range")
    dump(settings, tmp_path / "a.dump")
    proof = proof_of(tmp_path / "a.dump", nowhere)
    assert proof.result is Result.FAILED
    assert "constraints: missing: students.ck_students_age_range" in failed_steps(proof)["doctor"]


def test_an_older_dump_is_migrated(settings: Settings, nowhere: Settings, tmp_path: Path) -> None:
    downgrade(settings, revisions()[0].id)
    dump(settings, tmp_path / "a.dump")
    proof = proof_of(tmp_path / "a.dump", nowhere)
    assert proof.result is Result.PROVED
    assert {step.name: step.message for step in proof.steps}["migrate"] == "ran " + ", ".join(
        revision.id for revision in revisions()[1:]
    )
    assert {step.name: step.message for step in proof.steps}["risk report"] == "no predictions yet"


def test_a_backup_of_our_tables_alone_is_proved(seeded: Settings, nowhere: Settings, tmp_path: Path) -> None:
    dump(seeded, tmp_path / "a.dump", ours_alone=True)
    proof = proof_of(tmp_path / "a.dump", nowhere)
    assert (proof.result, failed_steps(proof)) == (Result.PROVED, {})
    assert {each.name for each in proof.compared if each.kind == "sequence"} == set()


def test_other_programs_tables_sequences_and_large_objects_are_proved_too(
    settings: Settings, nowhere: Settings, tmp_path: Path
) -> None:
    with connect(settings) as driver:
        driver.execute('CREATE SCHEMA "Ot her"; CREATE TABLE "Ot her"."a.b" ("id" serial, "t" text)')
        driver.execute("""INSERT INTO "Ot her"."a.b" (t) VALUES ('one'), (NULL); SELECT lo_from_bytea(0, '\\x00ff')""")
    dump(settings, tmp_path / "a.dump")
    proof = proof_of(tmp_path / "a.dump", nowhere)
    assert proof.result is Result.PROVED
    found = {each.name: each.rows for each in proof.compared}
    assert found["Ot her.a.b"] == 2 and found["all"] == 1
    assert "Ot her.a.b_id_seq" in found


@pytest.mark.parametrize(
    "made",
    [
        "CREATE TABLE public.orders (id int)",
        "CREATE SCHEMA zoo CREATE TABLE beds (id int) PARTITION BY LIST (id)",
        "CREATE MATERIALIZED VIEW public.seen AS SELECT 1 AS one",
    ],
)
def test_a_database_that_holds_tables_is_refused_and_unchanged(
    server: Server, company: Path, nowhere: Settings, made: str
) -> None:
    server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(nowhere.dbname)))
    with connect(nowhere) as driver:
        driver.execute(made.encode())
    with pytest.raises(UsageError, match="is not empty: it holds table"):
        proof_of(company, nowhere)


def test_the_database_itself_is_not_empty(company: Path, settings: Settings) -> None:
    with pytest.raises(UsageError, match="is not empty: it holds table alembic_version and 9 more"):
        proof_of(company, settings)


def test_a_cut_or_changed_file_is_a_failed_check(company: Path, nowhere: Settings, tmp_path: Path) -> None:
    whole = company.read_bytes()
    damaged = tmp_path / "damaged.dump"
    body = len(whole.partition(b"\ntutormax seal ")[0])
    cuts = [whole[:length] for length in (100, body // 2, body - 3, body + 9, len(whole) - 1)]
    changes = [whole[:place] + bytes([whole[place] ^ 8]) + whole[place + 1 :] for place in (300, body // 2, body + 40)]
    for content in [*cuts, *changes]:
        damaged.write_bytes(content)
        with pytest.raises(CheckFailed, match="is damaged") as refused:
            proof_of(damaged, nowhere)
        assert str(refused.value.hint) == "make another dump: tutormax dump"


def test_a_dump_of_a_newer_program_is_refused(settings: Settings, nowhere: Settings, tmp_path: Path) -> None:
    with connect(settings) as driver:
        driver.execute("UPDATE alembic_version SET version_num = '29990101_0000'")
    dump(settings, tmp_path / "a.dump")
    with pytest.raises(SchemaNotReady, match="newer than this tutormax"):
        proof_of(tmp_path / "a.dump", nowhere)


def test_an_archive_of_a_newer_pg_dump_is_refused(company: Path, nowhere: Settings, tmp_path: Path) -> None:
    newer = bytearray(unsealed(company, tmp_path / "a.dump").read_bytes())
    newer[6] = 99  # PGDMP, then the major and the minor version of the format
    (tmp_path / "a.dump").write_bytes(newer)
    with pytest.raises(TutormaxError, match="written by a newer pg_dump"):
        proof_of(tmp_path / "a.dump", nowhere)


def test_a_dump_of_a_newer_server_needs_another_server(company: Path, tmp_path: Path, settings: Settings) -> None:
    plain = unsealed(company, tmp_path / "a.dump")
    with connect(settings) as driver:
        version = (driver.info.parameter_status("server_version") or "").encode()
    stored = len(version).to_bytes(4, "little") + version
    assert stored in plain.read_bytes()
    plain.write_bytes(plain.read_bytes().replace(stored, stored.replace(version[:2], b"99", 1), 1))
    with pytest.raises(TutormaxError, match="older than the server's version 99") as refused:
        prove(settings, plain, {})
    assert "tutormax prove" in str(refused.value.hint) and "--into URL" in str(refused.value.hint)


def test_too_little_space_is_said_before_anything_is_made(
    company: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_server, "SPACE_PER_BYTE", 10**12)
    with pytest.raises(TutormaxError, match="not enough disk space to restore") as refused:
        prove(settings, company, {})
    assert refused.value.hint == "use another disk: export TMPDIR=FOLDER"


def test_another_programs_archive_is_no_dump(server: Server, nowhere: Settings, tmp_path: Path) -> None:
    server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(nowhere.dbname)))
    with connect(nowhere) as driver:
        driver.execute("CREATE TABLE orders AS SELECT 1 AS id")
    with pytest.raises(UsageError, match="not of a TutorMax database"):
        proof_of(pg_dump(nowhere, tmp_path / "other.dump"), nowhere)


@pytest.mark.debian
def test_missing_extensions_are_named_and_another_server_can_have_them(home: Path, tmp_path: Path) -> None:
    with debian_cluster(home / "extensions") as debian:
        source, copy = debian.database("source"), debian.database("copy")
        for each in (source, copy):
            debian.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(each.dbname)))
        upgrade(source)
        with connect(source) as driver:
            driver.execute('CREATE EXTENSION citext; CREATE EXTENSION "uuid-ossp"')
            driver.execute("CREATE TABLE words AS SELECT 'Ada'::citext AS word")
        dump(source, tmp_path / "a.dump")
        with pytest.raises(TutormaxError, match="PostgreSQL 16 here does not have: citext, uuid-ossp") as refused:
            prove(source, tmp_path / "a.dump", {})
        assert f"tutormax prove {tmp_path / 'a.dump'} --into URL" in str(refused.value.hint)
        proof = proof_of(tmp_path / "a.dump", copy)
        assert (proof.result, proof.version) == (Result.PROVED, 15)


def test_the_result_is_logged_in_the_database_that_was_dumped_alone(
    seeded_settings: Settings, server: Server, nowhere: Settings, tmp_path: Path
) -> None:
    dump(seeded_settings, tmp_path / "a.dump")
    proof = proof_of(tmp_path / "a.dump", nowhere, {})
    seal = sealed(tmp_path / "a.dump")
    assert record_proof(seeded_settings, proof) is None
    with connect_as_command(seeded_settings) as driver:
        entry = entries(driver, 1)[0]
    assert entry.details == {"proof": {"id": seal.dump_id, "result": "proved", "file": str(tmp_path / "a.dump")}}
    assert (entry.outcome, entry.exit_code, entry.seconds) == ("done", 0, round(proof.seconds, 3))
    assert str(record_proof(nowhere, proof)).endswith("is not the database that was dumped")
    elsewhere = replace(proof, archive=replace(proof.archive, seal=replace(seal, system_identifier="1")))
    assert str(record_proof(seeded_settings, elsewhere)).endswith("is not the database that was dumped")
    unreachable = replace(seeded_settings, keywords={"host": "/nowhere", "dbname": "none", "user": "nobody"})
    assert "cannot reach" in str(record_proof(unreachable, proof))
    unmade = Settings("nothing configured", None, tmp_path / "home")
    assert record_proof(unmade, proof) == "no database is configured"
    assert not (tmp_path / "home").exists()


def test_differences_are_logged_as_a_failure(seeded_settings: Settings, nowhere: Settings, tmp_path: Path) -> None:
    dump(seeded_settings, tmp_path / "a.dump")
    seal = sealed(tmp_path / "a.dump")
    other = replace(seal, contents=changed(seal.contents, "tutors", rows=61))
    proof = proof_of(resealed(tmp_path / "a.dump", tmp_path / "b.dump", other), nowhere, {})
    assert record_proof(seeded_settings, proof) is None
    with connect_as_command(seeded_settings) as driver:
        entry = entries(driver, 1)[0]
    assert (entry.outcome, entry.exit_code) == ("failed", 5)
    assert entry.details is not None and entry.details["proof"]["result"] == "differences"


@pytest.mark.parametrize("format", list(Format))
def test_the_report_can_be_had_in_every_format(company: Path, nowhere: Settings, format: Format) -> None:
    text = render(proof_report(proof_of(company, nowhere, {})), format)
    assert "tutors" in text and "log_id_seq" in text
