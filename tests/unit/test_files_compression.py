"""Compressed files: told by their content, the same bytes each time, broken ones said in one line."""

import gzip
import io
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from tutormax_cli.files.compression import Compression, DamagedFile, decompressed, open_read, open_write

TEXT = b"tutor_id,name\n" + b"t1,Dana\n" * 100_000
ANY = pytest.mark.parametrize("compression", [None, *Compression], ids=str)


def written(path: Path, compression: Compression | None) -> bytes:
    with open_write(path, compression) as file:
        for start in range(0, len(TEXT), 4099):
            file.write(TEXT[start : start + 4099])
    return path.read_bytes()


@ANY
def test_what_is_written_is_read_whatever_the_name(tmp_path: Path, compression: Compression | None) -> None:
    data = written(tmp_path / "plainly.csv", compression)
    assert (len(data) < len(TEXT) / 50) == (compression is not None)
    with open_read(tmp_path / "plainly.csv") as file:
        assert file.read() == TEXT


@ANY
def test_the_same_rows_give_the_same_file(tmp_path: Path, compression: Compression | None) -> None:
    assert written(tmp_path / "one", compression) == written(tmp_path / "other", compression)


@ANY
def test_a_stream_that_comes_in_pieces(compression: Compression | None, tmp_path: Path) -> None:
    pieces = cast(BinaryIO, io.BufferedReader(io.BytesIO(written(tmp_path / "file", compression)), 16))
    with decompressed(pieces, "stdin") as file:
        assert file.read() == TEXT
    assert pieces.closed


def test_several_members_are_read_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "two.gz").write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    with open_read(tmp_path / "two.gz") as file:
        assert file.readlines() == [b"one\n", b"two\n"]


@pytest.mark.parametrize("content", [b"", b"\x1f", b"a"])
def test_a_file_too_short_for_a_mark_is_plain(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "short").write_bytes(content)
    with open_read(tmp_path / "short") as file:
        assert file.read() == content


@pytest.mark.parametrize("compression", Compression)
def test_data_that_end_too_soon(tmp_path: Path, compression: Compression) -> None:
    data = written(tmp_path / "file", compression)
    (tmp_path / "file").write_bytes(data[: len(data) // 2])
    with open_read(tmp_path / "file") as file, pytest.raises(DamagedFile, match="end too soon"):
        file.read()


@pytest.mark.parametrize("compression", Compression)
def test_data_that_are_damaged(tmp_path: Path, compression: Compression) -> None:
    data = bytearray(written(tmp_path / "file", compression))
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    (tmp_path / "file").write_bytes(data)
    with open_read(tmp_path / "file") as file, pytest.raises(DamagedFile, match="damaged"):
        file.read()
