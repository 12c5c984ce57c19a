"""The set-based evaluation against a plain one: a loop over every row for every tutor and window."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database import models
from tutormax_cli.evaluation import evaluate
from tutormax_cli.evaluation.metrics import METRICS

Row = dict[str, Any]


@dataclass
class Company:
    """The rows of a small company, as dicts by column."""

    as_of: datetime
    tutors: list[Row] = field(default_factory=list)
    sessions: list[Row] = field(default_factory=list)
    feedback: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)

    def store(self, db: OrmSession) -> None:
        student = {"student_id": "student", "name": "S"}
        for model, rows in (
            (models.Tutor, self.tutors),
            (models.Student, [student]),
            (models.Session, self.sessions),
            (models.StudentFeedback, self.feedback),
            (models.TutorEvent, self.events),
        ):
            if rows:
                db.execute(insert(model), rows)


# --- the plain evaluation --------------------------------------------------------------------------------------------


def mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None


def local_days(times: Iterable[datetime], zone: str | None, as_of: datetime) -> set[object]:
    """The local dates of times, by the offset that the zone has at as-of."""
    offset = timedelta(0)
    if zone in ("America/New_York", "Asia/Kolkata", "Australia/Sydney"):
        offset = as_of.astimezone(ZoneInfo(zone)).utcoffset() or offset
    return {(time.astimezone(UTC) + offset).date() for time in times}


def plain_metrics(company: Company, tutor: Row, days: int) -> dict[str, float | None]:
    as_of, oldest = company.as_of, company.as_of - timedelta(days=90)

    def mine(rows: list[Row], time: str, since: datetime) -> list[Row]:
        return [row for row in rows if row["tutor_id"] == tutor["tutor_id"] and since <= row[time] < as_of]

    since = as_of - timedelta(days=days)
    sessions = mine(company.sessions, "scheduled_start", since)
    done = [s for s in sessions if s["actual_start"] is not None and s["actual_start"] < as_of and not s["no_show"]]
    given_ids = {s["session_id"] for s in done}
    feedback = [f for f in mine(company.feedback, "submitted_at", oldest) if f["session_id"] in given_ids]
    events = mine(company.events, "event_timestamp", since)
    minutes = [
        e["event_metadata"]["response_minutes"]
        for e in events
        if e["event_type"] == "message_response" and (e["event_metadata"] or {}).get("response_minutes") is not None
    ]
    no_shows = sum(s["no_show"] for s in sessions)
    success = mean(f["overall_rating"] >= 4 for f in feedback if f["is_first_session"])
    objectives = mean(s["learning_objectives_met"] for s in done if s["learning_objectives_met"] is not None)
    return {
        "sessions_completed": len(done),
        "avg_rating": mean(f["overall_rating"] for f in feedback),
        "first_session_success_rate": success,
        "reschedule_rate": mean(s["tutor_initiated_reschedule"] for s in sessions),
        "no_show_count": no_shows,
        "no_show_rate": no_shows / len(sessions) if sessions else None,
        "engagement_score": plain_engagement(company, tutor, sessions, done, events),
        "learning_objectives_met_pct": None if objectives is None else 100 * objectives,
        "response_time_avg_minutes": mean(
            m for m in minutes if isinstance(m, int | float) and not isinstance(m, bool) and 0 <= m < 1_000_000
        ),
    }


def plain_engagement(
    company: Company, tutor: Row, sessions: list[Row], done: list[Row], events: list[Row]
) -> float | None:
    as_of, zone = company.as_of, tutor["timezone"]
    session_days = local_days((s["scheduled_start"] for s in sessions), zone, as_of)
    login_days = local_days((e["event_timestamp"] for e in events if e["event_type"] == "login"), zone, as_of)
    logins_known = any(
        e["event_type"] == "login" and as_of - timedelta(days=90) <= e["event_timestamp"] < as_of
        for e in company.events
    )
    parts = (
        (0.4, mean(s["engagement_score"] for s in done if s["engagement_score"] is not None)),
        (0.4, min(1, len(login_days) / len(session_days)) if session_days and logins_known else None),
        (0.2, mean(s["late_start_minutes"] <= 10 for s in done)),
    )
    known = [(weight, part) for weight, part in parts if part is not None]
    return sum(weight * part for weight, part in known) / sum(weight for weight, _ in known) if known else None


LINES = {  # red line, best value
    "avg_rating": (3.5, 5.0),
    "first_session_success_rate": (0.7, 1.0),
    "reschedule_rate": (0.15, 0.0),
    "no_show_rate": (0.05, 0.0),
    "engagement_score": (0.6, 1.0),
    "learning_objectives_met_pct": (80.0, 100.0),
}


def plain_tiers(monthly: dict[str, dict[str, float | None]]) -> dict[str, str]:
    """Rank the tutors that have sessions by flags, then by headroom, and share out the tiers."""
    ranked = []
    for tutor_id, metrics in monthly.items():
        if metrics["reschedule_rate"] is None:
            continue
        rooms = [
            max(-1.0, (value - line) / (best - line))
            for name, (line, best) in LINES.items()
            if (value := metrics[name]) is not None
        ]
        flags = sum(room < 0 for room in rooms)
        ranked.append((flags, -round(sum(rooms) / len(rooms), 9), tutor_id))
    tiers = {}
    for position, (flags, _, tutor_id) in enumerate(sorted(ranked)):
        place = (position + 0.5) / len(ranked)
        by_rank = sum(place > share for share in (0.10, 0.50, 0.85, 0.97))
        best, worst = ((0, 2), (1, 3), (2, 4), (3, 4))[min(flags, 3)]
        tier = min(max(by_rank, best), worst)
        tiers[tutor_id] = ("Exemplary", "Strong", "Developing", "Needs Attention", "At Risk")[tier]
    return tiers


# --- companies to try it on ------------------------------------------------------------------------------------------

MICROSECOND = timedelta(microseconds=1)
BORDERS = [
    timedelta(days=days) + shift for days in (0, 7, 30, 90) for shift in (-MICROSECOND, MICROSECOND * 0, MICROSECOND)
]
AGES = st.one_of(st.sampled_from(BORDERS), st.integers(-48, 24 * 93).map(lambda hours: timedelta(hours=hours)))
AS_OF = st.sampled_from(
    [
        datetime(2026, 6, 1, tzinfo=UTC),
        datetime(2026, 3, 9, 13, 45, tzinfo=UTC),  # a day after New York put its clocks forward
        datetime(2026, 11, 2, 4, 30, tzinfo=UTC),  # two days after it put them back
    ]
)
ZONES = st.sampled_from([None, "America/New_York", "Asia/Kolkata", "Australia/Sydney", "Mars/Olympus", "../etc"])
NUMBERS = st.sampled_from([0, 3, 12.5, -4, 10**7, "soon", None, True])


@st.composite
def companies(draw: st.DrawFn) -> Company:
    company = Company(draw(AS_OF))
    numbers = count()
    for zone in draw(st.lists(ZONES, min_size=1, max_size=4)):
        tutor_id = f"tutor_{len(company.tutors)}"
        onboarded = company.as_of - timedelta(days=draw(st.sampled_from([200, 20, 0, -1])))
        company.tutors.append(tutor(tutor_id, onboarded, timezone=zone))
        for age in draw(st.lists(AGES, max_size=12)):
            number = next(numbers)
            company.sessions.append(draw(sessions(f"session_{number}", tutor_id, company.as_of - age)))
            if draw(st.booleans()):
                company.feedback.append(draw(feedback(company.sessions[-1])))
        for age in draw(st.lists(AGES, max_size=12)):
            company.events.append(draw(events(f"event_{next(numbers)}", tutor_id, company.as_of - age)))
    return company


def tutor(tutor_id: str, onboarded: datetime, **more: Any) -> Row:
    facts: Row = {"name": "T", "email": f"{tutor_id}@example.com", "status": "active", "subjects": [], "timezone": None}
    return {"tutor_id": tutor_id, "onboarding_date": onboarded, **facts, **more}


@st.composite
def sessions(draw: st.DrawFn, session_id: str, tutor_id: str, start: datetime) -> Row:
    no_show = draw(st.booleans())
    late = draw(st.sampled_from([0, 10, 11]))
    started = not no_show and draw(st.booleans())
    return {
        "session_id": session_id,
        "tutor_id": tutor_id,
        "student_id": "student",
        "session_number": 1,
        "scheduled_start": start,
        "actual_start": start + timedelta(minutes=late) if started else None,
        "duration_minutes": 60,
        "subject": "physics",
        "session_type": "1-on-1",
        "tutor_initiated_reschedule": draw(st.booleans()),
        "no_show": no_show,
        "late_start_minutes": late,
        "engagement_score": draw(st.sampled_from([None, 0.0, 0.25, 0.9, 1.0])),
        "learning_objectives_met": draw(st.sampled_from([None, False, True])),
    }


@st.composite
def feedback(draw: st.DrawFn, session: Row) -> Row:
    return {
        "feedback_id": session["session_id"],
        "session_id": session["session_id"],
        "student_id": "student",
        "tutor_id": session["tutor_id"],
        "overall_rating": draw(st.integers(1, 5)),
        "is_first_session": draw(st.booleans()),
        "submitted_at": session["scheduled_start"] + draw(st.sampled_from([timedelta(hours=1), timedelta(days=9)])),
    }


@st.composite
def events(draw: st.DrawFn, event_id: str, tutor_id: str, time: datetime) -> Row:
    kind = draw(st.sampled_from(["login", "message_response", "training_completed"]))
    metadata = {"response_minutes": draw(NUMBERS)} if kind != "login" else draw(st.sampled_from([None, {}]))
    return {
        "event_id": event_id,
        "tutor_id": tutor_id,
        "event_type": kind,
        "event_timestamp": time,
        "event_metadata": metadata,
    }


# --- the comparison --------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(company=companies())
@example(company=Company(datetime(2026, 6, 1, tzinfo=UTC)))
def test_agrees_with_the_plain_evaluation_on_every_metric(db: OrmSession, company: Company) -> None:
    active = [tutor for tutor in company.tutors if tutor["onboarding_date"] < company.as_of]
    expected = {
        (tutor["tutor_id"], f"{days}day"): plain_metrics(company, tutor, days)
        for tutor in active
        for days in (7, 30, 90)
    }
    tiers = plain_tiers({tutor_id: row for (tutor_id, window), row in expected.items() if window == "30day"})

    with db.begin_nested() as savepoint:
        company.store(db)
        summary = evaluate(db, company.as_of)
        stored = db.execute(select(models.TutorPerformanceMetric.__table__)).mappings().all()
        savepoint.rollback()

    assert {(row["tutor_id"], row["window"]) for row in stored} == expected.keys()
    for row in stored:
        wanted = expected[row["tutor_id"], row["window"]]
        assert {name: row[name] for name in METRICS} == pytest.approx({name: wanted[name] for name in METRICS})
        assert row["performance_tier"] == tiers.get(row["tutor_id"])
    assert (summary.tutors, summary.rows) == (len(active), 3 * len(active))
