"""The formats of table files, and what a file's name says of itself."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import PurePath
from typing import TypeVar

from tutormax_cli.files.compression import Compression

Kind = TypeVar("Kind")


class FileFormat(StrEnum):
    """How rows are written: text with a header line, JSON (one array, or an object a line), or Parquet."""

    CSV = "csv"
    TSV = "tsv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"

    @property
    def delimiter(self) -> str | None:
        """What stands between cells; None where rows aren't lines of cells."""
        return {FileFormat.CSV: ",", FileFormat.TSV: "\t"}.get(self)


_SUFFIXES = {format.value: format for format in FileFormat} | {"ndjson": FileFormat.JSONL, "pq": FileFormat.PARQUET}


def split_name(path: PurePath | str) -> tuple[str, FileFormat | None, Compression | None]:
    """Take a name such as `sessions.csv.gz` apart: the table's name, the format and the compression, where it says so.

    Upper and lower case don't matter in endings. Folders before the name are left out.
    """
    name = PurePath(path).name
    name, compression = _without_suffix(name, {kind.value: kind for kind in Compression})
    name, format = _without_suffix(name, _SUFFIXES)
    return name, format, compression


def _without_suffix(name: str, kinds: Mapping[str, Kind]) -> tuple[str, Kind | None]:
    stem, dot, suffix = name.rpartition(".")
    kind = kinds.get(suffix.lower()) if stem and dot else None
    return (stem, kind) if kind is not None else (name, None)
