"""A report as Markdown: headings, GitHub tables, and records as lists."""

import re
from collections.abc import Iterable

from tutormax_cli.reports.render.cells import harmless, headline, phrase, shown
from tutormax_cli.reports.render.people import for_people
from tutormax_cli.reports.report import NUMERIC, Layout, Report, Section

# An underscore within a word opens nothing, so ids stay readable.
_SPECIAL = re.compile(r"[\\`*\[\]<>|~&$]|(?<!\w)_|_(?!\w)")


def render(report: Report, *, width: int | None = None, color: bool = False) -> str:
    """Give the whole report: title, facts, every section, notes."""
    title, *facts = headline(report)
    blocks = [f"# {_escaped(title)}"]
    if facts:
        blocks.append(" · ".join(map(_escaped, facts)))
    for section in map(for_people, report.sections):
        if section.title:
            blocks.append(f"## {_escaped(harmless(section.title))}")
        blocks.append(_table(section) if section.layout is Layout.TABLE else _list(section))
    blocks += [_escaped(harmless(note)) for note in report.notes]
    return "\n\n".join(blocks) + "\n"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", text)


def _table(section: Section) -> str:
    if not section.rows:
        return _escaped(section.if_empty)
    rules = ("---:" if column.kind in NUMERIC else "---" for column in section.columns)
    lines = [_line(_escaped(column.label) for column in section.columns), _line(rules)]
    for row in section.rows:
        cells = (shown(column, value) for column, value in zip(section.columns, row, strict=True))
        lines.append(_line(_escaped(cell) for cell in cells))
    return "\n".join(lines)


def _list(section: Section) -> str:
    facts = zip(section.columns, section.rows[0], strict=True)
    return "\n".join(f"- {_escaped(phrase(column, value))}" for column, value in facts)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
