"""Columns that people read in the cell of the column before."""

import csv
import io
import json

from tutormax_cli.reports.render import Format, render
from tutormax_cli.reports.report import Column, Fact, Kind, Layout, Report, Section, record

COLUMNS = (
    Column("what", "recommended", labels={"manager_coaching": "manager coaching"}),
    Column("hours", "within h", Kind.INT, joined=" in {} h"),
    Column("owner", "owner", joined=", {}"),
)
ROWS = (("manager_coaching", 48, "{0} \x1b"), ("manager_coaching", None, None), (None, 48, "Marcus"))
REPORT = Report("r", "R", (Section("rows", COLUMNS, ROWS),))


def test_people_read_one_text() -> None:
    lines = [line.strip() for line in render(REPORT, Format.TABLE).splitlines()]
    assert lines[2:] == ["recommended", r"manager coaching in 48 h, {0} \x1b", "manager coaching", "–"]
    for format in (Format.MD, Format.HTML):
        text = render(REPORT, format)
        assert "manager coaching in 48 h" in text and "within h" not in text


def test_machines_read_every_column() -> None:
    rows = json.loads(render(REPORT, Format.JSON))["rows"]
    assert rows[0] == {"what": "manager_coaching", "hours": 48, "owner": "{0} \x1b"}
    assert rows[2] == {"what": None, "hours": 48, "owner": "Marcus"}
    assert next(csv.reader(io.StringIO(render(REPORT, Format.CSV)))) == ["what", "hours", "owner"]


def test_records_join_too() -> None:
    facts: list[Fact] = list(zip(COLUMNS, ("manager_coaching", 48, "Marcus"), strict=True))
    report = Report("r", "R", (record("advice", facts, layout=Layout.LINE),))
    assert "recommended manager coaching in 48 h, Marcus" in render(report, Format.TABLE)
    assert "- recommended manager coaching in 48 h, Marcus" in render(report, Format.MD)
