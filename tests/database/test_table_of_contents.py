"""Reading an archive's table of contents: the same entries as pg_restore's own list, and never a traceback."""

import random
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.conftest import Server, clean_environment
from tests.support.clusters import DEBIAN, debian_cluster, embedded_cluster
from tutormax_cli.backup.table_of_contents import Compression, Entry, Section, TableOfContents, read_table_of_contents
from tutormax_cli.database.clients import client_environment
from tutormax_cli.database.connection import connect
from tutormax_cli.database.embedded import program
from tutormax_cli.database.migrations import create_database
from tutormax_cli.errors import TutormaxError
from tutormax_cli.settings import Settings

ODD = "odd\n-- Name: x; Type: TABLE; Schema: public"

OBJECTS = f"""
CREATE SCHEMA "My. Zoo";
CREATE TABLE "My. Zoo"."{ODD}" (id serial PRIMARY KEY, "b""q" text DEFAULT 'COPY x FROM stdin;
\\.
');
COMMENT ON TABLE "My. Zoo"."{ODD}" IS '-- Name: y; Type: VIEW
\\.
';
INSERT INTO "My. Zoo"."{ODD}" ("b""q") VALUES (E'\\n\\\\.\\n'), (NULL);
CREATE TABLE public.parted (a int, b text) PARTITION BY LIST (a);
CREATE TABLE public.part PARTITION OF public.parted FOR VALUES IN (1);
CREATE MATERIALIZED VIEW public.seen AS SELECT * FROM public.parted;
CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS $$ SELECT '-- Name: z;' $$;
GRANT SELECT ON public.parted TO PUBLIC; GRANT UPDATE (a) ON public.parted TO PUBLIC;
SELECT lo_create(4242), lo_create(4243); GRANT SELECT ON LARGE OBJECT 4242 TO PUBLIC;
COMMENT ON LARGE OBJECT 4243 IS 'b';
"""

PG_DUMPS = {
    "debian 15": (DEBIAN / "pg_dump", 14, ("--compress=0", "--compress=1")),
    "embedded 16": (program("pg_dump", 16), 15, ("--compress=none", "--compress=gzip")),
    "embedded 18": (program("pg_dump", 18), 16, ("--compress=none", "--compress=gzip")),
}


@pytest.fixture(scope="module", params=["embedded", pytest.param("debian", marks=pytest.mark.debian)])
def servers(server: Server, home: Path, request: pytest.FixtureRequest) -> Iterator[dict[str, Server]]:
    """A server of each version, so that each pg_dump meets its own."""
    with ExitStack() as stack:
        if request.param == "debian":
            yield {"debian 15": stack.enter_context(debian_cluster(home / "contents15"))}
            return
        yield {
            "embedded 16": stack.enter_context(embedded_cluster(home / "contents16", 16)),
            "embedded 18": server,
        }


@pytest.fixture(scope="module")
def archives(servers: dict[str, Server], home: Path) -> Iterator[dict[tuple[str, str], Path]]:
    """Archives of the same objects, by the pg_dump that made them and its compression."""
    name = "tutormax_test_contents"
    made = {}
    for version in servers:
        pg_dump, _, compressions = PG_DUMPS[version]
        chosen = servers[version].database(name)
        create_database(chosen)
        with connect(chosen) as driver:
            driver.execute(OBJECTS.encode())
        for option in compressions:
            made[version, option] = path = home / f"{version} {option}.dump"
            run_pg_dump(chosen, pg_dump, option, f"--file={path}")
        servers[version].drop(name)
    yield made


def run_pg_dump(settings: Settings, pg_dump: Path, *options: str) -> None:
    command = [str(pg_dump), "--format=custom", *options]
    subprocess.run(command, env=clean_environment(**client_environment(settings)), check=True)


def listed(path: Path) -> list[tuple[int, int, int]]:
    """Return dump id, catalogue and OID of each entry as pg_restore lists them."""
    done = subprocess.run([program("pg_restore", 18), "--list", path], capture_output=True, text=True, check=True)
    lines = re.findall(r"^(\d+); (\d+) (\d+) ", done.stdout, re.MULTILINE)
    return [(int(number), int(catalogue), int(oid)) for number, catalogue, oid in lines]


def test_it_is_the_list_of_pg_restore_for_each_version(archives: dict[tuple[str, str], Path]) -> None:
    for (version, option), path in archives.items():
        contents = read_table_of_contents(path)
        assert contents.version == PG_DUMPS[version][1]
        assert (contents.compression is Compression.NONE) == option.endswith(("=0", "=none"))
        assert (contents.database, contents.encoding) == ("tutormax_test_contents", "UTF8")
        assert contents.standard_strings
        shown = [entry for entry in contents.entries if entry.kind not in HIDDEN]
        assert [(entry.id, entry.catalogue, entry.oid) for entry in shown] == listed(path)


HIDDEN = ("ENCODING", "STDSTRINGS", "SEARCHPATH", "DATABASE")
"""Entries that `pg_restore --list` doesn't list."""


def test_names_and_statements_are_exact(archives: dict[tuple[str, str], Path]) -> None:
    for path in archives.values():
        contents = read_table_of_contents(path)
        (table,) = of_kind(contents, "TABLE", "My. Zoo")
        assert table.name == ODD and table.definition.startswith(b'CREATE TABLE "My. Zoo"."odd\n-- Name: x;')
        (rows,) = of_kind(contents, "TABLE DATA", "My. Zoo")
        assert (rows.name, rows.has_rows, rows.section, rows.dependencies) == (ODD, True, Section.DATA, (table.id,))
        assert rows.copy_statement == f'COPY "My. Zoo"."{ODD}" (id, "b""q") FROM stdin;\n'.encode()
        (comment,) = of_kind(contents, "COMMENT", "My. Zoo")
        assert (comment.dependencies, comment.section) == ((table.id,), Section.PRE_DATA)
        assert {each.access_method for each in of_kind(contents, "TABLE", "My. Zoo")} == {"heap"}


def of_kind(contents: TableOfContents, kind: str, schema: str | None) -> list[Entry]:
    return [entry for entry in contents.entries if (entry.kind, entry.schema) == (kind, schema)]


def test_cut_and_scratched_files_are_errors_of_ours_or_read(archives: dict[tuple[str, str], Path], home: Path) -> None:
    chance, damaged = random.Random(7), home / "scratched.dump"
    for path in archives.values():
        whole = path.read_bytes()
        end = whole.index(b"TABLE DATA")
        for length in chance.sample(range(end), 60):
            damaged.write_bytes(whole[:length])
            with pytest.raises(TutormaxError, match=r"damaged or cut off|is empty|is not an archive") as refused:
                read_table_of_contents(damaged)
            assert "\n" not in refused.value.message


@hypothesis_settings(max_examples=150, deadline=None)
@given(
    flips=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(1, 255)), min_size=1, max_size=4),
    pick=st.integers(0, 5),
)
def test_flipped_bytes_never_end_in_a_traceback(
    archives: dict[tuple[str, str], Path], home: Path, flips: list[tuple[int, int]], pick: int
) -> None:
    content = bytearray(list(archives.values())[pick % len(archives)].read_bytes()[:6000])
    for place, bits in flips:
        content[place % len(content)] ^= bits
    damaged = home / "flipped.dump"
    damaged.write_bytes(content)
    try:
        read_table_of_contents(damaged)
    except TutormaxError as problem:
        assert "\n" not in problem.message
