"""Dumps that start at random moments beside commands that change the tables: every dump that was written proves."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import SEEDED_WORLD, clean_environment, run_tutormax, url_of
from tutormax_cli.settings import Settings

pytestmark = pytest.mark.faults

ROUNDS = int(os.environ.get("TUTORMAX_FAULT_ROUNDS", "5"))

WRITERS: dict[str, list[tuple[str, ...]]] = {
    "seed --replace": [("seed", *SEEDED_WORLD, "--replace", "--yes", "--no-backup")],
    "import --mode upsert": [("import", "company", "--mode", "upsert")],
    "evaluate": [("evaluate", "--as-of", "2026-06-01")],
    "migrate down and up": [("migrate", "down", "-1", "--yes", "--no-backup"), ("migrate", "up")],
}


def started(lines: list[tuple[str, ...]], settings: Settings, folder: Path) -> "subprocess.Popen[bytes]":
    """Start commands one after the other in the background."""
    command = [sys.executable, "-m", "tutormax_cli"]
    script = " && ".join(" ".join([*command, *line]) for line in lines)
    return subprocess.Popen(
        ["sh", "-c", script],
        env=clean_environment(TUTORMAX_HOME=str(folder / "home"), DATABASE_URL=url_of(settings)),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("name", WRITERS)
def test_every_dump_that_was_written_beside_a_writer_proves(
    seeded_settings: Settings, tmp_path: Path, name: str, home: Path
) -> None:
    url = {"DATABASE_URL": url_of(seeded_settings)}
    assert run_tutormax(("export", "--all", "-o", "company"), url, tmp_path).exit_code == 0
    ends: Counter[str] = Counter()
    complaints = []
    for number in range(ROUNDS):
        writer = started(WRITERS[name], seeded_settings, tmp_path)
        time.sleep(random.uniform(0, 1.2))
        file = f"{number}.dump"
        dumped = run_tutormax(("dump", "-o", file), url, tmp_path)
        assert writer.wait(60) == 0
        ends[f"exit {dumped.exit_code}"] += 1
        if dumped.exit_code == 0:
            proved = run_tutormax(("prove", file), url | {"TMPDIR": str(home)}, tmp_path)
            ends[f"prove {proved.exit_code}"] += 1
            complaints += [proved.stderr] * (proved.exit_code != 0)
        else:
            complaints += [dumped.stderr] * (dumped.exit_code != 4)
            assert not (tmp_path / file).exists()
    assert not complaints
    assert ends["exit 4"] <= max(1, 3 * ROUNDS // 20)
