"""An archive in pg_dump's custom format: read to its end before anybody relies on it."""

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tutormax_cli.backup.programs import output_of
from tutormax_cli.backup.progress import Listener, Stage, silent
from tutormax_cli.backup.script import Section, TableRows, read_data
from tutormax_cli.backup.seal import is_broken
from tutormax_cli.database.clients import client_program
from tutormax_cli.database.embedded.variables import without_libpq_variables
from tutormax_cli.database.models import Base
from tutormax_cli.database.revisions import VERSION_TABLE
from tutormax_cli.errors import TutormaxError, UsageError
from tutormax_cli.settings import Settings

_MAGIC = b"PGDMP"

READERS = {14: 12, 15: 16, 16: 17}
"""The first PostgreSQL whose pg_restore reads a version of the format (1.14, say); a newer one is left to try."""

_FACT = re.compile(r"^;\s+(?P<key>Archive created at|Dumped from database version):? (?P<value>.*)$")
_RIGHTS = re.compile(r"^\d+; \d+ \d+ (DEFAULT )?ACL ")

Entries = Callable[[str], bool]
"""Chooses lines of an archive's table of contents."""


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive of a TutorMax database, found whole.

    `rows` counts each table's rows by its SQL name (`public.tutors`), in the archive's order; `dumped_from` is the
    version of the server that it came from.
    """

    path: Path
    reader: Path
    listing: tuple[str, ...]
    revision: str
    rows: Mapping[str, int]
    dumped_from: str
    made_at: str

    def script(self, section: Section, wanted: Entries = lambda entry: True) -> Iterator[bytes]:
        """Give the SQL of a section: of the wanted entries, to whom things belong and who may use them left out."""
        return self._sql(lambda entry: wanted(entry), f"--section={section}", "--no-owner", "--no-privileges")

    def rights(self, wanted: Entries = lambda entry: True) -> Iterator[bytes]:
        """Give the SQL that says who may use what."""
        return self._sql(lambda entry: bool(_RIGHTS.match(entry)) and wanted(entry), "--no-owner")

    def _sql(self, wanted: Entries, *options: str) -> Iterator[bytes]:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", errors="surrogateescape") as chosen:
            chosen.writelines(f"{entry}\n" for entry in self.listing if wanted(entry))
            chosen.flush()
            command: list[str | Path] = [self.reader, *options, f"--use-list={chosen.name}", "--file=-", self.path]
            yield from output_of(command, without_libpq_variables())


def read_archive(settings: Settings, path: Path, listener: Listener = silent) -> Archive:
    """Read an archive to its end: what it lists, the revision of its schema, and how many rows of each table.

    Raises UsageError for a file that is no such archive, TutormaxError for one that is damaged.
    """
    reader = client_program("pg_restore", settings, READERS.get(_format(path), max(READERS.values())))
    listener(Stage("checking the archive"))
    if is_broken(path):
        raise TutormaxError(f"{path} is damaged: its checksum is another one", "use another archive")
    try:
        listing = b"".join(output_of([reader, "--list", path], without_libpq_variables()))
        lines = listing.decode("utf-8", "surrogateescape").splitlines()
        revision, rows = _contents(reader, path, listener)
    except TutormaxError as problem:
        raise TutormaxError(f"{path} is damaged or cut off: {problem.message}", "use another archive") from None
    if revision is None:
        raise UsageError(f"{path} is an archive of PostgreSQL, but not of a TutorMax database", "name another file")
    facts = {match["key"]: match["value"] for match in map(_FACT.match, lines) if match}
    entries = tuple(line for line in lines if line and not line.startswith(";"))
    made_at, version = facts.get("Archive created at", ""), facts.get("Dumped from database version", "")
    return Archive(path, reader, entries, revision, rows, version, made_at)


def _format(path: Path) -> int:
    """Give the minor version of an archive's format. Raises UsageError for another kind of file."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "name a file that tutormax dump wrote")
    try:
        with path.open("rb") as file:
            start = file.read(len(_MAGIC) + 2)
    except OSError as problem:
        raise UsageError(f"can't read {path}: {problem.strerror}", "name a file that tutormax dump wrote") from None
    if not start.startswith(_MAGIC) or len(start) < len(_MAGIC) + 2:
        what = "is empty" if not start else "is not an archive of pg_dump (its custom format)"
        raise UsageError(f"{path} {what}", "name a file that tutormax dump wrote")
    return start[-1]


def _contents(reader: Path, path: Path, listener: Listener) -> tuple[str | None, dict[str, int]]:
    """Decode all rows, and count them; give the newest revision too, as the schema of our tables tells it."""
    rows: dict[str, int] = {}
    revisions: dict[str, str] = {}
    command: list[str | Path] = [reader, f"--section={Section.DATA}", "--file=-", path]
    for part in read_data(output_of(command, without_libpq_variables())):
        if not isinstance(part, TableRows):
            continue
        rows[part.table] = 0
        kept = b""
        for piece in part.data:
            rows[part.table] += piece.count(b"\n")
            kept = kept or piece
            listener(Stage(f"checking {part.table.rpartition('.')[2]}", sum(rows.values()), note="rows"))
        schema, _, name = part.table.rpartition(".")
        if name == VERSION_TABLE and kept:  # other programs that use Alembic have a table of this name too
            revisions[schema] = max(kept.decode().split())
    ours = {table.rpartition(".")[0] for table in rows if table.rpartition(".")[2] in Base.metadata.tables}
    return next((revision for schema, revision in revisions.items() if schema in ours), None), rows
