"""What export writes, import takes back: every table's rows are the same, in every format."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Finished, Server, url_of
from tests.support.connections import connect
from tutormax_cli.database.models import Base
from tutormax_cli.settings import Settings

AWKWARD = """
    INSERT INTO tutors (tutor_id, name, email, onboarding_date, status, subjects, location, baseline_sessions_per_week)
    SELECT CASE WHEN n % 2 = 0 THEN '=' ELSE 'x' END || n, value, n || '@example.com',
           '2026-03-29 01:30:00.123456+00', 'active',
           CASE WHEN n = 1 THEN '{}' ELSE ARRAY[value, '', 'a,"b"', E'\\\\', 'null', '{}'] END,
           nullif(value, ''), 0.1::float8 + 0.2::float8
    FROM unnest(ARRAY[
        '=1+1', '''=1+1', '''''-1', '-5', '+49 30', '@x', E'\\ttab', '＝x', 'a "b", c', E'two\\nlines\\r\\nmore\\r',
        E'\\\\.', E'\\\\N', 'NULL', '', ' ', ' both ', 'O''Brien', 'true', '1e5', 'naïve 🎓', E'\\x01\\x1b[31m',
        '{"a": 1}', '[]'
    ]) WITH ORDINALITY AS given (value, n);
    INSERT INTO tutor_events (event_id, tutor_id, event_type, event_timestamp, metadata)
    SELECT '-' || tutor_id, tutor_id, name, '0001-01-02 00:00:00.000001+00',
           jsonb_build_object('text', name, 'numbers', '[1.50, 1e3, -0.0]'::jsonb, '', null)
    FROM tutors WHERE email LIKE '%@example.com';
    UPDATE student_feedback SET free_text_feedback = E'-\\n"\\\\' WHERE feedback_id IN
        (SELECT min(feedback_id) FROM student_feedback);
    UPDATE sessions SET engagement_score = 1e-300 WHERE session_id IN (SELECT min(session_id) FROM sessions);
"""
"""Rows whose values are what CSV, COPY, JSON and spreadsheets stumble over."""


def digests(settings: Settings) -> dict[str, tuple[int, str]]:
    """Give the number of rows of each table and one hash of them all, whatever their order."""
    with connect(settings) as connection:
        connection.execute("SET extra_float_digits = 1")
        found = {}
        for name, table in Base.metadata.tables.items():
            key = next(iter(table.primary_key)).name
            statement = (
                f"""SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY {key} COLLATE "C")) FROM {name} AS t"""
            )
            row = connection.execute(statement.encode()).fetchone()
            assert row is not None
            found[name] = (row[0], row[1])
        return found


@pytest.mark.parametrize("form", ["csv", "tsv --compress zst", "jsonl --compress gz", "json", "parquet"])
def test_into_an_empty_database(
    seeded_settings: Settings,
    seeded_url: str,
    server: Server,
    migrated: Settings,
    tutormax: Callable[..., Finished],
    tmp_path: Path,
    form: str,
) -> None:
    with connect(seeded_settings) as connection:
        connection.execute(AWKWARD.encode())
    expected = digests(seeded_settings)
    assert min(rows for rows, _ in expected.values()) > 20
    done = tutormax("export", "--all", "-o", "out", "--format", *form.split())
    assert done.exit_code == 0, done.stderr
    with server.clone(migrated) as empty:
        done = tutormax("import", "out", DATABASE_URL=url_of(empty))
        assert done.exit_code == 0, done.stderr
        assert digests(empty) == expected


def test_a_pseudonymised_company_is_imported_evaluated_and_predicted(
    seeded_url: str, server: Server, migrated: Settings, tutormax: Callable[..., Finished], tmp_path: Path
) -> None:
    home = {"DATABASE_URL": seeded_url, "TUTORMAX_HOME": str(tmp_path / "home")}
    done = tutormax("export", "--all", "--pseudonymise", "-o", "out", **home)
    assert done.exit_code == 0, done.stderr
    with server.clone(migrated) as empty:
        for command in (("import", "out"), ("evaluate", "--as-of", "2026-06-01"), ("predict", "--as-of", "2026-06-01")):
            done = tutormax(*command, DATABASE_URL=url_of(empty))
            assert done.exit_code == 0, done.stderr
        assert "tutor_" in tutormax("risk-report", "--min-score", "0", DATABASE_URL=url_of(empty)).stdout
