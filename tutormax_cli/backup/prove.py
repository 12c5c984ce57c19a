"""Whether a dump can be restored and used, and holds what the database held when it was made."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import psycopg

from tutormax_cli.backup.archive import Archive, read_archive
from tutormax_cli.backup.contents import Contents, differences, list_tables, read_contents
from tutormax_cli.backup.copy_server import another_server, empty_database, require_extensions, throwaway_copy
from tutormax_cli.backup.progress import Listener, Stage, silent
from tutormax_cli.backup.replacing import replace_tables
from tutormax_cli.backup.restore import require_restorable
from tutormax_cli.backup.seal import Seal, system_identifier
from tutormax_cli.backup.table_of_contents import DamagedArchiveError
from tutormax_cli.backup.transaction import one_transaction
from tutormax_cli.database import admin_log
from tutormax_cli.database.connection import connect
from tutormax_cli.database.failures import explain
from tutormax_cli.database.migrations import upgrade
from tutormax_cli.errors import CheckFailed, ConnectionFailed, TutormaxError
from tutormax_cli.settings import Settings

_BAD_ROWS = ("22", "23")
"""Classes of SQLSTATE that blame the rows in the dump: data exceptions and broken constraints."""


class Outcome(StrEnum):
    """How a step ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "not run"


class Result(StrEnum):
    """What a proof found. A dump without a seal can be restored, but there is nothing to compare it with."""

    PROVED = "proved"
    DIFFERENCES = "differences"
    FAILED = "failed"
    NOT_PROVABLE = "not provable"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a proof: how long it took, how it ended, and a line about it."""

    name: str
    seconds: float
    outcome: Outcome
    message: str


@dataclass(frozen=True, slots=True)
class Compared:
    """A table, a sequence or the large objects: rows in the copy and in the seal, and the difference, if any.

    `rows` and `sealed_rows` are None for sequences, and where it is missing.
    """

    kind: str
    name: str
    rows: int | None
    sealed_rows: int | None
    difference: str | None


@dataclass(frozen=True, slots=True)
class Proof:
    """The proof of one dump. `version` is the major version of the server that the copy was made on."""

    archive: Archive
    bytes: int
    version: int
    steps: tuple[Step, ...]
    compared: tuple[Compared, ...]
    seconds: float

    @property
    def result(self) -> Result:
        """Return what was found."""
        if any(each.difference for each in self.compared):
            return Result.DIFFERENCES
        if any(step.outcome is not Outcome.OK for step in self.steps):
            return Result.FAILED
        return Result.PROVED if self.archive.seal else Result.NOT_PROVABLE


Check = Callable[[Settings, Archive], str]
"""Checks a restored and migrated copy, and returns a line about it. Raises CheckFailed."""


def prove(
    settings: Settings,
    path: Path,
    checks: Mapping[str, Check],
    *,
    into: Settings | None = None,
    waiting: Callable[[str], None] = lambda why: None,
    note: Callable[[str], None] = lambda line: None,
    listener: Listener = silent,
) -> Proof:
    """Restore a dump, compare it with its seal, migrate the copy to the newest revision and check that.

    The copy is made on a throw-away server, or in the empty database `into`, where it stays. `note` is called with a
    line for people. Raises CheckFailed for a damaged file, UsageError for a file that is no dump or a database that is
    not empty, and TutormaxError if the proof could not be made.
    """
    began = monotonic()
    archive = _read(settings, path, listener)
    read = Step("read the file", monotonic() - began, Outcome.OK, f"{sum(archive.rows.values()):,} rows")
    with throwaway_copy(archive, note) if into is None else empty_database(into, archive) as copy:
        version = require_extensions(copy, archive)
        comparison = _Comparison(archive.seal)
        works: dict[str, Callable[[], str]] = {
            "restore": lambda: _restore(copy, archive, comparison, waiting, listener),
            "compare": comparison.judge,
            "migrate": lambda: _migrate(copy),
            **{name: partial(check, copy, archive) for name, check in checks.items()},
        }
        steps = comparison.with_its_time(_run(works, listener))
    return Proof(archive, path.stat().st_size, version, (read, *steps), tuple(comparison.found), monotonic() - began)


def record_proof(settings: Settings, proof: Proof) -> str | None:
    """Add a proof to the admin log of the database that was dumped, if that is the one of the settings.

    Return the reason if it was not added, else None.
    """
    seal = proof.archive.seal
    if seal is None or seal.system_identifier is None:
        return "the dump does not identify its database"
    if settings.embedded and not (settings.home / "data").exists():
        return "no database is configured"
    try:
        with connect(settings) as driver:
            source = (system_identifier(driver), driver.info.dbname)
            if source != (seal.system_identifier, seal.database):
                return f"{settings.dbname} on {settings.place} is not the database that was dumped"
            return admin_log.record_details(driver, _entry(proof, seal))
    except TutormaxError as problem:
        return problem.message
    except psycopg.Error as problem:
        return explain(problem).message


def _entry(proof: Proof, seal: Seal) -> admin_log.Entry:
    proved = proof.result is Result.PROVED
    file = admin_log.file_words(proof.archive.path.absolute())
    return admin_log.Entry(
        admin_log.command_name(),
        round(proof.seconds, 3),
        outcome=admin_log.Outcome.DONE if proved else admin_log.Outcome.FAILED,
        exit_code=0 if proved else CheckFailed.exit_code,
        details={"proof": {"id": seal.dump_id, "result": proof.result.value, "file": file}},
    )


def _read(settings: Settings, path: Path, listener: Listener) -> Archive:
    try:
        archive = read_archive(settings, path, listener)
    except DamagedArchiveError as problem:
        raise CheckFailed(problem.message, "make another dump: tutormax dump") from None
    require_restorable(replace(settings, schema=archive.schema), archive)
    return archive


def _run(works: Mapping[str, Callable[[], str]], listener: Listener) -> list[Step]:
    """Run the steps in their order; without a restored or migrated copy the others are skipped."""
    steps: list[Step] = []
    stopped = False
    for name, work in works.items():
        if stopped:
            steps.append(Step(name, 0.0, Outcome.SKIPPED, "a step before it failed"))
            continue
        listener(Stage(name))
        began = monotonic()
        try:
            outcome, message = Outcome.OK, work()
        except CheckFailed as problem:
            outcome, message = Outcome.FAILED, problem.message
        steps.append(Step(name, monotonic() - began, outcome, message))
        stopped = outcome is Outcome.FAILED and name in ("restore", "migrate")
    return steps


def _restore(
    copy: Settings,
    archive: Archive,
    comparison: "_Comparison",
    waiting: Callable[[str], None],
    listener: Listener,
) -> str:
    """Restore the archive and compare it in the same transaction. Raises CheckFailed if its rows are refused."""
    try:
        with one_transaction(copy, waiting) as work:
            done = replace_tables(
                work, archive, [], verb="restored", archived_rights=True, listener=listener, compare=comparison.make
            )
    except TutormaxError as problem:
        cause = problem.__cause__
        if isinstance(cause, psycopg.Error) and (cause.sqlstate or "").startswith(_BAD_ROWS):
            raise CheckFailed(f"the dump can't be restored: {problem.message}") from problem
        if isinstance(cause, psycopg.Error) and not problem.hint:
            raise TutormaxError(problem.message, another_server(archive.path)) from problem
        raise
    return f"{sum(done.rows.values()):,} rows"


class _Comparison:
    """The comparison of a copy with its seal: made in the transaction of the restore, before that adds a log entry."""

    def __init__(self, seal: Seal | None) -> None:
        self._sealed = seal.contents if seal else None
        self._seconds = 0.0
        self.found: list[Compared] = []

    def make(self, driver: psycopg.Connection, *others: Any) -> Contents:
        """Read and compare all contents of the copy, and return them."""
        began = monotonic()
        contents = read_contents(driver, list_tables(driver), listener=others[-1])
        self.found += _compare(self._sealed, contents)
        self._seconds = monotonic() - began
        return contents

    def judge(self) -> str:
        """Return a line about the comparison. Raises CheckFailed for differences."""
        if self._sealed is None:
            return "nothing to compare with: the dump was not sealed"
        wrong = [each.difference for each in self.found if each.difference]
        if wrong:
            more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise CheckFailed("; ".join(wrong[:3]) + more)
        return "rows, sequences and large objects are those that were dumped"

    def with_its_time(self, steps: list[Step]) -> list[Step]:
        """Move the time of the comparison from the step of the restore to its own."""
        moved = {"restore": -self._seconds, "compare": self._seconds}
        return [replace(step, seconds=step.seconds + moved.get(step.name, 0.0)) for step in steps]


def _compare(sealed: Contents | None, found: Contents) -> Iterator[Compared]:
    """Compare a copy with its seal; without one, only count."""
    messages = {each.name: each.message for each in differences(sealed, found)} if sealed else {}
    expected = sealed or Contents({}, {}, found.large_objects)
    for table in sorted({*expected.tables, *found.tables}):
        here, there = found.tables.get(table), expected.tables.get(table)
        rows, sealed_rows = here.rows if here else None, there.rows if there else None
        yield Compared("table", table.display, rows, sealed_rows, messages.get(table))
    for sequence in sorted({*expected.sequences, *found.sequences}):
        yield Compared("sequence", sequence.display, None, None, messages.get(sequence))
    count = expected.large_objects.rows if sealed else None
    yield Compared("large objects", "all", found.large_objects.rows, count, messages.get(None))


def _migrate(copy: Settings) -> str:
    """Migrate the copy to the newest revision. Raises CheckFailed if that is not possible."""
    try:
        done = upgrade(copy)
    except ConnectionFailed:
        raise
    except TutormaxError as problem:
        raise CheckFailed(problem.message) from problem
    ids = ", ".join(revision.id for revision in done.ran)
    return f"ran {ids}" if done.ran else f"at {done.state.current}, the newest"
