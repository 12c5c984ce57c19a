"""Cutting pg_restore's script into rows and large objects, wherever the pieces that it comes in happen to end."""

import dataclasses

import pytest

from tutormax_cli.backup.rows import LargeObject, TableRows, read_rows
from tutormax_cli.backup.table_of_contents import Entry, Section
from tutormax_cli.errors import TutormaxError

PLAIN = Entry(1, 0, 0, "TABLE DATA", "public", "", "", Section.DATA, b"", b"", "", "", True, ())


def rows_of(name: str, statement: bytes) -> Entry:
    return dataclasses.replace(PLAIN, name=name, copy_statement=statement)


ENTRIES = (
    rows_of("tutors", b"COPY public.tutors (tutor_id, name) FROM stdin;\n"),
    rows_of("a\n-- b\n\\.\n", b'COPY public."a\n-- b\n\\.\n" (a, "b c") FROM stdin;\n'),
    rows_of("nothing", b"COPY public.nothing  FROM stdin;\n"),
    dataclasses.replace(PLAIN, kind="BLOBS", schema=None, name="BLOBS"),
    rows_of("nothing", b"COPY public.nothing  FROM stdin;\n"),
)

SCRIPT = rb"""--
-- PostgreSQL database dump
--

\restrict abc

SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);

--
-- Data for Name: COPY public.nothing  FROM stdin;; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.tutors (tutor_id, name) FROM stdin;
t1	\\.
t2	COPY public.nothing  FROM stdin;
\.


--
-- Data for Name: a -- b \. ; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public."a
-- b
\.
" (a, "b c") FROM stdin;
\.


COPY public.nothing  FROM stdin;


\.


--
-- Data for Name: BLOBS; Type: BLOBS; Schema: -; Owner: -
--

BEGIN;

SELECT pg_catalog.lo_open('17', 131072);
SELECT pg_catalog.lowrite(0, '\x6162');
SELECT pg_catalog.lowrite(0, '\\x63');
SELECT pg_catalog.lo_close(0);

SELECT pg_catalog.lo_open('18', 131072);
SELECT pg_catalog.lo_close(0);

COMMIT;

COPY public.nothing  FROM stdin;
\.


--
-- PostgreSQL database dump complete
--

\unrestrict abc

"""


def read(script: bytes, size: int) -> list[tuple[str | int, bytes]]:
    pieces = [script[start : start + size] for start in range(0, len(script), size)]
    found: list[tuple[str | int, bytes]] = []
    for part in read_rows(pieces, ENTRIES):
        name = part.id if isinstance(part, LargeObject) else part.entry.name
        found.append((name, b"".join(part.pieces)))
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 10_000])
def test_each_entry_gets_its_rows_from_pieces_of_any_size(size: int) -> None:
    assert read(SCRIPT, size) == [
        ("tutors", b"t1\t\\\\.\nt2\tCOPY public.nothing  FROM stdin;\n"),
        ("a\n-- b\n\\.\n", b""),
        ("nothing", b"\n\n"),
        (17, b"abc"),
        (18, b""),
        ("nothing", b""),
    ]


def test_a_script_that_breaks_off_anywhere_before_its_last_row_is_an_error() -> None:
    end = SCRIPT.rindex(b"\\.\n")
    for length in range(end + 2):
        with pytest.raises(TutormaxError, match="breaks off"):
            read(SCRIPT[:length], 10_000)


@pytest.mark.parametrize("stranger", [b"DROP TABLE x;\n", b"COPY public.tutors (name) FROM stdin;\n", b"\\! ls\n"])
def test_an_unknown_line_between_the_rows_is_an_error(stranger: bytes) -> None:
    for before in (
        b"--\n-- PostgreSQL database dump\n",
        b"--\n-- Data for Name: BLOBS",
        b"SELECT pg_catalog.lo_close(0)",
    ):
        with pytest.raises(TutormaxError, match="breaks off"):
            read(SCRIPT.replace(before, stranger + before, 1), 10_000)


def test_rows_hold_the_entry_that_they_belong_to() -> None:
    for part in read_rows([SCRIPT], ENTRIES):
        if isinstance(part, TableRows):
            assert part.entry in ENTRIES
        list(part.pieces)
