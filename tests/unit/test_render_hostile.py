"""Whatever text the database holds: no format obeys it, none loses it, none is broken by it."""

import csv
import io
import json
from unicodedata import category

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tutormax_cli.reports.render import Format, render
from tutormax_cli.reports.render.cells import UNSAFE
from tutormax_cli.reports.report import Column, Kind, Report, Section, Tone

HOSTILE = st.text(st.characters(exclude_categories=[])) | st.sampled_from(
    [
        "[red]x[/]",
        "\x1b[31m",
        "a\nb",
        "日本語" * 9,
        "👩‍👩‍👧",
        "e\u0301",
        "\u202eabc",
        "\ud800",
        "|",
        "\\",
        "'",
        '"',
        ",",
        "\r",
    ]
)


def report_of(name: str, other: str) -> Report:
    columns = (
        Column("name", "tutor", flexible=True, tones={name: Tone.BAD}),
        Column("score", "score", Kind.INT),
        Column("reasons", "goes with", Kind.LIST, flexible=True, priority=1),
    )
    return Report("hostile", name, (Section("rows", columns, ((name, 7, (other, name)),), title=other),), notes=(name,))


@given(HOSTILE, HOSTILE, st.sampled_from(Format))
def test_no_text_is_a_control_code(name: str, other: str, format: Format) -> None:
    text = render(report_of(name, other), format)
    kept = "\n\t" if format is Format.CSV else "\n"
    assert [found for found in UNSAFE.findall(text) if found not in kept] == []
    assert {category(character) for character in text if character not in kept}.isdisjoint({"Cc", "Cs", "Zl", "Zp"})
    text.encode("utf-8")


@given(HOSTILE, HOSTILE, st.integers(20, 120))
def test_no_line_is_longer_than_the_terminal(name: str, other: str, width: int) -> None:
    text = render(report_of(name, other), Format.TABLE, width=width)
    assert max(map(cell_len, text.splitlines())) <= width


@given(HOSTILE, HOSTILE)
def test_json_and_csv_give_the_text_back(name: str, other: str) -> None:
    report = report_of(name, other)
    (line,) = render(report, Format.JSONL).splitlines()
    assert json.loads(line) == {"name": name, "score": 7, "reasons": [other, name]}
    rows = list(csv.DictReader(io.StringIO(render(report, Format.CSV), newline="")))
    assert [row["score"] for row in rows] == ["7"]
    if not UNSAFE.search(name) and not rows[0]["name"].startswith("'"):
        assert rows[0]["name"] == name


@given(HOSTILE, HOSTILE)
def test_a_markdown_row_stays_one_row_of_as_many_cells(name: str, other: str) -> None:
    lines = render(report_of(name, other), Format.MD).splitlines()
    (row,) = (line for line in lines if line.startswith("| ") and line.endswith(" |") and " | 7 | " in line)
    assert row.replace("\\\\", "").replace("\\|", "").count("|") == 4
