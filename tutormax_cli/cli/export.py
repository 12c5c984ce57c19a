"""`tutormax export`: tables out to files, as they are, under pseudonyms, or counted."""

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, cast

import typer

from tutormax_cli.cli.connect import database_session, settings
from tutormax_cli.cli.console import progress, say
from tutormax_cli.errors import UsageError
from tutormax_cli.files.compression import Compression
from tutormax_cli.files.formats import FileFormat, split_name
from tutormax_cli.reports.render import cells

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from sqlalchemy import Connection

    from tutormax_cli.exporting.export import Exported, Form, Listener
    from tutormax_cli.exporting.keys import PseudonymKey
    from tutormax_cli.exporting.sources import Source


def export(
    table: Annotated[
        str | None, typer.Argument(metavar="TABLE", help="The table to export.", show_default=False)
    ] = None,
    all_tables: Annotated[bool, typer.Option("--all", help="All tables, a file for each: -o names a folder.")] = False,
    aggregates: Annotated[
        bool,
        typer.Option("--aggregates", help="Counts per subject and month instead; cells of few people are left empty."),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The file to write, or with --all the folder.", show_default="stdout"
        ),
    ] = None,
    format: Annotated[
        FileFormat | None,
        typer.Option("--format", "-f", help="How to write rows.", show_default="what the file's name says, else csv"),
    ] = None,
    compress: Annotated[
        Compression | None,
        typer.Option("--compress", help="Compress files.", show_default="what the file's name says"),
    ] = None,
    pseudonymise: Annotated[
        bool,
        typer.Option("--pseudonymise", help="Codes for people and ids; names, e-mails and free text left out."),
    ] = False,
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file",
            metavar="FILE",
            help="Pseudonymise with the secret key in this file.",
            show_default="one drawn once and kept in the user data folder",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that holds other things too.")] = False,
) -> None:
    """Write a table, or all of them, to files that import takes back unchanged.

    CSV, TSV, JSON, JSON lines or Parquet, plain or compressed; `sessions.csv.gz` says it by its name. All tables are
    read from one snapshot, rows stand in the order of their ids, and a file appears when it is whole. In CSV and TSV a
    text that a spreadsheet would run as a formula gets an apostrophe in front.

    --pseudonymise is no anonymisation: dates stay, and the key leads from ids to codes.
    """
    _check(table, all_tables, aggregates, output, pseudonymise or key_file is not None)
    form = _form(format, compress, None if all_tables else output)
    tables = _tables(table, aggregates)
    key = _key(key_file) if pseudonymise or key_file is not None else None
    with database_session(writes=False, snapshot=False) as db:
        from tutormax_cli.exporting.export import snapshot

        connection = snapshot(db)
        sources = _sources(connection, tables, aggregates, key)
        with _listening(connection, sources) as listener:
            done = _write(connection, sources, form, output, all_tables, force, listener)
    _summarise(done)


def _check(table: str | None, all_tables: bool, aggregates: bool, output: Path | None, pseudonymise: bool) -> None:
    """Refuse what doesn't go together, before anything is done."""
    if (table is not None) + all_tables + aggregates != 1:
        raise UsageError("name one table, or --all, or --aggregates", "tutormax export sessions -o sessions.csv")
    if aggregates and pseudonymise:
        raise UsageError("--aggregates names nobody: there is nothing to pseudonymise", "leave --pseudonymise out")
    if all_tables and output is None:
        raise UsageError("--all writes a file per table and needs a folder", "name it: -o FOLDER")
    if all_tables and output is not None and split_name(output)[1] is not None:
        raise UsageError(f"--all writes a file per table, and {output} names one file", "name a folder: -o FOLDER")


def _form(format: FileFormat | None, compress: Compression | None, file: Path | None) -> "Form":
    """Choose how to write: what an option says, else what the file's name says, else plain CSV."""
    from tutormax_cli.exporting.export import Form

    _, named_format, named_compression = split_name(file) if file is not None else ("", None, None)
    if file is not None and format is None and named_format is None and file.suffix and not file.is_char_device():
        raise UsageError(f"{file} ends in no format that is known", f"end it in .{', .'.join(FileFormat)}, or --format")
    if format is not None and named_format not in (None, format):
        raise UsageError(f"--format {format} goes against the name {file}", "leave one out")
    chosen = format or named_format or FileFormat.CSV
    compression = compress or named_compression
    if chosen is FileFormat.PARQUET and compression is not None:
        raise UsageError("a Parquet file is compressed within", f"leave out .{compression} and --compress")
    return Form(chosen, compression)


def _key(key_file: Path | None) -> "PseudonymKey":
    from tutormax_cli.exporting.keys import own_key, read_key

    return read_key(key_file) if key_file is not None else own_key(settings().home)


def _tables(table: str | None, aggregates: bool) -> Sequence[str]:
    """Give the tables that are read. Raises UsageError for one that there isn't."""
    from tutormax_cli.exporting import aggregates as counts
    from tutormax_cli.exporting.export import TABLES

    if table is not None and table not in TABLES:
        raise UsageError(f"there is no table {table!r}", f"the tables are {', '.join(TABLES)}")
    return counts.TABLES if aggregates else TABLES if table is None else (table,)


def _sources(
    connection: "Connection", tables: Sequence[str], aggregates: bool, key: "PseudonymKey | None"
) -> list["Source"]:
    """Give what is to be exported, and say what is not the data as they are."""
    from tutormax_cli.database.copy.wire import driver_of
    from tutormax_cli.database.driver import schema_of
    from tutormax_cli.exporting import pseudonyms
    from tutormax_cli.exporting.aggregates import FEWEST_PEOPLE, subject_months
    from tutormax_cli.exporting.export import table_sources

    if aggregates:
        say(f"cells of fewer than {FEWEST_PEOPLE} tutors or students are left empty", style="dim")
        return [subject_months(schema_of(driver_of(connection)))]
    sources = table_sources(connection, tables)
    if key is None:
        return sources
    pseudonyms.use_key(connection, key)
    _tell(key, sources)
    return [pseudonyms.pseudonymised(source) for source in sources]


def _tell(key: "PseudonymKey", sources: Sequence["Source"]) -> None:
    """Say what a pseudonymised export is, and is not."""
    from tutormax_cli.exporting.pseudonyms import KEPT_IN_PART, LEFT_OUT, columns_in

    made = "a new key, drawn just now: keep it" if key.new else "the key"
    say(f"pseudonymised with {made} in {key.path} (fingerprint {key.fingerprint})")
    say("  ids, names and e-mails are codes, the same in every export with this key", style="dim")
    for what, names in (("left out", LEFT_OUT), ("figures alone kept", KEPT_IN_PART)):
        if columns := columns_in(sources, names):
            say(f"  {what}: {', '.join(columns)}", style="dim")
    say("  dates are kept: people who know when somebody worked can still find them", style="dim")


def _write(
    connection: "Connection",
    sources: Sequence["Source"],
    form: "Form",
    output: Path | None,
    all_tables: bool,
    force: bool,
    listener: "Listener",
) -> list["Exported"]:
    from tutormax_cli.exporting.export import export_file, export_folder, export_stream

    if all_tables and output is not None:
        return export_folder(connection, sources, form, output, force=force, listener=listener)
    (source,) = sources
    if output is not None and str(output) != "-":
        return [export_file(connection, source, form, output, listener)]
    return [export_stream(connection, source, form, _stdout(form), listener)]


def _stdout(form: "Form") -> BinaryIO:
    """Give standard output for bytes; a terminal gets text that it doesn't obey. Closing it leaves the other open."""
    sys.stdout.flush()
    if not sys.stdout.isatty():
        return open(os.dup(sys.stdout.fileno()), "wb")
    if form.format is FileFormat.PARQUET or form.compression is not None:
        raise UsageError("a terminal can't show this format", "name a file: -o FILE")
    return cast(BinaryIO, _Terminal())


class _Terminal(io.RawIOBase):
    """Writes text to the terminal, with what it would obey shown as an escape."""

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer") -> int:
        text = bytes(data)
        sys.stdout.write(cells.harmless(text.decode(), keep="\n\t"))
        return len(text)


@contextmanager
def _listening(connection: "Connection", sources: Sequence["Source"]) -> Iterator["Listener"]:
    """Show on a terminal how many rows are written; give the listener that moves the bars."""
    from tutormax_cli.exporting.export import estimated_rows

    with progress() as shown:
        expected = estimated_rows(connection, sources) if not shown.disable else {}
        bars = {name: shown.add_task(name, total=rows, rate="") for name, rows in expected.items()}

        def listen(name: str, rows: int) -> None:
            if name in bars:
                shown.advance(bars[name], rows)

        yield listen


def _summarise(done: Sequence["Exported"]) -> None:
    """Say on stderr what was written, a line per file."""
    from tutormax_cli.reports.report import Column, Kind

    width = max(len(file.name) for file in done)
    for file in done:
        size = f"  {cells.shown(Column('size', '', Kind.BYTES), file.size):>9}" if file.size is not None else ""
        say(f"  {file.name:<{width}}  {file.rows:>11,} rows{size}  {file.path or ''}".rstrip())
    folders = {file.path.parent for file in done if file.path is not None}
    if len(done) > 1:
        say(f"Into another database: tutormax import {folders.pop()}", style="dim")
