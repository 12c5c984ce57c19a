"""What a hazard is told of a tutor: numbers against the tutor's own past, for any week of the panel at once.

A landmark is a number of weeks before the panel's as-of. Only the weeks before it count: its features are those of
`panel.before(landmark)`. Counts are compared with the tutor's usual ones, shares with the tutor's usual share; where
there is little of either, the average of those active at the landmark counts as some weeks or sessions more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tutormax_cli.churn.components import Component
from tutormax_cli.churn.panel import Bools, Floats, Ints, Panel
from tutormax_cli.churn.weekly import WEEK

WEEKS = 16
"""The weeks before a landmark that features look at."""

Span = tuple[int, int]
LAST_WEEK, TWO_WEEKS, FOUR_WEEKS, EIGHT_WEEKS, ALL = (0, 1), (0, 2), (0, 4), (0, 8), (0, WEEKS)
USUAL, USUAL_RATINGS = (2, 14), (4, WEEKS)
"""The weeks that tell what is usual for a tutor."""

SILENCE_RECORDED, LONGEST_SILENCE = 14.0, 30.0
"""Days of silence after which a departure is recorded, and after which a longer silence tells no more."""

NEWCOMER_DAYS = 60.0
"""The days in which being new wears off to 1/e."""

FEATURES = {
    "sessions_1_week": Component.ENGAGEMENT_DECLINE,
    "sessions_4_weeks": Component.ENGAGEMENT_DECLINE,
    "logins_1_week": Component.ENGAGEMENT_DECLINE,
    "logins_4_weeks": Component.ENGAGEMENT_DECLINE,
    "engagement_1_week": Component.ENGAGEMENT_DECLINE,
    "engagement_2_weeks": Component.ENGAGEMENT_DECLINE,
    "engagement_usual": Component.ENGAGEMENT_DECLINE,
    "silence": Component.ENGAGEMENT_DECLINE,
    "silence_over_9_days": Component.ENGAGEMENT_DECLINE,
    "silence_beyond_record": Component.ENGAGEMENT_DECLINE,
    "absence": Component.ENGAGEMENT_DECLINE,
    "no_sign": Component.ENGAGEMENT_DECLINE,
    "silence_with_no_shows": Component.ENGAGEMENT_DECLINE,
    "silence_over_7_days_with_no_shows": Component.ENGAGEMENT_DECLINE,
    "nothing_booked": Component.ENGAGEMENT_DECLINE,
    "rating_4_weeks": Component.PERFORMANCE_TREND,
    "rating_8_weeks": Component.PERFORMANCE_TREND,
    "rating_usual": Component.PERFORMANCE_TREND,
    "rescheduled_1_week": Component.RESCHEDULE_PATTERN,
    "rescheduled_2_weeks": Component.RESCHEDULE_PATTERN,
    "rescheduled_usual": Component.RESCHEDULE_PATTERN,
    "first_rating_3_weeks": Component.FIRST_SESSION_QUALITY,
    "first_rating_8_weeks": Component.FIRST_SESSION_QUALITY,
    "no_shows_1_week": Component.NO_SHOW_RISK,
    "no_shows_4_weeks": Component.NO_SHOW_RISK,
    "no_shows_usual": Component.NO_SHOW_RISK,
    "newness": Component.TENURE_RISK,
    "tenure": Component.TENURE_RISK,
    "hours": Component.AVAILABILITY_REDUCTION,
}
"""Every feature, in their order, and the component that it belongs to."""


def features(panel: Panel, landmarks: Sequence[int]) -> npt.NDArray[np.float32]:
    """Give the features of every tutor at each landmark, shape (tutors, landmarks, features); never NaN."""
    view = _View(panel, np.asarray(landmarks, np.intp))
    found = _engagement(view) | _silence(view) | _ratings(view) | _reschedules(view)
    found |= _first_sessions(view) | _no_shows(view) | _tenure(view) | _availability(view)
    return np.stack([found[name].astype(np.float32) for name in FEATURES], axis=-1)


@dataclass(frozen=True, slots=True)
class _View:
    """A panel looked at from several landmarks; arrays are of shape (tutors, landmarks)."""

    panel: Panel
    landmarks: Ints
    tenure_days: Floats = field(init=False)
    active: Bools = field(init=False)

    def __post_init__(self) -> None:
        days = self.landmarks * float(WEEK.days)
        object.__setattr__(self, "tenure_days", self.panel.tenure_days[:, None] - days)
        departed = self.panel.departed_days[:, None] > days
        object.__setattr__(self, "active", (self.tenure_days > 0) & ~departed)

    def total(self, counter: Floats, span: Span) -> Floats:
        """Add up a counter over weeks before each landmark; there are none before the records begin."""
        summed = np.zeros((len(counter), counter.shape[1] + 1))
        np.cumsum(counter, axis=1, out=summed[:, 1:])
        first, end = (np.minimum(self.landmarks + week, counter.shape[1]) for week in span)
        total: Floats = summed[:, end] - summed[:, first]
        return total

    def company(self, part: Floats, whole: Floats) -> Floats:
        """Give the ratio of two counters among all active tutors, shape (landmarks,), 0 where nothing is known."""
        above, below = (np.sum(self.total(counter, ALL) * self.active, axis=0) for counter in (part, whole))
        ratio: Floats = above / np.maximum(below, 1.0)
        return ratio

    def share(self, part: Floats, whole: Floats, span: Span, expected: Floats, weight: float) -> Floats:
        """Give the ratio of two counters over a span as if `weight` more of the whole had been as expected."""
        share: Floats = (self.total(part, span) + weight * expected) / (self.total(whole, span) + weight)
        return share

    def at(self, state: Floats) -> Floats:
        """Give a state of the panel at each landmark; the oldest one known for earlier landmarks."""
        chosen: Floats = state[:, np.minimum(self.landmarks, state.shape[1] - 1)]
        return chosen


def _engagement(view: _View) -> dict[str, Floats]:
    """Compare sessions, logins and the engagement within sessions with what is usual."""
    panel = view.panel
    on_board = panel.weeks_on_board
    found = {}
    for name, counter in (("sessions", panel.held), ("logins", panel.logins)):
        usual = view.share(counter, on_board, USUAL, view.company(counter, on_board), 2)
        for label, span in (("1_week", LAST_WEEK), ("4_weeks", FOUR_WEEKS)):
            expected = usual * np.maximum(view.total(on_board, span), 0.1)
            found[f"{name}_{label}"] = np.log((view.total(counter, span) + 1) / (expected + 1))
    part, whole = panel.engagement_sum, panel.engagement_count
    usual = view.share(part, whole, USUAL, view.company(part, whole), 4)
    for label, span in (("1_week", LAST_WEEK), ("2_weeks", TWO_WEEKS)):
        found[f"engagement_{label}"] = view.share(part, whole, span, usual, 4) - usual
    return found | {"engagement_usual": usual}


def _silence(view: _View) -> dict[str, Floats]:
    """Look at how long no session was held, and whether some were booked meanwhile."""
    panel = view.panel
    longest = np.clip(view.tenure_days, 0, LONGEST_SILENCE)
    days, absent = (np.minimum(view.at(state), longest) for state in (panel.silent_days, panel.absent_days))
    silence = np.minimum(days, SILENCE_RECORDED)
    missed_last, missed = (np.log1p(view.total(panel.no_shows, span)) for span in (LAST_WEEK, TWO_WEEKS))
    quiet = (view.total(panel.scheduled, LAST_WEEK) == 0) & (view.total(panel.scheduled, FOUR_WEEKS) > 0)
    return {
        "silence": silence,
        "silence_over_9_days": np.maximum(silence - 9, 0),
        "silence_beyond_record": np.maximum(days - SILENCE_RECORDED - 1, 0),
        "absence": np.log1p(absent),
        "no_sign": np.log1p(np.minimum(days, absent)),
        "silence_with_no_shows": silence * missed_last,
        "silence_over_7_days_with_no_shows": np.maximum(silence - 7, 0) * missed,
        "nothing_booked": quiet.astype(np.float64),
    }


def _ratings(view: _View) -> dict[str, Floats]:
    part, whole = view.panel.rating_sum, view.panel.rating_count
    usual = view.share(part, whole, USUAL_RATINGS, view.company(part, whole), 6)
    return {
        "rating_4_weeks": view.share(part, whole, FOUR_WEEKS, usual, 4) - usual,
        "rating_8_weeks": view.share(part, whole, EIGHT_WEEKS, usual, 4) - usual,
        "rating_usual": usual,
    }


def _reschedules(view: _View) -> dict[str, Floats]:
    """Look at the share of sessions that the tutor moves, of those that were not simply missed."""
    part, whole = view.panel.rescheduled, view.panel.scheduled - view.panel.no_shows
    usual = view.share(part, whole, USUAL, view.company(part, whole), 20)
    return {
        "rescheduled_1_week": view.share(part, whole, LAST_WEEK, usual, 8) - usual,
        "rescheduled_2_weeks": view.share(part, whole, TWO_WEEKS, usual, 8) - usual,
        "rescheduled_usual": usual,
    }


def _first_sessions(view: _View) -> dict[str, Floats]:
    """Compare the ratings of first sessions with those of all tutors: of their own a tutor has too few."""
    part, whole = view.panel.first_rating_sum, view.panel.first_rating_count
    company = view.company(part, whole)
    return {
        f"first_rating_{weeks}_weeks": view.share(part, whole, (0, weeks), company, 2) - company for weeks in (3, 8)
    }


def _no_shows(view: _View) -> dict[str, Floats]:
    part, whole = view.panel.no_shows, view.panel.scheduled
    usual = view.share(part, whole, USUAL, view.company(part, whole), 10)
    return {
        "no_shows_1_week": view.share(part, whole, LAST_WEEK, usual, 6) - usual,
        "no_shows_4_weeks": view.share(part, whole, FOUR_WEEKS, usual, 6) - usual,
        "no_shows_usual": usual,
    }


def _tenure(view: _View) -> dict[str, Floats]:
    days = np.maximum(view.tenure_days, 0)
    return {"newness": np.exp(-days / NEWCOMER_DAYS), "tenure": np.log1p(days / WEEK.days)}


def _availability(view: _View) -> dict[str, Floats]:
    """Compare the hours a week now offered with the most of the eight weeks before; 0 where never declared."""
    hours = view.panel.hours_per_week
    earlier = (np.minimum(view.landmarks + week, hours.shape[1] - 1) for week in range(1, 9))
    before = np.fmax.reduce([hours[:, week] for week in earlier])
    return {"hours": np.nan_to_num(np.log((view.at(hours) + 1) / (before + 1)))}
