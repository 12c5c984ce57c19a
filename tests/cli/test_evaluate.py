import csv
import io
import json
from collections.abc import Callable

from tests.conftest import Finished

Tutormax = Callable[..., Finished]


def test_tells_the_tiers_and_names_the_next_command(tutormax: Tutormax, seeded_url: str) -> None:
    done = tutormax("evaluate", "--as-of", "2026-06-01", "--format", "json")
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["tutors"] > 0
    assert document["rows"] == 3 * document["tutors"]
    assert sum(row["tutors"] for row in document["tiers"]) + document["without_tier"] == document["tutors"]
    assert "database:" in done.stderr
    assert "Next: tutormax predict" in done.stderr


def test_is_safe_to_repeat(tutormax: Tutormax, seeded_url: str) -> None:
    once, again = (tutormax("evaluate", "--as-of", "2026-05-01", "--format", "csv") for _ in range(2))
    assert once == again
    rows = list(csv.DictReader(io.StringIO(once.stdout)))
    assert [row["tier"] for row in rows] == ["Exemplary", "Strong", "Developing", "Needs Attention", "At Risk"]


def test_says_so_when_there_is_nobody(tutormax: Tutormax) -> None:
    done = tutormax("evaluate")
    assert done.exit_code == 0
    assert "No tutor was active then" in done.stdout


def test_refuses_a_time_that_is_none(tutormax: Tutormax) -> None:
    done = tutormax("evaluate", "--as-of", "yesterday-ish")
    assert (done.exit_code, done.stdout) == (2, "")
