"""`tutormax dump`: where the file is, what is said of it, and what becomes of it when something fails."""

import json
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Finished, clean_environment
from tests.support.stderr import after_database_line
from tutormax_cli.backup.seal import read_seal
from tutormax_cli.database.admin_log import entries
from tutormax_cli.database.connection import connect
from tutormax_cli.settings import load_settings

Run = Callable[..., Finished]


def test_it_says_file_rows_and_the_way_back(seeded_url: str, tutormax: Run, tmp_path: Path) -> None:
    done = tutormax("dump")
    (file,) = tmp_path.iterdir()
    assert done.exit_code == 0
    assert (
        after_database_line(done.stderr)
        == f"Next: tutormax prove {file.name}, or to bring it back: tutormax restore {file.name}\n"
    )
    assert re.fullmatch(r"tutormax_test_\w+-\d{4}-\d\d-\d\dT\d{4}Z\.dump", file.name)
    assert re.match(r"Dumped · rows [\d,]+ · size .* · schema at \d{8}_\d{4} · in [\d.]+ m?s · file ", done.stdout)
    assert re.search(r"^  tutors +60$", done.stdout, re.MULTILINE)


def test_as_json_and_over_an_older_file(seeded_url: str, tutormax: Run, tmp_path: Path) -> None:
    (tmp_path / "my.dump").write_text("old")
    done = tutormax("dump", "-o", "my.dump", "--format", "json")
    told = json.loads(done.stdout)
    assert (told["file"], told["bytes"]) == ("my.dump", (tmp_path / "my.dump").stat().st_size)
    assert {"table": "tutors", "rows": 60} in told["tables"]
    assert [path.name for path in tmp_path.iterdir()] == ["my.dump"]


def test_it_is_in_the_admin_log_with_its_id_and_size(seeded_url: str, tutormax: Run, tmp_path: Path) -> None:
    assert tutormax("dump", "-o", "my.dump").exit_code == 0
    sealed = read_seal(tmp_path / "my.dump")
    with connect(load_settings(seeded_url)) as driver:
        (newest,) = entries(driver, limit=1)
    assert sealed is not None and newest.details is not None
    assert newest.command == "tutormax dump --output my.dump" and newest.details["dump"] == {
        "id": sealed.dump_id,
        "bytes": (tmp_path / "my.dump").stat().st_size,
        "file": str(tmp_path / "my.dump"),
    }


def test_a_dump_that_the_role_may_not_log_is_good_all_the_same(seeded_url: str, tutormax: Run, tmp_path: Path) -> None:
    with connect(load_settings(seeded_url)) as driver:
        driver.execute("ALTER TABLE tutormax_admin.log DISABLE TRIGGER ALL; DROP SCHEMA tutormax_admin CASCADE")
    done = tutormax("dump", "-o", "my.dump")
    assert done.exit_code == 0 and (tmp_path / "my.dump").exists()
    assert "warning: not added to the admin log: the database has no admin log" in done.stderr


@pytest.mark.parametrize(
    ("target", "code", "words"),
    [
        ("-", 2, "needs a file"),
        (".", 2, "it is not a plain file"),
        ("/dev/null", 2, "it is not a plain file"),
        ("nowhere/my.dump", 1, "No such file or directory"),
    ],
)
def test_a_place_where_no_file_can_be(target: str, code: int, words: str, database_url: str, tutormax: Run) -> None:
    done = tutormax("dump", "-o", target)
    assert (done.exit_code, done.stdout) == (code, "")
    assert words in next(line for line in done.stderr.splitlines() if line.startswith("error: "))


def test_a_full_disk_leaves_the_older_file(seeded_url: str, tmp_path: Path) -> None:
    (tmp_path / "my.dump").write_text("old")
    done = subprocess.run(
        [sys.executable, "-m", "tutormax_cli", "dump", "-o", "my.dump"],
        env=clean_environment(DATABASE_URL=seeded_url),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert after_database_line(done.stderr).startswith("error: pg_dump failed: ")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("my.dump", "old")]


PG_DUMP = """#!/bin/sh
[ "$1" = --version ] && echo "pg_dump (PostgreSQL) 99.1" && exit
echo "$@" > "$RECORD"
echo "pg_dump: last built-in OID is 16383" >&2
echo "pg_dump: error: it went wrong" >&2
echo "pg_dump: detail: a row's values" >&2
exit 1
"""


def test_the_newest_program_on_the_path_runs_without_a_password_among_its_arguments(
    seeded_url: str, tutormax: Run, tmp_path: Path
) -> None:
    program, record = tmp_path / "bin" / "pg_dump", tmp_path / "record"
    program.parent.mkdir()
    program.write_text(PG_DUMP)
    program.chmod(0o755)
    url = seeded_url.replace("postgresql:///", "postgresql://tutormax:canary@/", 1)
    done = tutormax(
        "dump", "-o", "my.dump", DATABASE_URL=url, RECORD=str(record), PATH=f"{program.parent}:/usr/bin:/bin"
    )
    assert (done.exit_code, done.stdout) == (1, "")
    assert after_database_line(done.stderr) == "error: pg_dump failed: it went wrong\n"
    assert "--format=custom" in record.read_text() and "canary" not in record.read_text()
    assert not list(tmp_path.glob("*.dump")) and not list(tmp_path.glob(".*"))


def test_ctrl_c_leaves_nothing(seeded_url: str, tmp_path: Path) -> None:
    slow, record = tmp_path / "bin" / "pg_dump", tmp_path / "record"
    slow.parent.mkdir()
    slow.write_text(PG_DUMP.replace("exit 1", "exec sleep 30"))
    slow.chmod(0o755)
    (tmp_path / "work").mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "tutormax_cli", "dump"],
        env=clean_environment(DATABASE_URL=seeded_url, RECORD=str(record), PATH=f"{slow.parent}:/usr/bin:/bin"),
        cwd=tmp_path / "work",
        stderr=subprocess.PIPE,
        text=True,
    ) as dumping:
        deadline = time.monotonic() + 30
        while not record.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        dumping.send_signal(signal.SIGINT)
        _, said = dumping.communicate(timeout=20)
    assert dumping.returncode == 130
    assert after_database_line(said) == "interrupted; what was not finished was rolled back\n"
    assert list((tmp_path / "work").iterdir()) == []
