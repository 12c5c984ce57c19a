"""CSV taken apart by arrays, against Python's csv module, and wherever a chunk may end."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutormax_cli.importing.tokens import (
    BadBytes,
    Tokens,
    first_record_end,
    last_record_end,
    open_quote,
    place,
    tokenize,
)

COMMA = ord(",")
TEXTS = st.text(st.sampled_from('ab"," \n\r\té€😀'), max_size=6)
TABLES = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(TEXTS, min_size=width, max_size=width), min_size=1))


def texts(tokens: Tokens) -> list[list[str]]:
    def field(number: int) -> str:
        start = tokens.starts[number]
        return tokens.data[start : start + tokens.sizes[number]].tobytes().decode()

    return [
        [field(number) for number in range(first, first + count)]
        for first, count in zip(tokens.first.tolist(), tokens.counts.tolist(), strict=True)
    ]


def written(rows: list[list[str]], end: str, quoting: int) -> bytes:
    """Write rows; csv leaves a lone carriage return without quotes where it isn't told to quote all."""
    lone = any("\r" in cell for row in rows for cell in row)
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator=end, quoting=csv.QUOTE_ALL if lone else quoting).writerows(rows)  # type: ignore[arg-type]
    return file.getvalue().encode()


@settings(max_examples=300, deadline=None)
@given(TABLES, st.sampled_from(["\n", "\r\n"]), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), st.data())
def test_what_csv_writes_is_read_back(rows: list[list[str]], end: str, quoting: int, data: st.DataObject) -> None:
    whole = written(rows, end, quoting)
    tokens = tokenize(whole, COMMA)
    assert texts(tokens) == rows
    assert tokens.line_feeds == whole.count(b"\n")
    assert last_record_end(whole) == len(whole)
    cut = data.draw(st.integers(0, len(whole)))
    done = last_record_end(whole[:cut])
    before = texts(tokenize(whole[:done], COMMA)) if done else []
    assert before + texts(tokenize(whole[done:], COMMA)) if done < len(whole) else before == rows
    begin = first_record_end(whole)
    assert texts(tokenize(whole[:begin], COMMA)) == rows[:1]


def test_lines_are_physical_and_cells_know_whether_they_were_quoted() -> None:
    tokens = tokenize(b'a,"b\n\nc"\n"",\r\n"""x"""', COMMA)
    assert texts(tokens) == [["a", "b\n\nc"], ["", ""], ['"x"']]
    assert tokens.lines.tolist() == [0, 3, 4]
    assert tokens.quoted.tolist() == [False, True, True, False, True]


@pytest.mark.parametrize(
    ("chunk", "position", "why"),
    [
        (b'a,b"c"\n', 3, "a quote within a field"),
        (b'a,"b"c\n', 2, "closed on this line with 'c' behind it"),
        (b'a,"b\n\n"c\n', 2, "closed 2 lines on with 'c' behind it"),
        (b'"a" ,b\n', 0, "with ' ' behind it"),
        (b' "a",b\n', 1, "a quote within a field"),
        (b'a,"b"\rc\n', 2, "behind it"),
        (b"a,b\rc\n", 3, "a carriage return without a line feed"),
    ],
)
def test_what_is_no_csv_is_refused_where_it_begins(chunk: bytes, position: int, why: str) -> None:
    with pytest.raises(BadBytes) as caught:
        tokenize(chunk, COMMA)
    assert caught.value.position == position
    assert why in caught.value.why


def test_a_quote_that_stays_open() -> None:
    assert open_quote(b'a,"b","c\n') == 6
    assert open_quote(b'a,"b"\n') is None
    assert last_record_end(b'a\nb,"c\nd') == 2
    assert place(b'x,y\na,"b\nc",d', 12, COMMA) == (2, 2)
