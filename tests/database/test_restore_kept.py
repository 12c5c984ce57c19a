"""What a restore takes from an archive, and what it leaves as the database has it."""

import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg import sql

from tests.conftest import Server, clean_environment
from tests.support.connections import connect
from tutormax_cli.backup.archive import Archive, read_archive
from tutormax_cli.backup.dump import dump
from tutormax_cli.backup.restore import restore, would_lose
from tutormax_cli.database.clients import client_environment
from tutormax_cli.database.embedded import program
from tutormax_cli.database.migrations import create_database, upgrade
from tutormax_cli.errors import TutormaxError, UsageError
from tutormax_cli.settings import Settings

ODD_ROLES = ('say "hi"', "a;b", "line\nbreak", "TO", "a.b@c")


@pytest.fixture
def fresh(server: Server) -> Iterator[Settings]:
    """An empty database."""
    name = f"tutormax_test_{uuid.uuid4().hex[:12]}"
    target = server.database(name)
    create_database(target)
    yield target
    server.drop(name)


def execute(settings: Settings, statement: str) -> list[tuple[object, ...]]:
    with connect(settings) as driver:
        cursor = driver.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def archive_of(settings: Settings, folder: Path) -> Archive:
    path = folder / f"{uuid.uuid4().hex}.dump"
    dump(settings, path)
    return read_archive(settings, path)


def log_size(settings: Settings) -> object:
    return execute(settings, "SELECT count(*) FROM tutormax_admin.log")[0][0]


def test_the_log_stays_and_what_others_keep_beside_it_is_restored(settings: Settings, tmp_path: Path) -> None:
    execute(
        settings,
        """
        CREATE TABLE tutormax_admin."log pk" AS SELECT 1 AS id;
        COMMENT ON TABLE tutormax_admin."log pk" IS 'other';
        CREATE VIEW tutormax_admin.seen AS SELECT id FROM tutormax_admin.log
        """,
    )
    archive = archive_of(settings, tmp_path)
    execute(settings, 'DROP VIEW tutormax_admin.seen; INSERT INTO tutormax_admin."log pk" VALUES (2)')
    before = log_size(settings)
    restore(settings, archive)
    assert log_size(settings) == before + 1  # type: ignore[operator]
    assert execute(settings, 'SELECT id FROM tutormax_admin."log pk"') == [(1,)]
    assert execute(settings, "SELECT count(*) FROM tutormax_admin.seen") == [(before + 1,)]  # type: ignore[operator]
    assert execute(settings, """SELECT obj_description('tutormax_admin."log pk"'::regclass)""") == [("other",)]


def test_tables_in_the_schema_of_the_log_are_restored(fresh: Settings, server: Server, tmp_path: Path) -> None:
    inside = replace(fresh, schema="tutormax_admin")
    upgrade(inside)
    archive = archive_of(inside, tmp_path)
    execute(inside, "INSERT INTO tutormax_admin.students (student_id, name) VALUES ('s', 'S')")
    assert {name: rows for name, rows in would_lose(inside, archive).counts.items() if rows} == {
        "tutormax_admin.students": 1
    }
    before = log_size(inside)
    restore(inside, archive)
    assert execute(inside, "SELECT count(*) FROM tutormax_admin.students") == [(0,)]
    assert log_size(inside) == before + 1  # type: ignore[operator]


def test_rights_on_a_schema_are_the_archives_unless_the_database_has_its_own(
    settings: Settings, fresh: Settings, tmp_path: Path
) -> None:
    execute(settings, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    archive = archive_of(settings, tmp_path)
    may_use = "SELECT has_schema_privilege('pg_monitor', 'public', 'USAGE')"
    restore(fresh, archive)
    assert execute(fresh, may_use) == [(False,)]
    execute(fresh, "GRANT USAGE ON SCHEMA public TO pg_monitor")
    restore(fresh, archive)
    assert execute(fresh, may_use) == [(True,)]


def test_an_extension_that_exists_stays(settings: Settings, fresh: Settings, tmp_path: Path) -> None:
    ((extension,),) = execute(
        settings,
        "SELECT name FROM pg_available_extensions WHERE installed_version IS NULL"
        " ORDER BY name <> 'vector', name LIMIT 1",
    )
    execute(settings, f"CREATE EXTENSION {extension}; COMMENT ON EXTENSION {extension} IS 'theirs'")
    archive = archive_of(settings, tmp_path)
    comment = "SELECT obj_description(oid, 'pg_extension') FROM pg_extension WHERE extname <> 'plpgsql'"
    restore(fresh, archive)
    assert execute(fresh, comment) == [("theirs",)]
    execute(fresh, f"COMMENT ON EXTENSION {extension} IS 'ours'")
    restore(fresh, archive)
    assert execute(fresh, comment) == [("ours",)]


def test_large_objects_are_restored_and_their_loss_is_counted(
    settings: Settings, fresh: Settings, tmp_path: Path
) -> None:
    execute(
        settings,
        """
        SELECT lo_from_bytea(4001, 'one'), lo_create(4003),
            lo_from_bytea(4002, decode(repeat('00ff5c', 900000), 'hex'));
        GRANT SELECT ON LARGE OBJECT 4002 TO pg_monitor; COMMENT ON LARGE OBJECT 4001 IS 'first'
        """,
    )
    archive = archive_of(settings, tmp_path)
    wanted = "SELECT oid, md5(lo_get(oid)), lomacl::text FROM pg_largeobject_metadata ORDER BY oid"
    held = execute(settings, wanted)
    restore(fresh, archive)
    assert execute(fresh, wanted) == held
    assert execute(fresh, "SELECT obj_description(4001, 'pg_largeobject')") == [("first",)]
    execute(
        fresh, "SELECT lo_put(4001, 0, 'another'), lo_unlink(4003); GRANT UPDATE ON LARGE OBJECT 4001 TO pg_monitor"
    )
    assert would_lose(fresh, archive).counts["large objects"] == 2
    restore(fresh, archive)
    assert [row[:2] for row in execute(fresh, wanted)] == [row[:2] for row in held]
    kept = execute(fresh, "SELECT lomacl::text FROM pg_largeobject_metadata WHERE oid = 4001")
    assert "pg_monitor=w/" in str(kept)


def test_partitions_children_and_rights_on_sequences_are_replaced(settings: Settings, tmp_path: Path) -> None:
    execute(
        settings,
        """
        CREATE TABLE public.parent (id serial, note text) PARTITION BY LIST (note);
        CREATE TABLE public.part PARTITION OF public.parent FOR VALUES IN ('x');
        CREATE TABLE public.base (id int); CREATE TABLE public.child () INHERITS (public.base);
        INSERT INTO public.parent (note) VALUES ('x'), ('x'); INSERT INTO public.base VALUES (1);
        INSERT INTO public.child VALUES (2), (3);
        GRANT USAGE ON SEQUENCE public.parent_id_seq TO pg_monitor
        """,
    )
    archive = archive_of(settings, tmp_path)
    assert {name: rows for name, rows in would_lose(settings, archive).counts.items() if rows} == {
        "part": 2,
        "base": 1,
        "child": 2,
    }
    execute(settings, "DELETE FROM public.parent; GRANT UPDATE ON SEQUENCE public.parent_id_seq TO pg_monitor")
    restore(settings, archive)
    assert execute(settings, "SELECT count(*), max(id) FROM public.parent") == [(2, 2)]
    assert execute(settings, "SELECT count(*) FROM public.base") == [(3,)]
    assert execute(settings, "INSERT INTO public.parent (note) VALUES ('x') RETURNING id") == [(3,)]
    allowed = "SELECT has_sequence_privilege('pg_monitor', 'public.parent_id_seq', 'UPDATE')"
    assert execute(settings, allowed) == [(True,)]


def test_views_are_filled_and_event_triggers_created_last(settings: Settings, fresh: Settings, tmp_path: Path) -> None:
    execute(
        settings,
        """
        CREATE MATERIALIZED VIEW public.names AS SELECT name FROM public.students;
        CREATE FUNCTION public.forbid() RETURNS event_trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '0A000'; END $$;
        CREATE EVENT TRIGGER forbidden ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION public.forbid();
        COMMENT ON EVENT TRIGGER forbidden IS 'last'
        """,
    )
    execute(
        settings, "INSERT INTO public.students (student_id, name) VALUES ('s', 'S'); REFRESH MATERIALIZED VIEW names"
    )
    archive = archive_of(settings, tmp_path)
    restore(fresh, archive)
    assert execute(fresh, "SELECT name FROM public.names") == [("S",)]
    assert execute(fresh, "SELECT obj_description(oid, 'pg_event_trigger') FROM pg_event_trigger") == [("last",)]


def test_roles_that_the_server_lacks_are_reported_by_their_exact_names(
    server: Server, settings: Settings, fresh: Settings, tmp_path: Path
) -> None:
    roles = [sql.Identifier(name) for name in ODD_ROLES]
    try:
        with connect(settings) as driver:
            for role in roles:
                driver.execute(sql.SQL("CREATE ROLE {0}; GRANT SELECT, UPDATE (name) ON tutors TO {0}").format(role))
            driver.execute("GRANT SELECT ON students TO pg_monitor")
            driver.execute(sql.SQL("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {}").format(roles[0]))
        archive = archive_of(settings, tmp_path)
    finally:
        with connect(settings) as driver:
            for role in roles:
                driver.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE IF EXISTS {0}").format(role))
    assert restore(fresh, archive).missing_roles == tuple(sorted(ODD_ROLES))
    assert execute(fresh, "SELECT has_table_privilege('pg_monitor', 'public.students', 'SELECT')") == [(True,)]


def test_an_archive_of_another_schema_is_refused_with_the_setting(
    settings: Settings, fresh: Settings, tmp_path: Path
) -> None:
    archive = archive_of(settings, tmp_path)
    elsewhere = replace(fresh, schema="it's")
    with pytest.raises(
        UsageError, match="holds TutorMax's tables in schema public, but the settings name schema it's"
    ) as no:
        restore(elsewhere, archive)
    assert no.value.hint == "restore it there: export TUTORMAX_SCHEMA=public"


def test_the_tables_of_another_schema_are_restored_without_it(fresh: Settings, server: Server, tmp_path: Path) -> None:
    chosen = replace(fresh, schema='My "own". Schema')
    upgrade(chosen)
    path = tmp_path / "ours.dump"
    dump(chosen, path, ours_alone=True)
    name = f"tutormax_test_{uuid.uuid4().hex[:12]}"
    target = replace(server.database(name), schema=chosen.schema)
    create_database(target)
    try:
        restore(target, read_archive(target, path))
        assert execute(target, 'SELECT count(*) FROM "My ""own"". Schema".tutors') == [(0,)]
    finally:
        server.drop(name)


@pytest.mark.parametrize(
    ("option", "words"),
    [("--inserts", "holds rows as INSERT statements"), ("--data-only", "holds rows without their tables")],
)
def test_archives_of_pg_dump_that_lack_something_are_refused(
    option: str, words: str, settings: Settings, tmp_path: Path
) -> None:
    path = pg_dump(settings, tmp_path, option)
    with pytest.raises(UsageError, match=words) as refused:
        read_archive(settings, path)
    assert f"without {option}" in str(refused.value.hint)


def test_an_archive_of_pg_dump_itself_is_restored(seeded: Settings, fresh: Settings, tmp_path: Path) -> None:
    archive = read_archive(fresh, pg_dump(seeded, tmp_path, "--compress=none"))
    assert archive.seal is None
    assert restore(fresh, archive).rows["tutors"] == 60


def pg_dump(settings: Settings, folder: Path, *options: str) -> Path:
    path = folder / "theirs.dump"
    command = [str(program("pg_dump")), "--format=custom", f"--file={path}", *options]
    subprocess.run(
        command, env=clean_environment(**client_environment(settings)), check=True, stderr=subprocess.DEVNULL
    )
    return path


def test_an_archive_compressed_in_a_way_that_pg_restore_lacks_is_named(settings: Settings, tmp_path: Path) -> None:
    path = pg_dump(settings, tmp_path)
    content = bytearray(path.read_bytes())
    assert content[5:7] == b"\x01\x10" and content[11] == 1
    content[11] = 3
    path.write_bytes(content)
    with pytest.raises(TutormaxError, match="which is compressed with zstd"):
        read_archive(settings, path)
