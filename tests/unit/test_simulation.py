"""The synthetic world as a whole: its arguments, its reproducibility, and its fit with the schema."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

import numpy as np
import pytest
from sqlalchemy import ARRAY, Boolean, DateTime, Enum, Float, Integer, String
from sqlalchemy.dialects.postgresql import JSONB

from tutormax_cli.columns import Coded, Column, row_count
from tutormax_cli.database import enums, models
from tutormax_cli.errors import UsageError
from tutormax_cli.simulation import TABLES, World, companies, digests, expected_rows, parameters, simulate
from tutormax_cli.simulation.digests import digest_chunks

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
WORLD = World(60, 120, 42, AS_OF)


def rows_of(world: World) -> Mapping[str, Mapping[str, Column]]:
    (chunk,) = simulate(world, chunk_tutors=world.tutors)
    return chunk


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tutors": 0}, "tutors"),
        ({"tutors": -3}, "tutors"),
        ({"tutors": 10_000_001}, "tutors"),
        ({"days": 0}, "days"),
        ({"days": 3651}, "days"),
        ({"first_tutor": -1}, "first tutor"),
        ({"as_of": datetime(2026, 6, 1)}, "midnight in UTC"),
        ({"as_of": datetime(2026, 6, 1, 12, tzinfo=UTC)}, "midnight in UTC"),
        ({"as_of": datetime(2026, 6, 1, tzinfo=timezone(timedelta(hours=2)))}, "midnight in UTC"),
        ({"as_of": datetime(1700, 6, 1, tzinfo=UTC)}, "1990"),
    ],
)
def test_impossible_worlds_are_refused(change: dict[str, Any], words: str) -> None:
    arguments: dict[str, Any] = {"tutors": 5, "days": 30, "seed": 1, "as_of": AS_OF, **change}
    with pytest.raises(UsageError, match=words):
        World(**arguments)


def test_a_midnight_in_utc_may_be_written_in_any_zone() -> None:
    world = World(5, 30, 1, datetime(2026, 6, 1, 2, tzinfo=timezone(timedelta(hours=2))))
    assert digests(world) == digests(World(5, 30, 1, AS_OF))


def test_chunks_do_not_matter() -> None:
    whole = digests(WORLD)
    assert list(whole) == list(TABLES)
    for size in (1, 7, 59, 1000):
        assert digests(WORLD, chunk_tutors=size) == whole


def test_more_tutors_leave_the_first_as_they_were() -> None:
    more = simulate(World(90, 120, 42, AS_OF), chunk_tutors=60)
    assert digest_chunks([next(more)]) == digests(WORLD)


def test_a_later_part_continues_an_earlier_one() -> None:
    parts = [World(40, 120, 42, AS_OF), World(20, 120, 42, AS_OF, first_tutor=40)]
    assert digest_chunks(rows_of(part) for part in parts) == digests(WORLD)


def test_a_world_without_signal_is_the_same_company_until_somebody_leaves() -> None:
    (usual,), (silent,) = companies(WORLD), companies(replace(WORLD, signal=False))
    assert (usual.behaviour.disengagement == silent.behaviour.disengagement).all()
    assert (usual.behaviour.stop_day != silent.behaviour.stop_day).any()
    assert digests(replace(WORLD, signal=False), chunk_tutors=7) == digests(replace(WORLD, signal=False))


@pytest.mark.parametrize("change", [{"seed": 43}, {"days": 121}, {"as_of": AS_OF + timedelta(days=1)}])
def test_each_argument_makes_another_world(change: dict[str, Any]) -> None:
    other: dict[str, Any] = {"tutors": 60, "days": 120, "seed": 42, "as_of": AS_OF, **change}
    here = digests(WORLD)
    assert all(there != here[table] for table, there in digests(World(**other)).items())


def test_the_rows_of_a_seed_never_change() -> None:
    assert digests(World(60, 120, 7, AS_OF)) == PINNED


def test_expected_rows_are_exact_for_small_worlds_and_near_for_large_ones() -> None:
    assert expected_rows(WORLD) == {table: row_count(columns) for table, columns in rows_of(WORLD).items()}
    large = World(1500, 60, 3, AS_OF)
    counted = dict.fromkeys(TABLES, 0)
    for chunk in simulate(large):
        for table, columns in chunk.items():
            counted[table] += row_count(columns)
    for table in ("tutors", "students", "sessions", "student_feedback", "tutor_events"):
        assert expected_rows(large)[table] == pytest.approx(counted[table], rel=0.25)


def test_a_million_tutors_have_a_million_addresses_and_longer_ids() -> None:
    rows = rows_of(World(30, 5, 42, AS_OF, first_tutor=99_985))["tutors"]
    ids, emails = np.asarray(rows["tutor_id"]), np.asarray(rows["email"])
    assert ids[0] == b"tutor_99986" and ids[-1] == b"tutor_100015"
    assert len(set(emails.tolist())) == 30


def test_sessions_are_booked_ahead_and_nothing_is_known_of_them() -> None:
    sessions = rows_of(WORLD)["sessions"]
    ahead = np.asarray(sessions["scheduled_start"]) >= WORLD.end
    assert 0.02 < ahead.mean() < 0.2
    assert np.isnat(np.asarray(sessions["actual_start"])[ahead]).all()
    assert not np.asarray(sessions["no_show"])[ahead].any()
    assert (np.asarray(sessions["created_at"]) < WORLD.end).all()


def test_columns_are_those_of_the_schema() -> None:
    for table, columns in rows_of(WORLD).items():
        schema = models.Base.metadata.tables[table].columns
        assert list(columns) == [column.name for column in schema]
        assert len({len(column) for column in columns.values()}) == 1
        for column in schema:
            _fits(columns[column.name], column.type, bool(column.nullable))


def _fits(column: Column, kind: object, nullable: bool) -> None:
    if isinstance(column, Coded):
        assert nullable or (column.codes >= 0).all()
        assert isinstance(kind, (String, ARRAY, JSONB))
        if isinstance(kind, Enum):
            assert set(column.values) <= set(kind.enums)
        elif isinstance(kind, ARRAY):
            assert all(not isinstance(value, str) for value in column.values)
        elif isinstance(kind, String) and kind.length:
            assert all(len(value) <= kind.length for value in column.values)
        return
    plain = np.ma.getdata(column)
    expected = {Integer: "i", Float: "f", Boolean: "b", DateTime: "M", String: "S", JSONB: "S"}
    assert plain.dtype.kind == next(code for sql, code in expected.items() if isinstance(kind, sql))
    if not nullable:
        assert not np.ma.getmaskarray(column).any()
        assert plain.dtype.kind not in "fM" or not np.isnan(plain).any()


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (parameters.TUTOR_STATUSES, enums.TutorStatus),
        (parameters.ARCHETYPES, enums.BehavioralArchetype),
        (parameters.SESSION_TYPES, enums.SessionType),
        (parameters.EVENT_TYPES, enums.EventType),
        (parameters.INTERVENTION_TYPES, enums.InterventionType),
        (parameters.INTERVENTION_STATUSES, enums.InterventionStatus),
        (parameters.OUTCOMES, enums.InterventionOutcome),
    ],
)
def test_words_are_those_of_the_schema(words: tuple[str, ...], kind: type[StrEnum]) -> None:
    assert set(words) <= {member.value for member in kind}


PINNED: dict[str, str] = {
    "tutors": "c785dc2c6959b5cf9dc4db4f37859520807c618c5140373aa8007f536f7cdaa6",
    "students": "6986cef4bb172bd404ad999fb72b1f474468ba7af3fd00b00b15a44d8fc180b3",
    "sessions": "65796a7a91aa5d5c98a919cb1bae6fb4035855bc0aa271ef6041d18796f203cd",
    "student_feedback": "6048f59884b19c0e4ab20c521c3a4b6f050ab61c604ce6ae6a64175733d59761",
    "tutor_events": "fb6db8fc786fe84cf9304450da4b37f5e6a8ece56bb5f1278ad14e3d636284d5",
    "interventions": "1571ccd48956bdcab4f9625fc7c9392b0a41bd50f1cf8f939779c5909b14cb51",
}
