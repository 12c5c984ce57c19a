"""What could be known at the very best: each tutor's true probability to leave, from the hidden state.

For each tutor at a time, the state is carried through many futures by the rules of the world and with draws of its own;
what really came is not looked at. The timetable (which pupils would come when) and breaks are taken as they are, as
nothing that happens changes them. A future need not end in a departure: its summed hazard gives the probability, so
that a few hundred futures are enough. Only measurements of predictions read this; no table holds it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from tutormax_cli.errors import UsageError
from tutormax_cli.simulation import parameters as p
from tutormax_cli.simulation.behaviour import ON_LEAVE, Company, log_hazard
from tutormax_cli.simulation.calendars import DAY
from tutormax_cli.simulation.chunks import companies
from tutormax_cli.simulation.drift import kept_open, natures, pulled, switched
from tutormax_cli.simulation.identities import Text, numbered
from tutormax_cli.simulation.streams import Bools, Floats, Ints, keys
from tutormax_cli.simulation.world import World

HORIZONS = (1, 7, 30, 90)
"""Days within which a departure is recorded."""

Singles = npt.NDArray[np.float32]
"""Single precision is plenty for futures, and twice as fast."""


@dataclass(frozen=True, slots=True)
class OracleProbabilities:
    """The true probabilities, by landmark and tutor; one row for each tutor who was active at a landmark.

    `tutor_ids` and `landmark` (a position among the landmarks asked for) have one element per row; `probabilities` has
    a column per horizon: that the tutor's departure will be recorded within so many days.
    """

    tutor_ids: Text
    landmark: Ints
    probabilities: Floats
    horizons: tuple[int, ...] = HORIZONS


def oracle(world: World, landmarks: Sequence[datetime], *, futures: int = 200) -> OracleProbabilities:
    """Give the true probabilities at these times, midnights in UTC from the world's first day to its end.

    The same arguments give the same probabilities. Those who have fallen silent already are certain to be recorded on
    a known day. Raises UsageError for other landmarks.
    """
    if futures < 1:
        raise ValueError("an oracle looks at one future at least")
    days = [_day(world, landmark) for landmark in landmarks]
    parts = [
        (_ids(company, rows), np.full(len(rows), place), _probabilities(company, rows, day, futures))
        for company in companies(world, ahead=max(HORIZONS) + 1)
        for place, day, rows in _active(company, days)
    ]
    if not parts:
        return OracleProbabilities(np.empty(0, "S1"), np.empty(0, np.int64), np.empty((0, len(HORIZONS))))
    ids, place, probabilities = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(place, kind="stable")
    return OracleProbabilities(ids[order], place[order], probabilities[order])


def _day(world: World, landmark: datetime) -> int:
    """Give the number of the day that begins at a landmark; in the same way as worlds take their as-of."""
    back = World(1, 1, world.seed, landmark)  # which refuses what is no midnight in UTC
    day = int((back.end - world.first_day) / DAY)
    if not 0 <= day <= world.days:
        raise UsageError(f"a landmark lies within the days of its world, not at {landmark:%Y-%m-%d}")
    return day


def _ids(company: Company, rows: Ints) -> Text:
    return numbered("tutor_", company.tutors.number[rows] + 1)


def _active(company: Company, days: Sequence[int]) -> Iterator[tuple[int, int, Ints]]:
    """Give each landmark's position, day, and the tutors active at it, as the database tells it."""
    calendar, tutors, behaviour = company.calendar, company.tutors, company.behaviour
    inactive = (behaviour.ending == ON_LEAVE) & ~np.isnat(behaviour.ended_at)
    for place, day in enumerate(days):
        at = calendar.world.first_day.astype("M8[us]") + day * DAY
        here = (tutors.onboarded_at < at) & ~inactive
        yield place, day, np.flatnonzero(here & (np.isnat(behaviour.ended_at) | (behaviour.ended_at > at)))


def _probabilities(company: Company, rows: Ints, day: int, futures: int) -> Floats:
    """Give the probabilities of these tutors at the beginning of a day, a column per horizon."""
    stopped = company.behaviour.stop_day[rows] < day
    result = np.empty((len(rows), len(HORIZONS)))
    # Recorded in the night after so many days of silence, a few hours past the midnight that begins it.
    wait = company.behaviour.stop_day[rows[stopped]] + 1 + p.SILENT_DAYS - day
    result[stopped] = wait[:, None] < np.array(HORIZONS)
    said, unsaid = p.RESIGNED_SHARE, 1.0 - p.RESIGNED_SHARE
    known_after = [(horizon, max(horizon - p.SILENT_DAYS - 1, 0)) for horizon in HORIZONS]
    gone = _gone_within(company, rows[~stopped], day, {days for pair in known_after for days in pair}, futures)
    result[~stopped] = np.stack([said * gone[at_once] + unsaid * gone[late] for at_once, late in known_after], axis=1)
    return result


def _gone_within(company: Company, rows: Ints, day: int, spans: set[int], futures: int) -> dict[int, Floats]:
    """Give the probability that each of these tutors at work stops within so many days, for each of the spans."""
    level, slope = log_hazard(company.calendar.world, company.tutors, day + np.arange(max(HORIZONS)))
    level = level[rows].astype(np.float32)
    summed = np.zeros((len(rows), futures), dtype=np.float32)
    gone = {0: np.zeros(len(rows))}
    for ahead, state in enumerate(_states(company, rows, day, futures)):
        summed += np.exp(level[:, ahead, None] + np.float32(slope) * state)
        if ahead + 1 in spans:
            gone[ahead + 1] = 1.0 - np.exp(-summed).mean(axis=1, dtype=np.float64)
    return gone


def _states(company: Company, rows: Ints, first_day: int, futures: int) -> Iterator[Singles]:
    """Carry the state of these tutors, by tutor and future, from one day to the next, as far as the last horizon."""
    behaviour, onboarded_day = company.behaviour, company.tutors.onboarded_day[rows, None]
    nature = natures(company.tutors)
    onset, depth = (trait[rows, None].astype(np.float32) for trait in (nature.onset, nature.depth))
    shape = len(rows), futures
    state: Singles = np.broadcast_to(behaviour.disengagement[rows, first_day, None].astype(np.float32), shape)
    declining: Bools = np.broadcast_to(behaviour.declining[rows, first_day, None], shape)
    draws = _draws(company, first_day)
    for day in range(first_day, first_day + max(HORIZONS)):
        yield state
        turn = draws.random(shape, dtype=np.float32)
        push = draws.standard_normal(shape, dtype=np.float32)
        push *= np.float32(p.STATE_NOISE)
        _add_shocks(company, rows, day, state, push, draws)
        working = onboarded_day < day
        declining = np.where(working, switched(declining, turn, onset), declining)
        state = np.where(working, pulled(state, declining, depth) + push, state)


def _draws(company: Company, day: int) -> np.random.Generator:
    """Give random numbers for the futures of a chunk from a day on, which nothing else in a world uses."""
    key = keys(company.calendar.world.seed, "oracle", int(company.tutors.number[0]), day)
    return np.random.Generator(np.random.SFC64(int(key[0])))


def _add_shocks(
    company: Company, rows: Ints, day: int, state: Singles, push: Singles, draws: np.random.Generator
) -> None:
    """Add to `push`, by tutor and future, what poor first sessions of a day would do."""
    firsts, willing = company.behaviour.firsts, company.behaviour.willing
    place = np.full(len(company.tutors), -1)
    place[rows] = np.arange(len(rows))
    meetings = firsts.on(day)
    meetings = meetings[firsts.possible[meetings] & (place[firsts.tutor[meetings]] >= 0)]
    tutor = firsts.tutor[meetings]
    here = state[place[tutor]]
    spread = float(np.hypot(p.PAIR_SD, p.SESSION_SD))
    satisfaction = firsts.expected[meetings, None] + spread * draws.standard_normal(here.shape, dtype=np.float32)
    satisfaction -= p.SATISFACTION_SLOPE * np.maximum(here, 0.0)
    poor = (satisfaction < p.POOR) & (firsts.strain[meetings, None] < kept_open(willing[tutor, day, None], here))
    np.add.at(push, place[tutor], firsts.shock[meetings, None].astype(np.float32) * poor)
