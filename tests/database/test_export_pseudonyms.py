"""A pseudonymised export: the same codes everywhere, nobody's name anywhere, and still a company to compute with."""

import hmac
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.models import Base, Tutor, TutorEvent
from tutormax_cli.exporting import pseudonyms
from tutormax_cli.exporting.export import TABLES, Form, export_stream, snapshot, table_sources
from tutormax_cli.exporting.keys import PseudonymKey
from tutormax_cli.files.formats import FileFormat

KEY = PseudonymKey(b"a secret of the tests and of nobody else", Path("key"))


def code(kind: str, value: str, key: PseudonymKey = KEY) -> str:
    return f"{kind}_{hmac.digest(key.secret, f'{kind}:{value}'.encode(), 'sha256')[:10].hex()}"


def exported(db: OrmSession, key: PseudonymKey = KEY) -> dict[str, list[dict[str, Any]]]:
    """Export all tables and read them back."""
    tables = {}
    connection = snapshot(db)
    pseudonyms.use_key(connection, key)
    for source in table_sources(connection, TABLES):
        stream = io.BytesIO()
        stream.close = lambda: None  # type: ignore[method-assign]
        export_stream(connection, pseudonyms.pseudonymised(source), Form(FileFormat.JSON), stream)
        tables[source.name] = json.loads(stream.getvalue())
    db.rollback()
    return tables


def test_somebody_has_decided_on_every_column() -> None:
    columns = {column.name for table in Base.metadata.tables.values() for column in table.columns}
    decisions = (
        frozenset(pseudonyms.CODED),
        pseudonyms.KEPT,
        pseudonyms.LEFT_OUT,
        pseudonyms.NAMED,
        pseudonyms.KEPT_IN_PART,
    )
    assert frozenset().union(*decisions) == columns
    assert sum(map(len, decisions)) == len(columns), "a column is decided on twice"


def test_what_is_left_out_may_be_empty() -> None:
    for table in Base.metadata.tables.values():
        assert all(column.nullable for column in table.columns if column.name in pseudonyms.LEFT_OUT)


def test_codes_are_hmacs_and_agree_in_every_table(seeded_db: OrmSession) -> None:
    tables = exported(seeded_db)
    tutors = {code("tutor", tutor_id) for tutor_id in seeded_db.scalars(select(Tutor.tutor_id))}
    assert {row["tutor_id"] for row in tables["tutors"]} == tutors
    sessions = {row["session_id"] for row in tables["sessions"]}
    for name, rows in tables.items():
        assert rows, name
        assert {row["tutor_id"] for row in rows if "tutor_id" in row} <= tutors
        assert {row["session_id"] for row in rows if "session_id" in row} <= sessions
    moved = {row["metadata"]["session_id"] for row in tables["tutor_events"] if "session_id" in row["metadata"]}
    assert len(moved) > 10 and moved <= sessions
    assert all(row["email"] == f"{row['name']}@example.invalid" for row in tables["tutors"])


def test_the_order_of_rows_does_not_tell_whose_code_it_is(seeded_db: OrmSession) -> None:
    codes = [row["tutor_id"] for row in exported(seeded_db)["tutors"]]
    assert codes == sorted(codes)
    assert codes != [code("tutor", id_) for id_ in seeded_db.scalars(select(Tutor.tutor_id).order_by(Tutor.tutor_id))]


def test_the_codes_are_the_keys(seeded_db: OrmSession) -> None:
    one, again = exported(seeded_db), exported(seeded_db)
    other = exported(seeded_db, PseudonymKey(b"another secret of the tests", Path("key")))
    assert one == again
    assert not {row["tutor_id"] for row in one["tutors"]} & {row["tutor_id"] for row in other["tutors"]}


def test_nothing_personal_is_left(seeded_db: OrmSession) -> None:
    """No name, e-mail, id, place or free text of the database stands anywhere in the export."""
    personal = {
        "tutors": ("tutor_id", "name", "email", "location", "timezone", "education_level"),
        "students": ("student_id", "name"),
        "sessions": ("session_id",),
        "student_feedback": ("free_text_feedback",),
        "interventions": ("trigger_reason", "notes", "assigned_to"),
    }
    tables = exported(seeded_db)
    texts = set(texts_in(tables))
    people = json.dumps([tables["tutors"], tables["interventions"]], ensure_ascii=False)
    for table, columns in personal.items():
        for column in columns:
            values = seeded_db.scalars(text(f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL")).all()
            found = [value for value in values if value in texts or (table == "tutors" and value in people)]
            assert values and not found, f"{table}.{column}"


def texts_in(value: Any) -> Iterator[str]:
    """Give every text anywhere in what JSON holds."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in (*value, *value.values()):
            yield from texts_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts_in(each)


@pytest.mark.parametrize(
    ("metadata", "kept"),
    [
        ({"response_minutes": 12.5, "note": "Dana"}, {"response_minutes": 12.5}),
        ({"response_minutes": "Dana", "hours_before": True}, {}),
        ({"from": "active", "to": "dana@example.com"}, {"from": "active"}),
        ({"session_id": 7, "reason": "ill"}, {"session_id": code("session", "7")}),
        ({"session_id": None, "course": "Dana's"}, {}),
        (["Dana"], {}),
        ("Dana", {}),
    ],
)
def test_metadata_keeps_what_we_know(db: OrmSession, metadata: object, kept: object) -> None:
    moment = "2026-01-01T00:00Z"
    db.execute(
        insert(Tutor).values(
            tutor_id="t", name="Dana", email="d@example.com", onboarding_date=moment, status="active", subjects=[]
        )
    )
    row = {"event_id": "e", "tutor_id": "t", "event_type": "call", "event_timestamp": moment}
    db.execute(insert(TutorEvent).values(**row, event_metadata=metadata))
    db.commit()
    assert exported(db)["tutor_events"][0]["metadata"] == kept


def test_factors_with_texts_of_others_lose_their_components(seeded_db: OrmSession) -> None:
    changed = """
        UPDATE churn_predictions SET contributing_factors =
            jsonb_set(contributing_factors, '{components,0,evidence,who}', '"Dana"') || '{"said": "Dana"}'
        WHERE prediction_id = (SELECT min(prediction_id) FROM churn_predictions)
    """
    seeded_db.execute(text(changed))
    seeded_db.commit()
    rows = exported(seeded_db)["churn_predictions"]
    without = [row for row in rows if "components" not in row["contributing_factors"]]
    assert len(without) == 1 < len(rows)
    assert set(without[0]["contributing_factors"]) == {"baseline", "calibrated"}


@pytest.mark.parametrize(
    "factors",
    [
        {"baseline": "Dana"},
        {"calibrated": {"who": "Dana"}},
        {"components": [{"Dana": 1}]},
        {"components": [{"component": "engagement", "evidence": {"Dana": 1}}]},
        {"components": {"Dana": []}},
    ],
    ids=str,
)
def test_factors_hold_no_text_or_key_of_others(seeded_db: OrmSession, factors: dict[str, object]) -> None:
    changed = "UPDATE churn_predictions SET contributing_factors = cast(:factors AS jsonb)"
    seeded_db.execute(text(changed), {"factors": json.dumps(factors)})
    seeded_db.commit()
    assert all(row["contributing_factors"] == {} for row in exported(seeded_db)["churn_predictions"])
