"""A report as one JSON document: version, name and database first, then the headline's facts, then every section."""

import json
from dataclasses import asdict

from tutormax_cli.reports.render.cells import UNSAFE, Plain, plain
from tutormax_cli.reports.report import Layout, Report, Row, Section

VERSION = 2
"""The version of the document's form; a change that could break a reader raises it."""


def render(report: Report, *, width: int | None = None, color: bool = False) -> str:
    """Give the document, indented; a table is a list of objects, a record one object."""
    document = {
        "tutormax": VERSION,
        "report": report.name,
        "database": None if report.database is None else asdict(report.database),
        **{column.key: plain(value) for column, value in report.facts if column.key},
        **{section.name: _section(section) for section in report.sections},
    }
    return dump(document, indent=2) + "\n"


def row_object(section: Section, row: Row) -> dict[str, Plain]:
    """Give one row as an object of its columns' keys."""
    return {column.key: plain(value) for column, value in zip(section.columns, row, strict=True)}


def dump(value: object, indent: int | None = None) -> str:
    """Give JSON text in which nothing can move a cursor or turn the writing direction."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    return UNSAFE.sub(lambda found: found[0] if found[0] == "\n" else json.dumps(found[0])[1:-1], text)


def _section(section: Section) -> list[dict[str, Plain]] | dict[str, Plain]:
    rows = [row_object(section, row) for row in section.rows]
    return rows if section.layout is Layout.TABLE else rows[0]
