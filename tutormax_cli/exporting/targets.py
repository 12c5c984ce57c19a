"""Where exported files go: whole or not at all, and never over other people's files."""

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tutormax_cli.errors import TutormaxError, UsageError
from tutormax_cli.files.formats import split_name

_STAGING = ".tutormax-export-"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give the path to write to, and at the end put what was written there in place of `path`; else leave nothing.

    A pipe or a device is written to directly. Raises UsageError for a folder, TutormaxError where the system refuses.
    """
    if path.is_dir():
        raise UsageError(f"can't write {path}: it is a folder", "name a file: -o FILE")
    with _said_plainly(path):
        path = path.resolve()  # the file behind a link is replaced, not the link
        if path.exists() and not path.is_file():
            yield path
            return
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            yield temporary
            _keep_mode(path, temporary)
            _flush(temporary)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def whole_folder(folder: Path, tables: Collection[str], *, force: bool) -> Iterator[Path]:
    """Give a folder to write files to, and at the end put them into `folder`; else leave all as it was.

    Files there that an export wrote (files of those tables, in whatever format) are replaced. Raises UsageError where
    other things are there and `force` was not given; they are never touched.
    """
    with _said_plainly(folder):
        if folder.exists() or folder.is_symlink():
            _refuse_others(folder, tables, force=force)
            place = folder.resolve()
            staging = place / f"{_STAGING}{os.getpid()}"
        else:
            staging = folder.absolute().parent / f"{_STAGING}{folder.name}-{os.getpid()}"
        staging.mkdir()
        try:
            yield staging
            for file in staging.iterdir():
                _flush(file)
            if folder.exists():
                _replace_files(staging, folder.resolve(), tables)
            else:
                staging.rename(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _refuse_others(folder: Path, tables: Collection[str], *, force: bool) -> None:
    if not folder.is_dir():
        raise UsageError(f"can't write into {folder}: it is no folder", "name a folder: -o FOLDER")
    others = sorted(path.name for path in folder.iterdir() if not _is_exported(path, tables))
    if others and not force:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise UsageError(
            f"there are other things in {folder}: {others[0]}{more}",
            "name an empty folder; to write beside them, add --force",
        )


def _replace_files(staging: Path, folder: Path, tables: Collection[str]) -> None:
    """Remove what earlier exports left, then move the new files in: never are files of two exports side by side."""
    for path in [path for path in folder.iterdir() if path != staging and _is_exported(path, tables)]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    for path in list(staging.iterdir()):
        path.rename(folder / path.name)


def _is_exported(path: Path, tables: Collection[str]) -> bool:
    """Tell whether an export wrote this: a table's file, or what one that was killed left behind."""
    if path.name.startswith(_STAGING):
        return _is_abandoned(path)
    table, format, _ = split_name(path)
    return table in tables and format is not None and path.is_file()


def _is_abandoned(staging: Path) -> bool:
    pid = staging.name.rpartition("-")[2]
    if not pid.isdecimal() or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _keep_mode(former: Path, file: Path) -> None:
    with suppress(FileNotFoundError):
        file.chmod(former.stat().st_mode & 0o777)


def _flush(file: Path) -> None:
    """Make sure that the disk has the file before it takes another one's place."""
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _said_plainly(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise TutormaxError(
            f"can't write {path}: {problem.strerror or problem}", "make room, or name another place: -o"
        ) from None
