"""No impossible row: what the data model and the seeded world rule out, each looked for by one query in plain SQL.

A rule that finds nothing may be a rule that can't find anything, so each comes with a change that it must notice.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import psycopg
import pytest
from sqlalchemy.orm import Session as OrmSession

from tests.conftest import Server
from tests.support.connections import connect
from tutormax_cli.database.engine import make_engine
from tutormax_cli.seeding.seed import seed
from tutormax_cli.settings import Settings
from tutormax_cli.simulation import World

pytestmark = pytest.mark.xdist_group("seeded_world")  # a world is loaded once, by one worker

AS_OF, DAYS = datetime(2026, 4, 20, tzinfo=UTC), 90  # clocks change in America, Europe and Australia within
SEEDS = (1, 2, 3)
TIMES = {"as_of": AS_OF, "first_day": AS_OF - timedelta(days=DAYS)}


class Rule(NamedTuple):
    """A query that must give no row, and a statement after which it does."""

    query: str
    spoiler: str


def overlapping(who: str) -> str:
    """Look for sessions of one tutor or student that begin before the one before them has ended."""
    return f"""
        SELECT session_id FROM (
            SELECT session_id, coalesce(actual_start, scheduled_start) AS begins,
                max(coalesce(actual_start, scheduled_start) + duration_minutes * interval '1 minute') OVER (
                    PARTITION BY {who} ORDER BY scheduled_start, session_id
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS ended
            FROM sessions) AS s
        WHERE begins < ended"""


def one(table: str, where: str = "true") -> str:
    """Pick a row of a table: a condition on its key."""
    key = {"tutors": "tutor_id", "students": "student_id", "sessions": "session_id", "interventions": "intervention_id"}
    key |= {"student_feedback": "feedback_id", "tutor_events": "event_id"}
    return f"{key[table]} = (SELECT {key[table]} FROM {table} WHERE {where} LIMIT 1)"


HELD, AHEAD, GONE = "actual_start IS NOT NULL", "scheduled_start > %(as_of)s", "churned_at IS NOT NULL"
LOCAL = "(s.scheduled_start AT TIME ZONE t.timezone)"
MOVED = "sessions SET scheduled_start = scheduled_start"
OF_GONE = f"tutor_id IN (SELECT tutor_id FROM tutors WHERE {GONE})"

TUTORS = {
    "a tutor who came after the world's end": Rule(
        "SELECT tutor_id FROM tutors WHERE onboarding_date >= %(as_of)s",
        f"UPDATE tutors SET onboarding_date = %(as_of)s WHERE {one('tutors')}",
    ),
    "a departure outside the tutor's time with us": Rule(
        "SELECT tutor_id FROM tutors WHERE churned_at <= onboarding_date OR churned_at >= %(as_of)s",
        f"UPDATE tutors SET churned_at = %(as_of)s WHERE {one('tutors', GONE)}",
    ),
    "a departed tutor without the time of departure": Rule(
        "SELECT tutor_id FROM tutors WHERE (status = 'churned') <> (churned_at IS NOT NULL)",
        f"UPDATE tutors SET churned_at = NULL WHERE {one('tutors', GONE)}",
    ),
    "a status that no event tells of, or another one": Rule(
        """SELECT t.tutor_id FROM tutors t LEFT JOIN tutor_events e
            ON e.tutor_id = t.tutor_id AND e.event_type = 'status_change'
        WHERE coalesce(e.metadata ->> 'to', 'active') <> t.status OR t.churned_at <> e.event_timestamp""",
        f"UPDATE tutors SET churned_at = churned_at - interval '1 second' WHERE {one('tutors', GONE)}",
    ),
    "a tutor who left twice": Rule(
        "SELECT tutor_id FROM tutor_events WHERE event_type = 'status_change' GROUP BY tutor_id HAVING count(*) > 1",
        f"""INSERT INTO tutor_events (event_id, tutor_id, event_type, event_timestamp)
            SELECT 'again', tutor_id, 'status_change', churned_at FROM tutors WHERE {one("tutors", GONE)}""",
    ),
    "a baseline or subjects that no tutor has": Rule(
        """SELECT tutor_id FROM tutors WHERE baseline_sessions_per_week IS NULL OR behavioral_archetype IS NULL
            OR baseline_sessions_per_week NOT BETWEEN 5 AND 30 OR cardinality(subjects) NOT BETWEEN 1 AND 3""",
        f"UPDATE tutors SET baseline_sessions_per_week = 31 WHERE {one('tutors')}",
    ),
    "a time zone that does not exist": Rule(
        "SELECT timezone FROM tutors EXCEPT SELECT name FROM pg_timezone_names",
        f"UPDATE tutors SET timezone = 'Europe/Atlantis' WHERE {one('tutors')}",
    ),
    "an e-mail address that is not the tutor's": Rule(
        r"""SELECT email FROM tutors WHERE email !~ '^[a-z0-9.-]+@example\.(com|net|org)$'
            OR name ~ '^[A-Za-z ]+$' AND position(lower(substring(name FROM '[A-Za-z]+$')) IN email) = 0""",
        f"UPDATE tutors SET name = 'Ada Lovelace' WHERE {one('tutors')}",
    ),
}

SESSIONS = {
    "a tutor in two sessions at once": Rule(
        overlapping("tutor_id"),
        f"UPDATE sessions SET duration_minutes = 60 * 24 * 60 WHERE {one('sessions', HELD)}",
    ),
    "a student in two sessions at once": Rule(
        overlapping("student_id"),
        f"UPDATE sessions SET duration_minutes = 60 * 24 * 60 WHERE {one('sessions', 'session_number = 2')}",
    ),
    "a session off the quarter hours": Rule(
        f"""SELECT session_id FROM sessions s JOIN tutors t USING (tutor_id)
        WHERE extract(epoch FROM {LOCAL})::numeric %% 900 <> 0""",
        f"UPDATE {MOVED} + interval '1 minute' WHERE {one('sessions')}",
    ),
    "a session when pupils are at school or asleep": Rule(
        f"""SELECT session_id FROM sessions s JOIN tutors t USING (tutor_id)
        WHERE {LOCAL}::time < CASE WHEN extract(isodow FROM {LOCAL}) < 6 THEN time '15:00' ELSE time '09:00' END
            OR {LOCAL}::time > time '22:00' - duration_minutes * interval '1 minute'""",
        f"UPDATE {MOVED} + interval '12 hours' WHERE {one('sessions')}",
    ),
    "a session before the tutor came or the records begin": Rule(
        """SELECT session_id FROM sessions s JOIN tutors t USING (tutor_id)
        WHERE least(scheduled_start, s.created_at) <= onboarding_date OR scheduled_start < %(first_day)s""",
        f"UPDATE {MOVED} - interval '9 years' WHERE {one('sessions')}",
    ),
    "a session after the tutor's departure": Rule(
        "SELECT session_id FROM sessions JOIN tutors USING (tutor_id) WHERE scheduled_start >= churned_at",
        f"UPDATE {MOVED} + interval '100 days' WHERE {one('sessions', OF_GONE)}",
    ),
    "a session held within the silence before a departure": Rule(
        """SELECT session_id FROM sessions JOIN tutors t USING (tutor_id)
        WHERE actual_start > churned_at - interval '14 days' AND EXISTS (SELECT FROM tutor_events e
            WHERE e.tutor_id = t.tutor_id AND e.metadata ->> 'reason' = 'no activity for 14 days')""",
        f"""UPDATE sessions SET actual_start = (SELECT churned_at FROM tutors t WHERE t.tutor_id = sessions.tutor_id)
        WHERE no_show IS FALSE AND {OF_GONE}""",
    ),
    "a session booked after it began, or not booked yet": Rule(
        "SELECT session_id FROM sessions WHERE created_at >= scheduled_start OR created_at >= %(as_of)s",
        f"UPDATE sessions SET created_at = scheduled_start WHERE {one('sessions')}",
    ),
    "a session booked too far ahead": Rule(
        "SELECT session_id FROM sessions WHERE scheduled_start >= %(as_of)s + interval '10 days'",
        f"UPDATE {MOVED} + interval '10 days' WHERE {one('sessions', AHEAD)}",
    ),
    "a session that lies ahead and was held or missed": Rule(
        f"SELECT session_id FROM sessions WHERE actual_start >= %(as_of)s OR no_show AND {AHEAD}",
        f"UPDATE sessions SET no_show = true WHERE {one('sessions', AHEAD)}",
    ),
    "a session that is over and was neither held nor missed": Rule(
        """SELECT session_id FROM sessions WHERE actual_start IS NULL AND NOT no_show
            AND scheduled_start < %(as_of)s - interval '1 hour'""",
        f"UPDATE sessions SET actual_start = NULL WHERE {one('sessions', HELD)}",
    ),
    "a start that is not as late as it says": Rule(
        """SELECT session_id FROM sessions
        WHERE actual_start <> scheduled_start + late_start_minutes * interval '1 minute'
            OR late_start_minutes >= 15 OR late_start_minutes > 0 AND actual_start IS NULL""",
        f"UPDATE sessions SET late_start_minutes = late_start_minutes + 1 WHERE {one('sessions', HELD)}",
    ),
    "a score of a session that did not end": Rule(
        """SELECT session_id FROM sessions
        WHERE (engagement_score IS NOT NULL OR learning_objectives_met IS NOT NULL) AND (actual_start IS NULL
            OR actual_start + duration_minutes * interval '1 minute' > %(as_of)s)""",
        f"UPDATE sessions SET engagement_score = 0.5 WHERE {one('sessions', AHEAD)}",
    ),
    "pairs whose sessions are not counted on": Rule(
        """SELECT session_id FROM (
            SELECT session_id, session_number - lag(session_number) OVER (
                PARTITION BY tutor_id, student_id ORDER BY scheduled_start) AS step FROM sessions) AS s
        WHERE step <> 1""",
        f"UPDATE sessions SET session_number = session_number + 1 WHERE {one('sessions', 'session_number = 1')}",
    ),
    "pairs that met before the tutor came": Rule(
        """SELECT tutor_id, student_id FROM sessions JOIN tutors USING (tutor_id) WHERE onboarding_date >= %(first_day)s
        GROUP BY tutor_id, student_id HAVING min(session_number) > 1""",
        """UPDATE sessions SET session_number = 2 WHERE session_number = 1
            AND tutor_id IN (SELECT tutor_id FROM tutors WHERE onboarding_date >= %(first_day)s)""",
    ),
    "a subject that the tutor does not teach": Rule(
        "SELECT session_id FROM sessions JOIN tutors USING (tutor_id) WHERE subject <> ALL (subjects)",
        f"UPDATE sessions SET subject = 'alchemy' WHERE {one('sessions')}",
    ),
    "a pupil whose age and grade don't go together": Rule(
        """SELECT student_id FROM students WHERE age NOT BETWEEN 6 AND 18
            OR age - substring(grade_level FROM '[0-9]+')::int NOT BETWEEN 5 AND 7""",
        f"UPDATE students SET grade_level = 'Grade 12', age = 7 WHERE {one('students')}",
    ),
    "a student who never booked": Rule(
        """SELECT student_id FROM students st
        WHERE NOT EXISTS (SELECT FROM sessions s WHERE s.student_id = st.student_id)""",
        "INSERT INTO students (student_id, name) VALUES ('nobody', 'Nobody')",
    ),
}

FEEDBACK = {
    "feedback on a session that was not over": Rule(
        """SELECT feedback_id FROM student_feedback f JOIN sessions s USING (tutor_id, session_id)
        WHERE actual_start IS NULL OR submitted_at < actual_start + duration_minutes * interval '1 minute'""",
        f"UPDATE student_feedback SET submitted_at = submitted_at - interval '11 days' WHERE {one('student_feedback')}",
    ),
    "feedback from the future": Rule(
        "SELECT feedback_id FROM student_feedback WHERE submitted_at >= %(as_of)s",
        f"UPDATE student_feedback SET submitted_at = %(as_of)s WHERE {one('student_feedback')}",
    ),
    "feedback at night": Rule(
        """SELECT feedback_id FROM student_feedback JOIN tutors t USING (tutor_id)
        WHERE extract(hour FROM submitted_at AT TIME ZONE t.timezone) NOT BETWEEN 7 AND 21""",
        "UPDATE student_feedback SET submitted_at = submitted_at + interval '12 hours' WHERE tutor_id < 'tutor_00009'",
    ),
    "feedback of another's session": Rule(
        """SELECT feedback_id FROM student_feedback f JOIN sessions s USING (tutor_id, session_id)
        WHERE f.student_id <> s.student_id""",
        f"""UPDATE student_feedback SET student_id = (SELECT max(student_id) FROM students)
        WHERE {one("student_feedback")}""",
    ),
    "first sessions that are not the pair's first": Rule(
        """SELECT feedback_id FROM student_feedback f JOIN sessions s USING (tutor_id, session_id)
        WHERE is_first_session <> (session_number = 1)""",
        f"UPDATE student_feedback SET is_first_session = NOT is_first_session WHERE {one('student_feedback')}",
    ),
}

EVENTS = {
    "events outside the tutor's time with us or the world": Rule(
        """SELECT event_id FROM tutor_events JOIN tutors USING (tutor_id)
        WHERE event_timestamp <= onboarding_date OR event_timestamp > churned_at
            OR event_timestamp < %(first_day)s OR event_timestamp >= %(as_of)s""",
        f"""UPDATE tutor_events SET event_timestamp = event_timestamp + interval '100 days'
        WHERE {one("tutor_events", OF_GONE)}""",
    ),
    "events with other details than their type has": Rule(
        """SELECT event_id FROM tutor_events, LATERAL (
            SELECT array_agg(key ORDER BY key) AS keys FROM jsonb_object_keys(metadata) AS key) AS k
        WHERE coalesce(keys, '{}') <> (CASE event_type WHEN 'login' THEN '{}'
            WHEN 'message_response' THEN '{response_minutes}'
            WHEN 'reschedule_request' THEN '{hours_before,reason,session_id}'
            WHEN 'availability_change' THEN '{hours_per_week}' WHEN 'training_completed' THEN '{course}'
            WHEN 'status_change' THEN '{from,reason,to}' ELSE '{unknown}' END)::text[]""",
        f"UPDATE tutor_events SET event_type = 'teleport' WHERE {one('tutor_events')}",
    ),
    "requests to move another's session, or one that has begun": Rule(
        """SELECT event_id FROM tutor_events e
        LEFT JOIN sessions s ON s.tutor_id = e.tutor_id AND s.session_id = e.metadata ->> 'session_id'
        WHERE event_type = 'reschedule_request'
            AND (s.session_id IS NULL OR event_timestamp >= scheduled_start
                OR (metadata ->> 'reason' = 'student request') = tutor_initiated_reschedule)""",
        f"""UPDATE tutor_events SET metadata = metadata || '{{"session_id": "x"}}'
        WHERE {one("tutor_events", "event_type = 'reschedule_request'")}""",
    ),
    "sessions moved by the tutor that nobody asked for": Rule(
        """SELECT session_id FROM sessions s
        WHERE tutor_initiated_reschedule AND scheduled_start > %(first_day)s + interval '10 days'
            AND NOT EXISTS (SELECT FROM tutor_events e
                WHERE e.tutor_id = s.tutor_id AND e.metadata ->> 'session_id' = s.session_id)""",
        "DELETE FROM tutor_events WHERE event_type = 'reschedule_request'",
    ),
}

ROWS = {
    "interventions for those who have left, or in the future": Rule(
        """SELECT intervention_id FROM interventions i JOIN tutors USING (tutor_id)
        WHERE recommended_date >= least(churned_at, %(as_of)s) OR recommended_date <= onboarding_date
            OR completed_date >= least(churned_at, %(as_of)s) OR due_date <= recommended_date
            OR completed_date <= recommended_date OR (outcome IS NOT NULL AND i.status <> 'completed')""",
        f"UPDATE interventions SET due_date = recommended_date WHERE {one('interventions')}",
    ),
    "rows that changed before they were made, or in the future": Rule(
        " UNION ALL ".join(
            f"SELECT '{table}' FROM {table} WHERE updated_at < created_at OR updated_at > %(as_of)s"
            for table in ("tutors", "students", "sessions", "interventions")
        ),
        f"UPDATE students SET updated_at = now() + interval '900 years' WHERE {one('students')}",
    ),
}

RULES = TUTORS | SESSIONS | FEEDBACK | EVENTS | ROWS

Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture(scope="module", params=SEEDS)
def company(request: pytest.FixtureRequest, server: Server, migrated: Settings) -> Iterator[Connection]:
    with server.clone(migrated) as database:
        engine = make_engine(database)
        with OrmSession(engine) as db:
            seed(db, World(500, DAYS, request.param, AS_OF), raw=True)
            db.commit()
        engine.dispose()
        with connect(database, autocommit=True) as connection:
            yield connection


def found(company: Connection, rule: Rule) -> list[tuple[Any, ...]]:
    return company.execute(rule.query, TIMES).fetchmany(3)


def test_no_row_is_impossible(company: Connection) -> None:
    assert {name: rows for name, rule in RULES.items() if (rows := found(company, rule))} == {}


@pytest.mark.parametrize("company", SEEDS[:1], indirect=True)
@pytest.mark.parametrize("name", RULES)
def test_each_rule_notices_what_it_rules_out(company: Connection, name: str) -> None:
    with company.transaction(force_rollback=True):
        assert company.execute(RULES[name].spoiler, TIMES).rowcount > 0
        assert found(company, RULES[name])
