"""What the name of a table file says."""

import pytest

from tutormax_cli.files.compression import Compression
from tutormax_cli.files.formats import FileFormat, split_name


@pytest.mark.parametrize(
    ("name", "stem", "format", "compression"),
    [
        ("sessions.csv", "sessions", FileFormat.CSV, None),
        ("/some.where/sessions.TSV.GZ", "sessions", FileFormat.TSV, Compression.GZIP),
        ("sessions.ndjson.zst", "sessions", FileFormat.JSONL, Compression.ZSTD),
        ("sessions.parquet", "sessions", FileFormat.PARQUET, None),
        ("sessions.2026.json", "sessions.2026", FileFormat.JSON, None),
        ("sessions.gz", "sessions", None, Compression.GZIP),
        ("sessions", "sessions", None, None),
        ("sessions.xlsx", "sessions.xlsx", None, None),
        (".csv", ".csv", None, None),
        ("-", "-", None, None),
    ],
)
def test_the_name_says_table_format_and_compression(
    name: str, stem: str, format: FileFormat | None, compression: Compression | None
) -> None:
    assert split_name(name) == (stem, format, compression)
