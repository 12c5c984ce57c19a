"""The rows that were refused, as CSV to mend and import again: as they stood in the file, and what is wrong."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from tutormax_cli.errors import UsageError
from tutormax_cli.files.whole import whole_file, whole_folder
from tutormax_cli.importing.layout import REJECT_COLUMNS
from tutormax_cli.importing.staging import FAULTS

if TYPE_CHECKING:
    from tutormax_cli.importing.load import Work

_HINT = "free some space, or name another file: --rejects FILE"


def check_target(path: Path, tables: Sequence[str]) -> None:
    """Raise UsageError where rejects can't be written to a file, or for several tables to a folder."""
    if path.exists():
        raise UsageError(f"--rejects {path} is there already", "name another, or remove it")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--rejects {path}: there is no folder {path.absolute().parent}")
    if len(set(tables)) > 1 and path.suffix:
        raise UsageError(
            f"--rejects {path}: rows of several tables go into a folder, a file each",
            f"name a folder: --rejects {path.with_suffix('')}",
        )


def write_rejects(driver: psycopg.Connection, works: "Sequence[Work]", path: Path) -> None:
    """Write the refused rows of one table to a file, those of several tables to files in a folder.

    They appear completely or not at all, and only their owner can read them; a table without refused rows gets no
    file. Raises TutormaxError, LockTimeout if another process is writing them.
    """
    driver.execute(f"CREATE INDEX ON {FAULTS} (target, file, line)".encode())
    tables = list(dict.fromkeys(work.table.name for work in works))
    refused = [table for table in tables if _has_faults(driver, table)]
    if len(tables) == 1 and refused:
        _write(driver, works, path)
    elif len(tables) > 1:
        with whole_folder(path, hint=_HINT) as folder:
            for table in refused:
                _write(driver, [work for work in works if work.table.name == table], folder / f"{table}.csv")


def _has_faults(driver: psycopg.Connection, table: str) -> bool:
    query = f"SELECT 1 FROM {FAULTS} WHERE target = %s LIMIT 1"
    return driver.execute(query.encode(), [table]).fetchone() is not None


def _write(driver: psycopg.Connection, works: "Sequence[Work]", path: Path) -> None:
    """Write one table's refused rows."""
    names = list(dict.fromkeys(name for work in works for name in work.source.names if name not in REJECT_COLUMNS))
    with (
        whole_file(path, private=True, replace=False, hint=_HINT) as unfinished,
        unfinished.path.open("w", encoding="utf-8", newline="") as file,
    ):
        file.write(_csv_line([*names, *REJECT_COLUMNS]))
        for work in works:
            for cells in _rejected(driver, work, names, several=len(works) > 1):
                file.write(_csv_line(cells))


def _rejected(
    driver: psycopg.Connection, work: "Work", names: Sequence[str], several: bool
) -> Iterator[list[str | None]]:
    """Read the file once more, side by side with what is wrong with it."""
    with driver.cursor(name="import_rejects") as found:
        found.execute(
            f"""
            SELECT line, string_agg("column", '; '),
                   string_agg(reason || ': ' || found || '; expected ' || expected, ' · ')
            FROM {FAULTS} WHERE target = %s AND file = %s GROUP BY line ORDER BY line
            """.encode(),
            [work.table.name, work.number],
        )
        raw = work.source.raw_rows()
        for line, column, reason in found:
            cells = next(cells for at, cells in raw if at == line)
            by_name = dict(zip(work.source.names, cells, strict=False))
            place = f"{work.file.name}:{line}" if several else str(line)
            yield [*(by_name.get(name) for name in names), place, column, reason]


def _csv_line(cells: Sequence[str | None]) -> str:
    """Write a line in which an empty cell without quotes is none, and with quotes an empty text."""
    return ",".join(_cell(cell) for cell in cells) + "\n"


def _cell(cell: str | None) -> str:
    if cell is None:
        return ""
    return '"' + cell.replace('"', '""') + '"' if cell == "" or any(mark in cell for mark in ',"\r\n') else cell
