"""`tutormax import` as a user has it: formats, modes, rejects, folders, pipes, and what it says."""

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.conftest import Finished, clean_environment, url_of
from tutormax_cli.cli import app
from tutormax_cli.settings import Settings

Run = Callable[..., Finished]

TUTORS = """\
tutor_id,name,email,onboarding_date,status,subjects
t1,Ada,ada@example.org,2025-01-01T00:00Z,active,"[""algebra"", ""physics""]"
t2,'=cmd,bob@example.org,2025-02-01T09:30:00.25+02:00,churned,[]
"""
STUDENTS = 'student_id,name,age\np1,Pat,12\np2,"",\n'
SESSIONS = """\
session_id,tutor_id,student_id,session_number,scheduled_start,duration_minutes,subject,session_type
s1,t1,p1,1,2026-03-01T10:00:00Z,60,algebra,1-on-1
s2,t1,p2,1,2026-03-02T10:00:00Z,45,"algebra, ""advanced""
and more",group
s3,t2,p1,1,2026-03-03T10:00:00+01:00,60,physics,1-on-1
"""
FEEDBACK = "session_id,tutor_id,student_id,overall_rating,submitted_at\ns1,t1,p1,5,2026-03-01T12:00Z\n"


@pytest.fixture
def imported(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Import in this process into a fresh database, from a folder that holds four files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", url_of(settings))
    (tmp_path / "company").mkdir()
    for name, content in (
        ("tutors", TUTORS),
        ("students", STUDENTS),
        ("sessions", SESSIONS),
        ("student_feedback", FEEDBACK),
    ):
        (tmp_path / "company" / f"{name}.csv").write_text(content, encoding="utf-8")

    def run(*arguments: str) -> Finished:
        code = app.run(["import", *arguments])
        said = capsys.readouterr()
        return Finished(code, said.out, said.err)

    return run


def rows(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def counts(done: Finished) -> dict[str, list[int]]:
    """Read the summary's table: read, inserted, updated, unchanged, skipped, rejected."""
    lines = [line.split() for line in takewhile(bool, done.stdout.splitlines()[3:])]
    return {line[0]: [int(cell.replace(",", "")) for cell in line[1:]] for line in lines}


def test_a_folder_is_loaded_in_the_order_of_its_references(imported: Run, engine: Engine) -> None:
    done = imported("company")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("Imported · rows read 8 · in ")
    assert counts(done) == {
        "students": [2, 2, 0, 0, 0, 0],
        "tutors": [2, 2, 0, 0, 0, 0],
        "sessions": [3, 3, 0, 0, 0, 0],
        "student_feedback": [1, 1, 0, 0, 0, 0],
    }
    assert "1 churned tutor has no churned_at; predictions reckon it" in done.stdout
    assert "Next: tutormax evaluate" in done.stderr
    assert rows(engine, "SELECT name, subjects, behavioral_archetype FROM tutors ORDER BY 1") == [
        ("=cmd", [], None),
        ("Ada", ["algebra", "physics"], None),
    ]
    assert rows(engine, "SELECT student_id, name, age FROM students ORDER BY 1") == [
        ("p1", "Pat", 12),
        ("p2", "", None),
    ]
    assert rows(engine, "SELECT subject, no_show, late_start_minutes FROM sessions WHERE session_id = 's2'") == [
        ('algebra, "advanced"\nand more', False, 0)
    ]
    assert rows(engine, "SELECT onboarding_date AT TIME ZONE 'UTC' FROM tutors WHERE tutor_id = 't2'")[0][
        0
    ].isoformat() == ("2025-02-01T07:30:00.250000")
    ((made,),) = rows(engine, "SELECT feedback_id FROM student_feedback")
    assert made.startswith("feedback_") and len(made) <= 50
    again = imported("company/student_feedback.csv", "--mode", "skip")
    assert counts(again) == {"student_feedback": [1, 0, 0, 0, 1, 0]}


def test_what_is_rejected_can_be_mended_and_imported(imported: Run, engine: Engine, tmp_path: Path) -> None:
    tutors = TUTORS.replace("churned,[]", "gone,[]")
    (tmp_path / "company" / "tutors.csv").write_text(tutors)
    done = imported("company", "--rejects", "bad")
    assert done.exit_code == 0, done.stderr
    assert counts(done)["tutors"] == [2, 1, 0, 0, 0, 1]
    assert counts(done)["sessions"] == [3, 2, 0, 0, 0, 1], "a row of a tutor who was rejected is rejected too"
    assert "2 rejected rows are in bad" in done.stderr
    assert sorted(path.name for path in (tmp_path / "bad").iterdir()) == ["sessions.csv", "tutors.csv"]
    with (tmp_path / "bad" / "tutors.csv").open(newline="") as file:
        header, row = csv.reader(file)
    assert header == [*tutors.splitlines()[0].split(","), "line", "column", "reason"]
    assert row[:3] == ["t2", "'=cmd", "bob@example.org"]
    assert row[6:8] == ["3", "status"] and row[8].startswith("unknown value: 'gone'; expected one of active")
    mended = (tmp_path / "bad" / "tutors.csv").read_text().replace(",gone,", ",churned,")
    (tmp_path / "bad" / "tutors.csv").write_text(mended)
    done = imported("bad")
    assert done.exit_code == 0, done.stderr
    assert counts(done) == {"tutors": [1, 1, 0, 0, 0, 0], "sessions": [1, 1, 0, 0, 0, 0]}
    assert rows(engine, "SELECT count(*) FROM sessions") == [(3,)]


def test_rejects_of_one_table_are_a_file(imported: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("student_id,name,age\np1,Pat,12\np2,Kim,x\n")
    (tmp_path / "b.jsonl").write_text(
        '{"student_id": "p3", "name": "=1", "age": 500}\n{"student_id": "p4", "name": "Lee"}\n'
    )
    done = imported("students", "a.csv", "--rejects", "bad.csv")
    assert (done.exit_code, counts(done)) == (0, {"students": [2, 1, 0, 0, 0, 1]})
    assert (tmp_path / "bad.csv").read_text().splitlines()[1].startswith('p2,Kim,x,3,age,"not a whole number')
    done = imported("students", "b.jsonl", "--rejects", "worse.csv")
    assert counts(done) == {"students": [2, 1, 0, 0, 0, 1]}
    assert (tmp_path / "worse.csv").read_text().splitlines()[1].startswith("p3,'=1,500,")
    done = imported("students", "a.csv", "--mode", "skip", "--rejects", "none.csv", "--defaults", "age=1")
    assert counts(done) == {"students": [2, 0, 0, 0, 1, 1]}
    assert imported("students", "worse.csv", "--mode", "upsert", "--dry-run", "--rejects", "again.csv").exit_code == 0


def test_upsert_changes_what_differs_and_leaves_what_the_file_has_not(
    imported: Run, engine: Engine, tmp_path: Path
) -> None:
    imported("company")
    before = rows(engine, "SELECT tutor_id, updated_at FROM tutors ORDER BY 1")
    (tmp_path / "tutors.csv").write_text("tutor_id,location\nt1,Boston\nt2,\n")
    done = imported("tutors.csv", "--mode", "upsert")
    assert (done.exit_code, counts(done)) == (0, {"tutors": [2, 0, 1, 1, 0, 0]})
    after = rows(engine, "SELECT tutor_id, updated_at FROM tutors ORDER BY 1")
    assert after[0] > before[0] and after[1] == before[1]
    assert rows(engine, "SELECT name, location FROM tutors ORDER BY tutor_id") == [("Ada", "Boston"), ("=cmd", None)]
    (tmp_path / "tutors.csv").write_text("tutor_id,location\nt1,Rome\nt3,Oslo\n")
    done = imported("tutors.csv", "--mode", "upsert")
    assert done.exit_code == 1
    assert "line 3, name: no value: no such column; expected it in a row whose tutor_id is new" in done.stderr
    (tmp_path / "tutors.csv").write_text(TUTORS.replace("t1", "t9").replace("ada@", "nova@"))
    done = imported("tutors.csv", "--mode", "upsert")
    assert (done.exit_code, counts(done)) == (0, {"tutors": [2, 1, 0, 1, 0, 0]})
    (tmp_path / "tutors.jsonl").write_text('{"tutor_id": "t1", "location": "Rome"}\n{"tutor_id": "t2"}\n')
    assert "line 2, location: missing key" in imported("tutors.jsonl", "--mode", "upsert").stderr


def test_a_churned_tutor_by_upsert_keeps_the_rules(imported: Run, tmp_path: Path) -> None:
    imported("company")
    (tmp_path / "tutors.csv").write_text("tutor_id,churned_at\nt1,2026-01-01T00:00Z\n")
    done = imported("tutors.csv", "--mode", "upsert")
    assert done.exit_code == 1
    assert "expected status churned where there is a churned_at" in done.stderr


def test_skip_leaves_what_is_there(imported: Run, engine: Engine, tmp_path: Path) -> None:
    imported("company")
    (tmp_path / "students.csv").write_text("student_id,name\np1,Other\np3,New\n")
    assert counts(imported("students.csv", "--mode", "skip")) == {"students": [2, 1, 0, 0, 1, 0]}
    assert rows(engine, "SELECT name FROM students ORDER BY student_id") == [("Pat",), ("",), ("New",)]


def test_a_dry_run_does_it_all_and_takes_it_back(imported: Run, engine: Engine) -> None:
    done = imported("company", "--dry-run", "--format", "json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["rows"] == 8 and {each["table"]: each["inserted"] for each in told["tables"]}["sessions"] == 3
    assert rows(engine, "SELECT count(*) FROM tutors") == [(0,)]
    assert "dry run: nothing was changed" in imported("company", "--dry-run").stdout


def test_columns_by_another_name_and_with_defaults(imported: Run, engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "kunden.csv").write_bytes("Nr;weg,name,Notiz\np1,Jürgen,x\np2,,y\n".encode("cp1252"))
    done = imported(
        "students", "kunden.csv", "--encoding", "cp1252", "--map", "Nr;weg=student_id", "--map", "Notiz=",
        "--defaults", "name=unknown", "--defaults", "age=10",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert rows(engine, "SELECT * FROM (SELECT student_id, name, age FROM students) AS s ORDER BY 1") == [
        ("p1", "Jürgen", 10),
        ("p2", "unknown", 10),
    ]


def test_naive_times_are_in_the_time_zone_that_is_told(imported: Run, engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "tutors.csv").write_text(
        "tutor_id,name,email,onboarding_date,status,subjects\n"
        "t1,A,a@x.org,2026-03-29 01:59,active,[]\nt2,B,b@x.org,2026-03-29 03:00,active,[]\n"
        "t3,C,c@x.org,2026-07-01,active,[]\nt4,D,d@x.org,2026-07-01T00:00Z,active,[]\n"
    )
    assert imported("tutors.csv", "--timezone", "Europe/Berlin").exit_code == 0
    found = rows(
        engine, "SELECT to_char(onboarding_date AT TIME ZONE 'UTC', 'DD HH24:MI') FROM tutors ORDER BY tutor_id"
    )
    assert [each for (each,) in found] == ["29 00:59", "29 01:00", "30 22:00", "01 00:00"]


@pytest.mark.parametrize("content", ["", "student_id,name\n", "\ufeffstudent_id,name", "\n\n"])
def test_a_file_without_rows(imported: Run, tmp_path: Path, content: str) -> None:
    (tmp_path / "students.csv").write_text(content, encoding="utf-8")
    done = imported("students.csv")
    assert (done.exit_code, counts(done)) == (0, {"students": [0, 0, 0, 0, 0, 0]})


@pytest.mark.parametrize(
    ("name", "content"), [("students.json", "[]"), ("students.jsonl", "\n"), ("students.json", "")]
)
def test_json_without_rows(imported: Run, tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    done = imported(name)
    assert (done.exit_code, counts(done)) == (0, {"students": [0, 0, 0, 0, 0, 0]})


def test_a_mark_of_utf8_windows_lines_and_numbers_of_other_programs(
    imported: Run, engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "students.csv").write_bytes("\ufeffstudent_id,name,age\r\np1,Ann,12.0\r\n\r\np2,Bo,\r\n".encode())
    assert imported("students.csv").exit_code == 0
    assert rows(engine, "SELECT student_id, age FROM students ORDER BY 1") == [("p1", 12), ("p2", None)]


def test_metadata_and_ids_that_are_made(imported: Run, engine: Engine, tmp_path: Path) -> None:
    imported("company")
    events = [
        {"tutor_id": "t1", "event_type": "login", "event_timestamp": "2026-03-01T08:00:00Z", "metadata": {"n": 5.10}},
        {"tutor_id": "t1", "event_type": "login", "event_timestamp": "2026-03-02T08:00:00Z"},
    ]
    lines = "\n".join(map(json.dumps, events)).replace("5.1}", "5.10}")
    (tmp_path / "tutor_events.jsonl").write_text(lines)
    assert imported("tutor_events.jsonl").exit_code == 0
    assert rows(engine, "SELECT metadata::text FROM tutor_events ORDER BY event_timestamp") == [
        ('{"n": 5.10}',),
        (None,),
    ]
    assert counts(imported("tutor_events.jsonl", "--mode", "skip")) == {"tutor_events": [2, 0, 0, 0, 2, 0]}


def test_a_pipe_and_compression(imported: Run, database_url: str, engine: Engine, tmp_path: Path) -> None:
    command = f"printf '%s' '{STUDENTS}' | gzip | {sys.executable} -m tutormax_cli import students - --from csv"
    environment = clean_environment(DATABASE_URL=database_url)
    done = subprocess.run(command, shell=True, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert rows(engine, "SELECT count(*) FROM students") == [(2,)]
    (tmp_path / "tutors.csv.gz").write_bytes(gzip.compress(TUTORS.encode()))
    assert imported("tutors.csv.gz").exit_code == 0


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_stopping_it_leaves_nothing(database_url: str, engine: Engine, tmp_path: Path, stop: signal.Signals) -> None:
    lines = (f"p{number},{'x' * 150},12\n" for number in range(400_000))
    (tmp_path / "students.csv").write_text("student_id,name,age\n" + "".join(lines))
    command = [sys.executable, "-m", "tutormax_cli", "import", "students.csv"]
    environment = clean_environment(DATABASE_URL=database_url)
    with subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        wait_until(engine, "query LIKE 'COPY%' AND state = 'active'", 1)
        process.send_signal(stop)
        _, said = process.communicate(timeout=60)
    if stop == signal.SIGINT:
        assert process.returncode == 130
        assert said.splitlines()[-1] == "interrupted; what was not finished was rolled back"
    wait_until(engine, "query LIKE 'COPY%'", 0)
    assert rows(engine, "SELECT count(*) FROM students") == [(0,)]
    assert len(rows(engine, "SELECT FROM pg_indexes WHERE tablename = 'students'")) == 1


def wait_until(engine: Engine, condition: str, sessions: int) -> None:
    query = f"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {condition}"
    deadline = time.monotonic() + 60
    while rows(engine, f"{query} AND pid <> pg_backend_pid()") != [(sessions,)]:
        assert time.monotonic() < deadline, f"waited in vain for {condition}"
        time.sleep(0.005)


@pytest.fixture
def without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    yield


def test_parquet_without_its_extra(imported: Run, without_pyarrow: None, tmp_path: Path) -> None:
    (tmp_path / "students.parquet").write_bytes(os.urandom(8))
    done = imported("students.parquet")
    assert done.exit_code == 2
    assert "pip install 'tutormax[parquet]'" in done.stderr


def test_only_tutors_students_sessions_and_feedback_are_enough(imported: Run, tutormax: Run) -> None:
    assert imported("company").exit_code == 0
    for command in ("evaluate", "predict", "risk-report", "stats"):
        assert tutormax(command).exit_code == 0, command
