"""A report for the terminal: aligned columns that fit the given width, colour only where it is asked for."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import replace

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tutormax_cli.reports.render.cells import harmless, headline, phrase, shown, tone
from tutormax_cli.reports.render.fit import GAP, fit
from tutormax_cli.reports.render.people import for_people
from tutormax_cli.reports.report import NUMERIC, Column, Fact, Kind, Layout, Report, Section, Tone, Value

INDENT = 2
BESIDE_GAP = 6
SEPARATOR = " · "
NEXT_LINE = "\n" + " " * INDENT

_STYLES = {Tone.PLAIN: "", Tone.GOOD: "green", Tone.NOTICE: "cyan", Tone.WARNING: "yellow", Tone.BAD: "bold red"}
_ENDLESS = 100_000


def render(report: Report, *, width: int | None = None, color: bool = False) -> str:
    """Give the report as lines of at most `width` cells, or as long as they need to be."""
    console = _console(width, color)
    console.print(_headline(report, width))
    for sections in _groups([for_people(section) for section in report.sections]):
        for block in _side_by_side([_block(section, width) for section in sections], console):
            console.print()
            console.print(block)
    if report.notes:
        console.print()
    for note in report.notes:
        console.print(Text(harmless(note)))
    return "".join(line.rstrip() + "\n" for line in _text_of(console).splitlines())


def _console(width: int | None, color: bool) -> Console:
    return Console(
        file=io.StringIO(),
        width=width or _ENDLESS,
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        highlight=False,
        legacy_windows=False,
        _environ={},
    )


def _text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _headline(report: Report, width: int | None) -> Text:
    """Set title and facts in one line, or in as many as they need, broken between facts."""
    title, *facts = headline(report)
    line = Text(title, style="bold")
    used = cell_len(title)
    for fact in facts:
        fits = width is None or used + len(SEPARATOR) + cell_len(fact) <= width
        used = used + len(SEPARATOR) + cell_len(fact) if fits else INDENT + cell_len(fact)
        line.append(f"{SEPARATOR if fits else NEXT_LINE}{fact}", style="not bold")
    return line


def _groups(sections: Sequence[Section]) -> list[list[Section]]:
    """Put each section that stands beside another into that one's group."""
    groups: list[list[Section]] = []
    for section in sections:
        if section.beside and groups:
            groups[-1].append(section)
        else:
            groups.append([section])
    return groups


def _side_by_side(blocks: list[RenderableType], console: Console) -> list[RenderableType]:
    """Set blocks next to each other where they fit, else one under the other."""
    widths = [Measurement.get(console, console.options, block).maximum for block in blocks]
    if len(blocks) == 1 or sum(widths) + BESIDE_GAP * (len(blocks) - 1) > console.width:
        return blocks
    grid = Table.grid(padding=(0, BESIDE_GAP, 0, 0), pad_edge=False)
    grid.add_row(*blocks)
    return [grid]


def _block(section: Section, width: int | None) -> RenderableType:
    body = _body(section, None if width is None else width - INDENT)
    block = Padding.indent(body, INDENT)
    return Group(Text(harmless(section.title), style="bold"), block) if section.title else block


def _body(section: Section, room: int | None) -> RenderableType:
    if not section.rows:
        return Text(harmless(section.if_empty))
    if section.layout is Layout.TABLE:
        return _table(section, room)
    facts = zip(section.columns, section.rows[0], strict=True)
    if section.layout is Layout.RECORD:
        return _record(facts)
    return Text("   ").join(Text(phrase(column, value), style=_style(column, value)) for column, value in facts)


def _record(facts: Iterable[Fact]) -> Table:
    grid = Table.grid(padding=(0, GAP, 0, 0), pad_edge=False)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for column, value in facts:
        grid.add_row(Text(harmless(column.label)), _cell(column, value))
    return grid


def _table(section: Section, room: int | None) -> Table:
    section = _without_empty(section)
    cells = [[_cell(*fact) for fact in zip(section.columns, row, strict=True)] for row in section.rows]
    texts = [[cell.plain for cell in row] for row in cells]
    labels = [harmless(column.label) if section.header else "" for column in section.columns]
    natural = [max(map(cell_len, column)) for column in zip(labels, *texts, strict=True)]
    widths = fit(section.columns, natural, room)
    table = Table(box=None, show_header=section.header, header_style="bold", padding=(0, GAP, 0, 0), pad_edge=False)
    for index, width in widths.items():
        column = section.columns[index]
        table.add_column(
            Text(labels[index]),
            justify="right" if column.kind in NUMERIC else "left",
            width=width,
            no_wrap=not column.wrap,
            overflow="fold" if column.wrap else "ellipsis",
        )
    for values, row in zip(section.rows, cells, strict=True):
        table.add_row(*(_cut(section.columns[i], values[i], row[i], width) for i, width in widths.items()))
    return table


def _without_empty(section: Section) -> Section:
    """Leave out the optional columns that have nothing to say."""
    kept = [
        index
        for index, column in enumerate(section.columns)
        if column.priority == 0 or any(row[index] not in (None, ()) for row in section.rows)
    ]
    rows = tuple(tuple(row[index] for index in kept) for row in section.rows)
    return replace(section, columns=tuple(section.columns[index] for index in kept), rows=rows)


def _cell(column: Column, value: Value) -> Text:
    return Text(shown(column, value), style=_style(column, value))


def _cut(column: Column, value: Value, text: Text, width: int) -> Text:
    """Shorten a list that is too long by whole items, so that what stays can be read; others are cut as they come."""
    if column.kind is not Kind.LIST or column.wrap or not isinstance(value, tuple) or text.cell_len <= width:
        return text
    for count in range(len(value) - 1, 0, -1):
        shorter = f"{shown(column, value[:count])}{column.separator}…"
        if cell_len(shorter) <= width:
            return Text(shorter)
    first = shown(column, value[:1])
    return Text(first) if cell_len(first) <= width else text


def _style(column: Column, value: Value) -> str:
    return _STYLES[tone(column, value)]
