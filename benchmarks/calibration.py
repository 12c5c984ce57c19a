"""Prints what the synthetic world must show beside what it shows: python benchmarks/calibration.py --tutors 5000.

Summer holidays, and the others of more than one year, show in worlds that hold them: --days 400.
"""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
from calibration_data import DAY, HORIZON, Array, Fact, Facts, Measured, auc, ratio, share

from tutormax_cli.simulation import World, companies
from tutormax_cli.simulation.feedback import DIMENSIONS, opinions
from tutormax_cli.simulation.lessons import hold_lessons
from tutormax_cli.simulation.parameters import ARCHETYPE_SHARES, ARCHETYPES, FIELDS
from tutormax_cli.simulation.rows import SUBJECT_LISTS

WORKLOAD_WEEKS = 12


def facts(world: World) -> Facts:
    """Measure every fact on one world."""
    data = Measured(world)
    groups: tuple[Callable[[Measured], Facts], ...] = (
        _population,
        _workload,
        _school_year,
        _pairs,
        _clock_changes,
        _departures,
        _silence,
        _foresight,
        _warnings,
        _absences,
        _first_sessions,
        _ratings,
        _sub_ratings,
        _answers,
        _interventions,
    )
    for group in groups:
        yield from group(data)


def _population(data: Measured) -> Facts:
    tutors = data.tutors
    shares = np.bincount(tutors["behavioral_archetype"], minlength=len(ARCHETYPES)) / len(data)
    yield Fact("archetype shares, largest deviation", 0, 0.02, float(np.abs(shares - ARCHETYPE_SHARES).max()))
    baseline = tutors["baseline_sessions_per_week"]
    yield Fact("baseline sessions a week, mean", 14.3, 15.7, float(baseline.mean()))
    yield Fact("baseline sessions a week, least", 5, 8, float(baseline.min()))
    yield Fact("baseline sessions a week, most", 24, 30, float(baseline.max()))
    yield Fact("baseline sessions a week, skewness", 0.3, 1.0, _skewness(baseline))
    yield Fact("tutors active at the end", 0.25, 0.85, float(data.active_at(data.world.end).mean()))
    emails = tutors["email"]
    yield Fact("e-mail addresses that are different", 1, 1, len(np.unique(emails)) / len(emails))
    ahead = data.students["age"] - (data.students["grade_level"] + 1)
    yield Fact("pupils 5 to 7 years older than their grade", 1, 1, float(((ahead >= 5) & (ahead <= 7)).mean()))


def _skewness(values: Array) -> float:
    return float((((values - values.mean()) / values.std()) ** 3).mean())


def _workload(data: Measured) -> Facts:
    """Count the sessions of the last weeks; settled tutors have been with us all that time."""
    tutors, begin = data.tutors, data.world.end - WORKLOAD_WEEKS * 7 * DAY
    lately = data.held & (data.sessions["scheduled_start"] >= begin)
    total = np.bincount(data.sessions["tutor_id"][lately], minlength=len(data)).astype(np.float64)
    busiest = np.sort(total[total > 0])[::-1]
    yield Fact(
        "sessions held by the busiest fifth", 0.35, 0.60, float(busiest[: len(busiest) // 5].sum() / total.sum())
    )
    settled = data.active_at(data.world.end) & (tutors["onboarding_date"] < begin - 14 * DAY)
    usual = tutors["baseline_sessions_per_week"][settled]
    weekly = float(total[settled].sum() / WORKLOAD_WEEKS / usual.sum())
    yield Fact("sessions a week of settled tutors / baseline", 0.6, 1.1, weekly)
    kinds = [total[settled & (tutors["behavioral_archetype"] == kind)] for kind in range(len(ARCHETYPES))]
    spread = min(float(kind.var() / kind.mean()) for kind in kinds if len(kind) >= 20)
    yield Fact("sessions in 12 weeks, one archetype, variance / mean", 5, 60, spread)
    expected = total[settled].mean() * usual / usual.mean()
    beyond = float(((total[settled] - expected) ** 2 / expected).mean())
    yield Fact("… beyond what the tutor's baseline explains", 2, 30, beyond)


def _departures(data: Measured) -> Facts:
    subjects = data.tutors["subjects"]
    fields = subjects // (len(SUBJECT_LISTS) // len(FIELDS))
    told = data.events_of("status_change") & ~data.mentions("no activity")
    said = np.zeros(len(data), dtype=bool)
    said[data.events["tutor_id"][told]] = True
    active, leaving = data.active, data.leaving
    yield Fact("leave within 30 days, all", 0.105, 0.135, leaving.sum() / active.sum())
    targets = (("STEM", 0.06, 0.10), ("languages", 0.10, 0.14), ("tests", 0.13, 0.175))
    for field, (name, low, high) in enumerate(targets):
        of = fields == field
        yield Fact(f"leave within 30 days, {name}", low, high, leaving[:, of].sum() / active[:, of].sum())
    yield Fact("resign within 30 days", 0.007, 0.023, leaving[:, said].sum() / active.sum())
    rates = leaving.sum(axis=1) / active.sum(axis=1)
    half = len(rates) // 2
    yield Fact("leave within 30 days, second half / first", 0.7, 1.3, rates[half:].mean() / rates[:half].mean())


def _silence(data: Measured) -> Facts:
    """Look at what those leave behind who stop without a word."""
    tutors, sessions, held = data.tutors, data.sessions, data.held
    silent = np.unique(data.events["tutor_id"][data.events_of("status_change") & data.mentions("no activity")])
    last = np.full(len(data), np.datetime64("NaT", "us"))
    np.fmax.at(last, sessions["tutor_id"][held], sessions["scheduled_start"][held])
    days = (tutors["churned_at"] - last)[silent] / DAY
    yield Fact("days from the last session to the record, median", 14, 18, float(np.nanmedian(days)))
    left = data.past & (sessions["scheduled_start"] > last[sessions["tutor_id"]])
    missed = np.bincount(sessions["tutor_id"][left & sessions["no_show"]], minlength=len(last))[silent]
    yield Fact("booked sessions left as no-shows, mean", 5, 30, float(missed.mean()))


def _foresight(data: Measured) -> Facts:
    """Rank tutors by the hidden state, who is silent for good first: what a prediction can reach at the very best."""
    chunks = list(companies(data.world))
    state = np.concatenate([company.behaviour.disengagement for company in chunks])
    stop = np.concatenate([company.behaviour.stop_day for company in chunks])
    days = [int((at - data.world.first_day) / DAY) for at in data.landmarks]
    active = data.active.T
    score, outcome, gone = state[:, days][active], data.leaving.T[active], (stop[:, None] <= days)[active]
    yield Fact("hidden state: AUC of leaving within 30 days", 0.90, 0.98, auc(score + 100 * gone, outcome))
    yield Fact("… among those not silent for good", 0.85, 0.96, auc(score[~gone], outcome[~gone]))
    yield Fact("departures in 30 days that have quietly happened", 0.35, 0.65, float(gone[outcome].mean()))
    change = _change_in_sessions(data)[active]
    alone = auc(-change[~gone], outcome[~gone])
    yield Fact("fewer sessions alone, among those not silent for good", 0.6, 0.9, alone)


def _change_in_sessions(data: Measured) -> Array:
    """Give the sessions of the two weeks before each landmark against a usual fortnight, by tutor and landmark."""
    day = ((data.sessions["scheduled_start"] - data.world.first_day) / DAY).astype(np.int64)
    daily = np.zeros((len(data), int(day.max()) + 2))
    np.add.at(daily, (data.sessions["tutor_id"][data.held], day[data.held] + 1), 1)
    total = np.cumsum(daily, axis=1)
    at = np.array([int((landmark - data.world.first_day) / DAY) for landmark in data.landmarks])
    usual = data.tutors["baseline_sessions_per_week"][:, None] * 2
    return np.asarray((total[:, at] - total[:, at - 14]) / usual)


def _warnings(data: Measured) -> Facts:
    moved = data.events_of("reschedule_request")
    by_tutor = moved & ~data.mentions("student request")
    yield Fact("reschedules that are the tutor's", 0.95, 1.0, by_tutor.sum() / moved.sum())
    yield Fact("sessions moved by tutors", 0.04, 0.12, share(data.sessions["tutor_initiated_reschedule"], data.past))
    at, tutor = data.events["event_timestamp"], data.events["tutor_id"]
    weeks = [by_tutor & (at < landmark) & (at >= landmark - 7 * DAY) for landmark in data.landmarks]
    often = np.array([np.bincount(tutor[week], minlength=len(data)) > 3 for week in weeks])
    yield Fact("tutors with > 3 reschedules a week", 0.005, 0.10, share(often, data.active))
    yield Fact("leave within 30 days after > 3 reschedules", 0.22, 0.8, share(data.leaving, data.active & often))
    more = ratio(data.leaving, data.active & often, data.active & ~often)
    yield Fact("… / after fewer", 2, 8, more)


def _absences(data: Measured) -> Facts:
    sessions, end, held = data.sessions, data.world.end, data.held
    last_held = np.full(len(data), data.world.first_day.astype("M8[us]"))
    np.maximum.at(last_held, sessions["tutor_id"][held], sessions["scheduled_start"][held])
    working = data.past & (sessions["scheduled_start"] <= last_held[sessions["tutor_id"]])
    minute, missed = data.minute, sessions["no_show"]
    weekday = (minute // 1440 + int(data.world.first_day.astype(np.int64)) + 3) % 7
    school_days, weekend = working & (weekday < 5), working & (weekday >= 5)
    monday, morning = weekday == 0, minute % 1440 < 720
    yield Fact("no-shows, tutors at work", 0.01, 0.035, float(missed[working].mean()))
    mondays = ratio(missed, school_days & monday, school_days & ~monday)
    yield Fact("no-shows, Monday / other school days", 1.4, 2.6, mondays)
    mornings = ratio(missed, weekend & morning, weekend & ~morning)
    yield Fact("no-shows, weekend mornings / afternoons", 1.3, 2.6, mornings)
    active = data.active_at(end)
    silent = active & (last_held < end - 7 * DAY) & (data.tutors["onboarding_date"] < end - 21 * DAY)
    yield Fact("active tutors silent for 7 days", 0.01, 0.10, float(silent.sum() / active.sum()))


def _first_sessions(data: Measured) -> Facts:
    feedback, tutors, stars = data.feedback, data.tutors, data.feedback["overall_rating"]
    at, owner = feedback["submitted_at"], feedback["tutor_id"]
    first = feedback["is_first_session"]
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
    yield Fact("leave within 30 days, first session ≤ 2 / ≥ 4", 1.3, 3.8, ratio(soon, poor, good))
    students, sessions = np.unique(data.sessions["student_id"][data.past], return_counts=True)
    stays = sessions[np.searchsorted(students, feedback["student_id"])] > 1
    yield Fact("pupils who return, first session ≤ 2 / ≥ 4", 0.3, 0.7, ratio(stays, poor, good))


def _pairs(data: Measured) -> Facts:
    sessions = data.sessions
    past = np.flatnonzero(data.past)
    yield Fact("sessions that continue a pair", 0.75, 0.95, float((sessions["session_number"][past] > 1).mean()))
    hour = (data.minute % (7 * 1440))[past]
    student = np.unique(sessions["student_id"][past], return_inverse=True)[1]
    order = np.lexsort((sessions["session_number"][past], student))
    again = student[order][1:] == student[order][:-1]
    yield Fact(
        "… at the weekday and hour of the one before", 0.8, 0.97, float((np.diff(hour[order]) == 0)[again].mean())
    )
    per_tutor = np.bincount(sessions["tutor_id"][past])
    yield Fact("sessions per tutor, variance / mean", 5, 1000, float(per_tutor.var() / per_tutor.mean()))


def _clock_changes(data: Measured) -> Facts:
    """Compare each pair's sessions a week apart with a change of clocks between them."""
    past = np.flatnonzero(data.past)
    local, start = data.minute[past], data.sessions["scheduled_start"][past]
    student = np.unique(data.sessions["student_id"][past], return_inverse=True)[1]
    order = np.lexsort((start, student))
    again = student[order][1:] == student[order][:-1]
    days = np.diff(local[order]) / 1440
    ahead = (local - (start - start.min()).astype("m8[m]").astype(np.int64))[order]
    changed = again & (np.abs(np.diff(ahead)) == 60) & (days > 6) & (days < 8)
    if changed.sum() >= 100:
        kept = np.diff(local[order])[changed] == 7 * 1440
        yield Fact("pairs at the same local hour after clocks change", 0.85, 0.99, float(kept.mean()))


def _ratings(data: Measured) -> Facts:
    stars = data.feedback["overall_rating"]
    shares = np.bincount(stars, minlength=6)[1:] / len(stars)
    yield Fact("ratings, mean", 4.2, 4.6, float(stars.mean()))
    yield Fact("ratings of 5", 0.62, 0.80, float(shares[4]))
    yield Fact("ratings of 1 / ratings of 2", 1.2, 4.0, float(shares[0] / shares[1]))
    written = data.feedback["free_text_feedback"][data.feedback["free_text_feedback"] >= 0][:1000]
    yield Fact("different texts among the first 1,000", 0.5, 1.0, len(np.unique(written)) / len(written))


def _sub_ratings(data: Measured) -> Facts:
    parts = np.stack([data.feedback[f"{dimension}_rating"] for dimension in DIMENSIONS])
    whole = parts[:, (parts > 0).all(axis=0)]
    between = np.corrcoef(whole)[np.triu_indices(len(DIMENSIONS), 1)]
    yield Fact("sub-ratings, least correlation of two", 0.4, 0.9, float(between.min()))
    yield Fact("sub-ratings, greatest correlation of two", 0.4, 0.9, float(between.max()))
    yield Fact("feedback whose five sub-ratings are equal", 0.1, 0.7, float((whole == whole[0]).all(axis=0).mean()))


def _answers(data: Measured) -> Facts:
    """Who answers, by what they would say, and when."""
    said = np.bincount(data.feedback["overall_rating"], minlength=6)[1:]
    felt = np.zeros(5)
    for company in companies(data.world):
        lessons = hold_lessons(company)
        felt += np.bincount(opinions(company, lessons)[lessons.ended], minlength=6)[1:]
    yield Fact("sessions with feedback", 0.30, 0.50, float(said.sum() / felt.sum()))
    middling = said[2] / felt[2]
    yield Fact("… of those worth 1 / of those worth 3", 1.3, 2.2, float(said[0] / felt[0] / middling))
    yield Fact("… of those worth 5 / of those worth 3", 1.2, 2.0, float(said[4] / felt[4] / middling))
    at, sessions = data.feedback["submitted_at"], data.sessions
    order = np.argsort(sessions["session_id"])
    row = order[np.searchsorted(sessions["session_id"], data.feedback["session_id"], sorter=order)]
    minutes = sessions["duration_minutes"][row] * (DAY / 1440)
    hours = (at - sessions["actual_start"][row] - minutes) / (DAY / 24)
    yield Fact("hours until feedback, least", 0, 1, float(hours.min()))
    yield Fact("hours until feedback, median", 3, 16, float(np.median(hours)))
    yield Fact("hours until feedback, mean / median", 1.2, 3, float(hours.mean() / np.median(hours)))
    hour = data.local(at, data.feedback["tutor_id"]) % 1440 / 60
    yield Fact("feedback between 22 and 7 o'clock", 0, 0, float(((hour >= 22) | (hour < 7)).mean()))


def _interventions(data: Measured) -> Facts:
    """Compare the hidden state of those whom managers looked after with everybody's on the day."""
    state = np.concatenate([company.behaviour.disengagement for company in companies(data.world)])
    tutor, at = data.interventions["tutor_id"], data.interventions["recommended_date"]
    day = ((at - data.world.first_day) / DAY).astype(np.int64)
    usual = state[:, : data.world.days].mean(axis=0)
    per_month = float(len(tutor) / data.active.sum(axis=1).mean() / (data.world.days / 30))
    yield Fact("interventions per active tutor and month", 0.03, 0.4, per_month)
    yield Fact("disengagement at interventions − everybody's", 0.4, 2.5, float((state[tutor, day] - usual[day]).mean()))


SEASONS = (
    ("winter holidays", 0.1, 0.7, "12-22", 13),
    ("spring holidays", 0.6, 0.95, "03-29", 7),
    ("exam season", 1.05, 1.35, "04-27", 30),
    ("summer holidays", 0.4, 0.85, "06-22", 50),
)
"""Name, target, first day in the north, days."""
ORDINARY_WEEKS = (("01-12", 70), ("09-10", 42))
"""First day and days of stretches of term without holidays or examinations."""
NEAR_DAYS = 110
"""Ordinary days so near a season are compared with it: the company grows."""


def _school_year(data: Measured) -> Facts:
    """Compare sessions a day within a season and in ordinary weeks near it."""
    first, days = data.world.first_day, data.world.days
    held = data.sessions["scheduled_start"][data.held].astype("M8[D]")
    daily = np.bincount((held - first).astype(np.int64), minlength=days)[:days]
    years = range(int(str(first)[:4]), data.world.as_of.year + 1)
    ordinary = np.zeros(days, dtype=bool)
    for begins, length in ORDINARY_WEEKS:
        for year in years:
            begin = int((np.datetime64(f"{year}-{begins}") - first).astype(np.int64))
            ordinary[max(begin, 0) : max(begin + length, 0)] = True
    for name, low, high, begins, length in SEASONS:
        for year in years:
            begin = int((np.datetime64(f"{year}-{begins}") - first).astype(np.int64))
            near = ordinary & (np.abs(np.arange(days) - begin) < NEAR_DAYS)
            if begin >= 0 and begin + length <= days and near.sum() >= 14:
                share = float(daily[begin : begin + length].mean() / daily[near].mean())
                yield Fact(f"sessions a day, {name} {year} / ordinary", low, high, share)


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
    print(f"{'':60}{'target':>16}{'measured':>10}")
    for fact in facts(World(options.tutors, options.days, options.seed, options.as_of.replace(tzinfo=UTC))):
        missed += not fact.holds
        target = f"{fact.low:g} – {fact.high:g}"
        print(f"{fact.name:60}{target:>16}{fact.measured:>10.3f}  {'ok' if fact.holds else 'MISSED'}")
    raise SystemExit(1 if missed else 0)


if __name__ == "__main__":
    main()
