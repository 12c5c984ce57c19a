"""Which columns a terminal gets, and how wide."""

import pytest
from rich.cells import cell_len

from tests.unit.reports_sample import SAMPLE
from tutormax_cli.reports.render import Format, render
from tutormax_cli.reports.render.fit import fit
from tutormax_cli.reports.report import Column, Kind

FIXED = Column("fixed", "fixed", Kind.INT)
NAME = Column("name", "name", flexible=True, min_width=10)
TEXT = Column("text", "text", flexible=True, min_width=20)
FIRST, SECOND = Column("first", "first", priority=1), Column("second", "second", priority=2)


def test_without_a_limit_everything_is_whole() -> None:
    assert fit((FIXED, NAME, SECOND), (5, 300, 9), None) == {0: 5, 1: 300, 2: 9}


def test_optional_columns_come_by_priority_while_flexible_ones_keep_their_share() -> None:
    columns, natural = (FIXED, SECOND, TEXT, FIRST), (5, 10, 60, 10)
    assert fit(columns, natural, 30) == {0: 5, 2: 23}
    assert fit(columns, natural, 5 + 2 + 20 + 2 + 10) == {0: 5, 2: 20, 3: 10}
    assert fit(columns, natural, 5 + 2 + 20 + 2 + 10 + 2 + 10) == {0: 5, 1: 10, 2: 20, 3: 10}
    assert fit(columns, natural, 200) == {0: 5, 1: 10, 2: 60, 3: 10}


def test_a_lower_priority_never_overtakes_a_higher_one() -> None:
    wide_first = Column("wide", "wide", priority=1)
    assert fit((FIXED, wide_first, SECOND), (5, 50, 3), 40) == {0: 5}


def test_flexible_columns_shrink_to_their_share_and_then_to_almost_nothing() -> None:
    assert fit((FIXED, NAME, TEXT), (5, 30, 60), 60) == {0: 5, 1: 25, 2: 25}
    assert fit((FIXED, NAME, TEXT), (5, 30, 60), 39) == {0: 5, 1: 10, 2: 20}
    assert fit((FIXED, NAME, TEXT), (5, 30, 60), 25) == {0: 5, 1: 8, 2: 8}
    assert fit((FIXED, NAME, TEXT), (5, 4, 60), 25) == {0: 5, 1: 4, 2: 12}


def test_where_nothing_is_flexible_texts_give_way() -> None:
    assert fit((FIXED, Column("id", "id")), (5, 50), 40) == {0: 5, 1: 33}


@pytest.mark.parametrize("width", range(30, 200, 7))
def test_a_report_never_leaves_its_terminal(width: int) -> None:
    assert max(map(cell_len, render(SAMPLE, Format.TABLE, width=width).splitlines())) <= width


def test_sections_stand_side_by_side_only_where_there_is_room() -> None:
    def beside(width: int) -> bool:
        lines = render(SAMPLE, Format.TABLE, width=width).splitlines()
        return any("Critical" in line and "Expected to leave" in line for line in lines)

    assert beside(80)
    assert not beside(40)


def test_a_cut_list_keeps_whole_items() -> None:
    text = render(SAMPLE, Format.TABLE, width=80)
    assert "3 sessions last week, usually 14" in text
    assert "logins" not in text
    assert "3 sessions last week, usually 14; logins 2, usually 9" in render(SAMPLE, Format.TABLE, width=200)
