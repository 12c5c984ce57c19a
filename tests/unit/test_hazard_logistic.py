"""The regression against scikit-learn, and against a published analysis of real people."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from tutormax_cli.churn import logistic
from tutormax_cli.churn.logistic import fit_logistic, softplus
from tutormax_cli.churn.panel import Bools, Floats


def people(rows: int, intercept: float, seed: int = 1) -> tuple[Floats, Bools]:
    """Draw correlated features, some heavy-tailed and some 0 or 1, and an outcome that depends on them."""
    draws = np.random.default_rng(seed)
    features = draws.normal(size=(rows, 8)) @ (np.eye(8) + 0.4 * draws.normal(size=(8, 8)))
    features[:, 2] = draws.standard_t(3, rows)
    features[:, 3] = draws.random(rows) < 0.1
    log_odds = intercept + features @ draws.normal(size=8) * 0.5
    return features, draws.random(rows) < 1 / (1 + np.exp(-log_odds))


@pytest.mark.parametrize(("rows", "intercept"), [(200, 0.0), (3000, -4.0), (60_000, -5.0)])
@pytest.mark.parametrize("penalty", [0.5, 50.0])
def test_agrees_with_scikit_learn(rows: int, intercept: float, penalty: float) -> None:
    features, outcome = people(rows, intercept)
    theirs = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000, solver="newton-cholesky")
    theirs.fit(features, outcome)
    ours = fit_logistic(features, outcome, penalty)
    assert ours == pytest.approx(np.r_[theirs.intercept_, theirs.coef_[0]], abs=1e-5)


def test_a_start_from_a_sample_ends_at_the_same_place(monkeypatch: pytest.MonkeyPatch) -> None:
    features, outcome = people(60_000, -4.0)
    quick = fit_logistic(features, outcome, 50.0)
    monkeypatch.setattr(logistic, "PLENTY", 10**9)
    assert fit_logistic(features, outcome, 50.0) == pytest.approx(quick, abs=1e-7)


def test_a_feature_that_tells_everything_has_a_finite_coefficient() -> None:
    outcome = np.arange(1000) % 10 == 0
    features = np.column_stack([1000.0 * outcome, np.zeros(1000)])
    intercept, telling, idle = fit_logistic(features, outcome, 1e-3)
    assert np.isfinite([intercept, telling]).all()
    assert telling > 0 and idle == 0


def test_without_two_outcomes_there_is_nothing_to_fit() -> None:
    with pytest.raises(ValueError, match="all outcomes are the same"):
        fit_logistic(np.ones((5, 1)), np.ones(5, np.bool_), 1.0)


def test_log_odds_of_any_size_give_no_overflow() -> None:
    assert softplus(np.array([-1e4, 0.0, 1e4])) == pytest.approx([0, np.log(2), 1e4])


COX = {"fin": -0.379, "age": -0.057, "race": 0.314, "wexp": -0.150, "mar": -0.434, "paro": -0.085, "prio": 0.091}
"""Rossi, Berk and Lenihan followed 432 released prisoners for a year; the Cox coefficients of Allison (1984)."""


def test_person_weeks_give_the_published_cox_coefficients() -> None:
    week, arrest, covariates = rossi()
    person = np.repeat(np.arange(len(week)), week)
    at = np.concatenate([np.arange(1, weeks + 1) for weeks in week])
    outcome = (at == week[person]) & (arrest[person] == 1)
    features = np.column_stack([covariates[person], at / 52, (at / 52) ** 2])
    found = fit_logistic(features, outcome, 1e-6)
    assert found[1 : 1 + len(COX)] == pytest.approx(list(COX.values()), abs=0.01)


def rossi() -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], Floats, Floats]:
    """Give weeks until arrest or the end, whether it was an arrest, and the covariates of COX."""
    spec = find_spec("lifelines")
    assert spec is not None and spec.origin is not None
    path = Path(spec.origin).parent / "datasets" / "rossi.csv"
    names = path.read_text().splitlines()[0].split(",")
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    columns = [table[:, names.index(name)] for name in ("week", "arrest")]
    return columns[0].astype(np.int64), columns[1], table[:, [names.index(name) for name in COX]]
