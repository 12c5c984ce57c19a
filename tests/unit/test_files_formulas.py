"""Cells that a spreadsheet would run: made harmless, and given back as they were."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutormax_cli.files.formulas import ARMOURED, NEEDS_ARMOUR, armour, disarm

DANGEROUS = "=+-@\t\r\n＝＋－＠"
TEXTS = st.text(st.one_of(st.sampled_from(f"'{DANGEROUS} a"), st.characters(exclude_categories=["Cs"])))


@given(TEXTS)
def test_every_text_comes_back(text: str) -> None:
    assert disarm(armour(text)) == text


@given(TEXTS, TEXTS)
def test_no_two_texts_become_one_cell(one: str, other: str) -> None:
    assert (armour(one) == armour(other)) == (one == other)


@given(TEXTS)
def test_no_cell_begins_a_formula(text: str) -> None:
    assert not armour(text).startswith(tuple(DANGEROUS))


@given(TEXTS)
def test_what_was_armoured_is_what_will_be_disarmed(text: str) -> None:
    assert bool(re.match(NEEDS_ARMOUR, text)) == bool(re.match(ARMOURED, armour(text)))


@pytest.mark.parametrize("text", ["", "O'Brien", "'quoted'", "a=b", "tutor_00001", "'"])
def test_an_ordinary_text_stays_as_it_is(text: str) -> None:
    assert armour(text) == disarm(text) == text
