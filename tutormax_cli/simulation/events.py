"""What tutors do outside sessions: logins, answers to messages, requests to move, availability, courses, departures."""

from dataclasses import dataclass

import numpy as np

from tutormax_cli.simulation import parameters as p
from tutormax_cli.simulation.behaviour import ON_LEAVE, RESIGNED, Company
from tutormax_cli.simulation.calendars import MINUTES_PER_DAY
from tutormax_cli.simulation.identities import Text
from tutormax_cli.simulation.lessons import Lessons
from tutormax_cli.simulation.streams import (
    Bools,
    Floats,
    Ints,
    Keys,
    Times,
    below,
    chance,
    exponential,
    normal,
    subkeys,
    uniform,
)

_SECOND = np.timedelta64(1_000_000, "us")
_EMPTY = b"{}"
_LATEST_MINUTE = 21 * 60 + 45
_FIRST_MINUTE = 8 * 60


@dataclass(frozen=True, slots=True)
class Events:
    """Events, one element each: the tutor's row, the position of the type, the time in UTC, JSON."""

    tutor: Ints
    kind: Ints
    at: Times
    metadata: Text


@dataclass(frozen=True, slots=True)
class _Days:
    """The days on which the chunk's tutors are with us, one element per tutor and day."""

    tutor: Ints
    day: Ints
    key: Keys
    state: Floats
    away: Bools
    first_minute: Ints
    """Local minute of the day's first session; MINUTES_PER_DAY where there is none."""


def happen(company: Company, lessons: Lessons, session_ids: Text) -> Events:
    """Give all events of a chunk by tutor and time."""
    days = _working_days(company, lessons)
    parts = [
        *_logins(company, days),
        *_messages(company, days),
        _moves(lessons, session_ids),
        _availability(company),
        *_courses(company),
        _departures(company),
    ]
    tutor = np.concatenate([part.tutor for part in parts])
    kind = np.concatenate([part.kind for part in parts])
    at = np.concatenate([part.at for part in parts])
    metadata = np.concatenate([part.metadata for part in parts])
    world = company.calendar.world
    rows = np.flatnonzero((at >= world.first_day) & (at < world.end))
    rows = rows[np.lexsort((kind[rows], at[rows], tutor[rows]))]
    return Events(tutor[rows], kind[rows], at[rows], metadata[rows])


def _events(kind: str, tutor: Ints, at: Times, metadata: Text | bytes) -> Events:
    texts = np.broadcast_to(np.asarray(metadata), tutor.shape)
    return Events(tutor, np.full(len(tutor), p.EVENT_TYPES.index(kind)), at, texts)


def _at(company: Company, tutor: Ints, day: Ints, minute: Ints | Floats, key: Keys) -> Times:
    """Turn a local day and minute into an instant, with seconds."""
    local = day * MINUTES_PER_DAY + np.asarray(minute).astype(np.int64)
    return company.calendar.utc(company.tutors.city[tutor], local) + below(key, "second", 60) * _SECOND


def _working_days(company: Company, lessons: Lessons) -> _Days:
    span = company.calendar.world.days + 1
    first = np.full((len(company.tutors), span), MINUTES_PER_DAY)
    bookings = lessons.bookings
    day = bookings.minute // MINUTES_PER_DAY
    rows = np.flatnonzero(lessons.started & (day < span))
    np.minimum.at(first, (bookings.tutor[rows], day[rows]), bookings.minute[rows] % MINUTES_PER_DAY)
    days = np.arange(span)
    tutor, day = np.nonzero(
        (days > company.tutors.onboarded_day[:, None]) & (days < company.behaviour.stop_day[:, None])
    )
    return _Days(
        tutor=tutor,
        day=day,
        key=subkeys(company.tutors.key[tutor], day),
        state=np.maximum(company.behaviour.disengagement[tutor, day], 0.0),
        away=company.behaviour.away[tutor, day],
        first_minute=first[tutor, day],
    )


def _logins(company: Company, days: _Days) -> list[Events]:
    """Log in before the first session of a day mostly, on free days when engaged, and sometimes twice."""
    teaching = days.first_minute < MINUTES_PER_DAY
    habit = company.tutors.habit_login[days.tutor]
    free = np.where(days.away, p.LOGIN_ON_BREAK, p.LOGIN_FREE * habit * np.exp(-p.LOGIN_FREE_SLOPE * days.state))
    likely = np.where(teaching, p.LOGIN_TEACHING * np.exp(-p.LOGIN_TEACHING_SLOPE * days.state), free)
    draw = uniform(days.key, "login")
    before = days.first_minute - 4 - below(days.key, "login before", 45)
    some_time = _FIRST_MINUTE + below(days.key, "login time", _LATEST_MINUTE - _FIRST_MINUTE)
    minute = np.where(teaching, before, some_time)
    result = []
    for again, rows in enumerate((np.flatnonzero(draw < likely), np.flatnonzero(draw < likely * p.LOGIN_AGAIN))):
        tutor, day, key = days.tutor[rows], days.day[rows], subkeys(days.key[rows], again)
        later = minute[rows] + again * (_LATEST_MINUTE - minute[rows]) * uniform(key, "login again")
        result.append(_events("login", tutor, _at(company, tutor, day, later, key), _EMPTY))
    return result


def _messages(company: Company, days: _Days) -> list[Events]:
    """Answer messages, more slowly when disengaged."""
    minutes = np.array([b'{"response_minutes": %d}' % count for count in range(p.RESPONSE_LIMIT_MINUTES + 1)])
    likely = p.MESSAGES * company.tutors.baseline[days.tutor] / p.MESSAGE_TRIES * np.where(days.away, 0.2, 1.0)
    result = []
    for nth in range(p.MESSAGE_TRIES):
        rows = np.flatnonzero(chance(subkeys(days.key, nth), "message", likely))
        tutor, key = days.tutor[rows], subkeys(days.key[rows], nth)
        usual = p.RESPONSE_MINUTES * company.tutors.habit_response[tutor]
        wait = usual * np.exp(p.RESPONSE_SLOPE * days.state[rows] + p.RESPONSE_SD * normal(key, "response"))
        waited = np.clip(np.rint(wait), 1, p.RESPONSE_LIMIT_MINUTES).astype(np.int64)
        minute = _FIRST_MINUTE + below(key, "message time", _LATEST_MINUTE - _FIRST_MINUTE)
        at = _at(company, tutor, days.day[rows], minute, key)
        result.append(_events("message_response", tutor, at, minutes[waited]))
    return result


def _moves(lessons: Lessons, session_ids: Text) -> Events:
    """Ask to move the sessions that were moved."""
    rows = np.flatnonzero(lessons.bookings.moved)
    bookings = lessons.bookings.take(rows)
    tenths = (bookings.was - bookings.asked) // 6
    hours = np.array([b'", "hours_before": %.1f' % (tenth / 10) for tenth in range(int(tenths.max(initial=0)) + 1)])
    reasons = np.array([f', "reason": "{reason}"}}'.encode() for reason in _MOVE_REASONS])
    reason = np.where(bookings.by_tutor, below(bookings.key, "reason", len(p.RESCHEDULE_REASONS)), -1)
    metadata = np.strings.add(np.strings.add(b'{"session_id": "', session_ids[rows]), hours[tenths])
    metadata = np.strings.add(metadata, reasons[reason])
    return _events("reschedule_request", bookings.tutor, lessons.asked_at[rows], metadata)


_MOVE_REASONS = (*p.RESCHEDULE_REASONS, p.PUPIL_RESCHEDULE_REASON)


def _availability(company: Company) -> Events:
    """Declare other hours a week whenever the hours meant have moved away from those declared, at first the usual."""
    tutors, behaviour = company.tutors, company.behaviour
    days = np.arange(0, company.calendar.world.days, 7)
    key = subkeys(tutors.key[:, None], days[None, :])
    day = days[None, :] + below(key, "availability day", 7)
    noise = p.AVAILABILITY_NOISE * normal(key, "availability")
    meant = tutors.baseline[:, None] * np.exp(noise - p.OPEN_SLOPE * np.maximum(behaviour.disengagement[:, days], 0.0))
    here = (day > tutors.onboarded_day[:, None]) & (day < behaviour.stop_day[:, None])
    here &= ~np.take_along_axis(behaviour.away, day, axis=1)
    declared = tutors.baseline.copy()
    for changes, hours in zip(here.T, meant.T, strict=True):
        changes &= np.abs(hours - declared) > p.AVAILABILITY_STEP * declared
        declared = np.where(changes, hours, declared)
    rows, week = np.nonzero(here)
    texts = np.array([b'{"hours_per_week": %d}' % hours for hours in range(int(meant.max()) + 2)])
    rounded = np.maximum(np.rint(meant[rows, week]), 1).astype(np.int64)
    minute = _FIRST_MINUTE + below(key[rows, week], "availability minute", _LATEST_MINUTE - _FIRST_MINUTE)
    at = _at(company, rows, day[rows, week], minute, key[rows, week])
    return _events("availability_change", rows, at, texts[rounded])


def _courses(company: Company) -> list[Events]:
    """Take courses, most of them soon after onboarding."""
    result = []
    for number, course in enumerate(p.COURSES):
        key = subkeys(company.tutors.key, number)
        wait = p.COURSE_MEAN_DAYS * (number + 1) * exponential(key, "course wait")
        day = company.tutors.onboarded_day + 1 + np.floor(wait).astype(np.int64)
        taken = chance(key, "course", p.COURSE_CHANCE) & (day >= 0) & (day < company.behaviour.stop_day)
        rows = np.flatnonzero(taken & (day < company.calendar.world.days))
        minute = _FIRST_MINUTE + below(key[rows], "course minute", _LATEST_MINUTE - _FIRST_MINUTE)
        at = _at(company, rows, day[rows], minute, key[rows])
        result.append(_events("training_completed", rows, at, f'{{"course": "{course}"}}'.encode()))
    return result


def _departures(company: Company) -> Events:
    """Record the end of a tutor's work."""
    ended_at, ending, key = company.behaviour.ended_at, company.behaviour.ending, company.tutors.key
    texts = np.array([_status_change("churned", p.SILENT_REASON)], dtype="S120").repeat(len(ending))
    for kind, status, reasons in ((RESIGNED, "churned", p.RESIGN_REASONS), (ON_LEAVE, "inactive", p.LEAVE_REASONS)):
        changes = np.array([_status_change(status, reason) for reason in reasons])
        texts = np.where(ending == kind, changes[below(key, "reason to stop", len(reasons))], texts)
    rows = np.flatnonzero(~np.isnat(ended_at))
    return _events("status_change", rows, ended_at[rows], texts[rows])


def _status_change(status: str, reason: str) -> bytes:
    return f'{{"from": "active", "to": "{status}", "reason": "{reason}"}}'.encode()
