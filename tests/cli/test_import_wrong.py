"""Everything that can be wrong in a file: the command says where and why, exits 1 or 2, and changes nothing."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import psycopg
import pytest

from tests.conftest import Server, url_of
from tests.support.connections import connect
from tutormax_cli.cli import app
from tutormax_cli.settings import Settings

TUTORS = "tutor_id,name,email,onboarding_date,status,subjects\n"
ADA = 't1,Ada,ada@example.org,2026-01-01T00:00Z,active,"[""algebra""]"\n'
SESSIONS = (
    "session_id,tutor_id,student_id,session_number,scheduled_start,duration_minutes,subject,session_type,"
    "engagement_score\n"
)
GOOD = "s1,t0,p0,1,2026-03-01T10:00:00Z,60,algebra,1-on-1,0.5\n"


@dataclass(frozen=True)
class Run:
    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def world(server: Server, migrated: Settings) -> Iterator[Settings]:
    """A database with one tutor, one student and one session, which every wrong file must leave as it is."""
    with server.clone(migrated) as settings:
        with connect(settings) as connection:
            connection.execute(
                "INSERT INTO tutors (tutor_id, name, email, onboarding_date, status, subjects)"
                " VALUES ('t0', 'Zoe', 'Zoë@Example.org', '2025-01-01Z', 'active', '{}')"
            )
            connection.execute("INSERT INTO students (student_id, name) VALUES ('p0', 'Pat')")
            connection.execute(
                "INSERT INTO sessions (session_id, tutor_id, student_id, session_number, scheduled_start,"
                " duration_minutes, subject, session_type)"
                " VALUES ('s0', 't0', 'p0', 1, '2026-01-01Z', 60, 'x', 'group')"
            )
        yield settings


def contents(connection: psycopg.Connection) -> list[object]:
    tables = ("tutors", "students", "sessions", "student_feedback", "tutor_events")
    return [connection.execute(f"SELECT * FROM {table} ORDER BY 1".encode()).fetchall() for table in tables]


@pytest.fixture
def refused(
    world: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Run]:
    """Import in this process, and make sure that the database stays as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", url_of(world))

    def run(*arguments: str) -> Run:
        with connect(world) as connection:
            before = contents(connection)
            connection.rollback()
            code = app.run(["import", *arguments])
            assert contents(connection) == before
        said = capsys.readouterr()
        assert said.out == ""
        return Run(code, said.out, said.err)

    return run


def session(**changes: str) -> str:
    """Write a session with some other cells."""
    cells = dict(zip(SESSIONS.strip().split(","), GOOD.strip().split(","), strict=True)) | changes
    return ",".join(cells.values()) + "\n"


CELLS = [
    ("engagement_score", "NaN", "not a finite number: 'NaN'; expected a finite number, or nothing"),
    ("engagement_score", "-Infinity", "not a finite number: '-Infinity'"),
    ("engagement_score", "1e999", "out of range: '1e999'"),
    ("engagement_score", "1e-999", "out of range: '1e-999'; expected a number that a float8 can hold"),
    ("engagement_score", "1.7", "out of range: 1.7; expected 0 to 1"),
    ("engagement_score", "0x1", "not a number: '0x1'"),
    ("engagement_score", "1_0", "not a number: '1_0'"),
    ("duration_minutes", "0", "out of range: 0; expected more than 0"),
    ("duration_minutes", "60.5", "not a whole number: '60.5'"),
    ("duration_minutes", "2147483648", "out of range: '2147483648'; expected -2147483648 to 2147483647"),
    ("duration_minutes", "99999999999999999999", "out of range: '99999999999999999999'"),
    ("duration_minutes", "", "no value: an empty cell"),
    ("session_number", "0", "out of range: 0; expected 1 or more"),
    ("scheduled_start", "01/02/2026", "ambiguous date: '01/02/2026'; expected ISO 8601 with an offset"),
    ("scheduled_start", "1.2.26 10:00", "ambiguous date: '1.2.26 10:00'"),
    ("scheduled_start", "2026-02-30T10:00Z", "not a time: '2026-02-30T10:00Z'"),
    ("scheduled_start", "2026-13-01T10:00Z", "not a time"),
    ("scheduled_start", "2026-03-01T24:00Z", "not a time"),
    ("scheduled_start", "2026-03-01T10:00:60Z", "not a time"),
    ("scheduled_start", "2026-03-01T10:00:00.0000001Z", "not a time"),
    ("scheduled_start", "now", "not a time: 'now'"),
    ("scheduled_start", "yesterday", "not a time: 'yesterday'"),
    ("scheduled_start", "infinity", "not a time: 'infinity'"),
    ("scheduled_start", "epoch", "not a time: 'epoch'"),
    ("scheduled_start", "2026-03-01 10:00", "time without offset: '2026-03-01 10:00'"),
    ("scheduled_start", "2026-03-01", "name the time zone: --timezone"),
    ("scheduled_start", "0001-01-01T00:00Z", "out of range"),
    ("session_type", "Group", "unknown value: 'Group'; expected one of 1-on-1, group; did you mean group?"),
    ("session_type", "grup", "did you mean group?"),
    ("tutor_id", "nobody", "points nowhere: nobody; expected tutor_id of a row in tutors"),
    ("student_id", "p9", "points nowhere: p9; expected student_id of a row in students"),
    ("session_id", "s0", "already in the database: s0"),
    ("session_id", "s" * 51, "too long"),
    ("session_id", "s1 ", "empty, or blanks around it: 's1 '"),
    ("session_id", '""', "empty, or blanks around it: ''"),
    ("session_id", "s1\u200b", "empty, or blanks around it"),
    ("tutor_id", "\ufefft0", "empty, or blanks around it"),
    ("subject", "é" * 101, "expected at most 100 characters"),
]


@pytest.mark.parametrize(("column", "text", "words"), CELLS, ids=[f"{column}={text[:30]}" for column, text, _ in CELLS])
def test_a_wrong_cell(refused: Callable[..., Run], tmp_path: Path, column: str, text: str, words: str) -> None:
    changed = {"session_id": "s2"} | {column: text}
    (tmp_path / "sessions.csv").write_text(SESSIONS + GOOD + session(**changed), encoding="utf-8")
    done = refused("sessions.csv")
    assert done.exit_code == 1
    assert f"  sessions.csv line 3, {column}: " in done.stderr and words in done.stderr
    assert "error: 1 row of sessions.csv can't be imported; nothing was changed" in done.stderr
    assert "--rejects FILE" in done.stderr


ROWS = [
    ("short", GOOD + "s2,t0,p0\n", "line 3: too few cells: 3 cells; expected 9 as in the header"),
    (
        "long",
        GOOD + session(session_id="s2")[:-1] + ",more\n",
        "line 3: too many cells: 10 cells with 'more' at the end",
    ),
    ("header again", GOOD + SESSIONS + session(session_id="s2"), "line 3: the header again: 'session_id'"),
    ("end marker", GOOD + "\\.\n", r"line 3: the end marker \."),
    (
        "repeated",
        GOOD + session(session_id="s2") + GOOD,
        "line 4, session_id: repeated: s1; expected one of its own: the same stands on line 2",
    ),
    (
        "physical lines",
        '"s\n1",t0,p0,1,2026-03-01T10:00:00Z,60,"a\nb",1-on-1,0.5\n' + session(session_id="s2", tutor_id="x"),
        "line 5, tutor_id: points nowhere",
    ),
]


@pytest.mark.parametrize(("rows", "words"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_wrong_row(refused: Callable[..., Run], tmp_path: Path, rows: str, words: str) -> None:
    (tmp_path / "sessions.csv").write_text(SESSIONS + rows, encoding="utf-8")
    done = refused("sessions.csv")
    assert done.exit_code == 1
    assert words in done.stderr


FILES: list[tuple[str, bytes, str]] = [
    ("zero byte", (SESSIONS + session(subject="al\0gebra")).encode(), "line 2, subject: a zero byte"),
    (
        "latin-1",
        SESSIONS.encode() + session(subject="Grün").encode("latin-1"),
        "line 2, subject: byte 0xFC is not UTF-8",
    ),
    ("utf-16", (SESSIONS + GOOD).encode("utf-16"), "is UTF-16, not UTF-8\n  say so: --encoding utf-16"),
    ("utf-32", (SESSIONS + GOOD).encode("utf-32"), "is UTF-32, not UTF-8\n  say so: --encoding utf-32"),
    ("utf-16 unmarked", (SESSIONS + GOOD).encode("utf-16-le"), "a zero byte"),
    (
        "open quote",
        (SESSIONS + GOOD + session(subject='"alg', session_id="s2") + GOOD).encode(),
        "line 3, subject: a quote opens here, and it is never closed",
    ),
    (
        "quote closed later",
        (SESSIONS + session(subject='"alg') + session(subject='"b"')).encode(),
        "line 2, subject: the quote that opens here is closed on the next line with 'b' behind it",
    ),
    (
        "quote within",
        (SESSIONS + session(subject='al"gebra')).encode(),
        "line 2, subject: a quote within a field that doesn't begin with one",
    ),
    (
        "quote and more",
        (SESSIONS + session(subject='"al"gebra')).encode(),
        "line 2, subject: the quote that opens here is closed on this line with 'g' behind it",
    ),
    ("lone returns", (SESSIONS + GOOD).replace("\n", "\r").encode(), "a carriage return without a line feed"),
    (
        "huge field",
        (SESSIONS + session(subject='"' + "x" * (17 << 20))).encode(),
        "line 2, subject: a quote opens here, and it isn't closed within 16 MB",
    ),
    (
        "unknown column",
        (SESSIONS.replace("subject", "Subject ") + GOOD).encode(),
        "column 'Subject ' is none of sessions; did you mean subject?",
    ),
    ("missing column", (SESSIONS.replace(",subject", "") + GOOD).encode(), "no column subject"),
    (
        "column twice",
        (SESSIONS.replace("engagement_score", "subject") + GOOD).encode(),
        "column subject stands there twice",
    ),
    (
        "column without name",
        (SESSIONS.replace("engagement_score", "") + GOOD).encode(),
        "column 9, which has no name, is none of sessions",
    ),
    ("gzip by content, cut off", gzip.compress((SESSIONS + GOOD).encode())[:-9], "end too soon"),
]


@pytest.mark.parametrize(("data", "words"), [file[1:] for file in FILES], ids=[file[0] for file in FILES])
def test_a_wrong_file(refused: Callable[..., Run], tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "sessions.csv").write_bytes(data)
    done = refused("sessions.csv")
    assert done.exit_code == 1
    assert "error: sessions.csv" in done.stderr and words in done.stderr


EMAILS = [
    (
        "t1,Ada,ada@example.org,2026-01-01T00:00Z,active,[]\nt2,Ada,ADA@example.org,2026-01-01T00:00Z,active,[]\n",
        "line 3, email: repeated: ADA@example.org; expected one of its own: "
        "it differs in case or composition alone from the one on line 2",
    ),
    (
        "t1,Ada,jos\u00e9@x.org,2026-01-01T00:00Z,active,[]\nt2,Ada,jose\u0301@x.org,2026-01-01T00:00Z,active,[]\n",
        "line 3, email: repeated",
    ),
    ("t1,Ada,zoe\u0308@example.ORG,2026-01-01T00:00Z,active,[]\n", "line 2, email: already in the database"),
    ("t1,Ada,a@x.org,2026-01-01T00:00Z,activ,[]\n", "did you mean active?"),
    ("t1,Ada,a@x.org ,2026-01-01T00:00Z,active,[]\n", "line 2, email: empty, or blanks around it: 'a@x.org '"),
    (
        "t1,Ada,a@x.org,2026-01-01T00:00Z,active,algebra\n",
        "line 2, subjects: not a list of texts: 'algebra'; expected a JSON array of texts such as [\"algebra\"]",
    ),
]


@pytest.mark.parametrize(("rows", "words"), EMAILS)
def test_a_wrong_tutor(refused: Callable[..., Run], tmp_path: Path, rows: str, words: str) -> None:
    (tmp_path / "tutors.csv").write_text(TUTORS + rows, encoding="utf-8")
    done = refused("tutors.csv")
    assert done.exit_code == 1
    assert words in done.stderr


JSONS = [
    ("jsonl", b'{"session_id": "s1"}\nnot json\n', "no column tutor_id"),
    ("jsonl", b'{"student_id": "p1", "name": "A"}\n{"student_id": \n', "line 2: not JSON: expecting value"),
    ("jsonl", b'{"student_id": "p1", "name": "A"}\n\n[1]\n', "line 3: not JSON: '[1]'; expected an object"),
    ("jsonl", b'{"student_id": "p1", "name": "A", "age": NaN}\n', "NaN is not JSON"),
    ("jsonl", b'{"student_id": "p1", "name": "A", "name": "B"}\n', "the key 'name' stands twice"),
    ("jsonl", b'{"student_id": "p1", "name": "A"}\n{"student_id": "p2", "nom": "A"}\n', "line 2: unknown key: 'nom'"),
    ("jsonl", b'{"student_id": "p1", "name": "A\\u0000"}\n', "line 1, name: text that can't be stored"),
    ("jsonl", b'{"student_id": "p1", "name": "A\\ud800"}\n', "line 1, name: text that can't be stored"),
    ("jsonl", b'{"student_id": "p1", "name": "A"}\n{"student_id": "p2"}\n', "line 2, name: no value"),
    ("jsonl", b'{"student_id": "p1", "name": "\xe9"}\n', "line 1: byte 0xE9 is not UTF-8"),
    ("json", b'{"student_id": "p1", "name": "A"}\n', "'{' where the array should begin"),
    ("json", b'[{"student_id": "p1", "name": "A"},\n{"student_id": "p2", "name": "A"}', "the array is not closed"),
    (
        "json",
        b'[{"student_id": "p1", "name": "A"}\n{"student_id": "p2", "name": "A"}]',
        "line 2: found '{', expected a comma or ]",
    ),
    ("json", b'[{"student_id": "p1", "name": "A"},\n{"student_id": p2}]', "line 2: not JSON"),
    ("json", b'[{"student_id": "p1", "name": "A"}] []', "expected nothing more"),
    ("jsonl", b'{"student_id": "p1", "name": ["A"]}\n', "line 1, name: not a text: '[\"A\"]'"),
    ("jsonl", b'{"student_id": {"x": 1}, "name": "A"}\n', "line 1, student_id: not a text: '{\"x\": 1}'"),
    ("json", b'[{"student_id": "p1", "name": true}]\n', "line 1, name: not a text: 'true'"),
    ("jsonl", b'{"student_id": "p1", "name": ' + b"[" * 9999 + b"\n", "line 1: not JSON: lists or objects nested too"),
    ("jsonl", b'{"student_id": "p1", "name": "A", "age": ' + b"9" * 5000 + b"}\n", "line 1, age: out of range: '999"),
    ("parquet", b"PAR1 no", "is not a Parquet file that can be read"),
]


@pytest.mark.parametrize(("ending", "data", "words"), JSONS)
def test_a_wrong_file_of_objects(
    refused: Callable[..., Run], tmp_path: Path, ending: str, data: bytes, words: str
) -> None:
    table = "sessions" if b"session_id" in data else "students"
    (tmp_path / f"{table}.{ending}").write_bytes(data)
    done = refused(f"{table}.{ending}")
    assert done.exit_code == 1
    assert words in done.stderr


DOCUMENTS = [
    ('{""a"": 1, ""a"": 2}', '{"a": 1, "a": 2}'),
    ('{""a"": 1e200000}', '{"a": 1e200000}'),
    ('{""a"": ' + "9" * 5000 + "}", '{"a": ' + "9" * 5000 + "}"),
    ('{""a"":' * 400 + "1" + "}" * 400, '{"a":' * 400 + "1" + "}" * 400),
    ('{""a"": ""\\ud800""}', '{"a": "\\ud800"}'),
]


@pytest.mark.parametrize(("cell", "value"), DOCUMENTS, ids=[value[:20] for _, value in DOCUMENTS])
def test_metadata_that_jsonb_would_change_or_refuse(
    refused: Callable[..., Run], tmp_path: Path, cell: str, value: str
) -> None:
    (tmp_path / "tutor_events.jsonl").write_text(
        f'{{"tutor_id": "t0", "event_type": "x", "event_timestamp": "2026-01-01T00:00Z", "metadata": {value}}}\n'
    )
    done = refused("tutor_events.jsonl")
    assert "tutor_events.jsonl line 1" in done.stderr and "1 row of tutor_events.jsonl can't" in done.stderr
    (tmp_path / "tutor_events.csv").write_text(
        f'tutor_id,event_type,event_timestamp,metadata\nt0,x,2026-01-01T00:00Z,"{cell}"\n'
    )
    assert "tutor_events.csv line 2, metadata: not JSON: " in refused("tutor_events.csv").stderr


def parquet(path: Path, columns: dict[str, list[object]]) -> None:
    arrow, writer = import_module("pyarrow"), import_module("pyarrow.parquet")
    writer.write_table(arrow.table(columns), path)


COLUMNS: list[tuple[dict[str, list[object]], str]] = [
    ({"student_id": ["p1", "p2"], "name": ["A", "B\0"]}, "line 2, name: text that can't be stored: a zero character"),
    ({"student_id": ["p1"], "name": [b"\xff"]}, "column name can't be read as it is, binary"),
    ({"student_id": [True], "name": ["A"]}, "column student_id can't be read as it is, bool"),
    ({"student_id": ["p1"], "name": [["A"]]}, "column name can't be read as it is, list<"),
    ({"student_id": ["p1"], "name": ["A"], "subjects_interested": [[b"x"]]}, "column subjects_interested can't be"),
]


@pytest.mark.parametrize(("columns", "words"), COLUMNS)
def test_a_wrong_column_of_parquet(
    refused: Callable[..., Run], tmp_path: Path, columns: dict[str, list[object]], words: str
) -> None:
    parquet(tmp_path / "students.parquet", columns)
    done = refused("students.parquet")
    assert done.exit_code == 1 and words in done.stderr


def test_utf16_without_its_mark(refused: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "sessions.csv").write_bytes((SESSIONS + GOOD).encode("utf-16-le"))
    done = refused("sessions.csv", "--encoding", "utf-16")
    assert done.exit_code == 1 and "name the order: --encoding utf-16-le (or -be)" in done.stderr


def test_a_rule_of_several_columns_shows_them_all(refused: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "churn_predictions.csv").write_text(
        "tutor_id,prediction_date,churn_score,risk_level,window_1day_probability,window_7day_probability,"
        "window_30day_probability,window_90day_probability,model_version\n"
        "t0,2026-01-01T00:00Z,10,Low,0.1,0.9,0.5,0.95,m\n"
    )
    assert "window_30day_probability 0.5, window_90day_probability 0.95; expected prob" in refused(
        "churn_predictions.csv"
    ).stderr.replace("\n    ", " ")
    (tmp_path / "interventions.csv").write_text(
        "tutor_id,intervention_type,recommended_date,status,completed_date\n"
        "t0,manager_coaching,2026-01-02T00:00Z,completed,2026-01-01T00:00Z\n"
    )
    said = refused("interventions.csv").stderr
    assert "expected a completed_date that is not before recommended_date" in " ".join(said.split())


ZONED = [
    ("2026-03-29T02:30", "Europe/Berlin", "time that the clocks skip: '2026-03-29T02:30'"),
    ("2026-10-25T02:30", "Europe/Berlin", "time that comes twice: '2026-10-25T02:30'"),
    ("2026-10-04T02:15", "Australia/Lord_Howe", "time that the clocks skip"),
]


@pytest.mark.parametrize(("time", "zone", "words"), ZONED)
def test_a_time_that_is_none_or_two(
    refused: Callable[..., Run], tmp_path: Path, time: str, zone: str, words: str
) -> None:
    (tmp_path / "sessions.csv").write_text(SESSIONS + session(scheduled_start=time))
    done = refused("sessions.csv", "--timezone", zone)
    assert done.exit_code == 1
    assert words in done.stderr


USAGE = [
    (("sesions", "sessions.csv"), "there is no table sesions; did you mean sessions?"),
    (("sesions",), "there is neither a table nor a file sesions; did you mean sessions?"),
    (("sessions",), "no file to import into sessions"),
    (("sessions", "nowhere.csv"), "there is no file nowhere.csv"),
    (("data.csv",), "which table is data.csv for?"),
    (("sessions", "data"), "the name data does not tell a format"),
    (("sessions", "-"), "standard input has no name that tells its format"),
    (("sessions", "sessions.csv", "sessions.csv"), "sessions.csv is named twice"),
    (("sessions", "folder"), "folder is a folder"),
    (("sessions.csv", "--mode", "replace"), "--mode replace is none of insert, upsert, skip"),
    (("sessions.csv", "--timezone", "Mars/Olympus"), "--timezone Mars/Olympus is not a time zone"),
    (("sessions.csv", "--encoding", "klingon"), "--encoding klingon is not an encoding"),
    (("sessions.csv", "--encoding", "undefined"), "--encoding undefined is not an encoding"),
    (("sessions.csv", "--encoding", "base64"), "--encoding base64 is not an encoding"),
    (("sessions.csv", "--map", "Fach"), "--map Fach has no ="),
    (("sessions.csv", "--map", "Fach=subjekt"), "--map: sessions has no column 'subjekt'; did you mean subject?"),
    (("sessions.csv", "--defaults", "subjekt=x"), "--defaults: sessions has no column 'subjekt'"),
    (("sessions.csv", "--rejects", "data.csv"), "--rejects data.csv is there already"),
    (("sessions.csv", "--rejects", "no/where.csv"), "there is no folder"),
    (("sessions.csv", "tutors.csv", "--rejects", "bad.csv"), "rows of several tables go into a folder"),
    (("sessions.csv", "--from", "xls"), "xls"),
]


@pytest.mark.parametrize(("arguments", "words"), USAGE, ids=[" ".join(arguments) for arguments, _ in USAGE])
def test_wrong_usage(refused: Callable[..., Run], tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    for name in ("sessions.csv", "tutors.csv", "data.csv", "data"):
        (tmp_path / name).write_text(SESSIONS + GOOD)
    (tmp_path / "folder").mkdir()
    done = refused(*arguments)
    assert done.exit_code == 2
    assert f"error: {words}" in done.stderr or words in done.stderr


def test_a_folder_with_what_belongs_to_no_table(refused: Callable[..., Run], tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    assert refused("data").exit_code == 1
    (folder / "sesions.csv").write_text(SESSIONS + GOOD)
    (folder / ".DS_Store").write_text("")
    done = refused("data")
    assert done.exit_code == 1
    assert "data holds what is no file of a table: sesions.csv; did you mean sessions?" in done.stderr
    (folder / "sesions.csv").rename(folder / "sessions.csv")
    (folder / "sessions.jsonl").write_text("")
    assert "sessions.csv and sessions.jsonl are both for sessions" in refused("data").stderr


def test_wrong_compression(refused: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "sessions.csv.gz").write_text(SESSIONS + GOOD)
    done = refused("sessions.csv.gz")
    assert done.exit_code == 1
    assert "sessions.csv.gz is named .gz but isn't compressed so" in done.stderr
    (tmp_path / "sessions.csv.zst").write_bytes(b"\x28\xb5\x2f\xfd" + b"nonsense" * 20)
    assert "sessions.csv.zst: its zstd" in refused("sessions.csv.zst").stderr


def test_a_map_of_a_column_that_has_our_name_already(refused: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "sessions.csv").write_text(SESSIONS + GOOD)
    done = refused("sessions.csv", "--map", "Fach=subject")
    assert (done.exit_code, "--map: no file has a column 'Fach'" in done.stderr) == (2, True)


def test_a_map_that_names_no_column_of_the_file(refused: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "sessions.csv").write_text(SESSIONS.replace("subject", "Fach") + GOOD)
    done = refused("sessions.csv", "--map", "Fäch=subject", "--map", "Fach=")
    assert done.exit_code == 1
    assert "there is no column 'Fäch', which --map names" in done.stderr


def test_a_file_that_grows_while_it_is_read(
    refused: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tutormax_cli.importing import staging

    path = tmp_path / "sessions.csv"
    path.write_text(SESSIONS + GOOD)
    add = staging.add

    def add_and_grow(*arguments: object) -> None:
        add(*arguments)  # type: ignore[arg-type]
        with path.open("a") as file:
            file.write(session(session_id="s2"))

    monkeypatch.setattr(staging, "add", add_and_grow)
    done = refused("sessions.csv")
    assert done.exit_code == 1
    assert "sessions.csv changed while it was read; nothing was changed in the database" in done.stderr


def test_many_faults_are_told_at_once_and_counted(refused: Callable[..., Run], tmp_path: Path) -> None:
    rows = (session(session_id=f"s{number}", session_type="solo") for number in range(1, 101))
    (tmp_path / "sessions.csv").write_text(SESSIONS + "".join(rows) + session(session_id="s101", tutor_id="x"))
    done = refused("sessions.csv")
    assert done.exit_code == 1
    assert done.stderr.count("sessions.csv line ") == 20
    assert "and 81 more; in all:\n    100 × sessions.session_type: unknown value" in done.stderr
    assert "    1 × sessions.tutor_id: points nowhere" in done.stderr
    assert "error: 101 rows of sessions.csv can't be imported" in done.stderr


def test_a_large_import_is_refused_in_the_same_words(refused: Callable[..., Run], tmp_path: Path) -> None:
    rows = [session(session_id=f"s{number}", subject="x" * 100) for number in range(1, 30_000)]
    for wrong, words in (
        (
            session(session_id="s7"),
            "line 30001, session_id: repeated: s7; expected one of its own: the same stands on line 8",
        ),
        (session(session_id="s", tutor_id="x"), "line 30001, tutor_id: points nowhere: x"),
        (
            session(session_id="s", engagement_score="2"),
            "line 30001, engagement_score: out of range: 2; expected 0 to 1",
        ),
        (session(session_id="s", engagement_score="two"), "line 30001, engagement_score: not a number: 'two'"),
    ):
        (tmp_path / "sessions.csv").write_text(SESSIONS + "".join(rows) + wrong)
        done = refused("sessions.csv")
        assert done.exit_code == 1
        assert words in done.stderr
