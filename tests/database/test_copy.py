"""COPY in and out: every kind of column, every value, there and back."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Engine,
    Enum,
    Float,
    Integer,
    MetaData,
    Numeric,
    Select,
    String,
    Table,
    Text,
    bindparam,
    cast,
    func,
    insert,
    literal,
    literal_column,
    null,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB

from tutormax_cli.columns import Coded, Columns
from tutormax_cli.database.copy import copy_in, copy_out, decoding, encode, encoding
from tutormax_cli.database.copy.encoding import send
from tutormax_cli.database.enums import TutorStatus
from tutormax_cli.database.models import Base, Student, Tutor

KINDS = Table(
    "kinds",
    MetaData(schema="pg_temp"),
    Column("row", Integer),
    Column("int", Integer),
    Column("float", Float),
    Column("bool", Boolean),
    Column("time", DateTime(timezone=True)),
    Column("bytes", Text),
    Column("coded", String(400)),
    Column("enum", Enum(TutorStatus, native_enum=False, values_callable=lambda kind: [one.value for one in kind])),
    Column("array", ARRAY(Text)),
    Column("json", JSONB),
    Column("json_bytes", JSONB),
    prefixes=["TEMPORARY"],
)

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
OBVIOUS_TEXTS = st.sampled_from(["", "NULL", "\\N", '"', "{}", "{a,b}", "ä€😀", "a\tb\nc", "\\", "-1"])
ANY_TEXT = TEXTS | OBVIOUS_TEXTS
STUDENTS, TUTORS = Base.metadata.tables["students"], Base.metadata.tables["tutors"]

ROWS = st.fixed_dictionaries(
    {
        "int": st.none() | st.integers(-(2**31), 2**31 - 1),
        "float": st.none() | st.floats(allow_nan=False) | st.just(-0.0),
        "bool": st.none() | st.booleans(),
        "time": st.none() | st.datetimes(timezones=st.just(UTC)),
        "bytes": st.none() | ANY_TEXT,
        "coded": st.none() | ANY_TEXT,
        "enum": st.none() | st.sampled_from(list(TutorStatus)),
        "array": st.none() | st.lists(ANY_TEXT, max_size=3),
        "json": st.none() | st.sampled_from(['{"a": [1, null, "x"]}', "[]", '"ä"', "null"]),
        "json_bytes": st.none() | st.sampled_from(['{"hours": 3.5}', "{}"]),
    }
)


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as opened:
        KINDS.create(opened)
        yield opened


def masked(values: Sequence[Any], dtype: Any, filler: Any) -> np.ndarray[Any, Any]:
    missing = [value is None for value in values]
    return np.ma.masked_array(np.array([filler if v is None else v for v in values], dtype), missing)


def coded(values: Sequence[Any]) -> Coded:
    distinct: list[Any] = []
    for value in values:
        if value is not None and value not in distinct:
            distinct.append(value)
    return Coded(np.array([-1 if v is None else distinct.index(v) for v in values], np.int32), distinct)


def columns_of(rows: Sequence[dict[str, Any]]) -> Columns:
    of = {name: [row[name] for row in rows] for name in rows[0]}
    naive = [
        np.datetime64("NaT", "us") if v is None else np.datetime64(v.replace(tzinfo=None), "us") for v in of["time"]
    ]
    return {
        "row": np.arange(len(rows)),
        "int": masked(of["int"], np.int64, 0),
        "float": np.array([np.nan if v is None else v for v in of["float"]]),
        "bool": masked(of["bool"], np.bool_, False),
        "time": np.array(naive, "datetime64[us]"),
        "bytes": masked([v if v is None else v.encode() for v in of["bytes"]], np.bytes_, b""),
        "coded": coded(of["coded"]),
        "enum": coded(of["enum"]),
        "array": coded(of["array"]),
        "json": coded(of["json"]),
        "json_bytes": masked([v if v is None else v.encode() for v in of["json_bytes"]], np.bytes_, b""),
    }


def selected(connection: Connection, table: Table) -> list[dict[str, Any]]:
    """Read rows as anybody would, with JSON as PostgreSQL's own text."""
    shown = [cast(c, Text).label(c.name) if isinstance(c.type, JSONB) else c for c in table.columns]
    found = connection.execute(select(*shown).order_by(table.c.row)).mappings()
    return [{name: value for name, value in row.items() if name != "row"} for row in found]


def shown(value: Any) -> Any:
    """Tell -0.0 from 0.0."""
    return repr(value) if isinstance(value, float) else value


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, min_size=1, max_size=20), slice_bytes=st.sampled_from([1, 400, 1 << 20]))
def test_every_value_arrives_as_it_was(connection: Connection, rows: list[dict[str, Any]], slice_bytes: int) -> None:
    with pytest.MonkeyPatch.context() as patch, connection.begin_nested():
        patch.setattr(encoding, "SLICE_BYTES", slice_bytes)
        connection.execute(KINDS.delete())
        assert copy_in(connection, KINDS, columns_of(rows)) == len(rows)
    for found, wanted in zip(selected(connection, KINDS), rows, strict=True):
        assert {k: shown(v) for k, v in found.items()} == {k: shown(v) for k, v in wanted.items()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, min_size=1, max_size=20), block=st.sampled_from([1, 3, 1 << 14]))
def test_every_value_comes_back_as_it_was(connection: Connection, rows: list[dict[str, Any]], block: int) -> None:
    wanted = columns_of(rows)
    with pytest.MonkeyPatch.context() as patch, connection.begin_nested():
        patch.setattr(decoding, "BLOCK_ROWS", block)
        connection.execute(KINDS.delete())
        copy_in(connection, KINDS, wanted)
        found = read(connection, select(KINDS).order_by(KINDS.c.row))
    assert list(found) == list(wanted)
    for name, column in wanted.items():
        assert listed(found[name]) == listed(column), name


def read(connection: Connection, statement: Select[Any]) -> dict[str, Any]:
    """Call copy_out, for columns known to be arrays."""
    return copy_out(connection, statement)


def listed(column: Any) -> list[Any]:
    """Give a column's values as plain ones."""
    if isinstance(column, Coded):
        values = [None if code < 0 else column.values[code] for code in column.codes]
        return [v.encode() if isinstance(v, str) else v and list(v) for v in values]
    if column.dtype.kind in "fM":
        return [None if v is None or v != v else shown(v) for v in column.tolist()]
    return list(column.tolist())


def test_copy_out_reads_what_the_driver_reads(connection: Connection) -> None:
    numbers = func.generate_series(1, 40_000).column_valued("n")
    statement = select(
        numbers.label("int4"),
        (numbers * literal(10**10)).label("int8"),
        cast(numbers / 7.0, Float).label("float8"),
        cast(text("date '2026-02-28' + n"), Date).label("date"),
        func.sum(numbers).over(order_by=numbers).label("total"),
        (func.repeat(text("'é'"), numbers % 40)).label("text"),
    ).order_by(numbers)
    found = read(connection, statement)
    rows = connection.execute(statement).all()
    assert [column.tolist() for name, column in found.items() if name != "text"] == [
        list(values) for values in zip(*(row[:5] for row in rows), strict=True)
    ]
    assert [value.decode() for value in found["text"].tolist()] == [row.text for row in rows]


def test_parameters_of_a_select_are_quoted(connection: Connection) -> None:
    awkward = "100% \\' OR '1'='1 %s :name \\"
    copy_in(connection, KINDS, {"row": np.arange(2), "coded": Coded(np.array([0, 1]), [awkward, "other"])})
    at = datetime(2026, 1, 1, tzinfo=UTC)
    statement = select(KINDS.c.row, literal(at).label("at"), bindparam("rate", 0.5).label("rate")).where(
        KINDS.c.coded.in_([awkward, "another"]), KINDS.c.coded.like("100\\%%"), KINDS.c.enum.is_(None)
    )
    found = read(connection, statement)
    assert found["row"].tolist() == [0]
    assert found["at"].tolist() == [at.replace(tzinfo=None)]
    assert found["rate"].tolist() == [0.5]
    assert read(connection, select(text("'100%' AS share")))["share"].tolist() == [b"100%"]
    assert read(connection, select(KINDS.c.row).where(KINDS.c.enum == TutorStatus.ACTIVE))["row"].tolist() == []


def test_an_empty_result_has_typed_columns(connection: Connection) -> None:
    found = read(connection, select(KINDS))
    kinds = {name: column.dtype.kind for name, column in found.items() if not isinstance(column, Coded)}
    numbers = {"row": "i", "int": "i", "float": "f", "bool": "b", "time": "M"}
    assert kinds == numbers | dict.fromkeys(("bytes", "coded", "enum", "json", "json_bytes"), "S")
    assert isinstance(found["array"], Coded)


def test_a_type_that_no_array_holds_is_refused_before_reading(connection: Connection) -> None:
    with pytest.raises(TypeError, match="rate"):
        copy_out(connection, select(cast(1, Numeric).label("rate")))
    assert connection.execute(select(1)).scalar() == 1


def test_null_elements_of_an_array_are_left_out(connection: Connection) -> None:
    lists = select(literal_column("ARRAY['a', NULL, '']::text[]", ARRAY(Text)).label("list"))
    found = read(connection, select(union_all(lists, select(null())).subquery()))["list"]
    assert listed(found) == [["a", ""], None]


def test_extreme_times_survive(connection: Connection) -> None:
    times = np.array(["0001-01-01T00:00", "9999-12-31T23:59:59.999999", "1999-12-31T23:59:59.999999"], "datetime64[us]")
    copy_in(connection, KINDS, {"row": np.arange(3), "time": times})
    assert [row["time"].replace(tzinfo=None) for row in selected(connection, KINDS)] == times.tolist()
    assert read(connection, select(KINDS.c.time).order_by(KINDS.c.row))["time"].tolist() == times.tolist()


def test_a_time_before_the_calendar_is_refused_not_turned_around(connection: Connection) -> None:
    earliest = np.array([np.iinfo(np.int64).min + 1]).view("datetime64[us]")
    with pytest.raises(psycopg.DataError, match="timestamp out of range"):
        copy_in(connection, KINDS, {"time": earliest})


def test_columns_left_out_take_their_defaults(connection: Connection) -> None:
    started = connection.execute(select(func.now())).scalar()
    copy_in(connection, STUDENTS, {"student_id": np.array([b"s1"]), "name": Coded(np.zeros(1, int), ["Ann"])})
    row = connection.execute(select(Student)).one()
    assert (row.created_at, row.age, row.subjects_interested) == (started, None, None)


def test_progress_adds_up_and_no_rows_are_rows_too(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "MAX_SLICE_ROWS", 4)
    told: list[int] = []
    assert copy_in(connection, KINDS, {"row": np.arange(10)}, progress=told.append) == 10
    assert told == [4, 4, 2]
    assert copy_in(connection, KINDS, {"row": np.arange(0)}) == 0


def test_encoded_rows_load_without_their_columns(connection: Connection) -> None:
    encoded = encode({"int": np.array([7], np.int16)}, KINDS)
    assert [(rows, bytes(buffer)) for rows, buffer in encoded.slices] == [(1, b"\0\1\0\0\0\4\0\0\0\7")]
    assert send(connection, encoded) == 1
    assert connection.execute(select(KINDS.c.int)).scalar() == 7


@pytest.mark.parametrize(
    ("columns", "error", "words"),
    [
        ({"int": np.array([2**31])}, ValueError, "too large"),
        ({"int": np.array([1.5])}, TypeError, "float64"),
        ({"float": np.array([b"1"])}, TypeError, "S1"),
        ({"time": np.array([0])}, TypeError, "int64"),
        ({"int": Coded(np.array([0]), ["1"])}, TypeError, "coded"),
        ({"coded": Coded(np.array([1]), ["one"])}, ValueError, "code"),
        ({"coded": Coded(np.array([-2]), ["one"])}, ValueError, "code"),
        ({"int": np.array([1]), "row": np.array([1, 2])}, ValueError, "differ in length"),
        ({"nowhere": np.array([1])}, KeyError, "nowhere"),
    ],
)
def test_what_does_not_fit_is_refused(columns: Columns, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        encode(columns, KINDS)


def test_a_masked_number_may_hide_one_that_is_too_large(connection: Connection) -> None:
    copy_in(connection, KINDS, {"int": np.ma.masked_array([2**40, 5], [True, False])})
    assert connection.execute(select(func.sum(KINDS.c.int))).scalar() == 5


def test_a_session_that_speaks_another_encoding_loads_utf8(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("SET client_encoding TO 'LATIN1'"))
        connection.commit()
        name = Coded(np.zeros(1, int), ["Zoë Ångström 😀"])
        copy_in(connection, STUDENTS, {"student_id": np.array([b"s1"]), "name": name})
        assert read(connection, select(Student.name))["name"].tolist() == [name.values[0].encode()]  # type: ignore[union-attr]


def test_what_was_copied_is_the_callers_to_commit(engine: Engine) -> None:
    tutor: Columns = {
        "tutor_id": np.array([b"t1"]),
        "name": Coded(np.zeros(1, int), ["Ann"]),
        "email": np.array([b"ann@example.com"]),
        "onboarding_date": np.array(["2026-01-01"], "datetime64[us]"),
        "status": Coded(np.zeros(1, int), ["active"]),
        "subjects": Coded(np.zeros(1, int), [["physics"]]),
    }
    with engine.connect() as connection:
        copy_in(connection, TUTORS, tutor)
    with engine.begin() as connection:
        assert connection.execute(select(func.count()).select_from(Tutor)).scalar() == 0
        connection.execute(insert(Student), {"student_id": "s", "name": "Bo"})
        copy_in(connection, TUTORS, tutor)
    with engine.connect() as connection:
        found = connection.execute(select(Tutor.subjects, Tutor.onboarding_date)).one()
    assert found.subjects == ["physics"]
    assert found.onboarding_date.date() == date(2026, 1, 1)
