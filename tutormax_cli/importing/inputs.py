"""Which file holds the rows of which table: what was named on the command line, or stands in a folder."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tutormax_cli.database.models import Base
from tutormax_cli.errors import TutormaxError, UsageError
from tutormax_cli.files.compression import Compression
from tutormax_cli.files.formats import FileFormat, split_name

STDIN = "-"
TABLES = [table.name for table in Base.metadata.sorted_tables]
"""Our tables, each behind those that it refers to."""


@dataclass(frozen=True, slots=True)
class Input:
    """A file (None: standard input), the table that it is for, its format, and the compression that its name tells."""

    table: str
    path: Path | None
    format: FileFormat
    compression: Compression | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.path.name if self.path else "standard input"


def find_inputs(arguments: Sequence[str], format: FileFormat | None = None) -> list[Input]:
    """Find the files of `TABLE FILE…`, of a folder, or of files named by their tables; parents come first.

    `format` holds for all of them, whatever their names say. Raises UsageError, or TutormaxError for files that
    belong to no table.
    """
    first, *files = arguments
    if first in TABLES:
        if not files:
            raise UsageError(f"no file to import into {first}", f"name it: tutormax import {first} {first}.csv")
        inputs = [_input(first, file, format) for file in files]
    elif len(arguments) == 1 and Path(first).is_dir():
        inputs = _folder(Path(first), format)
    else:
        inputs = [_input(_table_of(Path(file), arguments), file, format) for file in arguments]
    _once(inputs)
    return sorted(inputs, key=lambda each: TABLES.index(each.table))


def did_you_mean(word: str, words: Sequence[str]) -> str:
    """Give "; did you mean …?" where one of the words is near, else nothing."""
    near = difflib.get_close_matches(word.lower(), words, 1, 0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _input(table: str, file: str, format: FileFormat | None) -> Input:
    if file == STDIN:
        if format is None:
            raise UsageError("standard input has no name that tells its format", "say it: --from csv")
        if format is FileFormat.PARQUET:
            raise UsageError("Parquet can't be read from standard input", "name a file")
        return Input(table, None, format)
    path = Path(file)
    if path.is_dir():
        raise UsageError(f"{file} is a folder", f"import all that is in it: tutormax import {file}")
    if not path.exists():
        raise UsageError(f"there is no file {file}")
    _, told, compression = split_name(path)
    if (format or told) is None:
        raise UsageError(f"the name {path.name} does not tell a format", "say it: --from csv")
    return Input(table, path, format or told or FileFormat.CSV, compression)


def _table_of(path: Path, arguments: Sequence[str]) -> str:
    """Give the table that a file is named after. Raises UsageError where it is none, which `arguments` help explain."""
    table = split_name(path)[0]
    if table in TABLES:
        return table
    if path == Path(arguments[0]) and len(arguments) > 1 and not path.exists():
        raise UsageError(f"there is no table {path}{did_you_mean(str(path), TABLES)}", f"tables: {', '.join(TABLES)}")
    if not path.exists() and str(path) != STDIN:
        raise UsageError(f"there is neither a table nor a file {path}{did_you_mean(str(path), TABLES)}")
    raise UsageError(f"which table is {path} for?", f"name it first: tutormax import TABLE {path}")


def _folder(folder: Path, format: FileFormat | None) -> list[Input]:
    """List the files of a folder, hidden ones left out."""
    found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    strange = [path.name for path in found if not path.is_file() or split_name(path)[0] not in TABLES]
    strange += [
        path.name for path in found if path.name not in strange and not (format or split_name(path)[1]) is not None
    ]
    if strange:
        near = did_you_mean(split_name(strange[0])[0], TABLES)
        raise TutormaxError(
            f"{folder} holds what is no file of a table: {', '.join(strange[:5])}{' …' * (len(strange) > 5)}{near}",
            "move it elsewhere, or name the files: tutormax import TABLE FILE",
        )
    if not found:
        raise TutormaxError(f"{folder} is empty", "put files in it that are named after tables: tutors.csv")
    return [_input(split_name(path)[0], str(path), format) for path in found]


def _once(inputs: Sequence[Input]) -> None:
    """Refuse one file named twice, and a table's rows in two formats side by side."""
    seen: dict[Path | None, str] = {}
    formats: dict[str, Input] = {}
    for each in inputs:
        key = each.path.resolve() if each.path else None
        if key in seen:
            raise UsageError(f"{each.name} is named twice")
        seen[key] = each.name
        other = formats.setdefault(each.table, each)
        if other.format is not each.format:
            raise TutormaxError(f"{other.name} and {each.name} are both for {each.table}", "keep one of them")
