"""The random streams: distributions, independence, and numbers that no release may change."""

from statistics import NormalDist

import numpy as np
import pytest

from tutormax_cli.simulation import streams

THINGS = streams.keys(42, "thing", np.arange(200_000))


def test_uniform_fills_the_unit_interval() -> None:
    draws = streams.uniform(THINGS, "height")
    assert 0 < draws.min() < 1e-4 and 1 - 1e-4 < draws.max() < 1
    counts = np.bincount((draws * 64).astype(int), minlength=64)
    assert ((counts - 3125) ** 2 / 3125).sum() < 110  # chi-squared with 63 degrees of freedom, P < 0.001


@pytest.mark.parametrize("lag", [1, 2, 500])
def test_neighbours_and_traits_are_uncorrelated(lag: int) -> None:
    draws = streams.uniform(THINGS, "height")
    assert abs(np.corrcoef(draws[lag:], draws[:-lag])[0, 1]) < 0.01
    assert abs(np.corrcoef(draws, streams.uniform(THINGS, "weight"))[0, 1]) < 0.01
    assert abs(np.corrcoef(draws, streams.uniform(streams.subkeys(THINGS, 0), "height"))[0, 1]) < 0.01


def test_keys_depend_on_all_that_they_are_made_of() -> None:
    made = [
        streams.keys(1, "thing", 5),
        streams.keys(2, "thing", 5),
        streams.keys(1, "other", 5),
        streams.keys(1, "thing", 6),
        streams.keys(1, "thing", 5, 0),
        streams.keys(1, "thing", 0, 5),
        streams.keys(-1, "thing", 5),
    ]
    assert len({int(key[0]) for key in made}) == len(made)


def test_draws_do_not_depend_on_company() -> None:
    assert (streams.uniform(THINGS[1000:1010], "height") == streams.uniform(THINGS, "height")[1000:1010]).all()
    assert (streams.keys(42, "thing", np.arange(3, 9)) == THINGS[3:9]).all()


def test_drawing_changes_no_key() -> None:
    before = THINGS.copy()
    streams.uniform(THINGS, "height")
    streams.subkeys(THINGS, 3)
    assert (before == THINGS).all()


def test_normal_quantile_agrees_with_the_standard_library() -> None:
    points = np.array([1e-300, 1e-20, 1e-9, 1e-4, 0.01, 0.074, 0.076, 0.3, 0.5, 0.7, 0.926, 0.99, 1 - 1e-12])
    expected = [NormalDist().inv_cdf(point) for point in points]
    assert streams.normal_quantile(points) == pytest.approx(expected, rel=1e-14, abs=1e-14)


def test_normal_and_exponential_have_their_moments() -> None:
    normal, waiting = streams.normal(THINGS, "error"), streams.exponential(THINGS, "wait")
    assert abs(normal.mean()) < 0.01 and abs(normal.std() - 1) < 0.01 and abs((normal**4).mean() - 3) < 0.1
    assert abs(waiting.mean() - 1) < 0.01 and abs(waiting.std() - 1) < 0.02 and waiting.min() > 0


def test_choice_and_below_hold_their_shares() -> None:
    shares = np.bincount(streams.choice(THINGS, "colour", (1, 2, 7))) / len(THINGS)
    assert shares == pytest.approx([0.1, 0.2, 0.7], abs=0.005)
    dice = streams.below(THINGS, "dice", 6)
    assert np.bincount(dice) / len(THINGS) == pytest.approx([1 / 6] * 6, abs=0.005)


def test_the_numbers_of_a_seed_never_change() -> None:
    assert [int(key) for key in streams.keys(42, "tutor", np.arange(2))] == PINNED_KEYS
    assert [float(draw) for draw in streams.uniform(streams.keys(42, "tutor", np.arange(2)), "city")] == PINNED_DRAWS


PINNED_KEYS = [9946151746343865299, 4960552619329730410]
PINNED_DRAWS = [0.09386586429781535, 0.01537216009244119]
