"""The measures of predictions against scikit-learn, and at their edges."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score  # type: ignore[import-untyped]

from tutormax_cli.churn.measures import area_under_roc, calibration, calibration_error, scores
from tutormax_cli.churn.panel import Bools, Floats, Ids


def drawn(rows: int = 4000, digits: int = 2) -> tuple[Floats, Bools, Ids]:
    draws = np.random.default_rng(1)
    chances = np.round(draws.beta(1, 6, rows), digits)
    ids = np.array([f"tutor_{number:05}".encode() for number in np.arange(rows) // 5])
    return chances, draws.random(rows) < chances, ids


@pytest.mark.parametrize("digits", [1, 2, 9])
def test_agree_with_scikit_learn(digits: int) -> None:
    chances, left, ids = drawn(digits=digits)
    found = scores(chances, left, ids, resamples=0)
    assert found.auc == pytest.approx(roc_auc_score(left, chances))
    assert found.brier == pytest.approx(brier_score_loss(left, chances))


def test_the_interval_holds_the_area_and_is_the_same_every_time() -> None:
    chances, left, ids = drawn()
    found = scores(chances, left, ids)
    assert found.auc_low is not None and found.auc is not None and found.auc_high is not None
    assert found.auc_low < found.auc < found.auc_high
    assert scores(chances, left, ids) == found


def test_rows_of_one_tutor_widen_the_interval() -> None:
    chances, left, ids = drawn()
    once = scores(chances, left, ids)
    thrice = scores(np.tile(chances, 3), np.tile(left, 3), np.tile(ids, 3))
    width, wider = (found.auc_high - found.auc_low for found in (once, thrice))  # type: ignore[operator]
    assert wider == pytest.approx(width, rel=0.05)


def test_true_chances_are_calibrated_and_wrong_ones_are_not() -> None:
    chances, left, _ = drawn()
    assert calibration_error(calibration(chances, left)) < 0.02
    assert calibration_error(calibration(chances / 2, left)) > 0.05
    bins = calibration(chances, left)
    assert sum(found.rows for found in bins) == len(left)
    assert [found.predicted for found in bins] == sorted(found.predicted for found in bins)


def test_who_tells_nothing_has_no_skill() -> None:
    _, left, ids = drawn()
    found = scores(np.full(len(left), left.mean()), left, ids)
    assert found.skill == pytest.approx(0)
    assert found.auc == 0.5


@pytest.mark.parametrize("left", [[], [False, False], [True]])
def test_what_is_not_defined_is_none(left: list[bool]) -> None:
    found = scores(np.full(len(left), 0.5), np.array(left, np.bool_), np.array([b"a"] * len(left), "S1"))
    assert (found.auc, found.auc_low, found.skill) == (None, None, None)
    assert found.rows == len(left)


def test_perfect_order_has_the_whole_area() -> None:
    assert area_under_roc(np.array([0.1, 0.2, 0.3]), np.array([False, False, True])) == 1
