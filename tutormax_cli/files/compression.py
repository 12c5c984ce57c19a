"""Compressed files: told by their first bytes when read, by their name when written."""

import io
import sys
import zlib
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from tutormax_cli.errors import TutormaxError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class Compression(StrEnum):
    """How a file is compressed: the ending of its name."""

    GZIP = "gz"
    ZSTD = "zst"


_MAGIC = {b"\x1f\x8b": Compression.GZIP, b"\x28\xb5\x2f\xfd": Compression.ZSTD}
_BUFFER = 1 << 18
_GZIP_LEVEL = 4
"""Half the time of the usual 6 for files a few per cent larger."""


class DamagedFile(TutormaxError):
    """Compressed data that are broken or end too soon."""


def open_read(path: Path) -> BinaryIO:
    """Open a file for reading, decompressed if its first bytes say that it is compressed, whatever its name.

    Reading raises DamagedFile where compressed data are broken. Raises OSError where there is no such file.
    """
    return decompressed(path.open("rb", buffering=_BUFFER), str(path))


def decompressed(stream: BinaryIO, name: str) -> BinaryIO:
    """Give a stream (a pipe, say) decompressed where its first bytes ask for it; `name` is for error messages.

    Closing the result closes the stream.
    """
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, stream))
    start = buffered.peek(4)
    compression = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
    if compression is None:
        return cast(BinaryIO, buffered)
    return cast(BinaryIO, io.BufferedReader(_Decompressing(buffered, compression, name), _BUFFER))


def open_write(path: Path, compression: Compression | None = None) -> BinaryIO:
    """Open a new or emptied file for writing; what is written is compressed first where asked."""
    return compressed(path.open("wb", buffering=_BUFFER), compression)


def compressed(stream: BinaryIO, compression: Compression | None) -> BinaryIO:
    """Give a stream that compresses into another one, which closing it closes too.

    The same bytes give the same file: no name and no time is written into it.
    """
    if compression is None:
        return stream
    return cast(BinaryIO, io.BufferedWriter(_Compressing(stream, compression), _BUFFER))


class _Decompressing(io.RawIOBase):
    """Reads from a compressed stream and says in one line what is wrong with it."""

    def __init__(self, stream: BinaryIO, compression: Compression, name: str) -> None:
        self._stream, self._what = stream, f"{name}: its {compression.name.lower()} data"
        self._inner, self._damages = _reader(stream, compression)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        try:
            return cast(io.BufferedIOBase, self._inner).readinto(buffer)
        except EOFError:
            raise DamagedFile(f"{self._what} end too soon", "copy the file anew; nothing was changed") from None
        except self._damages:
            raise DamagedFile(f"{self._what} are damaged", "copy the file anew; nothing was changed") from None

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
            self._stream.close()
        super().close()


class _Compressing(io.RawIOBase):
    """Writes compressed to a stream, and closes both."""

    def __init__(self, stream: BinaryIO, compression: Compression) -> None:
        self._stream, self._inner = stream, _writer(stream, compression)

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer") -> int:
        return self._inner.write(data)

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        try:
            self._inner.close()
        finally:
            self._stream.close()


def _reader(stream: BinaryIO, compression: Compression) -> tuple[BinaryIO, tuple[type[Exception], ...]]:
    """Give the decompressing stream and the exceptions that mean broken data."""
    if compression is Compression.GZIP:
        import gzip

        return cast(BinaryIO, gzip.GzipFile(fileobj=stream, mode="rb")), (gzip.BadGzipFile, zlib.error)
    file, error = _zstandard()
    return file(stream, "rb"), (error,)


def _writer(stream: BinaryIO, compression: Compression) -> BinaryIO:
    if compression is Compression.GZIP:
        import gzip

        return cast(BinaryIO, gzip.GzipFile("", "wb", _GZIP_LEVEL, stream, mtime=0))
    file, _ = _zstandard()
    return file(stream, "wb")


def _zstandard() -> tuple[Callable[[BinaryIO, str], BinaryIO], type[Exception]]:
    """Give the class that reads and writes zstd, and its exception: Python's own from 3.14 on."""
    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdError, ZstdFile
    else:
        from backports.zstd import ZstdError, ZstdFile
    return cast(Callable[[BinaryIO, str], BinaryIO], ZstdFile), ZstdError
