"""Dump and restore of databases whose names and texts look like what surrounds them in a dump."""

import contextlib
import dataclasses
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from tests.conftest import Server
from tests.support import hostile
from tests.support.hostile import HostileDatabase, hostile_databases
from tutormax_cli.backup.archive import Archive, read_archive
from tutormax_cli.backup.contents import Contents, Digest, list_tables, read_contents
from tutormax_cli.backup.dump import dump
from tutormax_cli.backup.promote import promote
from tutormax_cli.backup.restore import restore
from tutormax_cli.backup.tables import LOG
from tutormax_cli.database.connection import connect
from tutormax_cli.database.migrations import create_database
from tutormax_cli.errors import TutormaxError
from tutormax_cli.settings import Settings

OTHERS = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large)


def dumped(settings: Settings, path: Path) -> Archive:
    dump(settings, path)
    return read_archive(settings, path)


def everything(settings: Settings) -> Contents:
    """Return the contents of a database without its admin log."""
    with connect(settings) as driver:
        tables = [table for table in list_tables(driver) if table != LOG]
        found = read_contents(driver, tables)
    sequences = {name: state for name, state in found.sequences.items() if name.schema != LOG.schema}
    return Contents(found.tables, sequences, found.large_objects)


def definitions(archive: Archive) -> list[tuple[str, str, str, bytes]]:
    """Return the definitions in an archive. PostgreSQL words a CHECK of TutorMax's otherwise once it was dumped."""
    return sorted(
        (entry.kind, entry.schema or "", entry.name, entry.definition)
        for entry in archive.table_of_contents.entries
        if not (entry.kind == "DATABASE" or (entry.kind == "TABLE" and entry.schema in ("public", LOG.schema)))
        and (entry.kind, entry.schema) != ("SEQUENCE SET", LOG.schema)
    )


@contextlib.contextmanager
def restored(server: Server, archive: Archive) -> Iterator[Settings]:
    target = server.database("tutormax_test_restored_hostile")
    create_database(target)
    try:
        restore(target, archive)
        yield target
    finally:
        server.drop(target.dbname)


def check(server: Server, migrated: Settings, home: Path, database: HostileDatabase) -> None:
    with server.clone(migrated) as source:
        with connect(source) as driver:
            hostile.create(driver, database)
        first = dumped(source, home / "hostile.dump")
        with restored(server, first) as target:
            assert everything(target) == everything(source)
            again = dumped(target, home / "again.dump")
            assert definitions(again) == definitions(first)


@pytest.mark.parametrize("name", ["Capitals. Dots", 'say "hi" it\'s @ 100%', "line\nbreak \\ {x}", "ä" * 31])
def test_hostile_contents_are_promoted_to_a_hostile_name(server: Server, migrated: Settings, name: str) -> None:
    target = server.database(name)
    with server.clone(migrated) as source:
        with connect(source) as driver:
            hostile.create(driver, hostile.example())
        create_database(target)
        try:
            promoted = promote(source, target)
            assert everything(target) == everything(source)
            assert promoted.tables[f"{hostile.example().schema}.{hostile.example().names[5]}"].rows == len(
                hostile.example().rows
            )
        finally:
            server.drop(name)


def test_a_sequence_or_large_object_that_differs_stops_a_promotion(
    server: Server, migrated: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for what in ("sequences", "large_objects"):
        with server.clone(migrated) as source, server.clone(migrated) as target:
            with connect(source) as driver:
                hostile.create(driver, hostile.example())

            def read_other(*arguments: Any, changed: str = what, **options: Any) -> Contents:
                found = read_contents(*arguments, **options)
                if changed == "sequences":
                    return dataclasses.replace(found, sequences={**found.sequences, LOG: "7, called"})
                return dataclasses.replace(found, large_objects=Digest(1, "1"))

            with monkeypatch.context() as patched:
                patched.setattr("tutormax_cli.backup.replacing.read_contents", read_other)
                with pytest.raises(TutormaxError, match=what.replace("sequences", "sequence").replace("_", " ")):
                    promote(source, target)
            assert everything(target).sequences == {}


@pytest.mark.slow
def test_a_scratched_archive_without_a_seal_is_restored_or_refused(
    server: Server, migrated: Settings, home: Path
) -> None:
    chance, damaged = random.Random(3), home / "scratched.dump"
    with server.clone(migrated) as source:
        with connect(source) as driver:
            hostile.create(driver, hostile.example())
        dump(source, damaged)
    sealed = damaged.read_bytes()
    whole = sealed[: sealed.rindex(b"\ntutormax seal ")]
    for _ in range(200):
        content = bytearray(whole)
        for place in chance.sample(range(11, len(whole)), chance.choice((1, 1, 2, 5))):
            content[place] ^= chance.randrange(1, 256)
        damaged.write_bytes(content)
        try:
            with restored(server, read_archive(server.settings, damaged)):
                pass
        except TutormaxError as problem:
            assert problem.message


@hypothesis_settings(max_examples=8, deadline=None, suppress_health_check=OTHERS, print_blob=True)
@given(database=hostile_databases())
def test_what_was_dumped_is_restored(server: Server, migrated: Settings, home: Path, database: HostileDatabase) -> None:
    check(server, migrated, home, database)


@pytest.mark.slow
@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=OTHERS, print_blob=True)
@given(database=hostile_databases())
def test_what_was_dumped_is_restored_at_length(
    server: Server, migrated: Settings, home: Path, database: HostileDatabase
) -> None:
    check(server, migrated, home, database)
