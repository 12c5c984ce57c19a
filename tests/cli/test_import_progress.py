"""What an import shows on a terminal of 80 columns."""

import io

import pytest
from rich.console import Console

from tutormax_cli.cli import import_


def test_a_bar_for_the_file_with_both_rates_then_a_line_for_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    clock = iter([0.0, 0.0, 2.0])
    monkeypatch.setattr(import_, "err", lambda: console)
    monkeypatch.setattr(import_, "monotonic", lambda: next(clock))
    bars = import_.Bars(import_._display())

    def shown() -> str:
        with console.capture() as capture:
            console.print(bars._shown.get_renderable())
        (line,) = capture.get().splitlines()
        assert len(line) <= 80
        return line

    bars.begins("sessions.csv", 200_000_000)
    bars.read(50_000_000, 600_000)
    assert shown().split()[0] == "sessions.csv"
    assert "600,000" in shown() and "300k rows/s 25 MB/s" in shown()
    bars.step("indexes of student_feedback")
    assert shown().startswith("  indexes of student_feedback ")
    assert "rows/s" not in shown()
