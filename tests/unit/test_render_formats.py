"""Every output format, against one fixed report; `GOLDEN_UPDATE=1 pytest …` writes the expected files anew."""

import csv
import io
import json
import os
import re
from pathlib import Path

import pytest

from tests.unit.reports_sample import SAMPLE
from tutormax_cli.reports.render import Format, render
from tutormax_cli.reports.report import Column, Database, Kind, Report, Section

GOLDEN = Path(__file__).parents[1] / "golden"
FILES: dict[str, tuple[Format, int | None, bool]] = {
    "report-80.txt": (Format.TABLE, 80, False),
    "report-140.txt": (Format.TABLE, 140, False),
    "report-piped.txt": (Format.TABLE, None, False),
    "report-color.txt": (Format.TABLE, 80, True),
    "report.json": (Format.JSON, None, False),
    "report.jsonl": (Format.JSONL, None, False),
    "report.csv": (Format.CSV, None, False),
    "report.md": (Format.MD, None, False),
    "report.html": (Format.HTML, None, False),
}
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("name", FILES)
def test_each_format_is_as_its_golden_file_has_it(name: str) -> None:
    format, width, color = FILES[name]
    text = render(SAMPLE, format, width=width, color=color)
    if os.environ.get("GOLDEN_UPDATE"):
        (GOLDEN / name).write_text(text, encoding="utf-8", newline="")
    assert text == (GOLDEN / name).read_bytes().decode()


def test_colour_adds_nothing_but_colour() -> None:
    plain = render(SAMPLE, Format.TABLE, width=80)
    colored = render(SAMPLE, Format.TABLE, width=80, color=True)
    assert "\x1b[" in colored
    assert [line.rstrip() for line in ANSI.sub("", colored).splitlines()] == plain.splitlines()
    assert "\x1b" not in plain


def test_json_is_one_versioned_document_also_when_empty() -> None:
    empty = Report("empty", "Nothing", (Section("rows", (Column("a", "A"),), ()),))
    assert json.loads(render(empty, Format.JSON)) == {"tutormax": 2, "report": "empty", "database": None, "rows": []}
    assert render(empty, Format.JSONL) == ""
    assert render(empty, Format.CSV) == "a\n"
    assert "(none)" in render(empty, Format.TABLE, width=80)
    assert "(none)" in render(empty, Format.MD)


def test_json_alone_carries_the_database() -> None:
    database = Database("tutors", "db.example.com:5432", "DATABASE_URL, .env", "tenant")
    rows = Section("rows", (Column("a", "A"),), (("x",),))
    report = Report("one", "One", (rows,), facts=((Column("", "database"), "for people"),), database=database)
    assert json.loads(render(report, Format.JSON)) == {
        "tutormax": 2,
        "report": "one",
        "database": {
            "name": "tutors",
            "server": "db.example.com:5432",
            "source": "DATABASE_URL, .env",
            "schema": "tenant",
        },
        "rows": [{"a": "x"}],
    }
    assert all("example" not in render(report, format) for format in Format if format is not Format.JSON)
    assert "for people" in render(report, Format.TABLE)


def test_a_report_cannot_replace_the_keys_of_its_head() -> None:
    with pytest.raises(ValueError, match="share a name"):
        Report("one", "One", (Section("database", (Column("a", "A"),), ()),))


def test_no_format_writes_a_number_that_is_none() -> None:
    column = Column("x", "x", Kind.FLOAT)
    report = Report("odd", "Odd", (Section("rows", (column,), ((float("nan"),), (float("inf"),), (1.5,))),))
    assert json.loads(render(report, Format.JSON))["rows"] == [{"x": None}, {"x": None}, {"x": 1.5}]
    assert render(report, Format.CSV) == 'x\n""\n""\n1.5\n'
    assert render(report, Format.TABLE).split("\n")[3:6] == ["     –", "     –", "  1.50"]


def test_csv_json_and_table_agree_cell_for_cell() -> None:
    section = SAMPLE.main_section
    rows = json.loads(render(SAMPLE, Format.JSON))[section.name]
    lines = [json.loads(line) for line in render(SAMPLE, Format.JSONL).splitlines()]
    table = list(csv.DictReader(io.StringIO(render(SAMPLE, Format.CSV))))
    assert lines == rows
    assert [list(row) for row in rows] == [list(row) for row in table]
    shown = render(SAMPLE, Format.TABLE).splitlines()
    for row, cells in zip(rows, table, strict=True):
        assert cells["score"] == str(row["score"])
        assert cells["change"] == ("" if row["change"] is None else str(row["change"]))
        assert cells["subjects"] == "; ".join(row["subjects"])
        (line,) = (line for line in shown if line.startswith(f"  {row['rank']}  "))
        assert f"  {row['score']}  " in line


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_csv_cells_are_never_formulas(start: str) -> None:
    columns = (Column("text", "text"), Column("number", "number", Kind.INT), Column("list", "list", Kind.LIST))
    report = Report("csv", "CSV", (Section("rows", columns, ((start, -1, (start, "b")),)),))
    (cells,) = csv.DictReader(io.StringIO(render(report, Format.CSV)))
    assert cells["text"].startswith("'")
    assert cells["list"].startswith("'")
    assert cells["number"] == "-1"


def test_a_time_without_a_zone_is_refused() -> None:
    from datetime import datetime

    report = Report("t", "T", (Section("r", (Column("at", "at", Kind.TIMESTAMP),), ((datetime(2026, 6, 1),),)),))
    for format in Format:
        with pytest.raises(ValueError, match="zone"):
            render(report, format)
