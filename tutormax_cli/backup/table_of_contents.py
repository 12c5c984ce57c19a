"""The table of contents of an archive in pg_dump's custom format, read from the file itself.

`pg_restore --list` prints the same entries, but replaces line breaks in names by blanks, separates fields by blanks
and omits statements. Here every name is exact. The format is that of pg_dump 10.3 (1.13) to 18 (1.16): numbers are a
sign byte and `int_size` bytes, lowest first; texts are a length (-1 for NULL) and bytes.
"""

import codecs
import enum
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from tutormax_cli.database.names import TableName
from tutormax_cli.errors import TutormaxError, UsageError

MAGIC = b"PGDMP"
OLDEST, NEWEST = 13, 16
"""The minor versions of the format 1.x that are read here. Names in older archives name no schema."""

_CUSTOM = 1
_WITH_ACCESS_METHOD, _WITH_ALGORITHM, _WITH_RELATION_KIND = 14, 15, 16
"""The minor versions that added a table's access method, the compression's name, and the kind of relation."""


class Compression(enum.IntEnum):
    """How the rows in an archive are compressed, by the number in its header."""

    NONE = 0
    GZIP = 1
    LZ4 = 2
    ZSTD = 3


_SEQUENCE_STATE = re.compile(rb", (?P<last>-?\d+), (?P<called>true|false)\);\s*")
"""How the statement ends that sets a sequence."""

_DATED_PARTS = 7
"""Seconds, minutes, hours, day, month (from 0), year (from 1900), whether daylight saving time applied."""


class ArchiveSection(enum.IntEnum):
    """The parts of an archive, in their order: tables; rows; indexes, keys and what else needs rows first."""

    NONE = 1
    PRE_DATA = 2
    DATA = 3
    POST_DATA = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: an object of the database, or the rows of one.

    `id` is unique in the archive; `catalogue` and `oid` name the object in the database that was dumped (0 if it has
    none of its own, such as a comment). `kind` is pg_dump's word (`TABLE DATA`), `name` exact, `schema` None outside
    of schemas. `section` is where the entry takes effect: for one without a section of its own (comments, rights), that
    of the entry before it. `definition` and `copy_statement` are SQL in the archive's encoding, or empty. `relation` is
    pg_class.relkind, if known. `dependencies` are ids of entries; some name objects that the archive does not hold.
    """

    id: int
    catalogue: int
    oid: int
    kind: str
    schema: str | None
    name: str
    owner: str
    section: ArchiveSection
    definition: bytes
    copy_statement: bytes
    access_method: str
    relation: str
    has_rows: bool
    dependencies: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TableOfContents:
    """What an archive says of itself, and its entries in the order in which pg_restore takes them.

    `version` is the minor version of the format; `made_at` is local time where the archive was made.
    """

    version: int
    compression: Compression
    made_at: datetime
    database: str
    server_version: str
    pg_dump_version: str
    encoding: str
    standard_strings: bool
    entries: tuple[Entry, ...]

    def decode(self, statement: bytes) -> str:
        """Return a statement of the archive as text. Raises TutormaxError if it is not in the archive's encoding."""
        try:
            return statement.decode(_codec(self.encoding))
        except UnicodeDecodeError:
            raise TutormaxError(f"the archive holds text that is not {self.encoding}", "use another archive") from None


def read_table_of_contents(path: Path) -> TableOfContents:
    """Read the table of contents of an archive.

    Raises UsageError for a file of another kind, TutormaxError for one that is damaged or of a newer pg_dump.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "name a file that tutormax dump wrote")
    try:
        with path.open("rb") as file:
            return _read(file, path)
    except OSError as problem:
        raise UsageError(f"can't read {path}: {problem.strerror}", "name a file that tutormax dump wrote") from None
    except _DamagedError as problem:
        raise damaged(path, str(problem)) from None


class DamagedArchiveError(TutormaxError):
    """An archive is damaged or cut off."""


def sequence_states(entries: Iterable[Entry]) -> dict[TableName, str]:
    """Return the state of each sequence that entries set, as `41, called`.

    Sequences know no snapshot: each is as it was when pg_dump read it.
    """
    found = {}
    for entry in entries:
        state = _SEQUENCE_STATE.search(entry.definition) if entry.kind == "SEQUENCE SET" else None
        if state:
            called = "called" if state["called"] == b"true" else "not called"
            found[TableName(entry.schema or "", entry.name)] = f"{int(state['last'])}, {called}"
    return found


def damaged(path: Path, why: str) -> DamagedArchiveError:
    """Return the error for an archive that is damaged or cut off."""
    return DamagedArchiveError(f"{path} is damaged or cut off: {why}", "use another archive")


class _DamagedError(Exception):
    """The bytes of the file can't be those that pg_dump wrote."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the numbers and texts of an archive. Raises _DamagedError at the end of the file, OSError."""

    file: BinaryIO
    size: int
    int_size: int = 4
    offset_size: int = 8

    def take(self, length: int) -> bytes:
        if length > self.size - self.file.tell():
            raise _DamagedError("it ends in the table of contents")
        found = self.file.read(length)
        if len(found) < length:
            raise _DamagedError("it ends in the table of contents")
        return found

    def byte(self) -> int:
        return self.take(1)[0]

    def integer(self) -> int:
        sign, *value = self.take(1 + self.int_size)
        if sign > 1:
            raise _DamagedError("a number in the table of contents has no sign")
        number = int.from_bytes(value, "little")
        return -number if sign else number

    def text(self) -> bytes | None:
        length = self.integer()
        return None if length < 0 else self.take(length)

    def plain(self) -> str:
        """Return a text that pg_dump itself chose: a kind, a version."""
        return (self.text() or b"").decode("utf-8", "backslashreplace")

    def number(self) -> int:
        """Return a number that is written as text."""
        text = self.text()
        if text is None or not text.isdigit() or len(text) > 10:
            raise _DamagedError("a number in the table of contents is none")
        return int(text)

    def flag(self) -> bool:
        value = self.integer()
        if value not in (0, 1):
            raise _DamagedError("a flag in the table of contents is neither 0 nor 1")
        return bool(value)


def _read(file: BinaryIO, path: Path) -> TableOfContents:
    file.seek(0, 2)
    reader = _Reader(file, file.tell())
    file.seek(0)
    version = _read_version(reader, path)
    reader = replace(reader, int_size=reader.byte(), offset_size=reader.byte())
    form = reader.byte()
    if not 4 <= reader.int_size <= 8 or not 1 <= reader.offset_size <= 8:
        raise _DamagedError("it has numbers of an impossible size")
    if form != _CUSTOM:
        raise UsageError(f"{path} is not in pg_dump's custom format", "name a file that tutormax dump wrote")
    compression = _read_compression(reader, version)
    made_at = _read_time(reader)
    database, server, program = reader.text() or b"", reader.plain(), reader.plain()
    raw = list(_read_entries(reader, version))
    encoding = _encoding(raw)
    return TableOfContents(
        version=version,
        compression=compression,
        made_at=made_at,
        database=database.decode("utf-8", "replace"),
        server_version=server,
        pg_dump_version=program,
        encoding=encoding,
        standard_strings=not any(b"'off'" in each.definition for each in raw if each.kind == "STDSTRINGS"),
        entries=tuple(_placed(_decoded(raw, encoding))),
    )


def _read_version(reader: _Reader, path: Path) -> int:
    """Return the minor version of the format. Raises UsageError for another kind of file."""
    start = reader.file.read(len(MAGIC))
    if start != MAGIC:
        what = "is empty" if not start else "is not an archive of pg_dump (its custom format)"
        raise UsageError(f"{path} {what}", "name a file that tutormax dump wrote")
    major, minor, _ = reader.take(3)
    if (major, minor) > (1, NEWEST):
        raise TutormaxError(
            f"{path} was written by a newer pg_dump: its format is {major}.{minor}, and 1.{NEWEST} is the newest that "
            "this tutormax reads",
            "install a newer version of tutormax",
        )
    if (major, minor) < (1, OLDEST):
        raise UsageError(
            f"{path} was written by a pg_dump older than 10.3 (format {major}.{minor})",
            "dump the database again with a newer pg_dump",
        )
    return minor


def _read_compression(reader: _Reader, version: int) -> Compression:
    if version < _WITH_ALGORITHM:  # zlib's level
        return Compression.GZIP if reader.integer() else Compression.NONE
    try:
        return Compression(reader.byte())
    except ValueError:
        raise _DamagedError("it is compressed in an unknown way") from None


def _read_time(reader: _Reader) -> datetime:
    seconds, minutes, hours, day, month, year, _ = (reader.integer() for _ in range(_DATED_PARTS))
    try:
        return datetime(year + 1900, month + 1, day, hours, minutes, min(seconds, 59))
    except (ValueError, OverflowError):
        raise _DamagedError("the time at which it was made is no time") from None


def _read_entries(reader: _Reader, version: int) -> Iterator[Entry]:
    """Read all entries; the bytes of their names stand in for their characters."""
    ids: set[int] = set()
    for _ in range(reader.integer()):
        entry = _read_entry(reader, version)
        if entry.id <= 0 or entry.id in ids:
            raise _DamagedError("two entries have the same number, or one has none")
        ids.add(entry.id)
        yield entry


def _read_entry(reader: _Reader, version: int) -> Entry:
    dump_id, has_rows, catalogue, oid = reader.integer(), reader.flag(), reader.number(), reader.number()
    name, kind, section = reader.text() or b"", reader.plain(), _section(reader.integer())
    definition, _, copy_statement, schema = (reader.text() or b"" for _ in range(4))
    reader.text()  # the tablespace
    access_method = reader.plain() if version >= _WITH_ACCESS_METHOD else ""
    relation = reader.integer() if version >= _WITH_RELATION_KIND else 0
    owner, _ = reader.text() or b"", reader.text()
    dependencies = tuple(_read_dependencies(reader))
    reader.take(1 + reader.offset_size)  # where its rows begin
    return Entry(
        id=dump_id,
        catalogue=catalogue,
        oid=oid,
        kind=kind,
        schema=schema.decode("latin-1") or None,
        name=name.decode("latin-1"),
        owner=owner.decode("latin-1"),
        section=section,
        definition=definition,
        copy_statement=copy_statement,
        access_method=access_method,
        relation=chr(relation) if 0 < relation < 128 else "",
        has_rows=has_rows,
        dependencies=dependencies,
    )


def _section(number: int) -> ArchiveSection:
    try:
        return ArchiveSection(number)
    except ValueError:
        raise _DamagedError("an entry belongs to no section") from None


def _read_dependencies(reader: _Reader) -> Iterator[int]:
    while (text := reader.text()) is not None:
        if not text.isdigit() or len(text) > 10:
            raise _DamagedError("a dependency of an entry is no number")
        yield int(text)


def _decoded(entries: Sequence[Entry], encoding: str) -> Iterator[Entry]:
    """Read the names of entries as text in the archive's encoding."""
    codec = _codec(encoding)

    def text(name: str) -> str:
        return name.encode("latin-1").decode(codec)

    for entry in entries:
        try:
            schema = text(entry.schema) if entry.schema else None
            yield replace(entry, schema=schema, name=text(entry.name), owner=text(entry.owner))
        except UnicodeDecodeError:
            raise _DamagedError(f"a name in it is not text in its encoding, {encoding}") from None


def _placed(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Have each entry without a section of its own take effect in that of the entry before it."""
    section = ArchiveSection.PRE_DATA
    for entry in entries:
        section = entry.section if entry.section is not ArchiveSection.NONE else section
        yield replace(entry, section=section)


def _encoding(entries: Sequence[Entry]) -> str:
    """Return PostgreSQL's name of the encoding: an entry says `SET client_encoding = 'UTF8';`."""
    for entry in entries:
        if entry.kind == "ENCODING":
            parts = entry.definition.split(b"'")
            if len(parts) != 3 or not parts[1].isascii():
                raise _DamagedError("its encoding has no name")
            return parts[1].decode()
    return "UTF8"


def _codec(encoding: str) -> str:
    """Return Python's name of an encoding of PostgreSQL; UTF-8 for one that it doesn't know."""
    name = encoding.lower().replace("win", "cp").replace("koi8", "koi8_").replace("uhc", "cp949")
    try:
        codecs.lookup(name)
    except LookupError:
        return "utf-8"
    return name
