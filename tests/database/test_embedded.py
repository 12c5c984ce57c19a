"""The embedded server as a person meets it: where it works, what it refuses, what it leaves alone."""

import os
import shutil
import stat
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tutormax_cli.database.embedded import EmbeddedServer, libpq_variables_hidden, program
from tutormax_cli.database.embedded.account import account_for
from tutormax_cli.database.embedded.cluster import reason, remedy
from tutormax_cli.database.embedded.log import KEPT, LARGEST, read_log, trim
from tutormax_cli.database.embedded.programs import FOLDERS, LIBRARIES, PACKAGE, installation
from tutormax_cli.errors import TutormaxError, UsageError

ROOT = os.geteuid() == 0
HOSTILE = "a b'c\"d$(touch x)`touch y`\\e;é"


@pytest.fixture
def place(home: Path) -> Iterator[Path]:
    """A folder for one test's servers, which are stopped at its end."""
    folder = home / uuid.uuid4().hex[:6]
    folder.mkdir()
    folder.chmod(0o755)
    yield folder
    for lock in folder.rglob("lock"):
        EmbeddedServer(lock.parent).stop()


@pytest.fixture(scope="module")
def running(home: Path) -> Iterator[EmbeddedServer]:
    """One server for the tests that only look at it."""
    server = EmbeddedServer(home / "running")
    server.start()
    yield server
    server.stop()


def ask(server: EmbeddedServer, query: str) -> object:
    with libpq_variables_hidden(), psycopg.connect(**server.connection_keywords()) as connection:  # type: ignore[arg-type]
        row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Everything below a folder (or a lone file): modes and contents."""
    paths = [folder, *sorted(folder.rglob("*"))]
    return {str(path): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"") for path in paths}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def copy_programs(target: Path) -> None:
    """Put the wheel's programs into a folder of their own, as if they were installed there."""
    installed = installation(18)
    unneeded = shutil.ignore_patterns("include", "*.a", "pginstall")
    shutil.copytree(installed.parent, target / PACKAGE, ignore=unneeded)
    if (installed.parents[1] / LIBRARIES).exists():
        shutil.copytree(installed.parents[1] / LIBRARIES, target / LIBRARIES)


def test_first_start_makes_a_database_that_says_what_we_want(running: EmbeddedServer) -> None:
    settings = "SELECT setting FROM pg_settings WHERE name = "
    assert ask(running, "SELECT current_user || ' ' || current_database()") == "tutormax tutormax"
    assert ask(running, "SHOW server_encoding") == "UTF8"
    assert ask(running, "SHOW TimeZone") == "UTC"
    assert ask(
        running, "SELECT upper('é') || (SELECT string_agg(c, '' ORDER BY c) FROM unnest('{b,B,a}'::text[]) c)"
    ) == ("ÉBab")
    assert ask(running, f"{settings} 'listen_addresses'") == ""
    assert ask(running, f"{settings} 'fsync'") == "on"
    assert ask(running, f"{settings} 'data_checksums'") == "on"


def test_only_the_account_can_enter_what_matters(running: EmbeddedServer) -> None:
    for folder in (running.data, running.socket_directory):
        assert mode(folder) == 0o700
        assert folder.stat().st_uid == account_for(running.home, running.data).uid
        assert not ROOT or folder.stat().st_uid != 0
    assert mode(running.log_file) == 0o600


def test_status_and_a_second_start(running: EmbeddedServer) -> None:
    before = running.status()
    running.start()
    assert running.status().pid == before.pid
    assert before.running
    assert before.version == running.version == 18
    assert before.size_bytes > 10_000_000


def test_programs_reach_the_server_through_the_environment(running: EmbeddedServer) -> None:
    command = [str(running.program("psql")), "--no-psqlrc", "-Atc", "SELECT current_database()"]
    done = subprocess.run(command, env=running.client_environment("postgres"), capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("postgres\n", "")
    with pytest.raises(UsageError, match="without a program psqlx"):
        running.program("psqlx")


def test_variables_of_the_caller_do_not_reach_it(running: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGDATABASE"):
        monkeypatch.setenv(name, "192.0.2.1")
    with psycopg.connect(**running.connection_keywords()) as connection:  # type: ignore[arg-type]
        assert connection.info.host == str(running.socket_directory)
    known = [option.envvar.decode() for option in psycopg.pq.Conninfo.get_defaults() if option.envvar]
    for name in (*known, "PGTZ", "PGDATESTYLE", "PGGEQO", "PGSERVICEFILE", "PGSYSCONFDIR"):
        monkeypatch.setenv(name, "nonsense")
    assert ask(running, "SELECT 1") == 1
    assert os.environ["PGSERVICE"] == "nonsense"
    assert running.client_environment().get("PGSERVICE") is None


def test_variables_come_back_only_when_the_last_one_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with libpq_variables_hidden():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with libpq_variables_hidden():
        thread.start()
        entered.wait(10)
    assert "PGTZ" not in os.environ
    leave.set()
    thread.join()
    assert os.environ["PGTZ"] == "Asia/Tokyo"


def test_first_start_under_hostile_variables_and_a_hostile_path(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PGDATA": "/nowhere",
        "PGPORT": "1",
        "PGOPTIONS": "-c nonsense=1",
        "PGHOST": "192.0.2.1",
    }.items():
        monkeypatch.setenv(name, value)
    server = EmbeddedServer(place / HOSTILE)
    server.start()
    assert ask(server, "SELECT 1") == 1
    assert ask(server, "SHOW data_directory") == str(place.resolve() / HOSTILE / "data")
    assert server.stop()
    assert not server.stop()
    assert [path.name for path in place.iterdir()] == [HOSTILE]


def test_programs_under_a_hostile_path(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_programs(place / HOSTILE)
    monkeypatch.syspath_prepend(str(place / HOSTILE))
    server = EmbeddedServer(place / "home")
    server.start()
    assert program("psql").is_relative_to(place.resolve() / HOSTILE)
    assert ask(server, "SELECT 1") == 1
    assert not (place / "home" / "programs").exists()


def test_programs_that_the_account_cannot_read_are_copied(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = place / "closed"
    copy_programs(closed)
    closed.chmod(0o700)
    monkeypatch.syspath_prepend(str(closed))
    server = EmbeddedServer(place / "home")
    server.start()
    assert ask(server, "SELECT 1") == 1
    assert (place / "home" / "programs").exists() == ROOT
    assert mode(closed) == 0o700


ORDINARY_USER = """
import os, sys
from pathlib import Path
import tutormax_cli.database.embedded.server as embedded
account, home = int(sys.argv[1]), Path(sys.argv[2])
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(account)
    os.setuid(account)
server = embedded.EmbeddedServer(home)
server.start()
print(server.status().running, os.geteuid() == account, oct(home.stat().st_mode & 0o777), server.stop())
"""


def test_ordinary_user(place: Path) -> None:
    # Imports first, then gives up being root: the account needn't be able to read the Python that runs the test.
    copy_programs(place / "site")
    user = account_for(place / "home", place / "home" / "data").uid
    (place / "own").mkdir(mode=0o700)
    os.chown(place / "own", user, -1)
    path = os.pathsep.join([str(place / "site"), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", ORDINARY_USER, str(user), str(place / "own" / "home")],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "True True 0o700 True\n", done.stderr


def test_root_works_for_the_owner_of_the_folder(place: Path) -> None:
    own = place / "own"
    own.mkdir(mode=0o700)
    nobody = account_for(own, own / "data").uid
    os.chown(own, nobody, -1)
    account = account_for(own, own / "data")
    assert (account.uid, account.foreign) == (nobody, ROOT)
    server = EmbeddedServer(own)
    server.start()
    assert {path.stat().st_uid for path in own.iterdir()} == {nobody}
    assert mode(own) == 0o700


def test_an_existing_cluster_keeps_its_version(place: Path) -> None:
    old = EmbeddedServer(place / "home", 16)
    assert old.version == 16
    old.start()
    old.stop()
    server = EmbeddedServer(place / "home", 18)
    server.start()
    assert server.version == 16
    assert str(ask(server, "SHOW server_version")).startswith("16.")
    assert server.program("pg_dump").parent.parent.name == FOLDERS[16]


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"base/1": "rows", "global/pg_control": "x"}, "no PG_VERSION"),
        ({"PG_VERSION": "15\n", "base/1": "rows"}, "PostgreSQL '15', and the programs here are of 16 and 18"),
        ({"PG_VERSION": "\x00\x01", "base/1": "rows"}, "and the programs here are of 16 and 18"),
        ({"PG_VERSION": "18\n", "base/1": "rows"}, "can't start"),
    ],
)
def test_what_stands_there_is_refused_and_left_alone(place: Path, files: dict[str, str], what: str) -> None:
    data = place / "home" / "data"
    for name, text in files.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(text)
    data.chmod(0o700)
    before = snapshot(data)
    with pytest.raises(TutormaxError, match=what) as refused:
        EmbeddedServer(place / "home").start()
    assert refused.value.hint
    assert snapshot(data) == before


def test_a_file_or_a_link_in_place_of_the_data_is_refused(place: Path) -> None:
    (place / "elsewhere").mkdir()
    (place / "link").mkdir()
    (place / "link" / "data").symlink_to(place / "elsewhere")
    with pytest.raises(UsageError, match="is a link"):
        EmbeddedServer(place / "link").start()
    (place / "file").mkdir()
    (place / "file" / "data").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        EmbeddedServer(place / "file").start()
    assert (place / "file" / "data").read_text() == "mine"
    assert list((place / "elsewhere").iterdir()) == []


def test_a_path_that_cannot_work_is_refused_before_anything_is_made(place: Path) -> None:
    for name, what in (("x" * 120, r"socket has \d+ bytes"), ("a,b", "comma"), ("a\nb", "control character")):
        with pytest.raises(UsageError, match=what) as refused:
            EmbeddedServer(place / name).start()
        assert "TUTORMAX_HOME" in str(refused.value.hint)
    assert list(place.iterdir()) == []


def test_unknown_version_and_missing_programs_name_the_way_out(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no programs of PostgreSQL 17"):
        EmbeddedServer(place / "home", 17).start()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="no programs") as refused:
        EmbeddedServer(place / "home").start()
    assert "DATABASE_URL" in str(refused.value.hint)
    assert list(place.iterdir()) == []


def test_a_closed_folder_is_named_and_stays_closed(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir()
    closed.chmod(0o700 if ROOT else 0o500)
    with pytest.raises(TutormaxError, match="closed") as refused:
        EmbeddedServer(closed / "home").start()
    assert "TUTORMAX_HOME" in str(refused.value.hint)
    assert mode(closed) == (0o700 if ROOT else 0o500)
    assert list(closed.iterdir()) == []


def test_folders_of_others_keep_their_modes_and_an_open_socket_folder_is_refused(place: Path) -> None:
    for name, bits in (("given", 0o711), ("given/home", 0o751)):
        (place / name).mkdir()
        (place / name).chmod(bits)
    server = EmbeddedServer(place / "given" / "home")
    server.start()
    server.stop()
    assert (mode(place / "given"), mode(place / "given" / "home")) == (0o711, 0o751)
    server.socket_directory.chmod(0o755)
    with pytest.raises(TutormaxError, match="alone can enter"):
        server.start()
    assert mode(server.socket_directory) == 0o755


def test_the_log_stays_within_bounds_and_can_be_followed(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    assert list(read_log(log, 5)) == []
    line = b"2026-11-22 LOG:  a line\n"
    log.write_bytes(line * (LARGEST // len(line) + 1))
    trim(log)
    assert KEPT - len(line) <= log.stat().st_size <= KEPT
    assert log.read_bytes().startswith(line)
    lines = read_log(log, 2, follow=True)
    assert [next(lines), next(lines)] == ["2026-11-22 LOG:  a line"] * 2
    with log.open("ab") as file:
        file.write(b"new\xff\n")
    assert next(lines) == "new\ufffd"


def test_a_full_disk_is_said_plainly() -> None:
    said = 'creating …\nFATAL:  could not write to file "pg_wal/x": No space left on device\nchild process exited'
    assert reason(said, 1) == 'could not write to file "pg_wal/x": No space left on device'
    assert "make room" in remedy(said)
    assert reason("", 9) == "it ended with 9 and said nothing"
