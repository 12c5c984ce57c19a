"""The main section of a report as CSV: a header of column keys, then raw values, safe to open in a spreadsheet."""

import csv
import io

from tutormax_cli.reports.render.cells import Plain, harmless, plain
from tutormax_cli.reports.report import Report

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What makes a spreadsheet run a text cell; see OWASP, "CSV Injection"."""


def render(report: Report, *, width: int | None = None, color: bool = False) -> str:
    """Give header and rows, quoted as RFC 4180 has it, lines ended by a bare newline."""
    section = report.main_section
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_text(column.key) for column in section.columns])
    writer.writerows([_cell(plain(value)) for value in row] for row in section.rows)
    return out.getvalue()


def _cell(value: Plain) -> str | int | float | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return _text("; ".join("" if item is None else str(item) for item in value))
    return _text(value) if isinstance(value, str) else value


def _text(text: str) -> str:
    guarded = f"'{text}" if text.startswith(_FORMULA) else text
    return harmless(guarded, keep="\t\n")
