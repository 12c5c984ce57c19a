"""A section as people read it: columns that belong to the one before stand in its cells."""

from collections.abc import Sequence
from dataclasses import replace

from tutormax_cli.reports.render.cells import shown
from tutormax_cli.reports.report import Column, Kind, Section, Value


def for_people(section: Section) -> Section:
    """Write every column that is `joined` into the column before it: "manager coaching", 48 is one text."""
    if not any(column.joined for column in section.columns):
        return section
    groups: list[list[int]] = []
    for index, column in enumerate(section.columns):
        if column.joined and groups:
            groups[-1].append(index)
        else:
            groups.append([index])
    columns = tuple(_column([section.columns[index] for index in group]) for group in groups)
    rows = tuple(
        tuple(_value([section.columns[index] for index in group], [row[index] for index in group]) for group in groups)
        for row in section.rows
    )
    return replace(section, columns=columns, rows=rows)


def _column(columns: Sequence[Column]) -> Column:
    first, *others = columns
    return replace(first, kind=Kind.TEXT, labels={}) if others else first


def _value(columns: Sequence[Column], values: Sequence[Value]) -> Value:
    first, *others = values
    if not others or first is None:
        return first
    known = [(column, value) for column, value in zip(columns[1:], others, strict=True) if value is not None]
    joined = (str(column.joined).format(shown(column, value)) for column, value in known)
    return shown(columns[0], first) + "".join(joined)
