"""The COPY statements that let PostgreSQL write a source's rows as text, so that no row is touched in Python.

CSV and TSV: NULL is empty, an empty text is "", booleans are true and false, times are ISO 8601 in UTC, arrays and
JSON are JSON text. The session's TimeZone is UTC, its DateStyle ISO.
"""

from collections.abc import Callable

from tutormax_cli.database.names import quoted
from tutormax_cli.exporting.sources import RELATION, Kind, Source, SourceColumn, literal
from tutormax_cli.files.formats import FileFormat
from tutormax_cli.files.formulas import NEEDS_ARMOUR

_JSON_OPTIONS = r"FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02'"
"""Rows as they are: JSON text holds no raw control character, so nothing in it is quoted or escaped once more."""


def copy_statement(source: Source, format: FileFormat) -> str:
    """Write the COPY that gives a source's rows: lines of CSV or TSV with a header, JSON objects a line, or, for
    Parquet, CSV without a header and with texts as they are.
    """
    if format in (FileFormat.JSON, FileFormat.JSONL):
        return f"COPY (SELECT row_to_json(row) FROM ({_select(source, _as_it_is)}) AS row) TO STDOUT ({_JSON_OPTIONS})"
    if format is FileFormat.PARQUET:
        return f"COPY ({_select(source, _plain_cell)}) TO STDOUT (FORMAT csv)"
    delimiter = literal(format.delimiter or ",")
    return f"COPY ({_select(source, _safe_cell)}) TO STDOUT (FORMAT csv, HEADER, DELIMITER {delimiter})"


def _select(source: Source, cell: Callable[[SourceColumn], str]) -> str:
    columns = ", ".join(f"{cell(column)} AS {quoted(column.name)}" for column in source.columns)
    return f"SELECT {columns} FROM {source.relation} AS {RELATION} ORDER BY {source.order}"


def _as_it_is(column: SourceColumn) -> str:
    return column.expression


def _plain_cell(column: SourceColumn) -> str:
    """Write arrays as JSON text, for PostgreSQL's own form of them is known to nobody else."""
    return f"array_to_json({column.expression})" if column.kind is Kind.TEXTS else column.expression


def _safe_cell(column: SourceColumn) -> str:
    """Write a cell for other programs' eyes, spreadsheets among them."""
    value = column.expression
    match column.kind:
        case Kind.TEXT:
            # What begins with an ASCII letter, as nearly every text does, needs no look by a regular expression, which
            # costs four times as much.
            letter = f"""{value} COLLATE "C" >= 'A' AND {value} COLLATE "C" < '{{'"""
            return f"CASE WHEN ({letter}) OR {value} !~ {literal(NEEDS_ARMOUR)} THEN {value} ELSE '''' || {value} END"
        case Kind.BOOL:
            return f"{value}::text"
        case Kind.TIME:
            return f"replace({value}::text, ' ', 'T') || ':00'"
    return _plain_cell(column)
