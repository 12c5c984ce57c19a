"""Bytes of a file as UTF-8: decompressed, of whatever encoding, counted, and sure not to have changed meanwhile."""

import codecs
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from tutormax_cli.errors import UsageError
from tutormax_cli.files.compression import decompressed
from tutormax_cli.importing.faults import BadFile
from tutormax_cli.importing.inputs import Input

READ_BYTES = 1 << 22
"""How much is read, and then taken apart, at once: large for numpy, small for the memory."""

MAX_RECORD = 1 << 24
"""The most bytes that one row may have; a quote that is never closed would else take in all that follows."""

_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
"""What a file of another encoding begins with; a mark of UTF-16 begins one of UTF-32."""

_COMPRESSED = {"gz": b"\x1f\x8b", "zst": b"\x28\xb5\x2f\xfd"}


@dataclass(slots=True)
class Opened:
    """An input that can be read as often as it takes, from a file of its own if it is a pipe."""

    input: Input
    file: BinaryIO
    before: os.stat_result
    encoding: str | None

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.input.name

    @property
    def size(self) -> int:
        """The bytes of the file as it lies there, compressed or not."""
        return self.before.st_size

    def position(self) -> int:
        """How many of those bytes have been read."""
        return min(self.size, os.lseek(self.file.fileno(), 0, os.SEEK_CUR))

    def chunks(self) -> Iterator[bytes]:
        """Read from the start, in pieces of UTF-8 without a byte order mark. Raises BadFile."""
        os.lseek(self.file.fileno(), 0, os.SEEK_SET)
        self._check_compression()
        stream = decompressed(os.fdopen(os.dup(self.file.fileno()), "rb"), self.name)
        with stream:
            yield from self._decoded(stream)
        self.check_unchanged()

    def check_unchanged(self) -> None:
        """Raise BadFile where the file is not what it was when it was opened."""
        now = os.fstat(self.file.fileno())
        if (now.st_size, now.st_mtime_ns) != (self.before.st_size, self.before.st_mtime_ns):
            raise BadFile(
                f"{self.name} changed while it was read; nothing was changed in the database",
                "wait until it is written, then import it again",
            )

    def _check_compression(self) -> None:
        kind = self.input.compression
        start = os.pread(self.file.fileno(), 4, 0)
        if kind and start and not start.startswith(_COMPRESSED[kind]):
            raise BadFile(f"{self.name} is named .{kind} but isn't compressed so", "give it the name of what it is")

    def _decoded(self, stream: BinaryIO) -> Iterator[bytes]:
        first = stream.read(READ_BYTES)
        if self.encoding is None:
            other = next((name for mark, name in _MARKS.items() if first.startswith(mark)), None)
            if other:
                raise BadFile(f"{self.name} is {other}, not UTF-8", f"say so: --encoding {other.lower()}")
            yield first.removeprefix(codecs.BOM_UTF8)
            while chunk := stream.read(READ_BYTES):
                yield chunk
            return
        decoder = codecs.getincrementaldecoder(self.encoding)()
        line, chunk = 1, first
        while True:
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeError as problem:
                if not isinstance(problem, UnicodeDecodeError) or "BOM" in problem.reason:  # by Python's version
                    raise BadFile(
                        f"{self.name} has no mark that tells the order of its bytes; nothing was changed",
                        f"name the order: --encoding {self.encoding}-le (or -be)",
                    ) from None
                line += problem.object[: problem.start].count(b"\n")
                byte = problem.object[problem.start]
                raise BadFile(
                    f"{self.name} line {line}: byte 0x{byte:02X} is not {self.encoding}; nothing was changed",
                    "name the encoding that the file has: --encoding cp1252, say, or utf-16",
                ) from None
            line += text.count("\n")
            yield text.removeprefix("\ufeff").encode()
            if not chunk:
                return
            chunk = stream.read(READ_BYTES)


@contextmanager
def opened(input: Input, encoding: str | None, spooling: Callable[[str], None]) -> Iterator[Opened]:
    """Open an input. A pipe is first written to a nameless temporary file, as `spooling` is told."""
    try:
        file = input.path.open("rb") if input.path else os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    except OSError as problem:
        raise UsageError(
            f"can't read {input.name}: {problem.strerror}", "name a file that this user may read"
        ) from None
    with file:
        if input.path and stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            yield Opened(input, file, os.fstat(file.fileno()), encoding)
            return
        spooling(f"reading {input.name}")
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(file, copy, READ_BYTES)
            copy.flush()
            yield Opened(input, copy, os.fstat(copy.fileno()), encoding)


def text_encoding(name: str) -> str | None:
    """Give the codec's name, None for UTF-8, which is read as it is. Raises UsageError."""
    try:
        codec = codecs.lookup(name)
        "".encode(name)
    except (LookupError, UnicodeError):
        raise UsageError(f"--encoding {name} is not an encoding", "such as utf-8, cp1252, latin-1, utf-16") from None
    return None if codec.name in ("utf-8", "utf-8-sig") else codec.name
