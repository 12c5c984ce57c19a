"""What goes out comes in again: a whole company in every format, and texts that nobody would think of."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, select
from sqlalchemy.orm import Session

from tests.conftest import Server, run_tutormax, url_of
from tutormax_cli.database.engine import driver_connection, make_engine
from tutormax_cli.database.models import Base, Student, Tutor, TutorEvent
from tutormax_cli.files.formats import FileFormat
from tutormax_cli.files.formulas import armour
from tutormax_cli.importing.inputs import Input, find_inputs
from tutormax_cli.importing.layout import Choice
from tutormax_cli.importing.load import import_files
from tutormax_cli.settings import Settings

TABLES = [table.name for table in Base.metadata.sorted_tables]


def digests(engine: Engine) -> dict[str, str]:
    """Digest every row of every table as PostgreSQL writes it."""
    found = {}
    with engine.connect() as connection:
        driver = driver_connection(connection)
        for table in TABLES:
            rows = driver.execute(f"SELECT t::text FROM {table} AS t ORDER BY 1".encode()).fetchall()
            found[table] = f"{len(rows)} {hashlib.sha256(repr(rows).encode()).hexdigest()}"
    return found


@pytest.mark.parametrize("format", ["csv", "tsv", "json", "jsonl", "parquet", "csv.gz", "jsonl.zst"])
def test_a_company_comes_back_as_it_was(format: str, seeded: Settings, engine: Engine, tmp_path: Path) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow")
    name, _, compression = format.partition(".")
    arguments = (
        "export",
        "--all",
        "--format",
        name,
        "-o",
        "company",
        *(["--compress", compression] if compression else []),
    )
    done = run_tutormax(arguments, {"DATABASE_URL": url_of(seeded)}, tmp_path)
    assert done.exit_code == 0, done.stderr
    with Session(engine) as db:
        results = import_files(db, find_inputs([str(tmp_path / "company")]), Choice())
        db.commit()
    assert {each.table for each in results} == set(TABLES)
    assert all(each.inserted == each.read for each in results)
    source = make_engine(seeded)
    try:
        assert digests(engine) == digests(source)
    finally:
        source.dispose()


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ['""', "\\.", "\\N", "NULL", "=1+1", "'=1", "''@", "\r", "\r\n", "\n\n", ",", '"', "\t", "\ufeff", "a\u0301", " "]
)
TIMES = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)).map(lambda time: time.replace(tzinfo=UTC, fold=0))
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXTS,
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def own(server: Server, migrated: Settings) -> Iterator[Engine]:
    with server.clone(migrated) as database:
        engine = make_engine(database)
        yield engine
        engine.dispose()


def cell(value: object) -> str:
    """Write a text as a cell of CSV, NULL as nothing."""
    return "" if value is None else '"' + armour(str(value)).replace('"', '""') + '"'


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(TEXTS, st.none() | TEXTS, TIMES), min_size=1, max_size=8))
def test_any_text_and_time_comes_back(
    rows: list[tuple[str, str | None, datetime]], own: Engine, tmp_path: Path
) -> None:
    lines = ["student_id,name,grade_level,created_at,updated_at"]
    for number, (name, grade, time) in enumerate(rows):
        written = time.astimezone(UTC).isoformat()
        lines.append(f"p{number},{cell(name)},{cell(grade)},{written},{written}")
    path = tmp_path / "students.csv"
    path.write_text("\n".join(lines), encoding="utf-8", newline="")
    with Session(own) as db:
        import_files(db, [Input("students", path, FileFormat.CSV)], Choice())
        query = select(Student.name, Student.grade_level, Student.created_at, Student.updated_at)
        found = db.execute(query.order_by(Student.created_at, Student.name)).all()
        db.rollback()
    wanted = [(name, grade, time, time) for name, grade, time in rows]
    assert sorted(map(repr, map(tuple, found))) == sorted(map(repr, wanted))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(metadata=st.dictionaries(TEXTS, JSONS, max_size=3), subjects=st.lists(TEXTS, max_size=3))
def test_any_document_and_list_comes_back(
    metadata: dict[str, object], subjects: list[str], own: Engine, tmp_path: Path
) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    (tmp_path / "tutors.csv").write_text(
        "tutor_id,name,email,onboarding_date,status,subjects\n"
        f"t,A,a@x.org,{now.isoformat()},active,{cell(json.dumps(subjects))}\n"
    )
    event = {
        "event_id": "e",
        "tutor_id": "t",
        "event_type": "x",
        "event_timestamp": str(now + timedelta(1)),
        "metadata": metadata,
    }
    (tmp_path / "tutor_events.jsonl").write_text(json.dumps(event))
    inputs = find_inputs([str(tmp_path / "tutors.csv"), str(tmp_path / "tutor_events.jsonl")])
    with Session(own) as db:
        import_files(db, inputs, Choice())
        assert db.scalars(select(TutorEvent.event_metadata)).one() == metadata
        assert db.scalars(select(Tutor.subjects)).one() == subjects
        db.rollback()


def test_many_rows_go_straight_in_and_leave_every_index(
    seeded_settings: Settings, tmp_path: Path, engine: Engine
) -> None:
    """More rows than it takes to make indexes after them, into tables that hold some already."""
    source = make_engine(seeded_settings)
    with Session(engine) as db:
        db.execute(insert(Student), [{"student_id": "before", "name": "Before"}])
        db.commit()
    lines = (f"q{number},{'x' * 180}\n" for number in range(25_000))
    (tmp_path / "students.csv").write_text("student_id,name\n" + "".join(lines))
    indexes = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
    with engine.connect() as connection, source.connect() as other:
        with Session(engine) as db:
            (result,) = import_files(db, find_inputs([str(tmp_path / "students.csv")]), Choice())
            db.commit()
        assert result.inserted == 25_000
        found, wanted = (driver_connection(each).execute(indexes.encode()).fetchall() for each in (connection, other))
    source.dispose()
    assert found == wanted
