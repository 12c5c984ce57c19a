import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tutormax_cli.churn.components import EVIDENCE_DECIMALS, Component
from tutormax_cli.churn.composite import contributions
from tutormax_cli.churn.explain import explain_sum, factors_json
from tutormax_cli.churn.findings import Finding
from tutormax_cli.churn.panel import Floats

RISKS = st.lists(
    st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), min_size=6, max_size=6), min_size=0, max_size=20
)


def findings(risks: list[list[float]]) -> dict[Component, Finding]:
    """Make findings of risks per tutor; of tenure, which is always known, the risk is 0.5."""
    table = np.array(risks, dtype=np.float64).reshape(-1, 6)
    columns = [*table.T[:5], np.full(len(table), 0.5), table.T[5]]
    return {
        component: Finding(risk, dict.fromkeys(EVIDENCE_DECIMALS[component], risk))
        for component, risk in zip(Component, columns, strict=True)
    }


@given(RISKS)
def test_points_add_up_to_the_score_and_stay_next_to_the_exact_values(risks: list[list[float]]) -> None:
    parts = contributions(findings(risks))

    explained = explain_sum(parts)

    assert (explained.baseline + explained.points.sum(axis=1) == explained.scores).all()
    assert ((explained.scores >= 0) & (explained.scores <= 100)).all()
    if len(parts):
        exact: Floats = parts - parts.mean(axis=0)
        assert (np.abs(explained.points - exact) < 2).all()


@given(RISKS)
def test_factors_are_json_of_the_seven_components_in_order_without_unknown_numbers(risks: list[list[float]]) -> None:
    found = findings(risks)
    explained = explain_sum(contributions(found))

    texts = factors_json(explained, found, calibrated=False)

    assert len(texts) == len(risks)
    for row, text in enumerate(texts):
        factors = json.loads(text)
        assert factors["calibrated"] is False
        assert [part["component"] for part in factors["components"]] == list(Component)
        assert factors["baseline"] + sum(part["points"] for part in factors["components"]) == explained.scores[row]
        for part in factors["components"]:
            component = Component(part["component"])
            known = not np.isnan(found[component].risk[row])
            assert part["evidence"].keys() == (EVIDENCE_DECIMALS[component].keys() if known else set())


def test_what_is_unknown_is_taken_to_be_as_what_is_known() -> None:
    half, nan = 0.5, float("nan")
    (known, unknown) = contributions(findings([[half] * 6, [nan] * 6])).sum(axis=1)
    assert known == unknown == 50


def test_the_weights_are_those_of_the_composite() -> None:
    assert [component.weight for component in Component] == [0.25, 0.20, 0.15, 0.15, 0.10, 0.10, 0.05]
