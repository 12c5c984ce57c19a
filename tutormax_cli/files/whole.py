"""Files and folders that appear complete or not at all.

What is written goes to a temporary file beside its target, and gets the target's name once it is complete and on
disk. The temporary name depends on the target alone, and its writer holds an flock on it as long as it works. So a
temporary file whose lock is free was left by a writer that was killed, and the next writer to that target removes it.
A process id in the name would prove nothing in a folder that machines or containers share.
"""

import fcntl
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tutormax_cli.errors import LockTimeout, TutormaxError, UsageError
from tutormax_cli.interrupts import keep, uninterrupted

SUFFIX = ".tutormax-tmp"
"""How temporary files end."""

PRIVATE = 0o600
PRIVATE_FOLDER = 0o700
"""The modes of what only its owner can read."""

LOCK_SECONDS = 1.0
"""How long to try for a lock: `stray_files` holds it for an instant, another writer for longer."""

_POLL_SECONDS = 0.01

_FILES = ".d"
"""What is added to a temporary file's name for the folder in which the files of a target folder wait."""

_LONGEST_NAME = 255
"""Bytes of a file's name that file systems allow."""

_OTHER_FILE = "free some space, or name another file: -o FILE"
_OTHER_FOLDER = "free some space, or name another folder: -o FOLDER"


class TargetExists(TutormaxError):
    """The target exists, and may not be replaced."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A file that is being written under its temporary name.

    A child process that writes it inherits `lock`, so that the file stays locked if only the parent is killed. It is
    None for a pipe or a device, which is written to directly.
    """

    path: Path
    lock: int | None


@contextmanager
def whole_file(path: Path, *, private: bool, replace: bool = True, hint: str = _OTHER_FILE) -> Iterator[Unfinished]:
    """Yield an empty file to write to by its path; at the end it takes the place of `path`, or is removed on an error.

    `private`: only its owner can read it (mode 600); else its mode is that of the file it replaces, or the umask's.
    Raises UsageError for a folder, TargetExists if `path` exists and `replace` is false, LockTimeout if another
    process is writing it, TutormaxError with `hint` if the system refuses.
    """
    if path.is_dir():
        raise UsageError(f"can't write {path}: it is a folder", hint)
    with os_errors_as_tutormax_errors(path, hint):
        place = path.resolve()  # the file behind a link is replaced, not the link
        if place.exists() and not place.is_file():
            yield Unfinished(place, None)
            return
        kept_mode = None if private or not place.exists() else stat.S_IMODE(place.stat().st_mode)
        first_mode = PRIVATE if private else 0o666 if kept_mode is None else kept_mode
        with _claimed(place, first_mode) as unfinished:
            yield unfinished
            with uninterrupted():
                _publish(unfinished, place, kept_mode, replace=replace, hint=hint)
                if not is_temporary(place.parent):
                    keep(f"the file {path}")


def write_whole(path: Path, text: str, *, private: bool, replace: bool = True, hint: str = _OTHER_FILE) -> None:
    """Write a complete text file or nothing. Raises what `whole_file` does."""
    with (
        whole_file(path, private=private, replace=replace, hint=hint) as unfinished,
        unfinished.path.open("w", encoding="utf-8", newline="") as file,
    ):
        file.write(text)


@contextmanager
def temporary_file(path: Path, *, hint: str = _OTHER_FILE) -> Iterator[Unfinished]:
    """Yield an empty file that only its owner can read, beside `path`; it is removed at the end.

    Raises LockTimeout if another process has it, TutormaxError with `hint` if the system refuses.
    """
    with os_errors_as_tutormax_errors(path, hint), _claimed(path.resolve(), PRIVATE) as unfinished:
        yield unfinished


@contextmanager
def whole_folder(
    folder: Path, *, replaces: Callable[[Path], bool] = lambda path: False, hint: str = _OTHER_FOLDER
) -> Iterator[Path]:
    """Yield an empty folder to write files to by `whole_file`; at the end they are moved into `folder`.

    A new folder appears with all its files at once, for its owner alone. In an existing one, files of the same names
    are replaced, and others for which `replaces` is true are removed. On an error nothing is changed. Raises
    LockTimeout if another process is writing to it, TutormaxError with `hint` if the system refuses.
    """
    with os_errors_as_tutormax_errors(folder, hint):
        place = folder.resolve()
        new = not place.exists()
        with _temporary_folder(place if new else place / place.name) as staging:
            yield staging
            with uninterrupted():
                _move(staging, place, replaces, new=new)
                _sync(place.parent if new else place)
                keep(f"the files in {folder}")


def in_use(target: Path) -> bool:
    """Return whether a process is writing to this target."""
    return not _lock_is_free(_temporary(target))


def stray_files(folder: Path) -> list[Path]:
    """Return the temporary files and folders in a folder whose writers were killed."""
    found = []
    for path in sorted(path for path in folder.iterdir() if is_temporary(path)):
        with suppress(OSError):  # another account's file, or something else with such a name
            if _lock_is_free(path.with_name(path.name.removesuffix(_FILES))):
                found.append(path)
    return found


def is_temporary(path: Path) -> bool:
    """Return whether this is, by its name, a temporary file or the folder beside one."""
    return path.name.startswith(".") and path.name.removesuffix(_FILES).endswith(SUFFIX)


@contextmanager
def os_errors_as_tutormax_errors(path: Path, hint: str) -> Iterator[None]:
    """Turn what the system refuses into one line that names the target and what to try."""
    try:
        yield
    except OSError as problem:
        raise TutormaxError(f"can't write {path}: {problem.strerror or problem}", hint) from None


@contextmanager
def _temporary_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside a target, only for its owner; it is removed at the end.

    If its process is killed, the next one with this target removes it. Raises LockTimeout if another process has it.
    """
    with _claimed(target, PRIVATE) as lock:
        folder = lock.path.with_name(f"{lock.path.name}{_FILES}")
        shutil.rmtree(folder, ignore_errors=True)  # left by a process that was killed
        folder.mkdir(PRIVATE_FOLDER)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _temporary(target: Path) -> Path:
    """Return the path of a target's temporary file, shortened if its name would be too long."""
    name = os.fsencode(target.name)
    long = len(name) + len(SUFFIX) + len(_FILES) + 1 > _LONGEST_NAME
    return target.with_name(f".{hashlib.sha256(name).hexdigest() if long else target.name}{SUFFIX}")


@contextmanager
def _claimed(target: Path, mode: int) -> Iterator[Unfinished]:
    """Yield the locked, empty temporary file of a target; remove it at the end if it still has its temporary name."""
    temporary = _temporary(target)
    handle = _claim(temporary, target, mode)
    try:
        yield Unfinished(temporary, handle)
    finally:
        if _is_at(handle, temporary):
            temporary.unlink()
        os.close(handle)


def _claim(temporary: Path, target: Path, mode: int) -> int:
    """Create and lock a temporary file, removing an abandoned one. Raises LockTimeout if somebody holds the lock.

    It is always a new file, so mode, owner and links of one that somebody else put there don't matter.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            _remove_abandoned(temporary)
        else:
            if _lock(handle) and _is_at(handle, temporary):
                return handle
            os.close(handle)  # another process took it for abandoned before it was locked
        if time.monotonic() > deadline:
            raise LockTimeout(f"another process is writing {target}", "wait until it is done, then try again")
        time.sleep(_POLL_SECONDS)


def _remove_abandoned(temporary: Path) -> None:
    with _opened(temporary) as handle:
        if handle is not None and _lock(handle) and _is_at(handle, temporary):
            temporary.unlink()


def _lock_is_free(temporary: Path) -> bool:
    with _opened(temporary) as handle:
        return handle is None or _lock(handle)


@contextmanager
def _opened(temporary: Path) -> Iterator[int | None]:
    """Open an existing temporary file for its lock; None if there is none. Network file systems want it writable."""
    try:
        handle = os.open(temporary, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    """Take the lock of an open file; return whether it was free."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(handle: int, path: Path) -> bool:
    """Return whether an open file still has this name."""
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    except FileNotFoundError:
        return False


def _publish(unfinished: Unfinished, place: Path, mode: int | None, *, replace: bool, hint: str) -> None:
    """Put a complete file on disk, then in its place."""
    assert unfinished.lock is not None
    if mode is not None:
        os.fchmod(unfinished.lock, mode)
    os.fsync(unfinished.lock)
    if replace:
        unfinished.path.replace(place)
    else:
        _publish_new(unfinished.path, place, hint)
    _sync(place.parent)


def _publish_new(temporary: Path, place: Path, hint: str) -> None:
    """Give a file a name that no file has yet. Raises TargetExists."""
    try:
        try:
            os.link(temporary, place)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            os.close(os.open(place, os.O_CREAT | os.O_EXCL, PRIVATE))
            temporary.replace(place)
    except FileExistsError:
        raise TargetExists(f"can't write {place}: it exists already", hint) from None


def _move(staging: Path, folder: Path, replaces: Callable[[Path], bool], *, new: bool) -> None:
    if new:
        staging.rename(folder)
        return
    files = list(staging.iterdir())
    names = {path.name for path in files}
    outdated = [path for path in folder.iterdir() if path.name not in names and replaces(path)]
    for path in files:
        path.replace(folder / path.name)
    for path in outdated:
        path.unlink()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
