"""Prints what the synthetic world must show beside what it shows: python benchmarks/calibration.py --tutors 5000."""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from tutormax_cli.columns import Coded, Column
from tutormax_cli.simulation import World, companies, simulate
from tutormax_cli.simulation.calendars import Calendar
from tutormax_cli.simulation.parameters import ARCHETYPE_SHARES, ARCHETYPES, EVENT_TYPES, FIELDS

Array = npt.NDArray[Any]
DAY = np.timedelta64(86_400_000_000, "us")
HORIZON = 30
LANDMARK_EVERY = 7
RESCHEDULE_REQUEST, STATUS_CHANGE = (EVENT_TYPES.index(kind) for kind in ("reschedule_request", "status_change"))


@dataclass(frozen=True, slots=True)
class Fact:
    """One line: what it is, what it should be, and what it is here."""

    name: str
    low: float
    high: float
    measured: float

    @property
    def holds(self) -> bool:
        """Whether the measured value lies within the target."""
        return self.low <= self.measured <= self.high


class Measured:
    """The rows of a world as plain arrays: `table["column"]`, coded columns as their codes."""

    def __init__(self, world: World) -> None:
        self.world = world
        parts: dict[str, dict[str, list[Array]]] = {}
        tutors = 0
        for chunk in simulate(world):
            owner = {tutor: row for row, tutor in enumerate(_plain(chunk["tutors"]["tutor_id"]), tutors)}
            tutors += len(owner)
            for table, columns in chunk.items():
                for name, column in columns.items():
                    plain = _plain(column)
                    if name == "tutor_id":
                        plain = np.array([owner[tutor] for tutor in plain], dtype=np.int64)
                    parts.setdefault(table, {}).setdefault(name, []).append(plain)
        tables = {t: {name: np.concatenate(part) for name, part in columns.items()} for t, columns in parts.items()}
        self.tutors, self.sessions, self.feedback = tables["tutors"], tables["sessions"], tables["student_feedback"]
        self.events, self.interventions = tables["tutor_events"], tables["interventions"]
        self.past = self.sessions["scheduled_start"] < world.end


def _plain(column: Column) -> Array:
    return column.codes if isinstance(column, Coded) else np.asarray(np.ma.filled(column, 0))


def facts(world: World) -> Iterator[Fact]:
    """Measure every fact on one world."""
    data = Measured(world)
    groups: tuple[Callable[[Measured], Iterator[Fact]], ...] = (
        _population,
        _departures,
        _foresight,
        _warnings,
        _absences,
        _first_sessions,
        _pairs,
        _ratings,
        _school_year,
    )
    for group in groups:
        yield from group(data)


def _population(data: Measured) -> Iterator[Fact]:
    tutors = data.tutors
    shares = np.bincount(tutors["behavioral_archetype"], minlength=len(ARCHETYPES)) / len(tutors["name"])
    yield Fact("archetype shares, largest deviation", 0, 0.02, float(np.abs(shares - ARCHETYPE_SHARES).max()))
    baseline = tutors["baseline_sessions_per_week"]
    yield Fact("baseline sessions a week, mean", 14.3, 15.7, float(baseline.mean()))
    yield Fact("baseline sessions a week, least", 5, 8, float(baseline.min()))
    yield Fact("baseline sessions a week, most", 24, 30, float(baseline.max()))
    active = _active(data, data.world.end)
    yield Fact("tutors active at the end", 0.40, 0.85, float(active.mean()))
    held = np.bincount(data.sessions["tutor_id"][_held(data)], minlength=len(baseline))
    busiest = np.sort(held)[::-1]
    yield Fact("sessions held by the busiest fifth", 0.35, 0.60, float(busiest[: len(held) // 5].sum() / held.sum()))
    settled = active & (tutors["onboarding_date"] < data.world.end - 100 * DAY)
    weeks = min(data.world.days, 84) / 7
    lately = _held(data) & (data.sessions["scheduled_start"] >= data.world.end - 12 * 7 * DAY)
    mean = np.bincount(data.sessions["tutor_id"][lately], minlength=len(baseline))[settled] / weeks
    yield Fact("sessions a week of settled tutors / baseline", 0.6, 1.1, float(mean.sum() / baseline[settled].sum()))


def _held(data: Measured) -> Array:
    return np.asarray(~np.isnat(data.sessions["actual_start"]))


def _active(data: Measured, at: np.datetime64) -> Array:
    departed = data.tutors["churned_at"]
    here = (data.tutors["onboarding_date"] < at) & (data.tutors["status"] != 1)
    return np.asarray(here & (np.isnat(departed) | (departed > at)))


def _landmarks(data: Measured) -> list[np.datetime64]:
    days = range(HORIZON, data.world.days - HORIZON + 1, LANDMARK_EVERY)
    return [data.world.first_day.astype("M8[us]") + day * DAY for day in days]


def _leaving(data: Measured, at: np.datetime64) -> Array:
    """Tell who is recorded as gone within the horizon after a time."""
    departed = data.tutors["churned_at"]
    return np.asarray((departed > at) & (departed <= at + HORIZON * DAY))


def _departures(data: Measured) -> Iterator[Fact]:
    fields = data.tutors["subjects"] // -(-(int(data.tutors["subjects"].max()) + 1) // len(FIELDS))
    told = (data.events["event_type"] == STATUS_CHANGE) & ~_mentions(data, "no activity")
    said = np.zeros(len(fields), dtype=bool)
    said[data.events["tutor_id"][told]] = True
    landmarks = _landmarks(data)
    active = np.array([_active(data, at) for at in landmarks])
    leaving = active & np.array([_leaving(data, at) for at in landmarks])
    yield Fact("leave within 30 days, all", 0.105, 0.135, leaving.sum() / active.sum())
    for field, (name, low, high) in enumerate(
        (("STEM", 0.06, 0.10), ("languages", 0.10, 0.14), ("tests", 0.13, 0.175))
    ):
        of = fields == field
        yield Fact(f"leave within 30 days, {name}", low, high, leaving[:, of].sum() / active[:, of].sum())
    yield Fact("resign within 30 days", 0.007, 0.023, leaving[:, said].sum() / active.sum())
    rates = leaving.sum(axis=1) / active.sum(axis=1)
    half = len(rates) // 2
    yield Fact("leave within 30 days, second half / first", 0.7, 1.3, rates[half:].mean() / rates[:half].mean())


def _mentions(data: Measured, words: str) -> Array:
    return np.asarray(np.strings.find(data.events["metadata"], words.encode()) >= 0)


def _foresight(data: Measured) -> Iterator[Fact]:
    """Rank tutors by the hidden state, who is silent for good first: what a prediction can reach at the very best."""
    chunks = list(companies(data.world))
    state = np.concatenate([company.behaviour.disengagement for company in chunks])
    stop = np.concatenate([company.behaviour.stop_day for company in chunks])
    scores, outcomes, silent = [], [], []
    for at in _landmarks(data):
        day = int((at - data.world.first_day) / DAY)
        active = _active(data, at)
        scores.append((state[:, day] + 100 * (stop <= day))[active])
        silent.append((stop <= day)[active])
        outcomes.append(_leaving(data, at)[active])
    score, outcome, gone = (np.concatenate(parts) for parts in (scores, outcomes, silent))
    yield Fact("hidden state: AUC of leaving within 30 days", 0.90, 0.98, _auc(score, outcome))
    yield Fact("… among those not silent for good", 0.85, 0.96, _auc(score[~gone], outcome[~gone]))
    yield Fact("departures in 30 days that have quietly happened", 0.35, 0.65, float(gone[outcome].mean()))


def _auc(score: Array, outcome: Array) -> float:
    rank = np.argsort(np.argsort(score)) + 1.0
    positive = int(outcome.sum())
    return float((rank[outcome].sum() - positive * (positive + 1) / 2) / (positive * (len(outcome) - positive)))


def _warnings(data: Measured) -> Iterator[Fact]:
    moved = data.events["event_type"] == RESCHEDULE_REQUEST
    by_tutor = moved & ~_mentions(data, "student request")
    yield Fact("reschedules that are the tutor's", 0.95, 1.0, by_tutor.sum() / moved.sum())
    share = data.sessions["tutor_initiated_reschedule"][data.past].mean()
    yield Fact("sessions moved by tutors", 0.04, 0.12, float(share))
    many, active, leaving = [], [], []
    for at in _landmarks(data):
        week = by_tutor & (data.events["event_timestamp"] < at) & (data.events["event_timestamp"] >= at - 7 * DAY)
        many.append(np.bincount(data.events["tutor_id"][week], minlength=len(data.tutors["name"])) > 3)
        active.append(_active(data, at))
        leaving.append(_leaving(data, at))
    often = np.array(many) & np.array(active)
    yield Fact("tutors with > 3 reschedules a week", 0.005, 0.10, often.sum() / np.sum(active))
    yield Fact("leave within 30 days after > 3 reschedules", 0.22, 0.8, (often & np.array(leaving)).sum() / often.sum())


def _absences(data: Measured) -> Iterator[Fact]:
    sessions, end, held = data.sessions, data.world.end, _held(data)
    last_held = np.full(len(data.tutors["name"]), data.world.first_day.astype("M8[us]"))
    np.maximum.at(last_held, sessions["tutor_id"][held], sessions["scheduled_start"][held])
    working = data.past & (sessions["scheduled_start"] <= last_held[sessions["tutor_id"]])
    minute, missed = _local_minute(data), sessions["no_show"]
    weekday = (minute // 1440 + int(data.world.first_day.astype(np.int64)) + 3) % 7
    school_days, weekend = working & (weekday < 5), working & (weekday >= 5)
    monday, morning = weekday == 0, minute % 1440 < 720
    yield Fact("no-shows, tutors at work", 0.01, 0.035, float(missed[working].mean()))
    mondays = _ratio(missed, school_days & monday, school_days & ~monday)
    yield Fact("no-shows, Monday / other school days", 1.4, 2.6, mondays)
    mornings = _ratio(missed, weekend & morning, weekend & ~morning)
    yield Fact("no-shows, weekend mornings / afternoons", 1.3, 2.6, mornings)
    active = _active(data, end)
    silent = active & (last_held < end - 7 * DAY) & (data.tutors["onboarding_date"] < end - 21 * DAY)
    yield Fact("active tutors silent for 7 days", 0.01, 0.10, float(silent.sum() / active.sum()))


def _ratio(values: Array, these: Array, others: Array) -> float:
    return float(values[these].mean() / values[others].mean())


def _local_minute(data: Measured) -> Array:
    """Give each session's local minute since the first day."""
    since = (data.sessions["scheduled_start"] - data.world.first_day).astype("m8[m]").astype(np.int64)
    offsets = Calendar(data.world).offsets
    city = data.tutors["location"][data.sessions["tutor_id"]]
    return np.asarray(since + offsets[city, np.minimum(since // 1440, offsets.shape[1] - 1)])


def _first_sessions(data: Measured) -> Iterator[Fact]:
    feedback, tutors, stars = data.feedback, data.tutors, data.feedback["overall_rating"]
    at, owner = feedback["submitted_at"], feedback["tutor_id"]
    first = feedback["is_first_session"] & (at > data.world.first_day + 21 * DAY)
    tenure = (at - tutors["onboarding_date"][owner]) / DAY
    seasoned = float(stars[first & (tenure > 180)].mean())
    yield Fact("first sessions rated, tenure over 180 days", 4.0, 4.6, seasoned)
    for low, high, least, most in ((0, 30, -1.0, -0.35), (60, 90, -0.5, -0.05)):
        rated = stars[first & (tenure > low) & (tenure < high)].mean()
        yield Fact(f"… tenure {low} to {high} days, difference", least, most, float(rated - seasoned))
    known = first & (at < data.world.end - HORIZON * DAY)
    poor, good = known & (stars <= 2), known & (stars >= 4)
    departed = tutors["churned_at"][owner]
    soon = (departed > at) & (departed <= at + HORIZON * DAY)
    yield Fact("leave within 30 days, first session ≤ 2 / ≥ 4", 1.3, 3.8, _ratio(soon, poor, good))
    students, sessions = np.unique(data.sessions["student_id"][data.past], return_counts=True)
    stays = sessions[np.searchsorted(students, feedback["student_id"])] > 1
    yield Fact("pupils who return, first session ≤ 2 / ≥ 4", 0.3, 0.7, _ratio(stays, poor, good))


def _pairs(data: Measured) -> Iterator[Fact]:
    sessions = data.sessions
    past = np.flatnonzero(data.past)
    yield Fact("sessions that continue a pair", 0.75, 0.95, float((sessions["session_number"][past] > 1).mean()))
    hour = (_local_minute(data) % (7 * 1440))[past]
    student = np.unique(sessions["student_id"][past], return_inverse=True)[1]
    order = np.lexsort((sessions["session_number"][past], student))
    again = student[order][1:] == student[order][:-1]
    yield Fact(
        "… at the weekday and hour of the one before", 0.8, 0.97, float((np.diff(hour[order]) == 0)[again].mean())
    )
    per_tutor = np.bincount(sessions["tutor_id"][past])
    yield Fact("sessions per tutor, variance / mean", 5, 1000, float(per_tutor.var() / per_tutor.mean()))


def _ratings(data: Measured) -> Iterator[Fact]:
    feedback = data.feedback
    stars = feedback["overall_rating"]
    shares = np.bincount(stars, minlength=6)[1:] / len(stars)
    yield Fact("ratings, mean", 4.2, 4.6, float(stars.mean()))
    yield Fact("ratings of 5", 0.62, 0.80, float(shares[4]))
    yield Fact("ratings of 1 / ratings of 2", 1.2, 4.0, float(shares[0] / shares[1]))
    yield Fact("sessions with feedback", 0.30, 0.50, len(stars) / int(_held(data).sum()))
    parts = np.stack([feedback["communication_rating"], feedback["patience_rating"]])
    correlation = np.corrcoef(parts[:, (parts > 0).all(axis=0)])
    yield Fact("sub-ratings, correlation of two", 0.4, 0.9, float(correlation[0, 1]))
    written = feedback["free_text_feedback"][feedback["free_text_feedback"] >= 0][:1000]
    yield Fact("different texts among the first 1,000", 0.5, 1.0, len(np.unique(written)) / len(written))


SEASONS = (
    ("winter holidays", 0.1, 0.7, "12-22", 13),
    ("spring holidays", 0.6, 0.95, "03-29", 7),
    ("exam season", 1.05, 1.35, "04-27", 30),
    ("summer holidays", 0.4, 0.85, "06-22", 50),
)
"""Name, target, first day in the north, days."""


def _school_year(data: Measured) -> Iterator[Fact]:
    """Compare sessions a day with those of three weeks that end two weeks before a season."""
    world = data.world
    day = data.sessions["scheduled_start"][_held(data)].astype("M8[D]")
    for name, low, high, begins, length in SEASONS:
        for year in range(int(str(world.first_day)[:4]), world.as_of.year + 1):
            begin = np.datetime64(f"{year}-{begins}")
            end, before = begin + length, begin - 35
            if before >= world.first_day and end <= world.first_day + world.days:
                usual = ((day >= before) & (day < before + 21)).sum() / 21
                daily = ((day >= begin) & (day < end)).sum() / length
                yield Fact(f"sessions a day, {name} / before", low, high, float(daily / usual))


def main() -> None:
    """Measure one world and print the table; exit 1 where a fact is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tutors", type=int, default=5000)
    parser.add_argument("--days", type=int, default=180)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--as-of", type=datetime.fromisoformat, default=datetime(2026, 6, 1))
    options = parser.parse_args()
    if options.days < 3 * HORIZON:
        parser.error(f"--days must be at least {3 * HORIZON}, to see who leaves within {HORIZON}")
    missed = 0
    print(f"{'':52}{'target':>16}{'measured':>10}")
    for fact in facts(World(options.tutors, options.days, options.seed, options.as_of.replace(tzinfo=UTC))):
        missed += not fact.holds
        target = f"{fact.low:g} – {fact.high:g}"
        print(f"{fact.name:52}{target:>16}{fact.measured:>10.3f}{'' if fact.holds else '  missed'}")
    raise SystemExit(1 if missed else 0)


if __name__ == "__main__":
    main()
