"""From the embedded database to a server: one snapshot, straight into one transaction, compared at the end."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import monotonic

import psycopg

from tutormax_cli.backup.loading import load
from tutormax_cli.backup.programs import output_of
from tutormax_cli.backup.progress import Listener, Stage, silent
from tutormax_cli.backup.script import Section
from tutormax_cli.backup.tables import Digest, count_rows, digests, existing, for_people, people_call
from tutormax_cli.backup.transaction import Work, lock_out_writers, one_transaction
from tutormax_cli.database.admin_log import SCHEMA as LOG_SCHEMA
from tutormax_cli.database.clients import client_environment, client_program
from tutormax_cli.database.connection import connect
from tutormax_cli.database.embedded import EmbeddedServer
from tutormax_cli.database.revisions import VERSION_TABLE, require_head, schema_state
from tutormax_cli.database.time_limits import lift_time_limits
from tutormax_cli.errors import TutormaxError, UsageError
from tutormax_cli.settings import Settings


@dataclass(frozen=True, slots=True)
class Promoted:
    """What was moved: rows by table as people call it, the same digest on both sides, and the servers' versions."""

    tables: Mapping[str, Digest]
    source_version: int
    target_version: int
    seconds: float


def embedded_settings(chosen: Settings) -> Settings:
    """Give the settings of the embedded database, whatever is configured. Raises UsageError where there is none."""
    server = EmbeddedServer(chosen.home, chosen.pg_version)
    if server.status().version is None:
        raise UsageError(
            f"there is no embedded database in {chosen.home}", "set TUTORMAX_HOME to the folder that has it"
        )
    return replace(chosen, source="the embedded database", keywords=None)


def promote(
    source: Settings,
    target: Settings,
    *,
    waiting: Callable[[str], None] = lambda why: None,
    listener: Listener = silent,
) -> Promoted:
    """Copy one database into another that holds no rows of ours, in one transaction, and compare every table.

    The source stays as it is. Raises UsageError where the target holds rows, SchemaNotReady, LockTimeout or
    TutormaxError.
    """
    began = monotonic()
    with _snapshot(source) as (held, snapshot), one_transaction(target, waiting) as work:
        _make_room(work)
        script = _script(source, held, snapshot, with_log=not _has_log(work.driver))
        tables = existing(held)
        listener(Stage("reading"))
        expected = count_rows(held, tables)
        rows = load(work.driver, script, expected, listener)
        listener(Stage("comparing"))
        there, here = digests(held, rows), digests(work.driver, rows)
        _compare(there, here)
        shown = {people_call(name): digest for name, digest in here.items() if name in tables}
        shown.pop(VERSION_TABLE, None)
        work.record({name: digest.rows for name, digest in shown.items()}, "copied")
        versions = _major(held), _major(work.driver)
        listener(Stage("commit"))
    return Promoted(shown, *versions, monotonic() - began)


@contextmanager
def _snapshot(source: Settings) -> Iterator[tuple[psycopg.Connection, str]]:
    """Hold a transaction on the source that never sees anything later, and name it for pg_dump to share."""
    with connect(source) as driver:
        driver.isolation_level, driver.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
        lift_time_limits(driver)
        require_head(schema_state(driver))
        row = driver.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        yield driver, row[0]


def _make_room(work: Work) -> None:
    """Drop our tables in the target, which hold nothing. Raises UsageError where they hold something."""
    tables = existing(work.driver)
    lock_out_writers(work.driver, tables)
    held = for_people(count_rows(work.driver, tables))
    if any(held.values()):
        what = ", ".join(f"{rows:,} {table}" for table, rows in held.items() if rows)
        raise UsageError(f"the server's database already holds rows: {what}", "name an empty one")
    work.drop(tables)


def _has_log(driver: psycopg.Connection) -> bool:
    row = driver.execute("SELECT to_regnamespace(%s) IS NOT NULL", [LOG_SCHEMA]).fetchone()
    return row is not None and bool(row[0])


def _script(
    source: Settings, driver: psycopg.Connection, snapshot: str, *, with_log: bool
) -> Callable[[Section], Iterator[bytes]]:
    """Give what has pg_dump write a section of the source as the snapshot sees it."""
    options = [f"--snapshot={snapshot}", "--no-owner", "--no-privileges", "--no-password"]
    if not with_log:
        options.append(f"--exclude-schema={LOG_SCHEMA}")
    program = client_program("pg_dump", source, _major(driver))

    def script(section: Section) -> Iterator[bytes]:
        return output_of([program, f"--section={section}", *options], client_environment(source))

    return script


def _compare(there: Mapping[str, Digest], here: Mapping[str, Digest]) -> None:
    """Raise TutormaxError where a table isn't the same on both sides."""
    wrong = [people_call(table) for table in there if there[table] != here[table]]
    if wrong:
        raise TutormaxError(
            f"the copies of {', '.join(wrong)} differ from their originals; nothing was changed",
            "look for triggers or other settings of the server, then try again",
        )


def _major(driver: psycopg.Connection) -> int:
    return driver.info.server_version // 10_000
