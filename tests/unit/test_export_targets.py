"""Exported files appear whole or not at all, and other people's files are never touched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tutormax_cli.errors import TutormaxError, UsageError
from tutormax_cli.exporting.targets import exported_folder

TABLES = ("tutors", "sessions")


def fill(folder: Path, names: tuple[str, ...], *, force: bool = False) -> None:
    with exported_folder(folder, TABLES, force=force) as staging:
        for name in names:
            (staging / name).write_text("new")


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_what_the_system_refuses_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(TutormaxError, match="No such file"):
        fill(tmp_path / "no" / "out", ())
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="it is no folder"):
        fill(tmp_path / "file", ())


def test_a_new_folder_appears_at_once(tmp_path: Path) -> None:
    with exported_folder(tmp_path / "out", TABLES, force=False) as staging:
        (staging / "tutors.csv").write_text("new")
        assert not (tmp_path / "out").exists()
    assert contents(tmp_path / "out") == {"tutors.csv": "new"}
    assert os.listdir(tmp_path) == ["out"]


def test_an_interrupted_folder_leaves_all_as_it_was(tmp_path: Path) -> None:
    fill(tmp_path / "old", ("tutors.csv",))
    for folder in (tmp_path / "old", tmp_path / "out"):
        with pytest.raises(KeyboardInterrupt), exported_folder(folder, TABLES, force=False) as staging:
            (staging / "sessions.csv").write_text("half")
            raise KeyboardInterrupt
    assert contents(tmp_path / "old") == {"tutors.csv": "new"}
    assert os.listdir(tmp_path) == ["old"]


def test_an_earlier_export_is_replaced_whatever_its_format(tmp_path: Path) -> None:
    fill(tmp_path / "out", ("tutors.csv.gz", "sessions.parquet"))
    fill(tmp_path / "out", ("tutors.jsonl",))
    assert contents(tmp_path / "out") == {"tutors.jsonl": "new"}


def test_other_things_are_refused_and_with_force_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    (out / "tutors.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"other things in .*: notes\.txt and 1 more"):
        fill(out, ("tutors.csv",))
    assert contents(out) == {"notes.txt": "mine", "tutors.txt": "mine"}
    fill(out, ("tutors.csv",), force=True)
    assert contents(out) == {"notes.txt": "mine", "tutors.txt": "mine", "tutors.csv": "new"}


def test_what_a_killed_export_left_is_cleared_away(tmp_path: Path) -> None:
    fill(tmp_path / "out", ("tutors.csv",))
    kill_midway = (
        "import os, sys; from pathlib import Path; from tutormax_cli.exporting.targets import exported_folder\n"
        "with exported_folder(Path(sys.argv[1]), ('tutors',), force=False) as staging:\n"
        "    (staging / 'tutors.csv').write_text('half'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", kill_midway, str(tmp_path / "out")]).returncode == 9
    assert len(os.listdir(tmp_path / "out")) == 3
    fill(tmp_path / "out", ("tutors.csv",))
    assert contents(tmp_path / "out") == {"tutors.csv": "new"}
