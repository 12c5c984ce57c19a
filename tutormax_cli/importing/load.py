"""One import from the first byte to the last index. The caller commits: until then nothing of it exists.

Many rows that are all to be new go straight into their tables, whose constraints check them. Where that finds
anything wrong, and in every other case, they are staged first: then what is wrong can be told row by row, and rows
can be sorted into new, changed, known and bad.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy import Connection, Table, func, select
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.copy import Encoded, bulk_load, encode, made_ahead
from tutormax_cli.database.copy.load import REBUILD_FROM_ROWS
from tutormax_cli.database.copy.wire import driver_of
from tutormax_cli.database.enums import TutorStatus
from tutormax_cli.database.models import Base, Tutor
from tutormax_cli.errors import UsageError
from tutormax_cli.files.formats import FileFormat
from tutormax_cli.importing import checks, staging
from tutormax_cli.importing.delimited import Delimited
from tutormax_cli.importing.faults import SHOWN, BadFile, Refused
from tutormax_cli.importing.inputs import Input
from tutormax_cli.importing.layout import Choice, Layout, Mode, check_choice, holds_text, key_of, layout_of
from tutormax_cli.importing.merge import Merged, merge
from tutormax_cli.importing.objects import Objects
from tutormax_cli.importing.parquet import Parquet
from tutormax_cli.importing.reading import Opened, opened
from tutormax_cli.importing.rejects import write_rejects
from tutormax_cli.importing.rows import Rows, Source, rows_of
from tutormax_cli.importing.staging import Staged

BYTES_PER_ROW = {FileFormat.PARQUET: 40, FileFormat.JSON: 400, FileFormat.JSONL: 400}
DEFAULT_BYTES_PER_ROW = 180
COMPRESSED_TIMES = 5
"""About what a row takes in a file, and how much compression saves: enough to know a large import from a small one."""


@dataclass(frozen=True, slots=True)
class Listener:
    """What an import tells: a file is begun (its name and bytes), bytes and rows of it read, what is done now."""

    begins: Callable[[str, int], None] = lambda name, size: None
    read: Callable[[int, int], None] = lambda position, rows: None
    step: Callable[[str], None] = lambda what: None


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the rows of one table's files."""

    table: str
    read: int
    inserted: int
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """One file to import: how it is read, and where its columns go."""

    number: int
    file: Opened
    source: Source
    layout: Layout

    @property
    def table(self) -> Table:
        """The table that it is for."""
        return self.layout.table


class _Doubt(Exception):
    """Something is wrong with some row; to tell what, the rows have to be staged."""


def import_files(
    db: OrmSession,
    inputs: Sequence[Input],
    choice: Choice,
    *,
    rejects: Path | None = None,
    listener: Listener | None = None,
) -> list[Imported]:
    """Load files into their tables: all rows or, with `rejects`, the good ones, the others written to that file.

    Gives a summary per table. Raises BadFile for a file that can't be read on, Refused for rows that are wrong,
    LockTimeout where another session uses the tables.
    """
    listener = listener or Listener()
    connection = db.connection()
    check_choice(choice, [each.table for each in inputs])
    with ExitStack() as stack:
        works = _open(stack, connection, inputs, choice, listener)
        if choice.mode is Mode.INSERT and rejects is None and _large(works):
            try:
                return _directly(connection, works, listener)
            except _Doubt:
                listener.step("something is wrong; looking what")
        return _staged(connection, works, choice, rejects, listener)


def undated_departures(db: OrmSession) -> int:
    """Count the tutors of whom it is known that they left, and not when."""
    query = select(func.count()).where(Tutor.status == TutorStatus.CHURNED, Tutor.churned_at.is_(None))
    return db.scalar(query) or 0


def _open(
    stack: ExitStack, connection: Connection, inputs: Sequence[Input], choice: Choice, listener: Listener
) -> list[Work]:
    """Open all files and match their columns; a file without even a header has no rows to match."""
    now = driver_of(connection).execute("SELECT now()").fetchone()
    assert now is not None
    works = []
    for number, each in enumerate(inputs):
        table = Base.metadata.tables[each.table]
        file = stack.enter_context(opened(each, choice.encoding, listener.step))
        source = source_of(file, table, choice)
        layout = layout_of(each.name, source.names, table, each.format, choice, now[0])
        works.append(Work(number, file, source, layout))
    _check_map(works, choice)
    return works


def _check_map(works: Sequence[Work], choice: Choice) -> None:
    """Raise UsageError where no file has a column that is mapped; the keys of JSON are known only once it is read."""
    if any(isinstance(work.source, Objects) for work in works):
        return
    names = {name for work in works for name in work.source.names}
    unused = [theirs for theirs in choice.map if theirs not in names]
    if unused and names:
        raise UsageError(f"--map: no file has a column {unused[0]!r}", f"there are {', '.join(sorted(names))}")


def source_of(file: Opened, table: Table, choice: Choice) -> Source:
    """Choose how a file is read by its format."""
    if file.input.format.delimiter is not None:
        return Delimited(file)
    theirs = {ours: name for name, ours in choice.map.items()}
    names = [theirs.get(column.name, column.name) for column in table.columns]
    texts = [name for name, column in zip(names, table.columns, strict=True) if holds_text(column)]
    if file.input.format is FileFormat.PARQUET:
        return Parquet(file, texts)
    optional = [name for name, column in zip(names, table.columns, strict=True) if column.name != key_of(table)]
    optional = [
        name
        for name in optional
        if (column := table.columns[choice.map.get(name, name)]).nullable or column.server_default
    ]
    documents = [
        name for name, column in zip(names, table.columns, strict=True) if column.type.__class__.__name__ == "JSONB"
    ]
    return Objects(file, [] if choice.mode is Mode.UPSERT else optional, texts, documents)


def _large(works: Sequence[Work]) -> bool:
    """Tell whether so many rows come that indexes had better be made after them; ids must be there already."""
    return _expected_rows(works) >= REBUILD_FROM_ROWS and not any(work.layout.without_ids for work in works)


def _expected_rows(works: Sequence[Work]) -> int:
    rows = 0
    for work in works:
        size = work.file.size * (COMPRESSED_TIMES if work.file.input.compression else 1)
        rows += size // BYTES_PER_ROW.get(work.file.input.format, DEFAULT_BYTES_PER_ROW)
    return rows


def _tables(works: Sequence[Work]) -> list[Table]:
    return list(dict.fromkeys(work.table for work in works))


def _directly(connection: Connection, works: Sequence[Work], listener: Listener) -> list[Imported]:
    """Copy the files' rows into their tables. Raises _Doubt, with all taken back, where a row is refused."""
    rows: Counter[str] = Counter()
    tables = _tables(works)
    try:
        with connection.begin_nested():
            with bulk_load(connection, tables, _expected_rows(works), step=listener.step) as load:
                for work in works:
                    with made_ahead(_encoded(work, listener)) as encoded:
                        slices = (each for block in encoded for each in block.slices)
                        rows[work.table.name] += load.send(Encoded(work.table, work.layout.columns, slices))
                    work.file.check_unchanged()
                listener.step("indexes")
            if any(checks.loose_doubles(driver_of(connection), table) for table in tables):
                raise _Doubt
    except (psycopg.DataError, psycopg.IntegrityError):
        raise _Doubt from None
    return [Imported(table.name, rows[table.name], rows[table.name]) for table in tables]


def _encoded(work: Work, listener: Listener) -> Iterator[Encoded]:
    for block in _read(work, listener):
        if block.faults:
            raise _Doubt
        if len(block.lines):
            yield encode(block.columns, work.table)


def _read(work: Work, listener: Listener) -> Iterator[Rows]:
    """Read a file's rows, and tell how far."""
    listener.begins(work.file.name, work.file.size)
    for rows in rows_of(work.source, work.layout):
        yield rows
        listener.read(work.file.position(), rows.read)


def _staged(
    connection: Connection, works: Sequence[Work], choice: Choice, rejects: Path | None, listener: Listener
) -> list[Imported]:
    """Stage all rows, find what is wrong with any, and move the others on."""
    driver = driver_of(connection)
    staging.prepare_faults(driver)
    stages: dict[str, Staged] = {}
    read: Counter[str] = Counter()
    for work in works:
        if work.table.name not in stages:
            stages[work.table.name] = _stage(connection, [each for each in works if each.table is work.table], choice)
        with made_ahead(_read(work, listener)) as blocks:
            for rows in blocks:
                read[work.table.name] += rows.read
                staging.add(connection, stages[work.table.name], work.number, rows)
        work.file.check_unchanged()
    skipped = _sort_out(driver, stages, choice.mode, [work.file.name for work in works], listener)
    bad = staging.rejected(driver)
    if bad and rejects is None:
        raise _refusal(driver, works, sum(bad.values()))
    counts = {name: staging.count(driver, each) for name, each in stages.items()}
    merged = _merge(connection, stages, choice.mode, counts, listener)
    if bad and rejects is not None:
        write_rejects(driver, works, rejects)
    return [
        Imported(name, read[name], each.inserted, each.updated, each.unchanged, skipped[name], bad.get(name, 0))
        for name, each in merged.items()
    ]


def _stage(connection: Connection, works: Sequence[Work], choice: Choice) -> Staged:
    """Make the table in which the rows of one table's files wait. Raises BadFile."""
    first = works[0]
    columns = dict.fromkeys(name for work in works for name in work.layout.columns)
    other = next((work for work in works if len(work.layout.columns) < len(columns)), None)
    if other and choice.mode is Mode.UPSERT:
        missing = next(name for name in columns if name not in other.layout.columns)
        raise BadFile(
            f"{other.file.name} has no column {missing}, which others of {first.table.name} have",
            "import it by itself: a column that a file doesn't have stays as it is",
        )
    without_ids = any(work.layout.without_ids for work in works)
    return staging.stage(connection, first.table, list(columns), without_ids=without_ids)


def _sort_out(
    driver: psycopg.Connection, stages: Mapping[str, Staged], mode: Mode, names: Sequence[str], listener: Listener
) -> Counter[str]:
    """Make ids, take out what is wrong and, to skip them, rows that the database has; give how many those were."""
    skipped: Counter[str] = Counter()
    done: dict[str, Staged] = {}
    for name, staged in stages.items():
        listener.step(f"checking {name}")
        driver.execute(f"ANALYZE {staged.name}".encode())
        checks.make_ids(driver, staged)
        if mode is Mode.SKIP:
            skipped[name] = checks.drop_known(driver, staged)
        if mode is Mode.UPSERT:
            checks.complete(driver, staged)
        checks.check(driver, staged, mode, names, done)
        done[name] = staged
    return skipped


def _refusal(driver: psycopg.Connection, works: Sequence[Work], rows: int) -> Refused:
    names = [work.file.name for work in works]
    tables = [table.name for table in _tables(works)]
    return Refused(rows, staging.first_faults(driver, tables, names, SHOWN), staging.fault_counts(driver))


def _merge(
    connection: Connection, stages: Mapping[str, Staged], mode: Mode, counts: Mapping[str, int], listener: Listener
) -> dict[str, Merged]:
    """Move the staged rows into their tables, parents first."""
    tables = [staged.table for staged in stages.values()]
    merged = {}
    with bulk_load(connection, tables, sum(counts.values()), step=listener.step):
        for name, staged in stages.items():
            listener.step(f"loading {name}")
            merged[name] = merge(driver_of(connection), staged, mode, counts[name])
    return merged
