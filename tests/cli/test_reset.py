"""`tutormax reset`: the eight tables again, empty, even where they were damaged."""

from collections.abc import Callable
from pathlib import Path

from tests.conftest import Finished
from tests.support.connections import connect
from tutormax_cli.database.drift import drift
from tutormax_cli.settings import Settings

Run = Callable[..., Finished]


def test_it_mends_a_damaged_schema(seeded_settings: Settings, seeded_url: str, tutormax: Run, tmp_path: Path) -> None:
    with connect(seeded_settings) as driver:
        driver.execute("DROP TABLE tutor_events")
        driver.execute("ALTER TABLE tutors DROP COLUMN timezone")
    done = tutormax("reset", "--yes", DATABASE_URL=seeded_url, TUTORMAX_HOME=str(tmp_path / "home"))
    assert done.exit_code == 0, done.stderr
    assert "60 tutors" in done.stderr and "Next: tutormax seed" in done.stderr
    assert done.stdout.startswith("Empty, schema at ")
    assert drift(seeded_settings) == []


def test_without_a_schema_it_makes_one(database_url: str, tutormax: Run, tmp_path: Path) -> None:
    assert tutormax("migrate", "down", "base", "--yes").exit_code == 0
    assert tutormax("reset", "--yes").exit_code == 0
    assert tutormax("migrate", "status", "--check").exit_code == 0
