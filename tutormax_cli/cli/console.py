"""Two consoles: results go to stdout, everything else to stderr. Files and progress bars too."""

import re
import sys
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from tutormax_cli.cli.invocation import current
from tutormax_cli.reports.render import Format, cells, render
from tutormax_cli.reports.report import Report

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

_NEVER_CUT = 100_000
FILL = "tutormax seed --tutors 500  (synthetic), or your own data: tutormax import FOLDER"
"""The next step on an empty database."""


@cache
def out() -> "Console":
    """Give the console of results. When stdout isn't a terminal, nothing is cut or wrapped."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _NEVER_CUT, highlight=False, emoji=False, markup=False)


@cache
def err() -> "Console":
    """Give the console of talk."""
    from rich.console import Console

    return Console(
        stderr=True,
        width=None if sys.stderr.isatty() else _NEVER_CUT,
        highlight=False,
        emoji=False,
        markup=False,
        soft_wrap=True,
    )


def say(text: str, style: str | None = None) -> None:
    """Say something on stderr; the text is never markup and never moves the cursor.

    Long lines are broken between words, and go on below where they began; a line that names a command to be copied is
    left to the terminal.
    """
    err().print("\n".join(map(_broken, harmless(text).split("\n"))), style=style)


def _broken(line: str) -> str:
    if "tutormax " in line or len(line) <= err().width:
        return line
    from textwrap import fill

    indent = " " * (len(line) - len(line.lstrip(" ")))
    return fill(line, err().width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


harmless = partial(cells.harmless, keep="\n")
"""Show what a terminal would obey as an escape; lines stay lines."""


def next_step(command: str) -> None:
    """Name the natural next command."""
    say(f"Next: {on_same_database(command)}", style="dim")


def on_same_database(hint: str) -> str:
    """Repeat, in the commands of a hint, the options of this run that choose its database.

    They go behind `tutormax`, because what follows may take words of its own. A URL may contain a password, so it is
    not repeated; a reminder follows the hint.
    """
    from tutormax_cli.cli.commands import COMMANDS

    names = "|".join(name for commands in COMMANDS.values() for name in commands)
    command = re.compile(rf"\btutormax (?=(?:{names})\b(?![\w -]*--help))")
    options = current.repeatable_options
    text = command.sub(lambda found: f"{found[0]}{options} ", hint) if options else hint
    return f"{text}  (with the same --database-url)" if current.database_url and command.search(hint) else text


def progress() -> "Progress":
    """Give a progress display on stderr: shown on a terminal only, gone when done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("  {task.description:<18}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(),
        console=err(),
        transient=True,
        disable=not err().is_terminal,
    )


def emit(report: Report, format: Format, output: Path | None) -> None:
    """Write a report to stdout or to a file, completely or not at all. It carries the database of this run."""
    report = replace(report, database=current.database)
    if output is not None and str(output) != "-":
        write_file(output, render(report, format))
        say(f"written to {output}")
        return
    width = out().width if sys.stdout.isatty() else None
    shown = render(report, format, width=width, color=out().color_system is not None and not out().no_color)
    sys.stdout.write(shown)
    sys.stdout.flush()


def write_file(path: Path, text: str) -> None:
    """Write a complete report file or nothing. Raises TutormaxError if it can't be written."""
    from tutormax_cli.files.whole import write_whole

    write_whole(path, text, private=False)
