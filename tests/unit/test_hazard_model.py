"""Hazards: stretches with too few departures, chances that never fall, points that add up, JSON that comes back."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutormax_cli.churn.components import Component
from tutormax_cli.churn.explain import explain_hazards
from tutormax_cli.churn.features import FEATURES
from tutormax_cli.churn.hazard import HORIZONS, Hazard, HazardModel, fit_hazards, read_model
from tutormax_cli.churn.landmarks import Landmarks
from tutormax_cli.churn.panel import Floats
from tutormax_cli.churn.training import as_known, rehearse

COUNT = len(FEATURES)


def rows(leavers: int, *, stayers: int = 2000, oldest: int = 30, within: float = 90, seed: int = 3) -> Landmarks:
    """Draw landmarks; those who leave have a first feature that is higher by two."""
    draws = np.random.default_rng(seed)
    count = leavers + stayers
    features = draws.normal(size=(count, COUNT)).astype(np.float32)
    features[:leavers, 0] += 2
    weeks = draws.integers(1, oldest + 1, count)
    gone = np.where(np.arange(count) < leavers, draws.uniform(0, within, count), np.inf)
    gone = np.where(gone < weeks * 7, gone, np.inf)
    ids = np.array([f"tutor_{number:05}".encode() for number in range(count)])
    return Landmarks(ids, weeks.astype(np.intp), features, gone, np.ones(count))


def made(*stretches: tuple[int, int], seed: int = 1) -> HazardModel:
    draws = np.random.default_rng(seed)
    hazards = (
        Hazard(start, end, float(draws.normal(-3)), tuple(draws.normal(size=COUNT).tolist()), 100, 20)
        for start, end in stretches
    )
    return HazardModel(
        tuple(FEATURES), (0.5,) * COUNT, (2.0,) * COUNT, tuple(hazards), 50.0, "2026-06-01", {"auc": 0.9}
    )


ALL = ((0, 1), (1, 7), (7, 30), (30, 90))


@pytest.mark.parametrize("leavers", [0, 1, 5, 16, 40, 400, 4000])
@pytest.mark.parametrize("oldest", [1, 3, 6, 30])
def test_any_number_of_departures_is_fitted_or_refused_and_chances_never_fall(leavers: int, oldest: int) -> None:
    known = rows(leavers, oldest=oldest)
    model = fit_hazards(known)
    if model is None:
        assert leavers < 400
        return
    stretches = [(hazard.start, hazard.end) for hazard in model.hazards]
    assert stretches[0][0] == 0
    assert [end for _, end in stretches[:-1]] == [start for start, _ in stretches[1:]]
    chances = model.chances(model.log_odds(known.features))
    assert chances.shape == (len(known), len(HORIZONS))
    assert ((chances >= 0) & (chances <= 1)).all()
    assert (np.diff(chances, axis=1) >= 0).all()


def test_a_stretch_with_too_few_is_merged_with_the_next() -> None:
    late = rows(600, within=30)
    late.gone_after[late.gone_after < 7] = 20
    model = fit_hazards(late)
    assert model is not None
    assert (model.hazards[0].start, model.hazards[0].end) == (0, 30)


def test_who_left_is_found() -> None:
    known = rows(600)
    model = fit_hazards(known)
    assert model is not None
    chances = model.chances(model.log_odds(known.features))[:, -1]
    assert chances[:600].mean() > 2 * chances[600:].mean()


def test_the_hazard_a_day_is_constant_within_a_merged_stretch_and_beyond_the_last() -> None:
    model = made((0, 30))
    chances = model.chances(np.array([[0.0]]))[0]
    assert 1 - chances == pytest.approx([0.5 ** (days / 30) for days in HORIZONS])


@given(st.lists(st.floats(-60, 60), min_size=4, max_size=4))
def test_chances_are_one_less_the_product_of_what_stays(log_odds: list[float]) -> None:
    chances = made(*ALL).chances(np.array([log_odds]))[0]
    stays = np.cumprod(1 / (1 + np.exp(np.array(log_odds))))
    assert chances == pytest.approx(1 - stays)
    assert (np.diff(chances) >= 0).all()


def test_a_model_comes_back_from_its_json_with_its_name() -> None:
    model = made(*ALL)
    assert read_model(model.text) == model
    assert model.version == read_model(model.text).version
    assert made(*ALL, seed=2).version != model.version
    assert model.version.startswith("hazard-") and len(model.version) == len("hazard-") + 6


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 30), st.integers(0, 1000))
def test_points_add_up_to_the_score(tutors: int, seed: int) -> None:
    features = np.random.default_rng(seed).normal(size=(tutors, COUNT)) * 3
    model = made(*ALL, seed=seed)
    explained = explain_hazards(model, features)
    chances = model.chances(model.log_odds(features))[:, HORIZONS.index(30)]
    assert explained.scores == pytest.approx(100 * chances, abs=0.5 + 1e-9)
    assert (explained.baseline + explained.points.sum(axis=1) == explained.scores).all()


def test_points_are_shapley_values() -> None:
    features = np.random.default_rng(5).normal(size=(3, COUNT))
    model = made(*ALL, seed=4)
    explained = explain_hazards(model, features)
    average = features.mean(axis=0)
    for row in range(3):
        exact = shapley(model, features[row], average)
        assert np.abs(explained.points[row] - exact).max() < 1
    assert explained.baseline == pytest.approx(worth(model, average), abs=0.5)


def shapley(model: HazardModel, tutor: Floats, average: Floats) -> Floats:
    """Let the components become known in every order, one by one."""
    components = list(Component)
    belongs = np.array([components.index(component) for component in FEATURES.values()])
    points = np.zeros(len(components))
    known: dict[frozenset[int], float] = {}
    orders = list(permutations(range(len(components))))
    for order in orders:
        before: frozenset[int] = frozenset()
        for player in order:
            after = before | {player}
            for group in (before, after):
                if group not in known:
                    known[group] = worth(model, np.where(np.isin(belongs, list(group)), tutor, average))
            points[player] += known[after] - known[before]
            before = after
    return points / len(orders)


def worth(model: HazardModel, tutor: Floats) -> float:
    return 100 * float(model.chances(model.log_odds(tutor[None]))[0, HORIZONS.index(30)])


def test_an_earlier_time_knows_nothing_of_what_came_after() -> None:
    known = rows(600)
    then = as_known(known, 10)
    assert (then.weeks > 0).all() and len(then) == (known.weeks > 10).sum()
    told = np.isfinite(then.gone_after)
    assert (then.gone_after[told] <= then.known_days[told]).all()
    changed = rows(600)
    later = changed.gone_after > np.maximum(changed.weeks - 10, 0) * 7
    changed.gone_after[later] = np.inf
    assert fit_hazards(as_known(changed, 10)) == fit_hazards(then)


@pytest.mark.parametrize("horizon", HORIZONS)
def test_a_rehearsal_judges_only_what_came_after_what_it_learned_from(horizon: int) -> None:
    known = rows(3000, oldest=40)
    trial = rehearse(known, horizon)
    assert trial is not None
    assert (trial.judged.known_days >= horizon).all()
    unlearned = {
        **as_dict(known),
        "gone_after": np.where(known.weeks <= trial.judged.weeks.max(), 1.0, known.gone_after),
    }
    assert rehearse_model(Landmarks(**unlearned), horizon) == trial.model


def rehearse_model(known: Landmarks, horizon: int) -> HazardModel:
    trial = rehearse(known, horizon)
    assert trial is not None
    return trial.model


def as_dict(known: Landmarks) -> dict[str, Any]:
    return {name: getattr(known, name) for name in ("tutor_ids", "weeks", "features", "gone_after", "silent_days")}


def test_a_short_history_is_not_rehearsed() -> None:
    assert rehearse(rows(600, oldest=4), 30) is None
    assert rehearse(rows(0, oldest=40), 30) is None
