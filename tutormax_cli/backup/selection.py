"""The entries of an archive that a restore takes, and their order.

Entries are chosen by kind, exact name and dependencies. What the database keeps is omitted (its schemas, extensions and
admin log), and with an object the comments and rights that belong to it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psycopg

from tutormax_cli.backup.archive import TABLE, Archive
from tutormax_cli.backup.large_objects import creates_large_objects, existing_large_objects, large_objects_of
from tutormax_cli.backup.rows import TABLE_ROWS
from tutormax_cli.backup.table_of_contents import Entry, Section
from tutormax_cli.backup.tables import LOG
from tutormax_cli.database.names import TableName

_NEVER = ("ENCODING", "STDSTRINGS", "SEARCHPATH", "DATABASE", "DATABASE PROPERTIES", "STATISTICS DATA")
"""Settings of the script (see `loading`), what only `pg_restore --create` takes, and statistics, which a restore
gathers itself."""

_REMARKS = ("COMMENT", "SECURITY LABEL")
_RIGHTS = ("ACL", "DEFAULT ACL")
_LAST = ("EVENT TRIGGER", "MATERIALIZED VIEW DATA")
"""As pg_restore does: an event trigger would fire on what follows, and a view may need rights to be read."""

_ROWS = (TABLE_ROWS, "SEQUENCE SET")

_LOG_OBJECTS = {
    (TABLE, LOG.name),
    ("FUNCTION", "refuse()"),
    ("SEQUENCE", f"{LOG.name}_id_seq"),
}
"""The objects of the admin log, in its schema, by their names in an archive."""

_LOG_PARTS = (*_ROWS, "CONSTRAINT", "CHECK CONSTRAINT", "DEFAULT", "INDEX", "TRIGGER", "SEQUENCE OWNED BY")


@dataclass(frozen=True, slots=True)
class Kept:
    """What a database keeps in a restore.

    `schemas` and `extensions` exist; of `schemas_with_rights` somebody changed the rights since they were created.
    `tables` are replaced, but their rights are kept. `log` is whether there is an admin log. `large_objects` exist in
    the archive too: they are emptied and filled again.
    """

    schemas: frozenset[str]
    schemas_with_rights: frozenset[str]
    extensions: frozenset[str]
    tables: frozenset[TableName]
    log: bool
    large_objects: frozenset[int]


@dataclass(frozen=True, slots=True)
class Selection:
    """Entries of an archive, in the order in which they are restored."""

    before_rows: tuple[Entry, ...]
    rows: tuple[Entry, ...]
    after_rows: tuple[Entry, ...]
    rights: tuple[Entry, ...]
    last: tuple[Entry, ...]


def read_kept(driver: psycopg.Connection, archive: Archive, tables: Iterable[TableName]) -> Kept:
    """Look up what a restore of an archive that replaces these tables keeps."""
    schemas = driver.execute(
        """
        SELECT n.nspname, n.nspacl IS DISTINCT FROM i.initprivs FROM pg_namespace n
        LEFT JOIN pg_init_privs i ON i.classoid = 'pg_namespace'::regclass AND i.objoid = n.oid AND i.objsubid = 0
        """
    ).fetchall()
    extensions = driver.execute("SELECT extname FROM pg_extension").fetchall()
    return Kept(
        schemas=frozenset(name for name, _ in schemas),
        schemas_with_rights=frozenset(name for name, changed in schemas if changed),
        extensions=frozenset(name for (name,) in extensions),
        tables=frozenset(tables),
        log=has_log(driver),
        large_objects=existing_large_objects(driver, archive.large_objects),
    )


def has_log(driver: psycopg.Connection) -> bool:
    """Return whether the database has an admin log."""
    found = "SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND relname = %s"
    return driver.execute(found, [LOG.schema, LOG.name]).fetchone() is not None


def select(archive: Archive, kept: Kept) -> Selection:
    """Choose the entries of an archive that are restored, and put them in order."""
    entries = archive.table_of_contents.entries
    omitted = _omitted(entries, kept)
    chosen = [entry for entry in entries if entry.id not in omitted]
    last = {entry.id for entry in chosen if entry.kind in _LAST}
    last |= {entry.id for entry in chosen if entry.kind in _REMARKS and last.intersection(entry.dependencies)}
    rights = {entry.id for entry in chosen if entry.kind in _RIGHTS}
    rows = {entry.id for entry in chosen if entry.has_rows}
    before = {entry.id for entry in chosen if entry.section is Section.PRE_DATA or creates_large_objects(entry)}

    def those(wanted: Callable[[int], bool]) -> tuple[Entry, ...]:
        return tuple(entry for entry in chosen if wanted(entry.id))

    return Selection(
        before_rows=those(lambda each: each in before - last - rights - rows),
        rows=those(lambda each: each in rows),
        after_rows=those(lambda each: each not in before | last | rights | rows),
        rights=those(lambda each: each in rights),
        last=those(lambda each: each in last),
    )


def _omitted(entries: Iterable[Entry], kept: Kept) -> set[int]:
    """Return the ids of entries that are not restored."""
    known = list(entries)
    never = {entry.id for entry in known if entry.kind in _NEVER}
    schemas = {entry.id for entry in known if entry.kind == "SCHEMA" and entry.name in kept.schemas}
    governed = {entry.id for entry in known if entry.id in schemas and entry.name in kept.schemas_with_rights}
    extensions = {entry.id for entry in known if entry.kind == "EXTENSION" and entry.name in kept.extensions}
    tables = {
        entry.id for entry in known if entry.kind == TABLE and TableName(entry.schema or "", entry.name) in kept.tables
    }
    log = _log(known) if kept.log else set()
    objects = {entry.id for entry in known if _keeps_all(entry, kept)}
    without_remarks = never | schemas | extensions | log | objects
    without_rights = never | governed | extensions | log | objects | tables
    remarks = {entry.id for entry in known if entry.kind in _REMARKS and _depends(entry, without_remarks)}
    remarks |= {entry.id for entry in known if entry.kind in _REMARKS and _is_about(entry, kept.large_objects)}
    rights = {entry.id for entry in known if entry.kind in _RIGHTS and _depends(entry, without_rights)}
    rows = {entry.id for entry in known if entry.kind in _ROWS and _depends(entry, extensions)}
    return never | schemas | extensions | log | objects | remarks | rights | rows


def _log(entries: Iterable[Entry]) -> set[int]:
    """Return the ids of the admin log's objects and of their parts."""
    inside = [entry for entry in entries if entry.schema == LOG.schema]
    objects = {entry.id for entry in inside if (entry.kind, entry.name) in _LOG_OBJECTS}
    return objects | {
        entry.id
        for entry in inside
        if entry.kind in _LOG_PARTS and _depends(entry, objects) and entry.name.startswith(LOG.name)
    }


def _keeps_all(entry: Entry, kept: Kept) -> bool:
    """Return whether the database has all large objects that an entry creates."""
    return creates_large_objects(entry) and kept.large_objects.issuperset(large_objects_of(entry))


def _is_about(entry: Entry, large_objects: Iterable[int]) -> bool:
    return entry.name in {f"LARGE OBJECT {number}" for number in large_objects}


def _depends(entry: Entry, others: set[int]) -> bool:
    return not others.isdisjoint(entry.dependencies)
