"""What managers did about tutors in trouble: they see the weekly counts, not the hidden state, and act on some."""

from dataclasses import dataclass

import numpy as np

from tutormax_cli.columns import Coded
from tutormax_cli.simulation import parameters as p
from tutormax_cli.simulation.behaviour import ON_LEAVE, Company
from tutormax_cli.simulation.calendars import DAY, MINUTE, MINUTES_PER_DAY
from tutormax_cli.simulation.feedback import Feedback
from tutormax_cli.simulation.lessons import Lessons
from tutormax_cli.simulation.streams import Bools, Floats, Ints, Keys, Times, below, chance, choice, subkeys

_COMPLETED, _CANCELLED = (p.INTERVENTION_STATUSES.index(status) for status in ("completed", "cancelled"))
_OPEN_WEIGHTS = (0.6, 0.4)
"""Of the open interventions, the shares pending and in progress."""
_MOST_COUNTED = 40
"""Largest number that a reason names."""
_MEMORY_WEEKS = 8
_OFFICE_OPENS = 14 * 60 * MINUTE
"""When managers begin to work, after midnight UTC."""
_DECIDING_MINUTES = 240
"""Within which they decide on the week before."""
_REGULAR = 3.0
"""Usual sessions a week below which a quiet week says nothing."""
_LATE_MINUTES = 10
_JUDGED_AFTER_WEEKS = 3


@dataclass(frozen=True, slots=True)
class _Rule:
    """A trouble that a week's counts show, what is done, and within how many days."""

    action: str
    reason: str
    days: int


_RULES = (
    _Rule("retention_interview", "{} sessions in the last two weeks, far below the usual number", 3),
    _Rule("rescheduling_alert", "{} sessions moved at the tutor's wish within a week", 5),
    _Rule("performance_improvement_plan", "{} no-shows within a week", 10),
    _Rule("first_session_checkin", "{} poor first sessions within a week", 7),
    _Rule("manager_coaching", "{} sessions in the last two weeks, clearly below the usual number", 7),
    _Rule("automated_coaching", "{} late starts within a week", 14),
)
_REASONS = tuple(rule.reason.format(count) for rule in _RULES for count in range(_MOST_COUNTED + 1))
_NOTES = (
    "Sessions are back at the usual level.",
    "No visible change so far.",
    "Fewer sessions than before the talk.",
    "The tutor has left.",
)


@dataclass(frozen=True, slots=True)
class Interventions:
    """Interventions, one element each, by tutor and time; codes are positions in parameters."""

    tutor: Ints
    kind: Ints
    reason: Coded
    manager: Ints
    recommended_at: Times
    due_at: Times
    status: Ints
    completed_at: Times
    outcome: Ints
    touched_at: Times

    @property
    def notes(self) -> Coded:
        """A line on the outcome, where there is one."""
        return Coded(self.outcome.astype(np.int32), _NOTES)


@dataclass(frozen=True, slots=True)
class _Weeks:
    """What managers see: counts by tutor and week of the world, the last days left out when they make no week."""

    held: Floats
    usual: Floats
    moved: Floats
    no_shows: Floats
    late: Floats
    poor_first: Floats


def intervene(company: Company, lessons: Lessons, feedback: Feedback) -> Interventions:
    """Give the interventions of a chunk."""
    weeks = _weeks(company, lessons, feedback)
    tutor, week, rule, count = _decisions(company, weeks)
    key = subkeys(company.tutors.key[tutor], week)
    days = np.array([rule.days for rule in _RULES])[rule]
    morning = company.calendar.world.first_day.astype("M8[us]") + (7 * week + 7) * DAY + _OFFICE_OPENS
    recommended_at = morning + below(key, "recommended", _DECIDING_MINUTES) * MINUTE
    done_at = morning + (1 + below(key, "days taken", days + 1)) * DAY + below(key, "done", 480) * MINUTE
    status = _statuses(company, key, tutor, done_at)
    done = status == _COMPLETED
    return Interventions(
        tutor=tutor,
        kind=np.array([p.INTERVENTION_TYPES.index(rule.action) for rule in _RULES])[rule],
        reason=Coded((rule * (_MOST_COUNTED + 1) + np.minimum(count, _MOST_COUNTED)).astype(np.int32), _REASONS),
        manager=below(key, "manager", len(p.MANAGERS)),
        recommended_at=recommended_at,
        due_at=recommended_at + days * DAY,
        status=status,
        completed_at=np.where(done, done_at, np.datetime64("NaT", "us")),
        outcome=np.where(done, _outcomes(company, weeks, tutor, week, done_at), -1),
        touched_at=_touched_at(company, status, tutor, recommended_at, done_at),
    )


def _statuses(company: Company, key: Keys, tutor: Ints, done_at: Times) -> Ints:
    """Tell what is done by now; what a tutor's end came before is cancelled."""
    end, ended_at = company.calendar.world.end, company.behaviour.ended_at[tutor]
    status = np.where(done_at < end, _COMPLETED, choice(key, "status", _OPEN_WEIGHTS))
    return np.where(~np.isnat(ended_at) & (ended_at < done_at), _CANCELLED, status)


def _touched_at(company: Company, status: Ints, tutor: Ints, recommended_at: Times, done_at: Times) -> Times:
    """Tell when each row last changed; work on one begins the hour after it was recommended."""
    begun = np.minimum(recommended_at + 60 * MINUTE, company.calendar.world.end)
    by_status = [recommended_at, begun, done_at, company.behaviour.ended_at[tutor]]
    return np.choose(status, by_status)


def _weeks(company: Company, lessons: Lessons, feedback: Feedback) -> _Weeks:
    """Count by tutor and week, and compare with what the tutor held in the eight weeks before the last two."""
    bookings, span = lessons.bookings, company.calendar.world.days // 7
    week = bookings.minute // MINUTES_PER_DAY // 7
    rated_by = company.calendar.world.first_day + (7 * week[feedback.lesson] + 7) * DAY
    poor = np.zeros(len(lessons), dtype=bool)
    poor[feedback.lesson] = (feedback.rating <= 2) & (lessons.number == 1)[feedback.lesson]
    poor[feedback.lesson] &= feedback.submitted_at < rated_by
    inside = (week < span) & (lessons.started | lessons.no_show)

    def count(these: Bools) -> Floats:
        rows = np.flatnonzero(inside & these)
        cells = np.bincount(bookings.tutor[rows] * span + week[rows], minlength=len(company.tutors) * span)
        return cells.reshape(len(company.tutors), span).astype(np.float64)

    held = count(lessons.started)
    season = company.calendar.season[company.tutors.city][:, 3 : 7 * span : 7]
    return _Weeks(
        held=held,
        usual=season * _mean_before(held / season),
        moved=count(bookings.by_tutor),
        no_shows=count(lessons.no_show),
        late=count(lessons.late > _LATE_MINUTES),
        poor_first=count(poor),
    )


def _mean_before(weekly: Floats) -> Floats:
    """Average the weeks before the last two, at most eight; 0 where there are fewer than three."""
    total = np.cumsum(np.pad(weekly, ((0, 0), (1, 0))), axis=1)
    end = np.maximum(np.arange(weekly.shape[1]) - 1, 0)
    start = np.maximum(end - _MEMORY_WEEKS, 0)
    return np.where(end - start >= 3, (total[:, end] - total[:, start]) / np.maximum(end - start, 1), 0.0)


def _decisions(company: Company, weeks: _Weeks) -> tuple[Ints, Ints, Ints, Ints]:
    """Give the tutors, weeks, rules and counts of the interventions decided, by tutor and week."""
    troubles, counts = _troubles(company, weeks)
    tutors, span = weeks.held.shape
    week_key = subkeys(company.tutors.key[:, None], np.arange(span)[None, :])
    acted_on = troubles.any(axis=0) & chance(week_key, "acted on", p.ACTED_ON) & _with_us(company, span)
    decided = np.zeros((tutors, span), dtype=bool)
    free_from = np.zeros(tutors, dtype=np.int64)
    for now in range(span):
        decided[:, now] = acted_on[:, now] & (free_from <= now)
        free_from = np.where(decided[:, now], now + p.COOLDOWN_WEEKS, free_from)
    tutor, week = np.nonzero(decided)
    rule = troubles[:, tutor, week].argmax(axis=0)
    return tutor, week, rule, counts[rule, tutor, week].astype(np.int64)


def _with_us(company: Company, weeks: int) -> Bools:
    """Tell by tutor and week whether the week's counts were read before the tutor's end and the world's."""
    last_read = (
        company.calendar.world.first_day
        + (7 * np.arange(1, weeks + 1)) * DAY
        + _OFFICE_OPENS
        + _DECIDING_MINUTES * MINUTE
    )
    ended_at = company.behaviour.ended_at
    until = np.where(np.isnat(ended_at), company.calendar.world.end, ended_at)
    return np.asarray(last_read[None, :] < until[:, None])


def _troubles(company: Company, weeks: _Weeks) -> tuple[Bools, Floats]:
    """Tell by rule, tutor and week whether the rule applies, and the count that its reason names."""
    span = weeks.held.shape[1]
    both = weeks.held.copy()
    both[:, 1:] += weeks.held[:, :-1]
    away = np.logical_or.reduce(company.behaviour.away[:, : 7 * span].reshape(len(weeks.held), span, 7), axis=2)
    away = away | np.pad(away, ((0, 0), (1, 0)))[:, :-1]
    regular = (weeks.usual >= _REGULAR) & ~away
    counts = np.stack([both, weeks.moved, weeks.no_shows, weeks.poor_first, both, weeks.late])
    applies = np.stack(
        [
            regular & (both < 2 * 0.35 * weeks.usual),
            weeks.moved > 3,
            weeks.no_shows >= 2,
            weeks.poor_first >= 2,
            regular & (both < 2 * 0.55 * weeks.usual),
            weeks.late >= 3,
        ]
    )
    return applies, counts


def _outcomes(company: Company, weeks: _Weeks, tutor: Ints, week: Ints, done_at: Times) -> Ints:
    """Compare the sessions three weeks after with those of the week that gave the reason; -1 while it is too early."""
    later = week + _JUDGED_AFTER_WEEKS
    known = later < weeks.held.shape[1]
    before = weeks.held[tutor, week]
    after = weeks.held[tutor, np.where(known, later, week)]
    outcome = np.where(after > 1.2 * before, 0, np.where(after < 0.8 * before, 2, 1))
    ended_at = company.behaviour.ended_at[tutor]
    left = ~np.isnat(ended_at) & (company.behaviour.ending[tutor] != ON_LEAVE) & (ended_at < done_at + 30 * DAY)
    return np.where(left, 3, np.where(known, outcome, -1))
