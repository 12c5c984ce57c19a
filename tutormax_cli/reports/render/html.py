"""A report as one HTML page that needs nothing else: no script, no font, no picture, nothing from elsewhere.

It reads well on a phone, on paper, in dark mode and by a screen reader: tables have headers and names, bars are
described in words, and colour only repeats what the words say.
"""

from collections.abc import Iterator
from html import escape

from tutormax_cli.reports.render.cells import harmless, headline, shown, tone
from tutormax_cli.reports.render.people import for_people
from tutormax_cli.reports.report import NUMERIC, Column, Kind, Layout, Report, Section, Tone, Value

# A page that somebody opens from a mail must not be able to load or run anything, whatever a name holds.
_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --line: #d0d7de; --soft: #59636e; --good: #1a7f37; --notice: #0969da;
  --warning: #8a5a00; --bad: #b3261e; }}
@media (prefers-color-scheme: dark) {{ :root {{ --line: #3d444d; --soft: #9198a1; --good: #3fb950; --notice: #58a6ff;
  --warning: #d9a441; --bad: #ff7b72; }} }}
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem; max-width: 90rem; }}
h1 {{ font-size: 1.5rem; margin: 0; }}
h2 {{ font-size: 1.1rem; margin: 1.5rem 0 .25rem; }}
.facts, .note {{ color: var(--soft); margin: .25rem 0; }}
.row {{ display: flex; flex-wrap: wrap; gap: 0 3rem; align-items: flex-start; }}
.table {{ overflow-x: auto; margin-top: .75rem; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .25rem .75rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }}
th {{ font-weight: 600; white-space: nowrap; }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: .75rem 0; }}
dt {{ color: var(--soft); }}
dd {{ margin: 0; }}
.bars {{ font-family: ui-monospace, monospace; white-space: pre; }}
.good {{ color: var(--good); }} .notice {{ color: var(--notice); }}
.warning {{ color: var(--warning); }} .bad {{ color: var(--bad); font-weight: 600; }}
.hidden {{ position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }}
@media print {{ body {{ margin: 0; max-width: none; font-size: .8rem; }} tr {{ break-inside: avoid; }} }}
</style>
</head>
<body>
"""


def render(report: Report, *, width: int | None = None, color: bool = False) -> str:
    """Give the whole report as one page; `width` and `color` are the reader's to choose."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    title, *facts = headline(report)
    yield _HEAD.format(title=escape(" · ".join([title, *facts[:1]]))).rstrip("\n")
    yield f"<header>\n<h1>{escape(title)}</h1>"
    if facts:
        yield f'<p class="facts">{escape(" · ".join(facts))}</p>'
    yield '</header>\n<main>\n<div class="row">'
    for position, section in enumerate(map(for_people, report.sections)):
        if position and not section.beside:
            yield '</div>\n<div class="row">'
        yield from _section(section)
    yield "</div>"
    yield from (f'<p class="note">{escape(harmless(note))}</p>' for note in report.notes)
    yield "</main>\n</body>\n</html>"


def _section(section: Section) -> Iterator[str]:
    name = escape(harmless(section.title or section.name.replace("_", " ")))
    yield f'<section aria-label="{name}">'
    if section.title:
        yield f"<h2>{name}</h2>"
    if not section.rows:
        yield f"<p>{escape(harmless(section.if_empty))}</p>"
    elif section.layout is Layout.TABLE:
        # What scrolls must be reachable without a mouse.
        yield f'<div class="table" role="region" aria-label="{name}" tabindex="0">\n<table>'
        yield from _table(section)
        yield "</table>\n</div>"
    else:
        yield from _record(section)
    yield "</section>"


def _table(section: Section) -> Iterator[str]:
    heads = "".join(
        f'<th scope="col"{_classes(column)}>{escape(harmless(column.label))}</th>' for column in section.columns
    )
    hidden = "" if section.header else ' class="hidden"'
    yield f"<thead{hidden}><tr>{heads}</tr></thead>\n<tbody>"
    for row in section.rows:
        yield f"<tr>{''.join(_cell(*fact) for fact in zip(section.columns, row, strict=True))}</tr>"
    yield "</tbody>"


def _cell(column: Column, value: Value) -> str:
    return f"<td{_classes(column, value)}>{_content(column, value)}</td>"


def _record(section: Section) -> Iterator[str]:
    yield "<dl>"
    for column, value in zip(section.columns, section.rows[0], strict=True):
        label = escape(harmless(column.label or column.key.replace("_", " ")))
        yield f"<dt>{label}</dt><dd{_classes(column, value, numbers=False)}>{_content(column, value)}</dd>"
    yield "</dl>"


def _content(column: Column, value: Value) -> str:
    text = escape(shown(column, value))
    if column.kind is not Kind.SPARK or not isinstance(value, tuple):
        return text
    numbers = ", ".join(f"{item:.4g}" if isinstance(item, int | float) else "unknown" for item in value)
    return f'<span class="bars" role="img" aria-label="{escape(numbers)}" title="{escape(numbers)}">{text}</span>'


def _classes(column: Column, value: Value = None, *, numbers: bool = True) -> str:
    struck = tone(column, value)
    names = ["number"] * (numbers and column.kind in NUMERIC) + [struck.value] * (struck is not Tone.PLAIN)
    return f' class="{" ".join(names)}"' if names else ""
