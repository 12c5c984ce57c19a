"""Large objects: which of them an archive holds, creating them, and filling them within a transaction."""

import re
from collections.abc import Collection, Iterable, Iterator

import psycopg

from tutormax_cli.backup.table_of_contents import Entry
from tutormax_cli.database.losses import Loss
from tutormax_cli.errors import TutormaxError

_ONE, _MANY = "BLOB", "BLOB METADATA"
"""The kinds of entries that create large objects: one each (pg_dump up to 16), or many (from 17 on)."""

_NUMBERS = re.compile(rb"(?:\d{1,10}\n)+")
_WRITING = 0x20000
"""libpq-fs.h: INV_WRITE."""

_PIECE = 1 << 20


def creates_large_objects(entry: Entry) -> bool:
    """Return whether an entry creates large objects."""
    return entry.kind in (_ONE, _MANY)


def large_objects_of(entry: Entry) -> tuple[int, ...]:
    """Return the OIDs of the large objects that an entry creates. Raises TutormaxError if they can't be read."""
    if entry.kind == _ONE:
        return (entry.oid,)
    if entry.kind != _MANY:
        return ()
    if _NUMBERS.fullmatch(entry.definition) is None:
        raise TutormaxError("the archive's list of large objects can't be read", "it is damaged: use another one")
    return tuple(int(line) for line in entry.definition.split())


def existing_large_objects(driver: psycopg.Connection, ids: Collection[int]) -> frozenset[int]:
    """Return those of these large objects that the database has."""
    if not ids:
        return frozenset()
    found = driver.execute("SELECT oid FROM pg_largeobject_metadata WHERE oid = ANY(%s::oid[])", [list(ids)]).fetchall()
    return frozenset(oid for (oid,) in found)


def loss_of(ids: Iterable[int]) -> dict[str, Loss]:
    """Return the loss of large objects under their display name; nothing for none."""
    known = list(ids)
    return {"large objects": Loss(len(known), sum(known))} if known else {}


def create(driver: psycopg.Connection, ids: Iterable[int]) -> None:
    """Create empty large objects with these OIDs."""
    driver.execute("SELECT lo_create(number) FROM unnest(%s::oid[]) number", [list(ids)])


def empty(driver: psycopg.Connection, ids: Iterable[int]) -> None:
    """Empty large objects, which keep their owners and rights."""
    for number in ids:
        opened = driver.execute("SELECT lo_open(%s::oid, %s)", [number, _WRITING]).fetchone()
        assert opened is not None
        driver.execute("SELECT lo_truncate(%s, 0), lo_close(%s)", [opened[0], opened[0]])


def fill(driver: psycopg.Connection, number: int, pieces: Iterable[bytes]) -> Iterator[int]:
    """Write bytes into an empty large object; yield how many were written, piece by piece."""
    written = 0
    for piece in _joined(pieces):
        driver.execute("SELECT lo_put(%s::oid, %s::bigint, %s)", [number, written, piece])
        written += len(piece)
        yield written


def _joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join small pieces, so that not each of them costs a round trip."""
    held = bytearray()
    for piece in pieces:
        held += piece
        if len(held) >= _PIECE:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)
