"""The seal of an archive: written, read again, and every cut or changed byte noticed."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutormax_cli.backup.contents import Contents, Digest
from tutormax_cli.backup.seal import Seal, is_broken, read_seal, seal
from tutormax_cli.database.names import TableName
from tutormax_cli.errors import TutormaxError

BODY = b"PGDMP" + bytes(range(200)) + b"\0\0\0\0\0"
"""It ends as pg_dump's archives do: with the empty block behind the last rows."""

CONTENTS = Contents(
    {TableName("public", "tutors"): Digest(60, "-17"), TableName('o"d.d\n', "sept;été"): Digest(0, "0")},
    {TableName("public", "orders_id_seq"): "41, called"},
    Digest(2, "99"),
)
SEAL = Seal(
    "3f0e", datetime(2026, 11, 25, 6, 30, tzinfo=UTC), "7581", "tm", 180004, "public", "20261122_1900", CONTENTS
)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "a.dump"
    path.write_bytes(BODY)
    seal(path, SEAL)
    return path


def test_a_seal_reads_as_it_was_written_and_follows_the_archive(archive: Path) -> None:
    assert read_seal(archive) == SEAL
    assert archive.read_bytes().startswith(BODY)
    assert not is_broken(archive)


def test_every_cut_and_every_changed_byte_is_noticed(archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    other = tmp_path / "other.dump"
    for place in range(len(whole)):
        other.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert is_broken(other), place
    for length in range(len(BODY) + 1, len(whole)):
        other.write_bytes(whole[:length])
        assert is_broken(other), length


def test_more_bytes_behind_the_seal_are_noticed(archive: Path) -> None:
    with archive.open("ab") as file:
        file.write(b"\0")
    assert is_broken(archive)


def test_an_archive_of_pg_dump_has_no_seal_and_is_not_broken(tmp_path: Path) -> None:
    (tmp_path / "a.dump").write_bytes(BODY)
    assert (read_seal(tmp_path / "a.dump"), is_broken(tmp_path / "a.dump")) == (None, False)


def test_the_checksum_of_earlier_versions_still_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.dump"
    line = b"\ntutormax sha256 " + hashlib.sha256(BODY).hexdigest().encode() + b"\n"
    path.write_bytes(BODY + line)
    assert (read_seal(path), is_broken(path)) == (None, False)
    path.write_bytes(b"x" + BODY[1:] + line)
    assert is_broken(path)


def test_the_last_line_is_the_one_that_earlier_versions_check(archive: Path) -> None:
    whole = archive.read_bytes()
    before, last = whole[:-82], whole[-82:]
    assert last == b"\ntutormax sha256 " + hashlib.sha256(before).hexdigest().encode() + b"\n"


def test_a_seal_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dump"
    text = json.dumps({"format": 2}).encode()
    signed = BODY + b"\ntutormax seal " + text + b" %012d" % len(text)
    path.write_bytes(signed + b"\ntutormax sha256 " + hashlib.sha256(signed).hexdigest().encode() + b"\n")
    with pytest.raises(TutormaxError, match="sealed by a newer tutormax"):
        read_seal(path)


@given(st.dictionaries(st.tuples(st.text(), st.text()), st.tuples(st.integers(0), st.integers()), max_size=4))
def test_any_name_survives_the_json(named: dict[tuple[str, str], tuple[int, int]]) -> None:
    tables = {TableName(*name): Digest(rows, str(total)) for name, (rows, total) in named.items()}
    sequences = {name: f"{digest.rows}, called" for name, digest in tables.items()}
    contents = Contents(tables, sequences, Digest(0, "0"))
    assert Contents.from_json(json.loads(json.dumps(contents.to_json()))) == contents
