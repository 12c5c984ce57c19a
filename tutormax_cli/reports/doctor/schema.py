"""Checks of the schema: its revision, drift, broken indexes and constraints, and the admin log."""

from functools import cache

from sqlalchemy.dialects import registry
from sqlalchemy.schema import AddConstraint

from tutormax_cli.database.models import Base
from tutormax_cli.database.revisions import schema_state
from tutormax_cli.reports.doctor.findings import Finding, Patient, failed, listed, ok, row, rows, warning

OURS = {"tables": list(Base.metadata.tables)}


def revision(patient: Patient) -> Finding:
    """Look whether the schema stands where this program wants it."""
    state = schema_state(patient.driver)
    if state.newer_than_program:
        return failed(
            f"at {state.current}, newer than this tutormax (head {state.head})", "pip install --upgrade tutormax"
        )
    if state.current is None:
        return failed("there is no TutorMax schema", "tutormax init")
    if state.pending:
        return failed(f"at {state.current}, {len(state.pending)} revision(s) behind", "tutormax migrate up")
    return ok(f"at {state.current}, the newest")


def drift(patient: Patient) -> Finding:
    """Compare the tables with the models."""
    from tutormax_cli.database.drift import drift as find_drift

    state = schema_state(patient.driver)
    if state.newer_than_program or state.pending:
        return warning("not compared with the models while the schema is at another revision", "tutormax migrate up")
    differences = find_drift(patient.settings)
    if differences:
        return failed(f"the tables differ from the models: {listed(differences)}", "tutormax migrate check")
    return ok("the tables are as the models say")


def indexes(patient: Patient) -> Finding:
    """Look for indexes that a failed CREATE INDEX CONCURRENTLY left behind: kept up with every write, used by none."""
    invalid = [name for (name,) in rows(patient, "invalid_indexes", OURS)]
    if invalid:
        return failed(f"invalid: {listed(invalid)}", f"REINDEX INDEX CONCURRENTLY {invalid[0]};")
    return ok("all are valid")


def constraints(patient: Patient) -> Finding:
    """Look for constraints that are missing, that old rows may break, and for foreign keys that are switched off."""
    found = rows(patient, "constraints", OURS)
    if not found:
        return warning("there are none: the tables are missing", "tutormax init")
    missing = [name for name in _expected() if name not in {(table, name) for table, name, _, _ in found}]
    if missing:
        return failed(f"missing: {listed(['.'.join(each) for each in missing])}", f"{_expected()[missing[0]]};")
    for table, name, _, switched_on in found:
        if not switched_on:
            return failed(f"{table}.{name} is switched off", f"ALTER TABLE {table} ENABLE TRIGGER ALL;")
    unproved = [(table, name) for table, name, valid, _ in found if not valid]
    if unproved:
        table, name = unproved[0]
        return warning(
            f"never checked against the rows that were there: {listed(['.'.join(each) for each in unproved])}",
            f'ALTER TABLE {table} VALIDATE CONSTRAINT "{name}";',
        )
    return ok(f"all {len(found)} hold")


@cache
def _expected() -> dict[tuple[str, str], str]:
    """Give the constraints that the models declare, by table and name, with the SQL that adds each."""
    dialect = registry.load("postgresql.psycopg")()
    found = {
        (table.name, str(dialect.identifier_preparer.format_constraint(constraint))): constraint
        for table in Base.metadata.sorted_tables
        for constraint in table.constraints
    }
    return {
        name: " ".join(str(AddConstraint(constraint, isolate_from_table=False).compile(dialect=dialect)).split())
        for name, constraint in sorted(found.items(), key=lambda item: item[0])
    }


def admin_log(patient: Patient) -> Finding:
    """Look whether the admin log is there and can only be added to."""
    exists, guarded, switched_on = row(patient, "admin_log")
    again = "tutormax migrate stamp 20251107_0000, then tutormax migrate up"
    if not exists:
        state = schema_state(patient.driver)
        early = "tutormax init" if state.current is None else "tutormax migrate up" if state.pending else None
        return failed("there is no admin log", early or again)
    if not guarded:
        return failed("what keeps entries of the admin log from being changed is missing, or another one", again)
    if not switched_on:
        return failed(
            "entries of the admin log can be changed",
            "ALTER TABLE tutormax_admin.log ENABLE ALWAYS TRIGGER append_only;",
        )
    return ok("can only be added to")
