"""Checks of what goes on in the server: vacuum, transaction ids, who blocks whom, who sleeps in a transaction."""

from tutormax_cli.database.models import Base
from tutormax_cli.reports.doctor.findings import Finding, Patient, failed, listed, ok, row, rows, warning

DEAD_ROWS = 10_000
DEAD_SHARE = 0.25
"""Dead rows that a table may hold in any case, and beyond that as a share of the live ones."""

UNANALYZED_ROWS = 5_000
"""Rows from which on a table without statistics gets bad plans."""

OLDEST_TRANSACTION_AGE = 500_000_000
"""Transactions after which one has to wonder why no vacuum came; at 2,000 million the server stops."""

IDLE_SECONDS = 300
BLOCKED_SECONDS = 1
"""How long a session may sleep in a transaction, and how long one may wait for another."""


def vacuum(patient: Patient) -> Finding:
    """Look for tables full of dead rows, or without statistics."""
    if row(patient, "autovacuum")[0] != "on":
        return failed(
            "autovacuum is off: tables bloat, and in the end the server stops",
            "ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();",
        )
    values = {"tables": list(Base.metadata.tables), "dead": DEAD_ROWS, "share": DEAD_SHARE, "live": UNANALYZED_ROWS}
    found = rows(patient, "vacuum", values)
    bloated = [
        f"{table} ({dead:,} dead of {live:,}; vacuumed {last or 'never'})"
        for table, dead, live, last, kind in found
        if kind == "dead"
    ]
    if bloated:
        return warning(f"dead rows: {listed(bloated, 2)}", f"VACUUM (ANALYZE) {found[0][0]};")
    if found:
        return warning(f"never analyzed: {listed([name for name, *_ in found])}", f"ANALYZE {found[0][0]};")
    return ok("no table is bloated or without statistics")


def transaction_ids(patient: Patient) -> Finding:
    """Look how near the server is to stopping because its transaction ids ran out."""
    (age,) = row(patient, "transaction_age")
    says = f"{age:,} transactions since the oldest row was frozen"
    if age >= OLDEST_TRANSACTION_AGE:
        return failed(f"{says}; at 2,000,000,000 the server stops", "VACUUM (FREEZE);")
    return ok("far from running out")


def blocking(patient: Patient) -> Finding:
    """Look for sessions that wait for others."""
    found = rows(patient, "blocking", {"seconds": BLOCKED_SECONDS})
    if not found:
        return ok("no session waits for another")
    blocked, blocker, application, seconds = found[0]
    who = f"pid {blocker}" + (f" ({application})" if application else "")
    more = f", and {len(found) - 1} more wait" if len(found) > 1 else ""
    return warning(
        f"pid {blocked} has waited {seconds:,} s for {who}{more}", f"SELECT pg_terminate_backend({blocker});"
    )


def idle_transactions(patient: Patient) -> Finding:
    """Look for sessions that sleep in a transaction: what they lock stays locked, and no vacuum cleans up."""
    found = rows(patient, "idle_transactions", {"seconds": IDLE_SECONDS})
    if not found:
        return ok("none sleeps in one")
    who = [f"pid {pid} ({application or user}, {seconds:,} s)" for pid, user, application, seconds in found]
    return warning(f"asleep in a transaction: {listed(who)}", f"SELECT pg_terminate_backend({found[0][0]});")
