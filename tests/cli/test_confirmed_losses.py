"""The loss that was confirmed is the loss that happens: rows that come while a command asks stop it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.connections import connect
from tutormax_cli.cli.app import run
from tutormax_cli.settings import Settings

IMPORT = """
INSERT INTO tutors (tutor_id, name, email, onboarding_date, status, subjects)
SELECT 'new_' || n, 'New ' || n, 'new' || n || '@example.org', now(), 'active', '{}' FROM generate_series(1, 40) n
"""
OTHERS_INSTEAD = """
WITH gone AS (DELETE FROM tutor_events WHERE event_id IN (SELECT event_id FROM tutor_events LIMIT 40)
              RETURNING tutor_id, event_type, event_timestamp)
INSERT INTO tutor_events (event_id, tutor_id, event_type, event_timestamp)
SELECT 'other_' || row_number() OVER (), tutor_id, event_type, event_timestamp FROM gone
"""


def rows(settings: Settings) -> tuple[int, int]:
    with connect(settings) as driver:
        row = driver.execute("SELECT (SELECT count(*) FROM tutors), (SELECT count(*) FROM tutor_events)").fetchone()
    assert row is not None
    return row[0], row[1]


@pytest.fixture
def meanwhile(
    monkeypatch: pytest.MonkeyPatch, seeded_url: str, seeded_settings: Settings, tmp_path: Path
) -> Callable[[str], None]:
    """Run a statement in another session between the confirmation and the work that was confirmed."""
    monkeypatch.setenv("DATABASE_URL", seeded_url)
    monkeypatch.setenv("TUTORMAX_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def arrange(statement: str) -> None:
        def confirmed(*args: Any, **kwargs: Any) -> None:
            with connect(seeded_settings) as other:
                other.execute(statement.encode())

        for command in ("seed", "migrate", "reset", "restore"):
            monkeypatch.setattr(f"tutormax_cli.cli.{command}.confirm_loss", confirmed)

    return arrange


@pytest.mark.parametrize("happens", [IMPORT, OTHERS_INSTEAD], ids=["more rows", "other rows"])
@pytest.mark.parametrize(
    "line",
    ["seed --tutors 10 --replace --yes", "migrate down base --yes", "reset --yes", "restore company.dump --yes"],
)
@pytest.mark.parametrize("backup", ["", " --no-backup"], ids=["with a backup", "without"])
def test_rows_that_come_while_it_asks_stop_a_destructive_command_with_nothing_changed(
    meanwhile: Callable[[str], None],
    seeded_settings: Settings,
    capfd: pytest.CaptureFixture[str],
    line: str,
    happens: str,
    backup: str,
) -> None:
    if "restore" in line:
        assert run(["dump", "-o", "company.dump"]) == 0
    meanwhile(happens)
    tutors, events = rows(seeded_settings)
    assert run((line + backup).split()) == 1
    message = capfd.readouterr().err
    assert "no longer those that were confirmed" in message
    assert f"{tutors + 40 * (happens == IMPORT):,} tutors" in message
    assert "nothing was changed" in message
    assert rows(seeded_settings) == (tutors + 40 * (happens == IMPORT), events)
