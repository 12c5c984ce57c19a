"""The seal at the end of an archive: what the database held when it was dumped, and a checksum of the whole file.

pg_restore, of any version, reads nothing behind the last rows, so it reads a sealed archive like any other. The seal is
two lines: the contents as JSON with the length of that, then the SHA-256 of everything before it. Archives of earlier
versions have the second line alone. pg_restore's own checks cover the rows, but not the table of contents.
"""

import hashlib
import json
import os
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import psycopg

from tutormax_cli.backup.contents import Contents
from tutormax_cli.database.driver import schema_of
from tutormax_cli.errors import TutormaxError

FORMAT = 1
"""The version of the JSON. It rises when older programs could no longer read it."""

_SEAL = b"\ntutormax seal "
_CHECKSUM = b"\ntutormax sha256 "
_LAST_LINE = re.compile(rb"\ntutormax sha256 ([0-9a-f]{64})\n")
_LAST_LENGTH = len(_CHECKSUM) + 64 + 1
_DIGITS = 12
"""Digits of the length of the JSON, which follow it after a blank."""

_TAIL = 32 << 20
"""Bytes at the end of a file in which the remains of a seal are looked for."""

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Seal:
    """What an archive was when it was made.

    `system_identifier` is the one of the source's cluster (None if the role could not read it) and `database` its
    name; `server_version` is the source's, such as 180004; `schema` holds TutorMax's tables, at `revision`.
    """

    dump_id: str
    made_at: datetime
    system_identifier: str | None
    database: str
    server_version: int
    schema: str
    revision: str
    contents: Contents

    def to_json(self) -> dict[str, Any]:
        """Return the seal as JSON values."""
        return {
            "format": FORMAT,
            "dump_id": self.dump_id,
            "made_at": self.made_at.isoformat(),
            "system_identifier": self.system_identifier,
            "database": self.database,
            "server_version": self.server_version,
            "schema": self.schema,
            "revision": self.revision,
            "contents": self.contents.to_json(),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Seal":
        """Return the seal that `to_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        system = value["system_identifier"]
        return cls(
            dump_id=str(value["dump_id"]),
            made_at=datetime.fromisoformat(value["made_at"]),
            system_identifier=None if system is None else str(system),
            database=str(value["database"]),
            server_version=int(value["server_version"]),
            schema=str(value["schema"]),
            revision=str(value["revision"]),
            contents=Contents.from_json(value["contents"]),
        )


def new_seal(driver: psycopg.Connection, revision: str, contents: Contents) -> Seal:
    """Return the seal of a dump that is being made over this connection, with an id of its own."""
    return Seal(
        dump_id=str(uuid.uuid4()),
        made_at=datetime.now(UTC),
        system_identifier=system_identifier(driver),
        database=driver.info.dbname,
        server_version=driver.info.server_version,
        schema=schema_of(driver),
        revision=revision,
        contents=contents,
    )


def system_identifier(driver: psycopg.Connection) -> str | None:
    """Return the number that tells a cluster (with its standbys) from others; None if the role may not read it."""
    function = "pg_catalog.pg_control_system()"
    allowed = driver.execute("SELECT pg_catalog.has_function_privilege(%s, 'EXECUTE')", [function]).fetchone()
    if not allowed or not allowed[0]:
        return None
    row = driver.execute("SELECT system_identifier::text FROM pg_catalog.pg_control_system()").fetchone()
    return None if row is None else str(row[0])


def seal(path: Path, content: Seal) -> None:
    """Add a seal to the end of an archive. Raises OSError."""
    text = json.dumps(content.to_json(), separators=(",", ":")).encode()
    with path.open("r+b") as file:
        digest = hashlib.file_digest(file, "sha256")
        line = _SEAL + text + b" %0*d" % (_DIGITS, len(text))
        digest.update(line)
        file.seek(0, os.SEEK_END)
        file.write(line + _CHECKSUM + digest.hexdigest().encode() + b"\n")


def read_seal(path: Path) -> Seal | None:
    """Return the seal of an archive; None for one that has no seal, or the checksum of earlier versions alone.

    `is_broken` decides whether the file is still the one that was sealed. Raises OSError, or TutormaxError for a seal
    of a newer program or one that can't be read.
    """
    with path.open("rb") as file:
        text = _sealed_text(file)
    if text is None:
        return None
    try:
        value = json.loads(text)
        if value["format"] > FORMAT:
            raise TutormaxError(
                f"{path} was sealed by a newer tutormax (seal format {value['format']}, this one reads {FORMAT})",
                "install the version of tutormax that made it, or a newer one",
            )
        return Seal.from_json(value)
    except (KeyError, TypeError, ValueError):
        raise TutormaxError(f"{path} is damaged: its seal can't be read", "use another archive") from None


def is_broken(path: Path) -> bool:
    """Return whether a file has a checksum that isn't its own, or the remains of a seal. Raises OSError.

    A file without a seal is not broken: it has nothing to be compared with.
    """
    with path.open("rb") as file:
        start = max(0, os.fstat(file.fileno()).st_size - _LAST_LENGTH)
        file.seek(start)
        last = _LAST_LINE.fullmatch(file.read())
        return _has_remains(file) if last is None else _digest(file, start) != last[1].decode()


def _sealed_text(file: IO[bytes]) -> bytes | None:
    """Return the JSON of a file's seal, if the file ends with one."""
    size = os.fstat(file.fileno()).st_size
    end = size - _LAST_LENGTH - _DIGITS - 1
    if end < 0:
        return None
    file.seek(end)
    length = re.fullmatch(rb" (\d{%d})%s" % (_DIGITS, _LAST_LINE.pattern), file.read())
    start = end - int(length[1]) - len(_SEAL) if length else -1
    if start < 0:
        return None
    file.seek(start)
    line = file.read(end - start)
    return line[len(_SEAL) :] if line.startswith(_SEAL) else None


def _digest(file: IO[bytes], length: int) -> str:
    """Return the SHA-256 of the first bytes of a file."""
    file.seek(0)
    digest = hashlib.sha256()
    while length > 0 and (piece := file.read(min(_PIECE, length))):
        digest.update(piece)
        length -= len(piece)
    return digest.hexdigest()


def _has_remains(file: IO[bytes]) -> bool:
    """Return whether a file ends within a seal: it was cut off, or its last line was altered.

    Archives of pg_dump end with zeros, so even one byte of a seal at the end is a sign.
    """
    size = os.fstat(file.fileno()).st_size
    file.seek(max(0, size - _TAIL))
    tail = file.read()
    starts = (mark[:length] for mark in (_SEAL, _CHECKSUM) for length in range(1, len(mark)))
    return _SEAL in tail or _CHECKSUM in tail[-_LAST_LENGTH:] or tail.endswith(tuple(starts))
