"""Where the files of an export of several tables go: all of them or none, and never over other people's files."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tutormax_cli.errors import UsageError
from tutormax_cli.files.formats import split_name
from tutormax_cli.files.whole import is_temporary, os_errors_as_tutormax_errors, whole_folder

_HINT = "free some space, or name another folder: -o FOLDER"


@contextmanager
def exported_folder(folder: Path, tables: Collection[str], *, force: bool) -> Iterator[Path]:
    """Yield a folder to write files to, whose files take the place of an earlier export's in `folder` at the end.

    Files there that an export wrote (files of those tables, in any format) are replaced. Raises UsageError if there are
    other things and `force` was not given; they are never touched. Raises what `whole_folder` does.
    """
    with os_errors_as_tutormax_errors(folder, _HINT):
        if folder.exists() or folder.is_symlink():
            _refuse_others(folder, tables, force=force)
        with whole_folder(folder, replaces=partial(_is_exported, tables), hint=_HINT) as staging:
            yield staging


def _refuse_others(folder: Path, tables: Collection[str], *, force: bool) -> None:
    if not folder.is_dir():
        raise UsageError(f"can't write into {folder}: it is no folder", "name a folder: -o FOLDER")
    others = sorted(path.name for path in folder.iterdir() if not _is_exported(tables, path) and not is_temporary(path))
    if others and not force:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise UsageError(
            f"there are other things in {folder}: {others[0]}{more}",
            "name an empty folder; to write beside them, add --force",
        )


def _is_exported(tables: Collection[str], path: Path) -> bool:
    """Return whether an export wrote this: a table's file."""
    table, format, _ = split_name(path)
    return table in tables and format is not None and path.is_file()
