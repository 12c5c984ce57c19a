"""`tutormax import`: files of real data into the tables."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from tutormax_cli.cli.connect import database_session
from tutormax_cli.cli.console import emit, err, next_step, say
from tutormax_cli.cli.options import FormatOption, OutputOption
from tutormax_cli.errors import UsageError
from tutormax_cli.files.formats import FileFormat
from tutormax_cli.reports.render import Format

if TYPE_CHECKING:
    from rich.progress import Progress

    from tutormax_cli.importing.layout import Choice
    from tutormax_cli.importing.load import Imported, Listener

MODES = ("insert", "upsert", "skip")


FilesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE",
        help="A table and its files (- for standard input), files named after tables, or a folder of those.",
        show_default=False,
    ),
]
ModeOption = Annotated[
    str,
    typer.Option(
        "--mode",
        metavar="|".join(MODES),
        help="A row whose id is there already is an error, changes that row, or is left out.",
    ),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Do it all, then take it back.")]
RejectsOption = Annotated[
    Path | None,
    typer.Option(
        "--rejects",
        metavar="FILE",
        help="Load the good rows; write the others here, with line, column and reason (several tables: a folder).",
        show_default=False,
    ),
]
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map", metavar="THEIRS=OURS", help="What a column is called here; THEIRS= leaves it out.", show_default=False
    ),
]
DefaultsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--defaults", metavar="COLUMN=VALUE", help="For empty cells, or all rows without it.", show_default=False
    ),
]
TimezoneOption = Annotated[
    str | None,
    typer.Option(
        "--timezone", metavar="ZONE", help="Where times without an offset are: Europe/Berlin.", show_default=False
    ),
]
EncodingOption = Annotated[
    str, typer.Option("--encoding", metavar="NAME", help="How text files are encoded, such as cp1252.")
]
FromOption = Annotated[
    FileFormat | None,
    typer.Option("--from", help="The files' format, where their names don't tell it.", show_default=False),
]


def import_(
    files: FilesArgument,
    mode: ModeOption = "insert",
    dry_run: DryRunOption = False,
    rejects: RejectsOption = None,
    map_: MapOption = None,
    defaults: DefaultsOption = None,
    timezone: TimezoneOption = None,
    encoding: EncodingOption = "utf-8",
    from_: FromOption = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Load files of real data into the tables, all rows or none.

    tutormax import sessions may.csv june.csv.gz, or tutormax import sessions.csv, or tutormax import FOLDER.

    CSV, TSV, JSON (one array), JSON lines and Parquet, compressed with gzip or zstd or not. Columns are matched by
    their names; times are ISO 8601 with an offset; lists and metadata are JSON. A folder is loaded whole, parents
    first, in one transaction.

    Tutors, students and sessions need their ids. Other tables' ids are made from the rest of the row where a file
    has no such column: the same row always gets the same id. Empty created_at and updated_at become now. With --mode
    upsert a file needs only the ids and what changes.
    """
    from tutormax_cli.importing.inputs import find_inputs
    from tutormax_cli.importing.load import import_files, undated_departures
    from tutormax_cli.importing.rejects import check_target
    from tutormax_cli.reports.importing import done

    inputs = find_inputs(files, from_)
    choice = _choice(mode, map_ or [], defaults or [], timezone, encoding)
    if rejects is not None:
        check_target(rejects, [each.table for each in inputs])
    started = monotonic()
    with database_session(writes=True) as db, _listener() as listener, _faults_told():
        results = import_files(db, inputs, choice, rejects=rejects, listener=listener)
        undated = undated_departures(db)
        if dry_run:
            db.rollback()
        else:
            db.commit()
    emit(done(results, monotonic() - started, dry_run=dry_run, undated=undated), format, output)
    _conclude(results, rejects, dry_run)


def _choice(mode: str, map_: Sequence[str], defaults: Sequence[str], timezone: str | None, encoding: str) -> "Choice":
    from tutormax_cli.importing.layout import Choice, Mode
    from tutormax_cli.importing.reading import text_encoding
    from tutormax_cli.importing.times import zone_of

    if mode not in MODES:
        raise UsageError(f"--mode {mode} is none of {', '.join(MODES)}", "see tutormax import --help")
    return Choice(
        _pairs("--map", map_),
        _pairs("--defaults", defaults),
        zone_of(timezone) if timezone is not None else None,
        text_encoding(encoding),
        Mode(mode),
    )


def _pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for each in given:
        name, equals, value = each.rpartition("=") if option == "--map" else each.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} {each} has no = with a name before it", "see tutormax import --help")
        if name in pairs:
            raise UsageError(f"{option} names {name} twice")
        pairs[name] = value
    return pairs


@contextmanager
def _faults_told() -> Iterator[None]:
    """Say what is wrong row by row before the error that ends the command."""
    from tutormax_cli.importing.faults import Refused
    from tutormax_cli.reports.importing import refused

    try:
        yield
    except Refused as problem:
        for line in refused(problem):
            say(line)
        raise


def _conclude(results: "Sequence[Imported]", rejects: Path | None, dry_run: bool) -> None:
    if rejects is not None and rejects.exists():
        rows = sum(each.rejected for each in results)
        say(f"{rows:,} rejected rows are in {rejects}: mend them, then import that with the same options")
    if not dry_run and any(each.inserted or each.updated for each in results):
        next_step("tutormax evaluate")


@contextmanager
def _listener() -> Iterator["Listener"]:
    """Show progress on stderr until the end, on a terminal only; give the listener that moves it."""
    from tutormax_cli.importing.load import Listener

    with _display() as shown:
        bars = Bars(shown)
        yield Listener(bars.begins, bars.read, bars.step)


class Bars:
    """A bar for the file that is being read, with its rates and the time left, then a line for what comes after."""

    def __init__(self, shown: "Progress") -> None:
        self._shown = shown
        self._task = shown.add_task("preparing", total=None, rows="", rate="")
        self._started, self._rows = monotonic(), 0

    def begins(self, name: str, size: int) -> None:
        """Begin a file of so many bytes."""
        self._started, self._rows = monotonic(), 0
        self._shown.reset(self._task, description=name, total=size, rows="", rate="")

    def read(self, position: int, rows: int) -> None:
        """Move to a position in the file, so many rows on."""
        self._rows += rows
        seconds = max(monotonic() - self._started, 1e-6)
        rate = f"{self._rows / seconds / 1000:,.0f}k rows/s {position / seconds / 1e6:,.0f} MB/s"
        self._shown.update(self._task, completed=position, rows=f"{self._rows:,}", rate=rate)

    def step(self, what: str) -> None:
        """Say what is being done now."""
        self._shown.update(self._task, description=what, rows="", rate="")


def _display() -> "Progress":
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("  {task.description:<22}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[rows]:>10}", markup=False),
        TextColumn("{task.fields[rate]:>21}", markup=False),
        TimeRemainingColumn(),
        console=err(),
        transient=True,
        disable=not err().is_terminal,
    )
