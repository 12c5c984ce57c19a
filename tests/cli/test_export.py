"""`tutormax export` as a user meets it: names, formats, refusals, interruptions."""

import csv
import gzip
import io
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Finished, clean_environment
from tests.support.connections import connect
from tests.support.stderr import after_database_line, without_database_line
from tutormax_cli.cli.app import run
from tutormax_cli.exporting.export import TABLES
from tutormax_cli.files.compression import open_read
from tutormax_cli.settings import Settings

Run = Callable[..., Finished]
EXPORT = (sys.executable, "-m", "tutormax_cli", "export")


@pytest.fixture
def within(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seeded_url: str, tmp_path: Path) -> Run:
    """Run the command within this process, which spares its start: for what doesn't write to standard output."""
    for name in [name for name in os.environ if name.startswith(("PG", "POSTGRES_", "TUTORMAX_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", seeded_url)
    monkeypatch.chdir(tmp_path)

    def run_within(*arguments: str) -> Finished:
        code = run(arguments)
        return Finished(code, *capsys.readouterr())

    return run_within


def test_stdout_carries_data_alone(seeded_url: str, tutormax: Run) -> None:
    done = tutormax("export", "tutors")
    assert (done.exit_code, len(list(csv.reader(io.StringIO(done.stdout))))) == (0, 61)
    assert " 60 rows" in done.stderr and after_database_line(done.stderr).count("\n") == 1
    assert len(json.loads(tutormax("export", "tutors", "-f", "json").stdout)) == 60


@pytest.mark.parametrize(
    ("name", "options", "begins"),
    [
        ("t.tsv", (), b"tutor_id\tname\t"),
        ("t.csv.gz", (), b"tutor_id,name,"),
        ("t.jsonl.zst", (), b'{"tutor_id":"tutor_00001",'),
        ("t.parquet", (), b"PAR1"),
        ("t.txt", ("--format", "json", "--compress", "gz"), b'[\n{"tutor_id"'),
        ("t", (), b"tutor_id,name,"),
    ],
)
def test_the_files_name_says_how(
    within: Run, tmp_path: Path, name: str, options: tuple[str, ...], begins: bytes
) -> None:
    done = within("export", "tutors", "-o", name, *options)
    assert (done.exit_code, done.stdout) == (0, "")
    assert name in done.stderr
    with open_read(tmp_path / name) as file:
        assert file.read(len(begins)) == begins
    assert os.listdir(tmp_path) == [name]


def test_all_tables_in_a_folder_and_again(within: Run, tmp_path: Path) -> None:
    done = within("export", "--all", "-o", "out", "--compress", "gz")
    assert (done.exit_code, done.stdout) == (0, "")
    assert sorted(os.listdir(tmp_path / "out")) == sorted(f"{table}.csv.gz" for table in TABLES)
    assert done.stderr.endswith("tutormax import out\n")
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert within("export", "--all", "-o", "out", "--compress", "gz").exit_code == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == first
    (tmp_path / "out" / "mine.txt").touch()
    done = within("export", "--all", "-o", "out")
    assert done.exit_code == 2 and "mine.txt" in done.stderr and "--force" in done.stderr
    assert within("export", "--all", "-o", "out", "--force").exit_code == 0
    assert sorted(os.listdir(tmp_path / "out")) == sorted(["mine.txt", *(f"{table}.csv" for table in TABLES)])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name one table, or --all, or --aggregates"),
        (("tutors", "--all"), "name one table, or --all, or --aggregates"),
        (("tutor",), "there is no table 'tutor'"),
        (("--all",), "needs a folder"),
        (("--all", "-o", "all.csv"), "names one file"),
        (("tutors", "-o", "."), "it is a folder"),
        (("tutors", "-f", "xlsx"), "xlsx"),
        (("tutors", "-o", "t.parquet.gz"), "compressed within"),
        (("tutors", "-o", "t.csv", "--key-file", "nowhere"), "there is no key file nowhere"),
        (("--aggregates", "--pseudonymise"), "nothing to pseudonymise"),
    ],
    ids=" ".join,
)
def test_what_is_refused(within: Run, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = within("export", *arguments)
    assert (done.exit_code, done.stdout, os.listdir(tmp_path)) == (2, "", [])
    assert said in done.stderr and without_database_line(done.stderr).count("\n") == 2


def test_a_place_that_cannot_be_written(within: Run) -> None:
    for arguments in (("tutors", "-o", "/nonexistent/t.csv"), ("--all", "-o", "/nonexistent/out")):
        done = within("export", *arguments)
        assert done.exit_code == 1
        assert after_database_line(done.stderr).startswith("error: can't write /nonexistent/")


if sys.platform == "linux":  # whose device this is

    def test_a_full_disk(within: Run) -> None:
        done = within("export", "sessions", "-o", "/dev/full")
        assert done.exit_code == 1
        assert "error: can't write /dev/full: No space left on device" in done.stderr


def test_parquet_without_pyarrow_names_the_extra(seeded_url: str, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['pyarrow'] = None; from tutormax_cli.cli.app import run\n"
        "sys.exit(run(['export', 'tutors', '-o', 't.parquet']))"
    )
    environment = clean_environment(DATABASE_URL=seeded_url)
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, os.listdir(tmp_path)) == (2, [])
    assert (
        after_database_line(done.stderr)
        == "error: Parquet needs pyarrow\n  install it: pip install 'tutormax[parquet]'\n"
    )


def test_a_closed_pipe_is_silent(seeded_url: str, tmp_path: Path) -> None:
    for options in ("", "-f parquet"):
        done = subprocess.run(
            f"{' '.join(EXPORT)} sessions {options} | head -c 10",
            shell=True,
            env=clean_environment(DATABASE_URL=seeded_url),
            cwd=tmp_path,
            capture_output=True,
        )
        assert (len(done.stdout), after_database_line(done.stderr.decode())) == (10, ""), options


def test_ctrl_c_leaves_nothing(seeded_settings: Settings, seeded_url: str, tmp_path: Path) -> None:
    """A view in the place of the last table makes it last until it is interrupted."""
    with connect(seeded_settings) as connection:
        connection.execute("ALTER TABLE tutor_events RENAME TO events")
        connection.execute("CREATE VIEW tutor_events AS SELECT * FROM events WHERE pg_sleep(1) IS NOT NULL")
    with subprocess.Popen(
        [*EXPORT, "--all", "-o", "out"], env=clean_environment(DATABASE_URL=seeded_url), cwd=tmp_path, stderr=-1
    ) as exporting:
        deadline = time.monotonic() + 20
        while not list(tmp_path.glob("*/interventions.csv")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not (tmp_path / "out").exists()
        exporting.send_signal(signal.SIGINT)
        _, said = exporting.communicate(timeout=20)
    assert (exporting.returncode, os.listdir(tmp_path)) == (130, [])
    assert said.endswith(b"interrupted; what was not finished was rolled back\n")


def test_a_terminal_is_shown_no_control_codes(seeded_settings: Settings, seeded_url: str, tmp_path: Path) -> None:
    with connect(seeded_settings) as connection:
        connection.execute(b"UPDATE tutors SET name = E'a\\x1b[31mb' WHERE tutor_id = 'tutor_00001'")
    terminal, end = os.openpty()
    environment = clean_environment(DATABASE_URL=seeded_url)
    said = b""
    with subprocess.Popen(
        [*EXPORT, "tutors", "-f", "tsv"], env=environment, cwd=tmp_path, stdout=end, stderr=-1
    ) as exporting:
        os.close(end)
        while b"tutor_00060" not in said and select.select([terminal], [], [], 20)[0]:
            said += os.read(terminal, 65536)
        exporting.communicate(timeout=20)
    os.close(terminal)
    assert b"\x1b" not in said and b"tutor_00001\ta\\x1b[31mb\t" in said


def test_pseudonyms_are_stable_and_the_key_is_named(seeded_url: str, tutormax: Run, tmp_path: Path) -> None:
    variables = {"DATABASE_URL": seeded_url, "TUTORMAX_HOME": str(tmp_path / "home")}
    first = tutormax("export", "tutors", "--pseudonymise", **variables)
    assert first.exit_code == 0
    assert "a new key" in first.stderr and "pseudonym.key" in first.stderr and "dates are kept" in first.stderr
    assert "tutors.location" in first.stderr
    again = tutormax("export", "tutors", "--key-file", "home/pseudonym.key", **variables)
    assert (again.stdout, "a new key" in again.stderr) == (first.stdout, False)
    secret = (tmp_path / "home" / "pseudonym.key").read_text().strip()
    debugged = tutormax("export", "tutors", "--pseudonymise", "--debug", "-f", "tsv", DB_ECHO="true", **variables)
    assert secret not in debugged.stdout + debugged.stderr


def test_aggregates(within: Run, tmp_path: Path) -> None:
    done = within("export", "--aggregates", "-o", "counts.csv.gz")
    assert done.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(gzip.decompress((tmp_path / "counts.csv.gz").read_bytes()).decode())))
    assert {row["suppressed"] for row in rows} == {"true", "false"}
    assert all((row["tutors"] == "") == (row["suppressed"] == "true") for row in rows)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-o", "tutors.xlsx"), "tutors.xlsx ends in no format that is known"),
        (("-o", "tutors.csv", "--format", "json"), "--format json goes against the name tutors.csv"),
    ],
)
def test_a_name_that_promises_something_else_is_refused(
    seeded_url: str, tutormax: Callable[..., Finished], arguments: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    done = tutormax("export", "tutors", *arguments)
    assert (done.exit_code, done.stdout, words in done.stderr) == (2, "", True)
    assert not list(tmp_path.glob("tutors*"))
