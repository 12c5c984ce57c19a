"""Checks of what other roles could have run with our rights: look-alikes, rights of PUBLIC, triggers without a path."""

from tutormax_cli.database.look_alikes import look_alikes as find_look_alikes
from tutormax_cli.database.triggers import functions_without_path
from tutormax_cli.reports.doctor.findings import Finding, Patient, failed, listed, ok, rows, warning


def look_alikes(patient: Patient) -> Finding:
    """Look for functions, operators, casts and types of other roles that could run in place of PostgreSQL's own."""
    found = find_look_alikes(patient.driver)
    shadowing = [each for each in found if each.shadows]
    if shadowing:
        names = [f"{each.description} of role {each.owner}" for each in shadowing]
        return failed(f"named like PostgreSQL's own: {listed(names, 2)}", shadowing[0].drop)
    ours = [each for each in found if each.schema == patient.driver.schema]
    if ours:
        names = [f"{each.description} of role {each.owner}" for each in ours]
        return warning(f"migrations will refuse the schema while it holds {listed(names, 2)}", ours[0].drop)
    return ok("no other role owns a function, operator, cast or type that looks like PostgreSQL's own")


def rights_of_public(patient: Patient) -> Finding:
    """Look for schemas in which every role may create functions, which others may then run by mistake."""
    schemas = [name for (name,) in rows(patient, "open_schemas")]
    if schemas:
        return warning(
            f"every role may create functions in schema {listed(schemas)}",
            f"REVOKE CREATE ON SCHEMA {schemas[0]} FROM PUBLIC;",
        )
    return ok("nobody creates anything in a schema without being granted the right")


def trigger_functions(patient: Patient) -> Finding:
    """Look for other programs' triggers on our tables that would fail under the search_path of our commands."""
    found = functions_without_path(patient.driver)
    if found:
        names = [f"{each.function} (trigger {each.trigger} on {each.table})" for each in found]
        return warning(f"without a search_path of their own: {listed(names, 2)}", found[0].fix)
    return ok("every trigger's function has a search_path of its own, or there are none")
