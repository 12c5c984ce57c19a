"""Cutting a dump's SQL into statements and rows, wherever the pieces that it comes in happen to end."""

import pytest

from tutormax_cli.backup.dump import free_name
from tutormax_cli.backup.programs import failure
from tutormax_cli.backup.script import TableRows, read_data, read_definitions
from tutormax_cli.errors import ConnectionFailed, LockTimeout, TutormaxError

DATA = rb"""--
-- Data for Name: tutors; Type: TABLE DATA; Schema: public; Owner: -
--

\restrict abc
SET client_encoding = 'UTF8';
SET transaction_timeout = 0;
COPY public.tutors (tutor_id, name) FROM stdin;
t1	\\.
t2	a\nb
\.


--
-- Data for Name: Odd one; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public."Odd (one)" (a, "b c") FROM stdin;
\.


COPY public.nothing  FROM stdin;


\.

SELECT pg_catalog.setval('public.s', 4, true);

\unrestrict abc
"""


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 10_000])
def test_rows_and_statements_are_told_apart_in_pieces_of_any_size(size: int) -> None:
    pieces = [DATA[start : start + size] for start in range(0, len(DATA), size)]
    tables, statements = {}, b""
    for part in read_data(pieces):
        if isinstance(part, TableRows):
            tables[part.table] = b"".join(part.data)
        else:
            statements += part
    assert tables == {
        "public.tutors": b"t1\t\\\\.\nt2\ta\\nb\n",
        'public."Odd (one)"': b"",
        "public.nothing": b"\n\n",
    }
    assert statements.split() == b"SET client_encoding = 'UTF8'; SELECT pg_catalog.setval('public.s', 4, true);".split()


@pytest.mark.parametrize("end", [b"FROM stdin;\n", b"t1\t", b"a\\nb\n", b"a\\nb\n\\."])
def test_rows_that_break_off_are_an_error(end: bytes) -> None:
    cut = DATA[: DATA.index(end) + len(end)]
    with pytest.raises(TutormaxError, match="breaks off"):
        for part in read_data([cut]):
            if isinstance(part, TableRows):
                list(part.data)


def test_definitions_are_named_for_the_progress() -> None:
    headline = b"--\n-- Name: ix; Type: INDEX; Schema: public; Owner: -\n--\n"
    script = b"SET x = 1;\nSET transaction_timeout = 0;\n\n" + headline + b"\nA;\n"
    assert read_definitions([script]) == [("settings", b"SET x = 1;\n"), ("index ix", b"--\n\nA;\n")]


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        ("pg_dump: error: could not write: No space left on device", TutormaxError, "could not write: No space left"),
        ("pg_dump: warning: x\npg_dump: error: query failed: ERROR:  canceling statement due to lock timeout",
         LockTimeout, "query failed: ERROR:  canceling"),
        ('pg_dump: error: connection to server on socket "/x" failed: FATAL:  no', ConnectionFailed, "connection to"),
        ("", TutormaxError, "it was ended by signal 9"),
    ],
)  # fmt: skip
def test_a_programs_complaint_becomes_one_line(said: str, kind: type[TutormaxError], message: str) -> None:
    problem = failure(["/usr/bin/pg_dump", "x"], said, -9)
    assert type(problem) is kind
    assert problem.message.startswith(f"pg_dump failed: {message}")
    assert "\n" not in problem.message


def test_a_file_is_named_for_database_and_time_and_never_taken_twice(tmp_path: object) -> None:
    from datetime import UTC, datetime
    from pathlib import Path

    folder, at = Path(str(tmp_path)), datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
    assert free_name(folder, "tutormax", at).name == "tutormax-2026-11-22T1530Z.dump"
    free_name(folder, "tutormax", at).touch()
    assert free_name(folder, "tutormax", at).name == "tutormax-2026-11-22T1530Z-2.dump"
    assert free_name(folder, "../a b", at).name == ".._a_b-2026-11-22T1530Z.dump"
