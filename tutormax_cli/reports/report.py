"""A report as frozen values: what it says, not how it looks. Commands fill one, `reports.render` draws it.

A report is a headline (a title and a few facts) followed by sections. A section is a table, or a record: one row
shown as labelled facts. Cells are plain Python values; the column says what they mean, so each format can show
them in its own way: the terminal "84%", JSON 0.84.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TypeAlias, Union


class Kind(enum.StrEnum):
    """What the values of a column are."""

    TEXT = "text"
    INT = "int"
    FLOAT = "float"
    PERCENT = "percent"
    """A fraction or a probability, 0..1, shown as 84%."""
    CHANGE = "change"
    """A difference, shown as +21 or −4."""
    TREND = "trend"
    """A difference, shown as ▲2 or ▼1."""
    FLAG = "flag"
    DATE = "date"
    """A date, or a timestamp of which people need the day alone; machines get all of it."""
    TIMESTAMP = "timestamp"
    """An aware datetime."""
    BYTES = "bytes"
    SECONDS = "seconds"
    LIST = "list"
    """A tuple of texts."""
    SPARK = "spark"
    """A tuple of numbers or None, oldest first, shown as a line of small bars."""


class Tone(enum.StrEnum):
    """How a value should strike the reader; colour only repeats what the words say."""

    PLAIN = "plain"
    GOOD = "good"
    NOTICE = "notice"
    WARNING = "warning"
    BAD = "bad"


class Layout(enum.StrEnum):
    """How a section stands on a page; the formats for machines only tell tables from records."""

    TABLE = "table"
    RECORD = "record"
    """One row, a line per column: label and value."""
    LINE = "line"
    """One row, all in one line: label value, label value."""


Value: TypeAlias = Union[str, int, float, date, tuple["Value", ...], None]  # noqa: UP007 (it names itself)
"""One cell (a bool is an int, a datetime a date). None is an unknown or absent value; a NaN counts as None."""

Row = tuple[Value, ...]

NUMERIC = frozenset({Kind.INT, Kind.FLOAT, Kind.PERCENT, Kind.CHANGE, Kind.TREND, Kind.BYTES, Kind.SECONDS})
"""The kinds that are aligned right."""

ABSENT = "–"
"""What people see in place of None."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `key` names it for machines, `label` for people.

    `priority` 0 is always shown; a higher number is shown on terminals wide enough, the lowest number first.
    `flexible` text gives way first when a terminal is narrow: it is cut with an ellipsis, or with `wrap` goes on
    in the next line. `labels` are the words for stored values, `tones` their colours. `rising` is how a positive
    change strikes the reader. `digits` follow the decimal point (default: 2 for FLOAT, 0 for PERCENT). `bounds` are
    the values that the lowest and the highest bar of a SPARK stand for (default: 0 and the greatest value). `separator`
    stands between the texts of a LIST for people; of a flexible list that is cut, whole texts stay. A `joined` column
    is one for machines alone: people read its value in the cell of the column before, as " in {} h" has it.
    """

    key: str
    label: str
    kind: Kind = Kind.TEXT
    priority: int = 0
    min_width: int = 0
    flexible: bool = False
    wrap: bool = False
    digits: int | None = None
    absent: str = ABSENT
    labels: Mapping[str, str] = field(default_factory=dict)
    tones: Mapping[str, Tone] = field(default_factory=dict)
    rising: Tone = Tone.BAD
    bounds: tuple[float, float] | None = None
    separator: str = ", "
    joined: str | None = None


Fact = tuple[Column, Value]
"""One value with the column that says what it is. In a headline, a column without a key is for people alone."""

RESERVED = ("tutormax", "report", "database")
"""The keys that every JSON document begins with."""


@dataclass(frozen=True, slots=True)
class Section:
    """A table (any number of rows) or a record (one row), under an optional title.

    `beside` puts it to the right of the section before, where there is room. `if_empty` is said instead of a table
    without rows.
    """

    name: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    title: str | None = None
    layout: Layout = Layout.TABLE
    header: bool = True
    beside: bool = False
    if_empty: str = "(none)"

    def __post_init__(self) -> None:
        if len({column.key for column in self.columns}) != len(self.columns):
            raise ValueError(f"section {self.name}: two columns share a key")
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"section {self.name}: a row does not have {len(self.columns)} cells")
        if self.layout is not Layout.TABLE and len(self.rows) != 1:
            raise ValueError(f"section {self.name}: a record has one row, not {len(self.rows)}")


def record(
    name: str,
    facts: Sequence[Fact],
    *,
    title: str | None = None,
    layout: Layout = Layout.RECORD,
    beside: bool = False,
) -> Section:
    """Make a section of one row out of facts."""
    columns = tuple(column for column, _ in facts)
    row = tuple(value for _, value in facts)
    return Section(name, columns, (row,), title=title, layout=layout, beside=beside)


@dataclass(frozen=True, slots=True)
class Database:
    """The database that a report is about: its name (None: libpq's default), its server, the settings that chose it,
    and the schema of TutorMax's tables.
    """

    name: str | None
    server: str
    source: str
    schema: str


@dataclass(frozen=True, slots=True)
class Report:
    """A named report: headline, sections, and notes for people.

    `name` is the machine's name ("risk-report"); `facts` stand in the headline and at the top of the JSON document;
    `main` names the section that CSV and JSON lines give (default: the first table, else the first section), or
    several, whose rows they give one after the other with the section's name in front. `identity` says whose rows they
    are, and stands in front of each of them. `database` is in the JSON document alone, None if there is none.
    """

    name: str
    title: str
    sections: tuple[Section, ...]
    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()
    main: str | tuple[str, ...] = ()
    identity: tuple[Fact, ...] = ()
    database: Database | None = None

    def __post_init__(self) -> None:
        names = [column.key for column, _ in self.facts if column.key] + [section.name for section in self.sections]
        if len({*names, *RESERVED}) != len(names) + len(RESERVED):
            raise ValueError(f"report {self.name}: facts and sections share a name")
        if not self.sections or not set(self._main_names) <= set(names):
            raise ValueError(f"report {self.name}: no main section")

    @property
    def main_section(self) -> Section:
        """The section whose rows CSV and JSON lines give, the identity in front of each."""
        chosen = [section for section in self.sections if section.name in self._main_names]
        tables = (section for section in self.sections if section.layout is Layout.TABLE)
        section = _joined(chosen) if len(chosen) > 1 else next(iter(chosen), None) or next(tables, self.sections[0])
        columns, values = (tuple(part) for part in zip(*self.identity, strict=True)) if self.identity else ((), ())
        rows = tuple(values + row for row in section.rows)
        return replace(section, columns=columns + section.columns, rows=rows)

    @property
    def _main_names(self) -> tuple[str, ...]:
        return (self.main,) if isinstance(self.main, str) else self.main


def _joined(sections: Sequence[Section]) -> Section:
    """Put the rows of several sections into one that has every column of theirs and says whose each row is."""
    columns = {column.key: column for section in sections for column in section.columns}
    rows: list[Row] = []
    for section in sections:
        keys = [column.key for column in section.columns]
        for row in section.rows:
            cells = dict(zip(keys, row, strict=True))
            rows.append((section.name, *(cells.get(key) for key in columns)))
    return Section(sections[0].name, (Column("section", "section"), *columns.values()), tuple(rows))
