"""The rules that rows must keep, taken from the models: as SQL to find who breaks them, and in words to tell it.

Names of columns that reach SQL come from the models alone.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import CheckConstraint, Index, Table, TextClause, UniqueConstraint

from tutormax_cli.database.names import quoted
from tutormax_cli.importing.faults import Reason
from tutormax_cli.importing.layout import key_of

IN_WORDS: Mapping[str, str] = {
    "churned_at_needs_status": "status churned where there is a churned_at",
    "no_show_never_started": "no actual_start where no_show is true",
    "timestamps_range": "years from 1 to 9999",
    "risk_level_of_score": "the level of that score: Low from 0, Medium from 26, High from 51, Critical from 76",
    "probabilities_grow": "probabilities that don't fall as the days grow",
    "completed_has_date": "a completed_date where, and only where, status is completed",
    "outcome_needs_completed": "no outcome unless status is completed",
    "completed_after_recommended": "a completed_date that is not before recommended_date",
}
"""What rules ask for that name more than one column, by their names in the models."""

_RANGE = re.compile(r"(\w+) BETWEEN (\S+) AND (\S+)")
_FROM = re.compile(r"(\w+) (>=|>) (\S+)( AND .*)?")


@dataclass(frozen=True, slots=True)
class Rule:
    """A CHECK constraint: its SQL, the columns that it names, and what it expects."""

    sql: str
    columns: tuple[str, ...]
    reason: Reason
    expected: str

    @property
    def column(self) -> str:
        """The column to look at first."""
        return self.columns[0]


def rules_of(table: Table) -> Iterator[Rule]:
    """List a table's CHECK constraints, other than those of enums, whose values are read as such."""
    for constraint in sorted(table.constraints, key=lambda each: str(each.name)):
        if isinstance(constraint, CheckConstraint) and isinstance(constraint.sqltext, TextClause):
            text = constraint.sqltext.text
            words = re.findall(r"\w+", text)
            columns = tuple(column.name for column in table.columns if column.name in words)
            name = str(constraint.name).removeprefix(f"ck_{table.name}_")
            yield Rule(text, columns, *_in_words(text, name))


def _in_words(text: str, name: str) -> tuple[Reason, str]:
    if name in IN_WORDS:
        return (Reason.OUT_OF_RANGE if name == "timestamps_range" else Reason.RULE), IN_WORDS[name]
    if match := _RANGE.fullmatch(text):
        return Reason.OUT_OF_RANGE, f"{match[2]} to {match[3]}"
    if match := _FROM.fullmatch(text):
        return Reason.OUT_OF_RANGE, f"{match[3]} or more" if match[2] == ">=" else f"more than {match[3]}"
    return Reason.RULE, text


@dataclass(frozen=True, slots=True)
class Key:
    """What no two rows may share: SQL expressions over the table's columns. `column` is the one to look at.

    A `loose` key takes texts for the same that differ only in case or in how their characters are composed.
    """

    column: str
    expressions: tuple[str, ...]
    loose: bool = False


def primary(table: Table) -> Key:
    """Give the primary key."""
    return Key(key_of(table), (quoted(key_of(table)),))


def other_keys(table: Table) -> list[Key]:
    """List a table's other unique keys; those that hold the primary key say nothing new."""
    keys = [Key(_last(each), tuple(map(quoted, each.columns.keys()))) for each in _unique_constraints(table)]
    for index in sorted(table.indexes, key=lambda each: str(each.name)):
        if index.unique:
            keys.append(_index_key(table, index))
    keys = [key for key in keys if quoted(key_of(table)) not in key.expressions]
    return [_loosened(key) for key in keys]


def _unique_constraints(table: Table) -> list[UniqueConstraint]:
    return [each for each in table.constraints if isinstance(each, UniqueConstraint)]


def _last(constraint: UniqueConstraint) -> str:
    return constraint.columns.keys()[-1]


def _index_key(table: Table, index: Index) -> Key:
    expressions = tuple(_expression(each) for each in index.expressions)
    words = re.findall(r"\w+", expressions[-1])
    return Key(next(column.name for column in table.columns if column.name in words), expressions)


def _expression(part: object) -> str:
    """Give the SQL of one part of an index."""
    return part.text if isinstance(part, TextClause) else quoted(str(getattr(part, "name", part)))


def _loosened(key: Key) -> Key:
    """E-mail addresses name one mailbox however they are capitalised."""
    if key.expressions != (quoted("email"),):
        return key
    return Key("email", ("lower(normalize(email, NFKC))",), loose=True)
