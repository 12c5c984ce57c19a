import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Finished, Server, run_tutormax, url_of
from tutormax_cli.settings import Settings

Tutormax = Callable[..., Finished]
WORLD = ("--tutors", "400", "--days", "230", "--seed", "5", "--as-of", "2026-06-01")


@pytest.fixture(scope="module")
def company_url(server: Server, migrated: Settings) -> Iterator[str]:
    """The URL of a company that has lost many tutors."""
    with server.clone(migrated) as database:
        url = url_of(database)
        done = run_tutormax(("seed", *WORLD, "--raw"), {"DATABASE_URL": url}, Path.cwd())
        assert done.exit_code == 0, done.stderr
        yield url


def test_the_model_lies_between_chance_and_the_oracle(tutormax: Tutormax, company_url: str) -> None:
    done = tutormax("backtest", "--format", "json", DATABASE_URL=company_url)
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["as_of"][:10], document["horizon_days"]) == ("2026-06-01", 30)
    assert document["judged_from"] <= document["judged_until"] <= "2026-05-02"
    figures = {(row["risk_set"], row["judged"]): row for row in document["scores"]}
    everyone = "all active tutors"
    model, oracle = figures[everyone, "model"], figures[everyone, "oracle"]
    assert 0.8 < model["auc"] < oracle["auc"] < 1
    assert model["auc_low"] < model["auc"] < model["auc_high"]
    assert model["calibration_error"] < 0.06
    assert figures[everyone, "model, no signal"]["auc"] < figures[everyone, "oracle, no signal"]["auc"] + 0.05
    assert figures["with a session in the last 7 days", "model"]["auc"] < model["auc"]
    assert abs(figures["with a session in the last 7 days", "model, no signal"]["auc"] - 0.5) < 0.15
    assert len(document["calibration"]) == 10
    assert [level["level"] for level in document["levels"]] == ["Critical", "High", "Medium", "Low"]
    assert document["levels"][-1]["recall"] == 1
    assert "Next: tutormax predict --as-of 2026-06-01\n" in done.stderr


def test_people_see_figures_and_a_plot(tutormax: Tutormax, company_url: str) -> None:
    done = tutormax("backtest", "--horizon", "7", DATABASE_URL=company_url)
    assert done.exit_code == 0, done.stderr
    assert "days ahead 7" in done.stdout
    judged = next(fact for fact in done.stdout.splitlines()[0].split(" · ") if fact.startswith("judged"))
    assert judged.startswith("judged from ") and judged.endswith(" to 25 May 2026")
    assert "(95%)" in done.stdout and "nobody can do better but for chance" in done.stdout
    assert "█" in done.stdout
    assert "had been silent for 7 days already" in done.stdout


def test_says_that_the_history_is_too_short(tutormax: Tutormax, seeded_url: str) -> None:
    done = tutormax("backtest", "--as-of", "2026-03-15")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "too little history to judge predictions over 30 days" in done.stderr
    assert "tutormax seed" in done.stderr


def test_an_empty_database_is_too_short_a_history(tutormax: Tutormax) -> None:
    done = tutormax("backtest")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "0 weeks of records with 0 departures" in done.stderr


def test_refuses_other_horizons(tutormax: Tutormax) -> None:
    assert tutormax("backtest", "--horizon", "31").exit_code == 2
