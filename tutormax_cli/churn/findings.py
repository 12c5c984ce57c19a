"""What the panel says of each tutor: for every component a risk of 0..1, and the numbers behind it.

Each tutor is compared with their own past; where there is little of it, with the average tutor, who then counts as
some weeks or sessions more (`_shrunk`). A risk rises evenly between two bounds (`_ramp`). The bounds were chosen on
synthetic companies of several seeds and dates, for the area under the ROC curve at 30 days and for scores of which few
are critical; weights fitted to real departures, once there are enough of them, are better.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tutormax_cli.churn.components import Component
from tutormax_cli.churn.panel import Bools, Floats, Panel

WEEKS = 16
"""The weeks of history that findings look at."""

LAST_WEEK, TWO_WEEKS, FOUR_WEEKS, EIGHT_WEEKS = slice(0, 1), slice(0, 2), slice(0, 4), slice(0, 8)
USUAL, USUAL_RATINGS = slice(2, 14), slice(4, WEEKS)
"""The weeks that tell what is usual for a tutor."""

ENOUGH_SESSIONS = 4
"""With fewer sessions held in two weeks there is too little recent work to judge its quality by."""

RATING_SPREAD = 1.1
"""The standard deviation of a single rating."""

HOLIDAY = 0.3
"""How much absence counts in a week for which nothing was booked, though there were bookings within four."""

NEWCOMER_RISK, NEWCOMER_DAYS = 0.6, 60.0
"""The risk of being new on the first day, and the days in which it falls to 1/e of that."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One component for all tutors: the risk (0..1, NaN where unknown) and the evidence (NaN where unknown)."""

    risk: Floats
    evidence: Mapping[str, Floats]


def find(panel: Panel) -> dict[Component, Finding]:
    """Assess every tutor of a panel of WEEKS weeks, by component in their order."""
    return {
        Component.ENGAGEMENT_DECLINE: _engagement(panel),
        Component.PERFORMANCE_TREND: _performance(panel),
        Component.RESCHEDULE_PATTERN: _reschedules(panel),
        Component.FIRST_SESSION_QUALITY: _first_sessions(panel),
        Component.NO_SHOW_RISK: _no_shows(panel),
        Component.TENURE_RISK: _tenure(panel),
        Component.AVAILABILITY_REDUCTION: _availability(panel),
    }


def _engagement(panel: Panel) -> Finding:
    """Look for less engagement within sessions, fewer logins and fewer sessions than usual."""
    recent, recent_count = _sum(panel.engagement_sum, TWO_WEEKS), _sum(panel.engagement_count, TWO_WEEKS)
    usual, usual_count = _sum(panel.engagement_sum, USUAL), _sum(panel.engagement_count, USUAL)
    expected = _shrunk(usual, usual_count, _company(panel.engagement_sum, panel.engagement_count), 4)
    cooling = 1 - _ratio(_shrunk(recent, recent_count, expected, 2), expected)
    absence = np.where(_on_holiday(panel), HOLIDAY, 1.0)
    parts = np.stack(
        [
            _ramp(cooling, 0, 0.10),
            _ramp(_drop(panel, panel.logins, TWO_WEEKS), 0.2, 0.9) * absence,
            _ramp(_drop(panel, panel.held, LAST_WEEK), 0.05, 0.7) * absence,
        ]
    )
    logins_known = np.full(len(recent), panel.logins.any())
    weights = np.stack([recent_count > 0, 0.8 * logins_known, np.full(len(recent), 0.2)])
    decline = (np.nan_to_num(parts) * weights).sum(axis=0) / weights.sum(axis=0)
    # Who has just begun has no usual to fall below yet.
    risk = _ramp(decline, 0, 0.5) * _ramp(_sum(panel.weeks_on_board, USUAL), 0, 2)
    logins_last, logins_usual = _sum(panel.logins, LAST_WEEK), _usual_week(panel, panel.logins)
    evidence = {
        "sessions_last_7_days": _sum(panel.held, LAST_WEEK),
        "sessions_usual_7_days": _usual_week(panel, panel.held),
        "logins_last_7_days": np.where(logins_known, logins_last, np.nan),
        "logins_usual_7_days": np.where(logins_known, logins_usual, np.nan),
        "engagement_recent": _ratio(recent, recent_count),
        "engagement_usual": _ratio(usual, usual_count),
    }
    return Finding(risk, evidence)


def _performance(panel: Panel) -> Finding:
    """Look for ratings that fell by more than chance would have it, in standard errors."""
    recent, count = _sum(panel.rating_sum, FOUR_WEEKS), _sum(panel.rating_count, FOUR_WEEKS)
    usual, usual_count = _sum(panel.rating_sum, USUAL_RATINGS), _sum(panel.rating_count, USUAL_RATINGS)
    weight = 6
    expected = _shrunk(usual, usual_count, _company(panel.rating_sum, panel.rating_count), weight)
    error = RATING_SPREAD * np.sqrt(1 / np.maximum(count, 1) + 1 / (usual_count + weight))
    risk = _ramp((expected - _ratio(recent, count)) / error, 1.5, 4)
    evidence = {"rating_recent": _ratio(recent, count), "rating_usual": _ratio(usual, usual_count)}
    return Finding(np.where(_works(panel), risk, np.nan), evidence)


def _reschedules(panel: Panel) -> Finding:
    """Look at the share of sessions that the tutor moves, of those that were not simply missed."""
    kept = panel.scheduled - panel.no_shows
    usual, usual_kept = _sum(panel.rescheduled, USUAL), _sum(kept, USUAL)
    expected = _shrunk(usual, usual_kept, _company(panel.rescheduled, kept), 40)
    rate = _shrunk(_sum(panel.rescheduled, TWO_WEEKS), _sum(kept, TWO_WEEKS), expected, 8)
    evidence = {
        "rescheduled_14_days": _sum(panel.rescheduled, TWO_WEEKS),
        "scheduled_14_days": _sum(panel.scheduled, TWO_WEEKS),
        "reschedule_rate_usual": _ratio(usual, _sum(panel.scheduled, USUAL)),
    }
    return Finding(np.where(_works(panel), _ramp(rate, 0.09, 0.25), np.nan), evidence)


def _first_sessions(panel: Panel) -> Finding:
    """Compare the ratings of a tutor's first sessions with those of all tutors."""
    rating, count = _sum(panel.first_rating_sum, EIGHT_WEEKS), _sum(panel.first_rating_count, EIGHT_WEEKS)
    company = _company(panel.first_rating_sum, panel.first_rating_count)
    risk = _ramp(company - _shrunk(rating, count, company, 2), 0, 1.4)
    evidence = {"first_session_rating": _ratio(rating, count), "first_sessions_rated": count}
    return Finding(np.where(_works(panel) & (count > 0), risk, np.nan), evidence)


def _no_shows(panel: Panel) -> Finding:
    """Look at the share of sessions that the tutor missed in four weeks or, if that is worse, in two."""
    company = _company(panel.no_shows, panel.scheduled)
    rates = [
        _shrunk(_sum(panel.no_shows, weeks), _sum(panel.scheduled, weeks), company, 6)
        for weeks in (TWO_WEEKS, FOUR_WEEKS)
    ]
    booked = _sum(panel.scheduled, FOUR_WEEKS)
    evidence = {"no_shows_28_days": _sum(panel.no_shows, FOUR_WEEKS), "scheduled_28_days": booked}
    return Finding(np.where(booked > 0, _ramp(np.maximum(*rates), 0.07, 0.16), np.nan), evidence)


def _tenure(panel: Panel) -> Finding:
    """Count newcomers as at some risk, the newer the more."""
    risk = NEWCOMER_RISK * np.exp(-panel.tenure_days / NEWCOMER_DAYS)
    return Finding(risk, {"tenure_days": np.floor(panel.tenure_days)})


def _availability(panel: Panel) -> Finding:
    """Compare the hours a week now offered with the most of the eight weeks before."""
    now = panel.hours_per_week[:, 0]
    before = np.fmax.reduce(panel.hours_per_week[:, 1:9], axis=1)
    evidence = {"hours_per_week_now": now, "hours_per_week_before": before}
    return Finding(_ramp(1 - _ratio(now, before), 0.08, 0.25), evidence)


def _works(panel: Panel) -> Bools:
    enough: Bools = _sum(panel.held, TWO_WEEKS) >= ENOUGH_SESSIONS
    return enough


def _on_holiday(panel: Panel) -> Bools:
    quiet: Bools = (_sum(panel.scheduled, LAST_WEEK) == 0) & (_sum(panel.scheduled, FOUR_WEEKS) > 0)
    return quiet


def _drop(panel: Panel, counter: Floats, weeks: slice) -> Floats:
    """Give the share by which a counter fell below its usual, smoothed by one event."""
    on_board = panel.weeks_on_board
    expected = _shrunk(_sum(counter, USUAL), _sum(on_board, USUAL), _company(counter[:, USUAL], on_board[:, USUAL]), 2)
    drop: Floats = 1 - (_sum(counter, weeks) + 1) / ((weeks.stop - weeks.start) * expected + 1)
    return drop


def _usual_week(panel: Panel, counter: Floats) -> Floats:
    """Give a counter's usual value for a week, NaN for a tutor who had no full week before the last two."""
    weeks = _sum(panel.weeks_on_board, USUAL)
    usual: Floats = np.where(weeks >= 1, _ratio(_sum(counter, USUAL), weeks), np.nan)
    return usual


def _sum(counter: Floats, weeks: slice) -> Floats:
    total: Floats = counter[:, weeks].sum(axis=1)
    return total


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Divide, giving NaN where there is nothing to divide by."""
    ratio: Floats = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
    return ratio


def _shrunk(part: Floats, whole: Floats, average: Floats | float, weight: float) -> Floats:
    """Divide as if `weight` more of the whole had been average."""
    shrunk: Floats = (part + weight * average) / (whole + weight)
    return shrunk


def _company(part: Floats, whole: Floats) -> float:
    """Give the average of all tutors, 0 where nothing is known."""
    return float(part.sum() / max(whole.sum(), 1.0))


def _ramp(value: Floats, low: float, high: float) -> Floats:
    """Rise from 0 at `low` to 1 at `high`."""
    ramp: Floats = np.clip((value - low) / (high - low), 0.0, 1.0)
    return ramp
