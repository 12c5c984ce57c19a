"""The progress of a seeding on a terminal: a bar per table with its rate and time left, and what is done after that."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

from tutormax_cli.cli.console import err

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from tutormax_cli.seeding.seed import Listener


@contextmanager
def seed_progress() -> Iterator["Listener"]:
    """Show progress on stderr until the end, on a terminal only; give the listener that moves it."""
    from tutormax_cli.seeding.seed import Listener

    with _display() as shown:
        bars = Bars(shown)
        yield Listener(bars.expected, bars.loaded, bars.step)


class Bars:
    """A line for the step that is being done, and under it a bar for each table."""

    def __init__(self, shown: "Progress") -> None:
        self._shown = shown
        self._step = shown.add_task("preparing", total=None, rows="", rate="", left="")
        self._tables: dict[str, TaskID] = {}
        self._started = monotonic()

    def expected(self, tables: Mapping[str, int]) -> None:
        """Set up a bar for each table; the numbers of rows are estimates."""
        self._started = monotonic()
        for table, rows in tables.items():
            self._tables[table] = self._shown.add_task(table, total=rows, rows="", rate="", left="")

    def loaded(self, table: str, rows: int) -> None:
        """Move a table's bar by so many rows."""
        task = self._shown.tasks[self._tables[table]]
        done, seconds = task.completed + rows, monotonic() - self._started
        left = seconds * max(0.0, (task.total or 0) - done) / done
        self._shown.update(self._step, description="loading")
        self._shown.update(
            task.id,
            completed=done,
            rows=f"{done:,.0f}",
            rate=rate_of(done / seconds),
            left=f"{timedelta(seconds=round(left))} left",
        )

    def step(self, what: str) -> None:
        """Say what is being done now that all rows are there: every bar is full, however many were expected."""
        self._shown.update(self._step, description=what)
        for bar in self._tables.values():
            self._shown.update(bar, total=self._shown.tasks[bar].completed, left="")


def rate_of(per_second: float) -> str:
    """Write a rate in few characters."""
    return f"{per_second / 1000:,.0f}k rows/s" if per_second >= 10_000 else f"{per_second:,.0f} rows/s"


def _display() -> "Progress":
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("  {task.description:<27}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[rows]:>9}", markup=False),
        TextColumn("{task.fields[rate]:>12}", markup=False),
        TextColumn("{task.fields[left]:<12}", markup=False),
        console=err(),
        transient=True,
        disable=not err().is_terminal,
    )
