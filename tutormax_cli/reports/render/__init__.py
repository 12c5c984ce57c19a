"""Report in, text out: one small module per format, imported when it is asked for."""

import enum
from importlib import import_module
from typing import Protocol, cast

from tutormax_cli.reports.report import Report


class Format(enum.StrEnum):
    """The formats that a report can be had in."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    MD = "md"
    HTML = "html"


class Renderer(Protocol):
    """What each format's module offers."""

    def render(self, report: Report, *, width: int | None, color: bool) -> str:
        """Give the report as text that ends with a newline, or is empty."""


_MODULES = {
    Format.TABLE: "table",
    Format.JSON: "json",
    Format.JSONL: "jsonl",
    Format.CSV: "csv",
    Format.MD: "markdown",
    Format.HTML: "html",
}


def render(report: Report, format: Format, *, width: int | None = None, color: bool = False) -> str:
    """Give `report` as text in `format`, ending with a newline (JSON lines of no rows are the empty text).

    `width` (columns of the terminal; None: never cut a line) and `color` matter to tables only.
    """
    module = cast(Renderer, import_module(f"{__name__}.{_MODULES[format]}"))
    return module.render(report, width=width, color=color)
