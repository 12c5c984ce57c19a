"""How far a dump, a restore or a backup is, in one line on a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tutormax_cli.cli.console import err

if TYPE_CHECKING:
    from rich.progress import Progress

    from tutormax_cli.backup.progress import Listener, Stage


@contextmanager
def backup_progress() -> Iterator["Listener"]:
    """Show progress on stderr until the end, on a terminal only; give the listener that moves it."""
    with _display() as shown:
        bar = shown.add_task("", total=None, count="", visible=False)  # a backup may show its own until then

        def listen(stage: "Stage") -> None:
            count = f"{stage.done:,} {stage.note}" if stage.note == "rows" else stage.note
            shown.tasks[0].total = stage.total  # `update` takes None for "as before"
            shown.update(bar, description=stage.what, completed=stage.done, count=count, visible=True)

        yield listen


def _display() -> "Progress":
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("  {task.description:<27}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[count]:>18}", markup=False),
        TimeElapsedColumn(),
        console=err(),
        transient=True,
        disable=not err().is_terminal,
    )
