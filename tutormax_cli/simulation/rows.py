"""The rows of the tables: what happened in a chunk of the company, as columns named like the schema's."""

import itertools

import numpy as np
import numpy.typing as npt

from tutormax_cli.columns import Coded, Column, Columns
from tutormax_cli.simulation import feedback as answers
from tutormax_cli.simulation import identities
from tutormax_cli.simulation import interventions as actions
from tutormax_cli.simulation import lessons as held
from tutormax_cli.simulation import parameters as p
from tutormax_cli.simulation.behaviour import ON_LEAVE, Company
from tutormax_cli.simulation.calendars import MINUTE
from tutormax_cli.simulation.events import Events, happen
from tutormax_cli.simulation.feedback import Feedback
from tutormax_cli.simulation.identities import Text
from tutormax_cli.simulation.lessons import Lessons
from tutormax_cli.simulation.streams import Bools, Ints, Times, below, chance, choice, uniform

_SUBJECTS_PER_FIELD = len(p.FIELDS[0].subjects)
_PICKS = tuple(
    pick for size in range(1, p.MAX_SUBJECTS + 1) for pick in itertools.permutations(range(_SUBJECTS_PER_FIELD), size)
)
_PICKS_BEFORE = tuple(sum(len(pick) <= size for pick in _PICKS) for size in range(p.MAX_SUBJECTS + 1))
SUBJECT_LISTS = tuple(tuple(field.subjects[place][0] for place in pick) for field in p.FIELDS for pick in _PICKS)
"""Every ordered list of one to three subjects of a field; a field's lists stand together."""
GRADES = tuple(f"Grade {grade}" for grade in range(1, 13))
_EVENING = 19 * 60
"""Local minute from which only older pupils have sessions."""


def tables(company: Company) -> dict[str, Columns]:
    """Give the rows of every table that is simulated, in the order of foreign keys."""
    tutors = company.tutors
    tutor_ids = identities.numbered("tutor_", tutors.number + 1)
    lessons = held.hold_lessons(company)
    session_ids = _owned("session_", company, lessons.bookings.tutor, 5)
    students, student_of = _students(company, lessons)
    feedback = answers.collect(company, lessons)
    return {
        "tutors": _tutors(company, tutor_ids),
        "students": students,
        "sessions": _sessions(company, lessons, session_ids, tutor_ids, student_of),
        "student_feedback": _feedback(company, lessons, feedback, session_ids, tutor_ids, student_of),
        "tutor_events": _events(company, happen(company, lessons, session_ids), tutor_ids),
        "interventions": _interventions(company, actions.intervene(company, lessons, feedback), tutor_ids),
    }


def _owned(prefix: str, company: Company, tutor: Ints, width: int) -> Text:
    """Give ids to things that stand in order of their tutors: prefix, the tutor's number, a counter."""
    owners = identities.numbered(prefix, company.tutors.number + 1)
    return identities.counted(owners, tutor, identities.rank_within(tutor), width)


def _coded(codes: Ints | Bools, values: tuple[str, ...] | tuple[tuple[str, ...], ...]) -> Coded:
    return Coded(codes.astype(np.int32), values)


def _int(numbers: Ints) -> npt.NDArray[np.int32]:
    return numbers.astype(np.int32)


def _picked(company: Company) -> Ints:
    """Choose each tutor's subjects: a position in the field's part of SUBJECT_LISTS."""
    size = choice(company.tutors.key, "subjects", p.SUBJECT_COUNT_WEIGHTS)
    before = np.array(_PICKS_BEFORE)
    return before[size] + below(company.tutors.key, "which subjects", before[size + 1] - before[size])


def _subject_of_run(company: Company) -> Ints:
    """Choose each pupil's subject among the tutor's, mostly the first: a position in p.SUBJECTS."""
    runs, tutors = company.timetable.runs, company.tutors
    tutor = company.timetable.slots.tutor[runs.slot]
    places = np.array([pick + pick[:1] * (p.MAX_SUBJECTS - len(pick)) for pick in _PICKS])
    pick = _picked(company)[tutor]
    size = np.searchsorted(np.array(_PICKS_BEFORE), pick, side="right")
    place = np.where(
        chance(runs.key, "first subject", p.FIRST_SUBJECT_SHARE) | (size == 1),
        0,
        1 + below(runs.key, "other subject", np.maximum(size - 1, 1)),
    )
    return np.asarray(tutors.field[tutor] * _SUBJECTS_PER_FIELD + places[pick, place])


def _tutors(company: Company, tutor_ids: Text) -> Columns:
    tutors, behaviour = company.tutors, company.behaviour
    ended = ~np.isnat(behaviour.ended_at)
    left = ended & (behaviour.ending != ON_LEAVE)
    return {
        "tutor_id": tutor_ids,
        "name": identities.names(tutors.key),
        "email": identities.emails(tutors.key, tutors.number + 1),
        "onboarding_date": tutors.onboarded_at,
        "status": _coded(np.where(left, 2, np.where(ended, 1, 0)), p.TUTOR_STATUSES),
        "subjects": _coded(tutors.field * len(_PICKS) + _picked(company), SUBJECT_LISTS),
        "education_level": _coded(choice(tutors.key, "education", p.EDUCATION_WEIGHTS), p.EDUCATION_LEVELS),
        "location": _coded(tutors.city, tuple(city.name for city in p.CITIES)),
        "timezone": _coded(tutors.city, tuple(city.zone for city in p.CITIES)),
        "baseline_sessions_per_week": tutors.baseline,
        "behavioral_archetype": _coded(tutors.archetype, p.ARCHETYPES),
        "churned_at": np.where(left, behaviour.ended_at, np.datetime64("NaT", "us")),
        "created_at": tutors.onboarded_at,
        "updated_at": np.where(ended, behaviour.ended_at, tutors.onboarded_at),
    }


def _students(company: Company, lessons: Lessons) -> tuple[Columns, Text]:
    """Give the students who ever booked, by tutor and first session, and the student's id for each session."""
    booked, first, run_of = np.unique(lessons.bookings.run, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    ids = _owned("student_", company, lessons.bookings.tutor[first[order]], 4)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    run = booked[order]
    key, slot = company.timetable.runs.key[run], company.timetable.runs.slot[run]
    booked_at = np.full(len(order), company.calendar.world.end)
    np.minimum.at(booked_at, place[run_of], lessons.booked_at)
    subject = _subject_of_run(company)[run]
    evening = company.timetable.slots.minute[slot] >= _EVENING
    youngest = np.maximum(np.array(p.YOUNGEST)[subject], np.where(evening, 11, 6))
    age = youngest + below(key, "age", 19 - youngest)
    grade = np.clip(age - 6 + below(key, "grade", 2), 1, len(GRADES))
    students: dict[str, Column] = {
        "student_id": ids,
        "name": identities.names(key),
        "age": _int(age),
        "grade_level": _coded(grade - 1, GRADES),
        "subjects_interested": _coded(_interests(key, subject), SUBJECT_LISTS),
        "created_at": booked_at,
        "updated_at": booked_at,
    }
    return students, ids[place[run_of]]


def _interests(key: npt.NDArray[np.uint64], subject: Ints) -> Ints:
    """Give the list of the pupil's subject alone, or with another of the field."""
    field, one = np.divmod(subject, _SUBJECTS_PER_FIELD)
    others = _SUBJECTS_PER_FIELD - 1
    pair = _SUBJECTS_PER_FIELD + one * others + below(key, "second subject", others)
    return np.asarray(field * len(_PICKS) + np.where(uniform(key, "interests") < 0.4, pair, one))


def _sessions(company: Company, lessons: Lessons, session_ids: Text, tutor_ids: Text, student_of: Text) -> Columns:
    bookings = lessons.bookings
    group = company.timetable.slots.group[company.timetable.runs.slot[bookings.run]]
    return {
        "session_id": session_ids,
        "tutor_id": tutor_ids[bookings.tutor],
        "student_id": student_of,
        "session_number": _int(lessons.number),
        "scheduled_start": lessons.start,
        "actual_start": lessons.actual_start,
        "duration_minutes": _int(lessons.duration),
        "subject": _coded(_subject_of_run(company)[bookings.run], p.SUBJECTS),
        "session_type": _coded(group, p.SESSION_TYPES),
        "tutor_initiated_reschedule": bookings.by_tutor,
        "no_show": lessons.no_show,
        "late_start_minutes": _int(lessons.late),
        "engagement_score": held.engagement(company, lessons),
        "learning_objectives_met": held.objectives_met(company, lessons),
        "technical_issues": lessons.technical,
        "created_at": lessons.booked_at,
        "updated_at": _touched_at(lessons),
    }


def _touched_at(lessons: Lessons) -> Times:
    """Tell when a session's row last changed: when it ended, began, was missed, moved or booked."""
    touched = np.where(np.isnat(lessons.asked_at), lessons.booked_at, lessons.asked_at)
    touched = np.where(lessons.no_show, lessons.start + p.LATE_LIMIT * MINUTE, touched)
    touched = np.where(lessons.started, lessons.actual_start, touched)
    return np.where(lessons.ended, lessons.end, touched)


def _feedback(
    company: Company, lessons: Lessons, feedback: Feedback, session_ids: Text, tutor_ids: Text, student_of: Text
) -> Columns:
    rows = feedback.lesson
    return {
        "feedback_id": _owned("feedback_", company, lessons.bookings.tutor, 5)[rows],
        "session_id": session_ids[rows],
        "student_id": student_of[rows],
        "tutor_id": tutor_ids[lessons.bookings.tutor[rows]],
        "overall_rating": _int(feedback.rating),
        "is_first_session": lessons.number[rows] == 1,
        **answers.sub_ratings(company, lessons, feedback),
        "would_recommend": answers.recommends(feedback),
        "improvement_areas": answers.improvement_areas(lessons, feedback),
        "free_text_feedback": answers.texts(feedback),
        "submitted_at": feedback.submitted_at,
        "created_at": feedback.submitted_at,
    }


def _events(company: Company, events: Events, tutor_ids: Text) -> Columns:
    return {
        "event_id": _owned("event_", company, events.tutor, 5),
        "tutor_id": tutor_ids[events.tutor],
        "event_type": _coded(events.kind, p.EVENT_TYPES),
        "event_timestamp": events.at,
        "metadata": events.metadata,
        "created_at": events.at,
    }


def _interventions(company: Company, done: actions.Interventions, tutor_ids: Text) -> Columns:
    return {
        "intervention_id": _owned("intervention_", company, done.tutor, 3),
        "tutor_id": tutor_ids[done.tutor],
        "intervention_type": _coded(done.kind, p.INTERVENTION_TYPES),
        "trigger_reason": done.reason,
        "recommended_date": done.recommended_at,
        "assigned_to": _coded(done.manager, p.MANAGERS),
        "status": _coded(done.status, p.INTERVENTION_STATUSES),
        "due_date": done.due_at,
        "completed_date": done.completed_at,
        "outcome": _coded(done.outcome, p.OUTCOMES),
        "notes": done.notes,
        "created_at": done.recommended_at,
        "updated_at": done.touched_at,
    }
