"""`tutormax prove`: each exit code, what is shown, what is logged, and that nothing is left behind."""

import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Finished, Server, clean_environment, url_of
from tests.support.archives import changed, resealed, sealed, unsealed
from tests.support.connections import connect
from tutormax_cli.settings import Settings

Run = Callable[..., Finished]


@pytest.fixture
def servers(home: Path) -> Iterator[Path]:
    """The folder in which the commands make their throw-away servers; nothing of theirs may be left in it."""
    folder = home / "servers"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o1777)
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def dumped(seeded_url: str, tutormax: Run, tmp_path: Path) -> Path:
    """A sealed dump of the small company, in the folder of the commands."""
    done = tutormax("dump", "-o", "my.dump")
    assert done.exit_code == 0, done.stderr
    return tmp_path / "my.dump"


def test_0_a_proof_is_shown_and_logged_and_doctor_knows(
    dumped: Path, seeded_url: str, tutormax: Run, servers: Path
) -> None:
    before = json.loads(tutormax("doctor", "--format", "json").stdout)["checks"]
    (warned,) = [check for check in before if check["check"] == "proofs"]
    assert warned["state"] == "warning"
    prove = shlex.split(warned["mend"])
    done = tutormax(*prove[1:], TMPDIR=str(servers))
    assert done.exit_code == 0
    assert done.stdout.startswith("Proof · result proved · file ")
    assert "restoring into a throw-away PostgreSQL 18: it needs about 0." in done.stderr
    for step in ("read the file", "restore", "compare", "migrate", "doctor", "risk report"):
        assert f"\n  {step} " in done.stdout
    assert re.search(r"\n  tutors +60 +60 +ok\n", done.stdout)
    after = json.loads(tutormax("doctor", "--format", "json").stdout)["checks"]
    assert [check["state"] for check in after if check["check"] == "proofs"] == ["ok"]
    entries = json.loads(tutormax("log", "--limit", "2", "--format", "json").stdout)["entries"]
    assert [entry["command"] for entry in entries] == [f"tutormax prove {dumped}", "tutormax dump --output my.dump"]
    assert "proof result: proved" in entries[0]["details"]
    assert f"dump bytes: {dumped.stat().st_size}" in entries[1]["details"]


def test_0_into_a_database_of_ones_own(
    dumped: Path, seeded_url: str, seeded_settings: Settings, server: Server, tutormax: Run
) -> None:
    copy = replace(seeded_settings, keywords={**(seeded_settings.keywords or {}), "dbname": "copy_of_a_company"})
    try:
        done = tutormax("prove", "my.dump", "--into", url_of(copy), "--format", "json")
        assert (done.exit_code, json.loads(done.stdout)["result"]) == (0, "proved")
        again = tutormax("prove", "my.dump", "--into", url_of(copy))
        assert (again.exit_code, again.stdout) == (2, "") and "is not empty" in again.stderr
    finally:
        server.drop(copy.dbname)


def test_5_differences(dumped: Path, seeded_url: str, tutormax: Run, servers: Path, tmp_path: Path) -> None:
    seal = sealed(dumped)
    other = replace(seal, contents=changed(seal.contents, "sessions", checksum="17"))
    resealed(dumped, tmp_path / "other.dump", other)
    done = tutormax("prove", "other.dump", "--format", "json", TMPDIR=str(servers))
    document = json.loads(done.stdout)
    assert (done.exit_code, document["result"]) == (5, "differences")
    assert [table["table"] for table in document["tables"] if table["contents"] != "ok"] == ["sessions"]
    error = done.stderr.splitlines()[-2:]
    assert error[0].startswith("error: not proved: compare: table sessions: the number of rows is right (")
    assert error[1] == "  keep an older dump, and make another: tutormax dump"


def test_5_a_dump_without_a_seal(dumped: Path, seeded_url: str, tutormax: Run, servers: Path, tmp_path: Path) -> None:
    unsealed(dumped, tmp_path / "plain.dump")
    done = tutormax("prove", "plain.dump", TMPDIR=str(servers))
    assert done.exit_code == 5
    assert done.stdout.startswith("Proof · result not provable · ")
    assert re.search(r"\n  tutors +60 +– +not sealed\n", done.stdout)
    assert "not added to the admin log: the dump does not identify its database" in done.stderr
    assert "error: not provable: plain.dump was restored, but it holds no seal" in done.stderr


def test_5_a_damaged_file(dumped: Path, seeded_url: str, tutormax: Run, servers: Path) -> None:
    dumped.write_bytes(dumped.read_bytes()[:-40_000])
    done = tutormax("prove", "my.dump", TMPDIR=str(servers))
    assert (done.exit_code, done.stdout) == (5, "")
    assert "error: my.dump is damaged or cut off: " in done.stderr
    assert done.stderr.endswith("\n  make another dump: tutormax dump\n")


def test_1_no_space(dumped: Path, seeded_url: str, tutormax: Run, servers: Path, tmp_path: Path) -> None:
    """A file with a hole: it seems to need more space than any disk has."""
    plain = unsealed(dumped, tmp_path / "plain.dump")
    os.truncate(plain, 10**13)
    done = tutormax("prove", "plain.dump", TMPDIR=str(servers))
    assert (done.exit_code, done.stdout) == (1, "")
    assert "error: not enough disk space to restore plain.dump: it needs about 120,000." in done.stderr
    assert done.stderr.endswith("\n  use another disk: export TMPDIR=FOLDER\n")


def test_1_a_disk_that_fills_up(dumped: Path, seeded_url: str, servers: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tutormax_cli", "prove", str(dumped)],
        env=clean_environment(DATABASE_URL=seeded_url, TMPDIR=str(servers)),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, 10_000_000)),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "\nerror: can't start a throw-away server: " in done.stderr


def test_1_a_newer_schema(seeded_settings: Settings, seeded_url: str, tutormax: Run, servers: Path) -> None:
    with connect(seeded_settings) as driver:
        driver.execute("UPDATE alembic_version SET version_num = '29990101_0000'")
    assert tutormax("dump", "-o", "my.dump").exit_code == 0
    done = tutormax("prove", "my.dump", TMPDIR=str(servers))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.endswith("\n  install the version of tutormax that made it, or a newer one\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("missing.dump",), "No such file"),
        ((".",), "is a folder"),
        (("empty.dump",), "is empty"),
        (("text.dump",), "is not an archive of pg_dump"),
        ((), "FILE is missing"),
        (("my.dump", "--into", "postgresql://somewhere"), "--into names no database"),
    ],
)
def test_2_no_dump(arguments: tuple[str, ...], words: str, tutormax: Run, servers: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.dump").touch()
    (tmp_path / "text.dump").write_text("-- PostgreSQL database dump\n")
    done = tutormax("prove", *arguments, TMPDIR=str(servers), DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr


def test_3_a_server_that_cannot_be_reached(dumped: Path, seeded_url: str, tutormax: Run, servers: Path) -> None:
    done = tutormax("prove", "my.dump", "--into", "postgresql://nobody@127.0.0.1:1/none", TMPDIR=str(servers))
    assert (done.exit_code, done.stdout) == (3, "")


def test_0_without_a_reachable_database_of_ones_own(dumped: Path, tutormax: Run, servers: Path) -> None:
    done = tutormax("prove", "my.dump", TMPDIR=str(servers), DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert done.exit_code == 0
    assert "not added to the admin log: cannot reach PostgreSQL at 127.0.0.1:1" in done.stderr


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.3, 0.6])
def test_130_ctrl_c_leaves_nothing(dumped: Path, seeded_url: str, servers: Path, delay: float) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tutormax_cli", "prove", str(dumped)],
        env=clean_environment(DATABASE_URL=seeded_url, TMPDIR=str(servers)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as proving:
        deadline = time.monotonic() + 30
        while not list(servers.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(delay)
        proving.send_signal(signal.SIGINT)
        said, _ = proving.communicate(timeout=30)
    assert (proving.returncode, said) == (130, "")
