"""The main section of a report as JSON lines: one object per row."""

from tutormax_cli.reports.render.json import dump, row_object
from tutormax_cli.reports.report import Report


def render(report: Report, *, width: int | None = None, color: bool = False) -> str:
    """Give one line per row; no rows give the empty text."""
    section = report.main_section
    return "".join(dump(row_object(section, row)) + "\n" for row in section.rows)
