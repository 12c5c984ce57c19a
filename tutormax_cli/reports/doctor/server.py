"""Checks of the server and of our way to it: version, encryption, clock, rights, extensions, connections."""

from datetime import UTC, datetime

from tutormax_cli.database.environment import on_this_machine
from tutormax_cli.database.models import Base
from tutormax_cli.database.revisions import VERSION_TABLE
from tutormax_cli.reports.doctor.findings import Finding, Patient, failed, listed, ok, row, rows, warning

OLDEST, NEWEST = 14, 18
"""The major versions of PostgreSQL that TutorMax supports."""

CLOCK_SECONDS = 2.0
CLOCK_SECONDS_BAD = 60.0
"""By how much this machine's clock may differ from the server's before it matters, and before it spoils as-of."""

CONNECTIONS_SHARE = 0.8


def version(patient: Patient) -> Finding:
    """Look whether this PostgreSQL is one that TutorMax supports."""
    number = patient.driver.info.server_version // 10_000
    says = f"PostgreSQL {patient.driver.info.parameter_status('server_version')}"
    if number < OLDEST:
        return failed(f"{says}: older than {OLDEST}, the oldest that is supported", "upgrade the server")
    if number > NEWEST:
        return warning(f"{says}: newer than {NEWEST}, the newest that was tested", "pip install --upgrade tutormax")
    return ok(says)


def encryption(patient: Patient) -> Finding:
    """Look whether others on the way to the server can listen."""
    info = patient.driver.info
    if on_this_machine(patient.driver):
        return ok("the server is on this machine")
    mend = "add to the URL: ?sslmode=verify-full&sslrootcert=system"
    if not patient.driver.pgconn.ssl_in_use:
        return failed(f"everything goes to {info.host} unencrypted, the password's exchange too", mend)
    mode = info.get_parameters().get("sslmode", "prefer")
    if mode.startswith("verify"):
        return ok("TLS, and the server's certificate is verified")
    return warning(f"TLS, but nobody verifies that it is {info.host} who answers (sslmode={mode})", mend)


def clock(patient: Patient) -> Finding:
    """Compare this machine's clock with the server's."""
    before = datetime.now(UTC)
    answer = patient.driver.execute("SELECT clock_timestamp()").fetchone()
    after = datetime.now(UTC)
    assert answer is not None
    difference = abs((answer[0] - (before + (after - before) / 2)).total_seconds())
    says = f"this machine's clock and the server's differ by {difference:,.1f} s"
    mend = "set the clock by the network's time: timedatectl set-ntp true"
    if difference >= CLOCK_SECONDS_BAD:
        return failed(says, mend)
    return warning(says, mend) if difference >= CLOCK_SECONDS else ok("this machine's clock agrees with the server's")


def rights(patient: Patient) -> Finding:
    """Look what the role that we connect as may do."""
    tables = [*Base.metadata.tables, VERSION_TABLE]
    role, superuser, found, owned, readable, writable, log = row(patient, "rights", {"tables": tables})
    if found < len(tables):
        return warning(f"{role}: rights can't be told while tables are missing", "tutormax migrate up")
    if superuser and not (patient.settings.local and on_this_machine(patient.driver)):
        return warning(f"{role} is a superuser: more than daily work needs", "tutormax roles")
    if readable < found:
        return failed(f"{role} may not read all tables", "tutormax roles")
    if writable < len(Base.metadata.tables):
        return ok(f"{role} may read, not write")
    if not log:
        return failed(f"{role} may write rows but not the admin log, so commands will refuse", "tutormax roles")
    return ok(f"{role} owns the tables" if owned == found else f"{role} may read and write rows")


def extensions(patient: Patient) -> Finding:
    """Look for extensions that the server has a newer version of than the database."""
    installed = rows(patient, "extensions")
    behind = [name for name, version, newest in installed if newest is not None and version != newest]
    if not any(name == "plpgsql" for name, _, _ in installed):
        return failed("plpgsql is missing, which guards the admin log", "CREATE EXTENSION plpgsql;")
    if behind:
        return warning(f"older than what the server has: {listed(behind)}", f"ALTER EXTENSION {behind[0]} UPDATE;")
    return ok(f"{listed([f'{name} {version}' for name, version, _ in installed], 5)}")


def connections(patient: Patient) -> Finding:
    """Look how many of the server's connections are taken."""
    used, most = row(patient, "connections")
    says = f"{used} of {most} connections are taken"
    if used >= CONNECTIONS_SHARE * most:
        return warning(says, "close idle applications, use a pooler, or raise max_connections")
    return ok(says)
