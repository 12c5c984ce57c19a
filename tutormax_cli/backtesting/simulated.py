"""The panel of a simulated world, counted from its rows without a database.

It gives what the SELECTs of the panel would, for the same assembly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from tutormax_cli.churn.panel import MICROSECONDS_PER_DAY, MICROSECONDS_PER_WEEK, Bools, Floats, Panel, assemble
from tutormax_cli.columns import Coded, Column, Columns
from tutormax_cli.database.enums import EventType, TutorStatus
from tutormax_cli.simulation import World, simulate

Array = npt.NDArray[Any]
Arrays = dict[str, Array]


def simulated_panel(world: World, as_of: datetime, weeks: int) -> Panel:
    """Give the panel that reading the rows of a world would give, for those who worked in its weeks."""
    span = _Span(np.datetime64(as_of.astimezone(UTC).replace(tzinfo=None), "us"), weeks)
    counted = [_counted(chunk, span) for chunk in simulate(world)]
    tutors, sessions, feedback, logins, changes = (_stacked(parts) for parts in zip(*counted, strict=True))
    return assemble(as_of, weeks, tutors, (sessions, feedback, logins), changes)


@dataclass(frozen=True, slots=True)
class _Span:
    """The weeks that end at an instant."""

    end: np.datetime64
    weeks: int

    def age(self, times: Array) -> npt.NDArray[np.int64]:
        """Give how long before the end each time lies, in microseconds."""
        ages: npt.NDArray[np.int64] = (self.end - times).astype(np.int64)
        return ages

    def add_up(self, tutor_ids: Array, times: Array, counters: Mapping[str, Array], last: tuple[str, Bools]) -> Arrays:
        """Add counters up by tutor and week; `last` names the age in days of the week's last row of those marked."""
        age = self.age(times)
        inside = (age > 0) & (age <= self.weeks * MICROSECONDS_PER_WEEK)
        tutors, owner = np.unique(tutor_ids[inside], return_inverse=True)
        cell = owner * self.weeks + (age[inside] - 1) // MICROSECONDS_PER_WEEK
        cells, place = np.unique(cell, return_inverse=True)
        added: Arrays = {
            name: np.bincount(place, np.nan_to_num(values[inside].astype(np.float64)), len(cells))
            for name, values in counters.items()
        }
        name, marked = last
        days_ago = np.full(len(cells), np.inf)
        np.minimum.at(days_ago, place[marked[inside]], age[inside][marked[inside]] / MICROSECONDS_PER_DAY)
        beginning = self.end - (cells % self.weeks + 1) * np.timedelta64(MICROSECONDS_PER_WEEK, "us")
        return {
            "tutor_id": tutors[cells // self.weeks],
            "week": beginning,
            name: np.where(np.isinf(days_ago), np.nan, days_ago),
            **added,
        }


def _counted(chunk: Mapping[str, Columns], span: _Span) -> tuple[Arrays, Arrays, Arrays, Arrays, Arrays]:
    """Give a chunk's tutors, its three kinds of weekly counters and its changes of hours."""
    events = chunk["tutor_events"]
    kind, times = events["event_type"], _array(events["event_timestamp"])
    changes = _is(kind, EventType.AVAILABILITY_CHANGE) & (span.age(times) > 0)
    hours = np.char.strip(_array(events["metadata"])[changes], b'{"hours_per_week": }')
    return (
        _tutors(chunk["tutors"], span),
        _sessions(chunk["sessions"], span),
        _feedback(chunk["student_feedback"], span),
        _logins(_array(events["tutor_id"]), times, _is(kind, EventType.LOGIN), span),
        {
            "tutor_id": _array(events["tutor_id"])[changes],
            "changed_at": times[changes],
            "hours": hours.astype(np.float64),
        },
    )


def _tutors(tutors: Columns, span: _Span) -> Arrays:
    departed = _array(tutors["churned_at"])
    left_before = ~np.isnat(departed) & (span.age(departed) > span.weeks * MICROSECONDS_PER_WEEK)
    joined = _array(tutors["onboarding_date"])
    here = (span.age(joined) > 0) & ~_is(tutors["status"], TutorStatus.INACTIVE) & ~left_before
    ids = _array(tutors["tutor_id"])
    return {"tutor_id": ids[here], "onboarding_date": joined[here], "departed_at": departed[here]}


def _sessions(sessions: Columns, span: _Span) -> Arrays:
    begun, missed = _array(sessions["actual_start"]), _array(sessions["no_show"])
    times = _array(sessions["scheduled_start"])
    # What began after its week was over nobody knew of at the week's end.
    in_time = span.age(begun) > (span.age(times) - 1) // MICROSECONDS_PER_WEEK * MICROSECONDS_PER_WEEK
    held = ~np.isnat(begun) & in_time & ~missed
    engagement = _array(sessions["engagement_score"])
    counters = {
        "scheduled": np.ones(len(held)),
        "held": held,
        "no_shows": missed,
        "rescheduled": _array(sessions["tutor_initiated_reschedule"]),
        "engagement_sum": engagement * held,
        "engagement_count": ~np.isnan(engagement) & held,
    }
    return span.add_up(_array(sessions["tutor_id"]), times, counters, ("held_days_ago", held))


def _feedback(feedback: Columns, span: _Span) -> Arrays:
    rating, first = _array(feedback["overall_rating"]), _array(feedback["is_first_session"])
    counters = {
        "rating_sum": rating,
        "rating_count": np.ones(len(rating)),
        "first_rating_sum": rating * first,
        "first_rating_count": first,
    }
    times = _array(feedback["submitted_at"])
    found = span.add_up(_array(feedback["tutor_id"]), times, counters, ("", first))
    del found[""]
    return found


def _logins(tutor_ids: Array, times: Array, login: Bools, span: _Span) -> Arrays:
    ones: Floats = np.ones(np.count_nonzero(login))
    return span.add_up(tutor_ids[login], times[login], {"logins": ones}, ("login_days_ago", ones > 0))


def _is(column: Column, value: str) -> Bools:
    assert isinstance(column, Coded)
    return np.asarray(column.codes == list(column.values).index(value))


def _array(column: Column) -> Array:
    assert isinstance(column, np.ndarray)
    return column


def _stacked(parts: Sequence[Arrays]) -> Arrays:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
