"""Files appear complete or not at all, whatever ends their writer, and one writer at a time has a target."""

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.writers import kill_a_writer, writer
from tutormax_cli.errors import LockTimeout, TutormaxError, UsageError
from tutormax_cli.files.whole import (
    SUFFIX,
    TargetExists,
    in_use,
    is_temporary,
    stray_files,
    whole_file,
    whole_folder,
    write_whole,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_a_file_appears_at_the_end_and_leaves_nothing_else(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a.csv", private=True) as unfinished:
        unfinished.path.write_text("new")
        assert os.listdir(tmp_path) == [unfinished.path.name] and mode(unfinished.path) == 0o600
    assert os.listdir(tmp_path) == ["a.csv"] and (tmp_path / "a.csv").read_text() == "new"


@pytest.mark.parametrize(
    ("private", "former", "expected"),
    [(True, None, 0o600), (True, 0o644, 0o600), (False, None, 0o640), (False, 0o664, 0o664), (False, 0o600, 0o600)],
)
def test_a_private_file_is_for_its_owner_alone_and_a_report_keeps_its_mode(
    private: bool, former: int | None, expected: int, tmp_path: Path
) -> None:
    target = tmp_path / "a.csv"
    if former is not None:
        target.touch()
        target.chmod(former)
    write_whole(target, "new", private=private)
    assert (target.read_text(), mode(target)) == ("new", expected)


def test_the_file_behind_a_link_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.csv").symlink_to("folder/real.csv")
    write_whole(tmp_path / "link.csv", "new", private=False)
    assert (tmp_path / "link.csv").is_symlink() and (tmp_path / "folder" / "real.csv").read_text() == "new"


def test_a_pipe_is_written_to_directly(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit((tmp_path / "pipe").read_text)
        write_whole(tmp_path / "pipe", "through", private=True)
        assert read.result() == "through"
    assert os.listdir(tmp_path) == ["pipe"]


def test_an_interrupted_file_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "a.csv", private=True) as unfinished:
        unfinished.path.write_text("half")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["a.csv"] and (tmp_path / "a.csv").read_text() == "old"


def test_the_file_is_on_disk_before_it_has_its_name_and_the_name_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[bool, bool]] = []
    sync = os.fsync

    def note(handle: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(handle).st_mode), (tmp_path / "a.csv").exists()))
        sync(handle)

    monkeypatch.setattr(os, "fsync", note)
    write_whole(tmp_path / "a.csv", "new", private=True)
    assert synced == [(False, False), (True, True)]


def test_what_the_system_refuses_is_one_line_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it is a folder"):
        write_whole(tmp_path, "", private=True)
    with pytest.raises(TutormaxError, match=r"can't write .*a\.csv: No such file") as refused:
        write_whole(tmp_path / "no" / "a.csv", "", private=True, hint="name another")
    assert refused.value.hint == "name another"


def test_an_existing_file_is_not_replaced_unless_that_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("another's")
    with pytest.raises(TargetExists):
        write_whole(tmp_path / "a.csv", "new", private=True, replace=False)
    assert os.listdir(tmp_path) == ["a.csv"] and (tmp_path / "a.csv").read_text() == "another's"


def test_without_hard_links_an_existing_file_is_not_replaced_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_whole(tmp_path / "a.csv", "new", private=True, replace=False)
    with pytest.raises(TargetExists):
        write_whole(tmp_path / "a.csv", "newer", private=True, replace=False)
    assert os.listdir(tmp_path) == ["a.csv"] and (tmp_path / "a.csv").read_text() == "new"


def test_the_file_of_a_killed_writer_is_stray_and_the_next_writer_replaces_it(tmp_path: Path) -> None:
    with writer(tmp_path / "a.csv", "file"):
        (temporary,) = tmp_path.iterdir()
        assert is_temporary(temporary) and in_use(tmp_path / "a.csv") and stray_files(tmp_path) == []
    assert not in_use(tmp_path / "a.csv") and stray_files(tmp_path) == [temporary]
    write_whole(tmp_path / "a.csv", "new", private=True)
    assert os.listdir(tmp_path) == ["a.csv"] and (tmp_path / "a.csv").read_text() == "new"


def test_a_second_writer_to_one_target_is_refused(tmp_path: Path) -> None:
    with writer(tmp_path / "a.csv", "file"):
        with pytest.raises(LockTimeout, match=r"another process is writing .*/a\.csv"):
            write_whole(tmp_path / "a.csv", "new", private=True)
        write_whole(tmp_path / "b.csv", "new", private=True)
    assert not (tmp_path / "a.csv").exists()


def test_a_file_is_in_use_as_long_as_a_child_of_its_killed_writer_has_it(tmp_path: Path) -> None:
    with writer(tmp_path / "a.csv", "child") as process:
        process.kill()
        process.wait()
        assert in_use(tmp_path / "a.csv") and stray_files(tmp_path) == []
    deadline = time.monotonic() + 10
    while in_use(tmp_path / "a.csv"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_writer_killed_right_behind_its_end_leaves_a_file_that_the_next_one_does_not_touch(tmp_path: Path) -> None:
    kill_a_writer(tmp_path / "a.csv", "new")
    assert (tmp_path / "a.csv").read_text() == "complete" and len(stray_files(tmp_path)) == 1
    with whole_file(tmp_path / "a.csv", private=True):
        assert (tmp_path / "a.csv").read_text() == "complete"


def test_a_link_in_place_of_the_temporary_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / f".a.csv{SUFFIX}").symlink_to("precious")
    with pytest.raises(TutormaxError, match="symbolic links"):
        write_whole(tmp_path / "a.csv", "new", private=True)
    assert (tmp_path / "precious").read_text() == "precious" and stray_files(tmp_path) == []


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127, "a b'c\nd", ".hidden"])
def test_any_name_that_the_system_takes_is_possible(name: str, tmp_path: Path) -> None:
    with whole_file(tmp_path / name, private=True) as unfinished:
        assert is_temporary(unfinished.path)
        unfinished.path.write_text("new")
    assert os.listdir(tmp_path) == [name]


HAMMER = """
import os, sys
from pathlib import Path
from tutormax_cli.errors import LockTimeout
from tutormax_cli.files.whole import stray_files, whole_file
target, mine = Path(sys.argv[1]), sys.argv[2] * 20000
for turn in range(60):
    try:
        with whole_file(target, private=True) as unfinished:
            with unfinished.path.open("r+") as file:
                assert file.read() == ""
                file.write(mine)
            if turn % 7 == 3 and os.fork() == 0:
                os._exit(9)  # the lock is inherited, so this is no abandoned file
            assert unfinished.path.read_text() == mine
    except LockTimeout:
        pass
    stray_files(target.parent)
"""


def test_several_writers_at_once_never_mix(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", HAMMER, str(tmp_path / "a.txt"), letter], stderr=subprocess.PIPE)
        for letter in "abc"
    ]
    while any(each.poll() is None for each in writers):
        if (tmp_path / "a.txt").exists():
            text = (tmp_path / "a.txt").read_text()
            assert len(text) == 20000 and len(set(text)) == 1
        time.sleep(0.005)
    for each in writers:
        assert each.communicate()[1] == b"" and each.returncode == 0
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_new_folder_appears_with_all_its_files(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "out") as staging:
        (staging / "a.csv").write_text("new")
        assert not (tmp_path / "out").exists()
    assert os.listdir(tmp_path) == ["out"] and os.listdir(tmp_path / "out") == ["a.csv"]
    assert mode(tmp_path / "out") == 0o700


def test_in_an_existing_folder_files_are_replaced_at_the_end(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "c.txt"):
        (tmp_path / name).write_text("old")
    replaces: Callable[[Path], bool] = lambda path: path.suffix == ".csv"  # noqa: E731
    with whole_folder(tmp_path, replaces=replaces) as staging:
        (staging / "a.csv").write_text("new")
        assert (tmp_path / "a.csv").read_text() == "old"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.csv": "new", "c.txt": "old"}


@pytest.mark.parametrize("target", ["out", "."])
def test_the_folder_of_a_killed_writer_is_replaced(target: str, tmp_path: Path) -> None:
    with writer(tmp_path / target, "folder"):
        assert len(list(tmp_path.iterdir())) == 2 and stray_files(tmp_path) == []
        with pytest.raises(LockTimeout), whole_folder(tmp_path / target):
            pass
    assert stray_files(tmp_path) == sorted(tmp_path.iterdir()) and len(stray_files(tmp_path)) == 2
    with whole_folder(tmp_path / target) as staging:
        assert list(staging.iterdir()) == []
        (staging / "b.csv").write_text("new")
    assert [str(path.relative_to(tmp_path / target)) for path in tmp_path.rglob("*.*")] == ["b.csv"]
