"""Cells read as values: what has exactly one meaning is taken, whatever else is refused."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutormax_cli.columns import Coded
from tutormax_cli.database.models import Base
from tutormax_cli.errors import UsageError
from tutormax_cli.importing.cells import Cells, cells_of
from tutormax_cli.importing.faults import Reason
from tutormax_cli.importing.layout import MADE_FROM, key_of
from tutormax_cli.importing.rules import IN_WORDS, other_keys, rules_of
from tutormax_cli.importing.times import times, zone_of
from tutormax_cli.importing.values import Read, booleans, documents, numbers, one_of, text_lists, texts, whole_numbers

OFFSETS = st.integers(-15 * 60, 15 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
BERLIN = ZoneInfo("Europe/Berlin")


def cells(*written: str | None) -> Cells:
    return cells_of(None if text is None else text.encode() for text in written)


def wrong(read: Read) -> dict[Reason, list[int]]:
    return {each.reason: list(each.rows) for each in read[1]}


@given(st.lists(st.integers(-(2**33), 2**33) | st.none(), min_size=1))
def test_whole_numbers(values: list[int | None]) -> None:
    column, _ = read = whole_numbers(cells(*(None if value is None else str(value) for value in values)))
    bad = [row for row, value in enumerate(values) if value is not None and not -(2**31) <= value < 2**31]
    assert wrong(read) == ({Reason.OUT_OF_RANGE: bad} if bad else {})
    assert isinstance(column, np.ndarray)
    good = [row for row in range(len(values)) if row not in bad]
    assert [np.ma.array(column)[row] if values[row] is not None else None for row in good] == [
        values[row] for row in good
    ]


def test_other_writings_of_whole_numbers() -> None:
    column, _ = read = whole_numbers(
        cells("+7", "3.0", "-3.00", "007", "00000000000042", "1.5", "1e3", " 1", "-", "", "٣")
    )
    assert np.asarray(column)[:5].tolist() == [7, 3, -3, 7, 42]
    assert wrong(read) == {Reason.NOT_WHOLE: [5, 6, 7, 8, 9, 10]}


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_come_back_to_the_last_bit(values: list[float]) -> None:
    column, faults = numbers(cells(*map(repr, values)))
    assert not faults and np.asarray(column).tolist() == values


def test_what_is_no_number() -> None:
    read = numbers(cells("nan", "+Infinity", "1e400", "0,5", "1_000", "0x10", "", ".", None, ".5"))
    assert wrong(read) == {
        Reason.NOT_FINITE: [0, 1],
        Reason.NOT_NUMBER: [3, 4, 5, 6, 7],
        Reason.OUT_OF_RANGE: [2],
    }
    column = np.asarray(read[0])
    assert math.isnan(column[8]) and column[9] == 0.5


def test_booleans_and_enums() -> None:
    column, _ = read = booleans(cells("true", "F", "YES", "0", None, "2", "truely"))
    assert isinstance(column, np.ndarray) and np.ma.filled(column, False)[:4].tolist() == [True, False, True, False]
    assert wrong(read) == {Reason.NOT_BOOLEAN: [5, 6]}
    coded, faults = one_of(["Needs Attention", "At Risk"])(cells("At Risk", None, "needs attention", "x"))
    assert isinstance(coded, Coded) and coded.codes[:2].tolist() == [1, -1]
    assert [each.expected for each in faults] == [
        "one of Needs Attention, At Risk; did you mean Needs Attention?",
        "one of Needs Attention, At Risk",
    ]


def test_texts_lists_and_documents() -> None:
    assert wrong(texts(2, armoured=True)(cells("éé", "ééé", "'=1", None))) == {Reason.TOO_LONG: [1]}
    column, _ = texts(None, armoured=True)(cells("'=1", "''=1", "'a", "=1"))
    assert np.asarray(column).tolist() == [b"=1", b"'=1", b"'a", b"=1"]
    assert wrong(text_lists(cells('["a"]', "[]", "a", "[1]", "{}", r'["\u0000"]', None))) == {
        Reason.NOT_LIST: [2, 3, 4, 5]
    }
    bad = ["NaN", "{", r'"\u0000"', r'{"\ud800": 1}', "[" * 100_000]
    assert wrong(documents(cells("{}", r'"\\u0000"', "5", None, *bad))) == {Reason.NOT_JSON: [4, 5, 6, 7, 8]}


@settings(deadline=None)
@given(
    st.lists(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=OFFSETS), min_size=1),
    st.sampled_from(["T", " "]),
)
def test_times_with_an_offset(values: list[datetime], separator: str) -> None:
    column, faults = times(None)(cells(*(value.isoformat(separator) for value in values)))
    assert not faults
    assert np.asarray(column).tolist() == [value.astimezone(UTC).replace(tzinfo=None) for value in values]


@settings(deadline=None)
@given(st.lists(st.datetimes(datetime(1950, 1, 1), datetime(2090, 1, 1)), min_size=1))
def test_times_in_a_time_zone(values: list[datetime]) -> None:
    column, _ = read = times(BERLIN)(cells(*map(str, values)))
    refused = wrong(read)
    for row, value in enumerate(values):
        early, late = (value.replace(tzinfo=BERLIN, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
        if early == late:
            assert np.asarray(column)[row] == np.datetime64(value - early)
        else:
            assert row in refused[Reason.GAP if late > early else Reason.OVERLAP]


def test_many_shapes_and_no_time_at_all() -> None:
    written = [f"{'x' * number}" for number in range(1, 90)]
    assert wrong(times(None)(cells(*written))) == {Reason.NOT_TIME: list(range(89))}
    read = times(None)(cells("1/2/26", "31.12.2026 10:00", "2026-12-31T10:00:00.123456000Z", "2026-12-31T10Z"))
    assert wrong(read) == {Reason.AMBIGUOUS_DATE: [0, 1], Reason.NOT_TIME: [3]}


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "/etc/passwd", "../UTC", "\0"])
def test_time_zones_that_are_none(name: str) -> None:
    with pytest.raises(UsageError):
        zone_of(name)


@pytest.mark.parametrize("table", Base.metadata.sorted_tables, ids=lambda table: str(table.name))
def test_every_rule_and_key_of_the_models_is_told_in_words(table: object) -> None:
    from sqlalchemy import Table

    assert isinstance(table, Table)
    for rule in rules_of(table):
        assert rule.columns and (rule.expected != rule.sql)
    assert {key.column for key in other_keys(table)} <= {column.name for column in table.columns}
    assert set(MADE_FROM.get(table.name, ())) <= {column.name for column in table.columns} - {key_of(table)}
    assert len(IN_WORDS) == len(set(IN_WORDS.values()))


def test_text_that_is_longer_than_others_by_far_fits_too() -> None:
    long = cells("a", json.dumps("b" * 1000))
    assert long.strings().tolist() == [b"a", json.dumps("b" * 1000).encode()]
    assert long.take(np.array([0])).width == 1
