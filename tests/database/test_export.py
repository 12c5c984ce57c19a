"""What an export writes: PostgreSQL's rows in each format, one moment's, in the same order everywhere."""

import csv
import io
import json
import re
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, cast

import psycopg
import pytest
from sqlalchemy import insert, null, select, text, update
from sqlalchemy.orm import Session as OrmSession

from tests.support.connections import connect
from tests.support.other_sessions import before_locking, execute
from tutormax_cli.database.models import Student, Tutor, TutorEvent
from tutormax_cli.errors import LockTimeout, SchemaNotReady
from tutormax_cli.exporting.aggregates import FEWEST_PEOPLE, subject_months
from tutormax_cli.exporting.export import TABLES, Form, export_stream, snapshot, table_sources
from tutormax_cli.exporting.sources import Source
from tutormax_cli.files.compression import Compression
from tutormax_cli.files.formats import FileFormat
from tutormax_cli.files.formulas import disarm
from tutormax_cli.settings import Settings

parquet: Any = import_module("pyarrow.parquet")

TEXTS = [
    "=1+1",
    "'=1+1",
    "-5",
    "+49 30 1234",
    "@home",
    "\tindented",
    "＝cmd",
    'a "quoted", text',
    "two\nlines\r\nand more",
    "\\.",
    "\\N",
    "NULL",
    "",
    " ",
    "O'Brien",
    "naïve 🎓 \x01\x02\x1b[31m",
]
MOMENT = datetime(2026, 3, 29, 1, 30, 0, 123456, UTC)


@pytest.fixture
def hostile(db: OrmSession) -> OrmSession:
    """Tutors whose texts are what spreadsheets, CSV and COPY stumble over."""
    for number, name in enumerate(TEXTS):
        tutor = f"={number:02}" if number % 2 else f"t{number:02}"
        subjects = [] if number == 0 else [name, 'a,"b"', "", "\\"]
        db.execute(
            insert(Tutor).values(
                tutor_id=tutor,
                name=name,
                email=f"e{number}@example.com",
                onboarding_date=MOMENT,
                status="active",
                subjects=subjects,
                location=name or None,
                baseline_sessions_per_week=0.1 + 0.2 if number else None,
            )
        )
        db.execute(
            insert(TutorEvent).values(
                event_id=f"e{number}",
                tutor_id=tutor,
                event_type="note",
                event_timestamp=MOMENT,
                event_metadata={"text": name, "n": [1.5, None, True]} if number else null(),
            )
        )
    db.commit()
    return db


def exported(db: OrmSession, source: str | Source, format: FileFormat, compression: Compression | None = None) -> bytes:
    class Kept(io.BytesIO):
        def close(self) -> None:
            kept.append(self.getvalue())
            super().close()

    kept: list[bytes] = []
    connection = snapshot(db)
    chosen = table_sources(connection, [source])[0] if isinstance(source, str) else source
    export_stream(connection, chosen, Form(format, compression), Kept())
    db.rollback()
    return kept[0]


def tutors(db: OrmSession) -> list[Tutor]:
    return sorted(db.scalars(select(Tutor)), key=lambda tutor: tutor.tutor_id.encode())


@pytest.mark.parametrize("format", [FileFormat.CSV, FileFormat.TSV])
def test_csv_and_tsv(hostile: OrmSession, format: FileFormat) -> None:
    data = exported(hostile, "tutors", format).decode()
    rows = list(csv.DictReader(io.StringIO(data, newline=""), delimiter=cast(str, format.delimiter)))
    for row, tutor in zip(rows, tutors(hostile), strict=True):
        assert not any(cell.startswith(tuple("=+-@\t\r＝")) for cell in row.values())
        assert [disarm(row[name]) for name in ("tutor_id", "name")] == [tutor.tutor_id, tutor.name]
        assert json.loads(row["subjects"]) == tutor.subjects
        assert row["onboarding_date"] == "2026-03-29T01:30:00.123456+00:00"
        assert row["baseline_sessions_per_week"] in ("", "0.30000000000000004")


def test_an_empty_text_is_quoted_and_a_null_is_not(hostile: OrmSession) -> None:
    line = next(line for line in exported(hostile, "tutors", FileFormat.CSV).decode().splitlines() if "e12@" in line)
    assert line.startswith('t12,"",e12@example.com,')
    assert ",,,0.30000000000000004,,," in line


def test_numbers_stay_numbers_and_booleans_are_words(seeded_db: OrmSession) -> None:
    without_feedback = "SELECT min(session_id) FROM sessions WHERE no_show"
    seeded_db.execute(text(f"UPDATE sessions SET session_id = '-1' WHERE session_id = ({without_feedback})"))
    seeded_db.commit()
    rows = list(csv.DictReader(io.StringIO(exported(seeded_db, "sessions", FileFormat.CSV).decode())))
    assert {row["no_show"] for row in rows} == {"true", "false"}
    assert {row["learning_objectives_met"] for row in rows} == {"true", "false", ""}
    assert rows[0]["session_id"] == "'-1"


def test_json_and_json_lines_hold_the_same_objects(hostile: OrmSession) -> None:
    objects = json.loads(exported(hostile, "tutor_events", FileFormat.JSON))
    assert objects == [json.loads(line) for line in exported(hostile, "tutor_events", FileFormat.JSONL).splitlines()]
    events = {event.event_id: event for event in hostile.scalars(select(TutorEvent))}
    assert len(objects) == len(events)
    for each in objects:
        event = events[each["event_id"]]
        assert (each["tutor_id"], each["metadata"]) == (event.tutor_id, event.event_metadata)
        assert datetime.fromisoformat(each["event_timestamp"]) == MOMENT


def test_parquet_has_types(hostile: OrmSession) -> None:
    table = parquet.read_table(io.BytesIO(exported(hostile, "tutors", FileFormat.PARQUET)))
    names = ["tutor_id", "name", "subjects", "location", "onboarding_date", "baseline_sessions_per_week"]
    expected = [{name: getattr(tutor, name) for name in names} for tutor in tutors(hostile)]
    assert table.select(names).to_pylist() == expected
    assert str(table.schema.field("created_at").type) == "timestamp[us, tz=UTC]"
    assert str(table.schema.field("subjects").type).startswith("list<")
    events = parquet.read_table(io.BytesIO(exported(hostile, "tutor_events", FileFormat.PARQUET)))
    assert {row["metadata"] and json.loads(row["metadata"])["text"] for row in events.to_pylist()} == {*TEXTS[1:], None}


@pytest.mark.parametrize("table", TABLES)
def test_parquet_and_csv_agree_for_every_table(seeded_db: OrmSession, table: str) -> None:
    rows = list(csv.DictReader(io.StringIO(exported(seeded_db, table, FileFormat.CSV).decode())))
    file = parquet.read_table(io.BytesIO(exported(seeded_db, table, FileFormat.PARQUET)))
    assert (file.num_rows, file.schema.names) == (len(rows), list(rows[0]))
    for row, other in zip(rows[:50], file.slice(0, 50).to_pylist(), strict=True):
        assert [_as_csv(value) for value in other.values()] == [disarm(cell) for cell in row.values()]


def _as_csv(value: Any) -> str:
    if isinstance(value, list):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, datetime):
        return re.sub(r"(\.\d*?)0+\+", r"\1+", value.isoformat())
    return "" if value is None else str(value)


@pytest.mark.parametrize(
    ("format", "expected"),
    [(FileFormat.JSON, b"[]\n"), (FileFormat.JSONL, b""), (FileFormat.CSV, None), (FileFormat.PARQUET, None)],
)
def test_an_empty_table(db: OrmSession, format: FileFormat, expected: bytes | None) -> None:
    data = exported(db, "students", format)
    if format is FileFormat.CSV:
        assert data.decode().splitlines() == [",".join(column.name for column in Student.__table__.columns)]
    elif format is FileFormat.PARQUET:
        assert parquet.read_table(io.BytesIO(data)).num_rows == 0
    else:
        assert data == expected


def test_equal_rows_give_equal_files_wherever_they_lie(hostile: OrmSession) -> None:
    before = exported(hostile, "tutors", FileFormat.CSV, Compression.GZIP)
    hostile.execute(update(Tutor).where(Tutor.tutor_id < "t06").values(status="inactive", updated_at=MOMENT))
    hostile.execute(update(Tutor).values(status="active", updated_at=Tutor.created_at))
    hostile.commit()
    assert exported(hostile, "tutors", FileFormat.CSV, Compression.GZIP) == before


def test_the_index_serves_the_order_where_texts_are_compared_byte_by_byte(db: OrmSession) -> None:
    (source,) = table_sources(snapshot(db), ["sessions"])
    assert (' COLLATE "C"' in source.order) == (not source.bytewise)


def test_all_tables_are_of_one_moment(hostile: OrmSession, settings: Settings) -> None:
    connection = snapshot(hostile)
    sources = table_sources(connection, ["tutors", "tutor_events"])
    rows = [export_stream(connection, sources[0], Form(FileFormat.CSV), io.BytesIO()).rows]
    with connect(settings) as other:
        other.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable), other.transaction():
            other.execute("TRUNCATE tutor_events")
        other.execute("DELETE FROM tutors")
    rows += [export_stream(connection, sources[1], Form(FileFormat.CSV), io.BytesIO()).rows]
    assert rows == [len(TEXTS)] * 2


def test_a_truncate_before_the_locks_shows_in_every_table(
    seeded_db: OrmSession, seeded_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_locking(monkeypatch, lambda: execute(seeded_settings, "TRUNCATE public.tutors CASCADE"))
    connection = snapshot(seeded_db)
    rows = {
        source.name: export_stream(connection, source, Form(FileFormat.CSV), io.BytesIO()).rows
        for source in table_sources(connection)
    }
    assert rows.pop("students") > 0 and set(rows.values()) == {0}


def test_a_schema_that_is_migrated_down_before_the_locks_ends_the_export(
    db: OrmSession, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_locking(monkeypatch, lambda: execute(settings, "DELETE FROM public.alembic_version"))
    with pytest.raises(SchemaNotReady, match="no TutorMax schema"):
        snapshot(db)


def test_a_table_that_is_locked_for_long_ends_the_export(
    db: OrmSession, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tutormax_cli.exporting.export.LOCK_PATIENCE", 0.1)
    with connect(settings) as other:
        other.execute("LOCK TABLE public.sessions IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(LockTimeout, match="table sessions is in use"):
            snapshot(db)


def test_an_export_changes_nothing(db: OrmSession) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        cast(Any, snapshot(db).connection.driver_connection).execute("DELETE FROM tutors")


def test_an_error_halfway_is_the_servers_and_the_connection_goes_on(seeded_db: OrmSession) -> None:
    connection = snapshot(seeded_db)
    (source,) = table_sources(connection, ["sessions"])
    division = "1 / (right(session_id, 5)::int - 9) < 5"
    broken = Source("s", source.columns[:1], f"(SELECT * FROM sessions WHERE {division} OFFSET 0)", source.keys, True)
    with pytest.raises(psycopg.errors.DivisionByZero):
        export_stream(connection, broken, Form(FileFormat.CSV), io.BytesIO())
    seeded_db.rollback()
    assert seeded_db.scalar(text("SELECT 1")) == 1


def test_aggregates_leave_out_what_few_people_did(seeded_db: OrmSession) -> None:
    rows = json.loads(exported(seeded_db, subject_months("public"), FileFormat.JSON))
    counted = seeded_db.execute(
        text(
            "SELECT to_char(scheduled_start AT TIME ZONE 'UTC', 'YYYY-MM'), subject, tutor_id, student_id, session_id,"
            " overall_rating FROM sessions LEFT JOIN (SELECT session_id, overall_rating FROM student_feedback) f"
            " USING (session_id)"
        )
    ).all()
    assert {row["suppressed"] for row in rows} == {True, False}
    assert len(rows) == len({(month, subject) for month, subject, *_ in counted})
    for row in rows:
        cell = [each for each in counted if (each[0], each[1]) == (row["month"], row["subject"])]
        people = min(len({each[2] for each in cell}), len({each[3] for each in cell}))
        assert row["suppressed"] == (people < FEWEST_PEOPLE)
        assert row["sessions"] == (None if people < FEWEST_PEOPLE else len(cell))
        ratings = [each for each in cell if each[5] is not None]
        raters = min(len({each[2] for each in ratings}), len({each[3] for each in ratings}))
        assert row["ratings"] == (None if raters < FEWEST_PEOPLE else len(ratings))
        if row["average_rating"] is not None:
            assert row["average_rating"] == pytest.approx(sum(each[5] for each in ratings) / len(ratings), abs=0.0051)
