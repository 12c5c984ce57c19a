"""The oracle: right on average, sharp, sure of what has quietly happened, and blind where there is nothing to see."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tutormax_cli.columns import Coded
from tutormax_cli.errors import UsageError
from tutormax_cli.simulation import OracleProbabilities, World, companies, oracle, simulate

Array = npt.NDArray[Any]
AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
DAY = np.timedelta64(86_400_000_000, "us")
WORLD = World(3000, 240, 5, AS_OF)
LANDMARKS = [AS_OF - timedelta(days=days) for days in (182, 154, 126, 98)]
SMALL = World(700, 120, 42, AS_OF)


@dataclass(frozen=True)
class Foreseen:
    """What the oracle said of a world, beside what came: a column per horizon, and who had stopped already."""

    said: Array
    came: Array
    quiet: Array


def foresee(world: World, landmarks: Sequence[datetime]) -> Foreseen:
    told = oracle(world, landmarks, futures=100)
    chunks = [company.behaviour for company in companies(world)]
    ended, stop = (np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in ("ended_at", "stop_day"))
    tutor = np.char.replace(told.tutor_ids.astype(str), "tutor_", "").astype(int) - 1
    at = np.array([landmark.replace(tzinfo=None) for landmark in landmarks], dtype="M8[us]")[told.landmark]
    later = (ended[tutor] - at) / DAY
    came = np.stack([(later > 0) & (later <= horizon) for horizon in told.horizons], axis=1)
    return Foreseen(told.probabilities, came, stop[tutor] < (at - world.first_day) / DAY)


def roc_auc(score: Array, outcome: Array) -> float:
    """Give the chance that one with the outcome scores above one without, a tie counting half."""
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    positive = int(outcome.sum())
    return float((rank[outcome].sum() - positive * (positive + 1) / 2) / (positive * (len(outcome) - positive)))


@pytest.fixture(scope="module")
def foreseen() -> Foreseen:
    return foresee(WORLD, LANDMARKS)


def test_probabilities_grow_with_the_horizon(foreseen: Foreseen) -> None:
    assert (np.diff(foreseen.said, axis=1) >= 0).all()
    assert foreseen.said.min() >= 0 and foreseen.said.max() <= 1


def test_as_many_leave_as_it_says_in_every_tenth(foreseen: Foreseen) -> None:
    for column in (2, 3):
        said, came = foreseen.said[:, column], foreseen.came[:, column]
        for tenth in np.array_split(np.argsort(said, kind="stable"), 10):
            error = np.sqrt((said[tenth] * (1 - said[tenth])).sum()) / len(tenth)
            assert abs(said[tenth].mean() - came[tenth].mean()) < 4 * error + 0.002
    assert foreseen.said.mean(axis=0) == pytest.approx(foreseen.came.mean(axis=0), abs=0.02)


def test_it_ranks_as_well_as_anything_can(foreseen: Foreseen) -> None:
    said, came, awake = foreseen.said[:, 2], foreseen.came[:, 2], ~foreseen.quiet
    assert 0.94 < roc_auc(said, came) < 0.98
    assert 0.90 < roc_auc(said[awake], came[awake]) < 0.96


def test_who_fell_silent_is_recorded_on_a_known_day(foreseen: Foreseen) -> None:
    assert foreseen.quiet.sum() > 50
    assert (foreseen.said[foreseen.quiet] == foreseen.came[foreseen.quiet]).all()


def test_without_signal_it_knows_the_silent_and_nothing_else() -> None:
    blind = foresee(replace(WORLD, signal=False), LANDMARKS)
    said, came, awake = blind.said[:, 2], blind.came[:, 2], ~blind.quiet
    assert 0.66 < roc_auc(said, came) < 0.76
    assert roc_auc(said[awake], came[awake]) == pytest.approx(0.5, abs=0.03)
    assert came.mean() == pytest.approx(0.12, abs=0.02)


def test_other_landmarks_do_not_matter() -> None:
    landmarks = [AS_OF - timedelta(days=days) for days in (60, 32)]
    both, second = oracle(SMALL, landmarks, futures=5), oracle(SMALL, landmarks[1:], futures=5)
    assert (both.tutor_ids[both.landmark == 1] == second.tutor_ids).all()
    assert (both.probabilities[both.landmark == 1] == second.probabilities).all()
    assert (np.diff(both.landmark) >= 0).all()


def test_it_names_those_who_are_active() -> None:
    told = oracle(SMALL, [AS_OF], futures=1)
    (chunk,) = simulate(SMALL, chunk_tutors=SMALL.tutors)
    ids, status = np.asarray(chunk["tutors"]["tutor_id"]), chunk["tutors"]["status"]
    assert isinstance(status, Coded)
    assert told.tutor_ids.tolist() == ids[status.codes == status.values.index("active")].tolist()


def test_there_are_landmarks_without_tutors() -> None:
    nobody = oracle(SMALL, [], futures=1)
    assert isinstance(nobody, OracleProbabilities) and nobody.probabilities.shape == (0, 4)


@pytest.mark.parametrize("landmark", [AS_OF + timedelta(days=1), AS_OF - timedelta(days=121)])
def test_landmarks_outside_the_world_are_refused(landmark: datetime) -> None:
    with pytest.raises(UsageError, match="landmark"):
        oracle(SMALL, [landmark])


def test_a_longer_timetable_leaves_the_days_before_as_they_were() -> None:
    for usual, longer in zip(companies(SMALL), companies(SMALL, ahead=91), strict=True):
        days = SMALL.days + 1
        assert (usual.behaviour.disengagement[:, :days] == longer.behaviour.disengagement[:, :days]).all()
        assert (usual.behaviour.stop_day == longer.behaviour.stop_day).all()
