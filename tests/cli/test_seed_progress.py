"""What a seeding shows on a terminal of 80 columns."""

import io

import pytest
from rich.console import Console

from tutormax_cli.cli import seed_progress


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Console:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    monkeypatch.setattr(seed_progress, "err", lambda: console)
    return console


def shown(terminal: Console, bars: seed_progress.Bars) -> list[str]:
    """Give the lines as they stand."""
    with terminal.capture() as capture:
        terminal.print(bars._shown.get_renderable())
    return capture.get().splitlines()


def test_a_line_per_table_with_rate_and_time_left(terminal: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, 2.0, 4.0])
    monkeypatch.setattr(seed_progress, "monotonic", lambda: next(clock))
    bars = seed_progress.Bars(seed_progress._display())
    bars.expected({"tutors": 500, "sessions": 80_000})
    bars.loaded("tutors", 100)
    bars.loaded("sessions", 60_000)
    step, tutors, sessions = shown(terminal, bars)
    assert step.split()[0] == "loading"
    assert (tutors.split()[0], sessions.split()[0]) == ("tutors", "sessions")
    assert tutors.split()[2:] == ["100", "50", "rows/s", "0:00:08", "left"]
    assert sessions.split()[2:] == ["60,000", "15k", "rows/s", "0:00:01", "left"]
    assert all(len(line) <= 80 for line in (step, tutors, sessions))


def test_every_bar_is_full_once_all_is_loaded(terminal: Console) -> None:
    bars = seed_progress.Bars(seed_progress._display())
    bars.expected({"tutors": 500, "interventions": 3})
    bars.loaded("tutors", 480)
    bars.step("indexes of student_feedback")
    step, *tables = shown(terminal, bars)
    assert step.startswith("  indexes of student_feedback ")
    assert not any("left" in line for line in tables)
    assert all(task.finished for task in bars._shown.tasks[1:])
