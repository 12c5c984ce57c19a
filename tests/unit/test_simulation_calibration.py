"""The facts that the synthetic world must reproduce, measured by the program that prints them."""

import runpy
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tutormax_cli.simulation import World

CALIBRATION = Path(__file__).parents[2] / "benchmarks" / "calibration.py"


@pytest.fixture(scope="module")
def measured() -> list[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(CALIBRATION.parent)
        facts: Callable[[World], Iterable[Any]] = runpy.run_path(str(CALIBRATION))["facts"]
    return list(facts(World(3000, 180, 11, datetime(2026, 6, 1, tzinfo=UTC))))


def test_every_fact_is_reproduced(measured: list[Any]) -> None:
    assert len(measured) > 55
    assert [f"{fact.name}: {fact.measured:.3f}" for fact in measured if not fact.holds] == []
