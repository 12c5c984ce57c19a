"""Roles, databases and schemas whose names are not plain words: set up, filled, dumped, proved, restored."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from psycopg import sql

from tests.conftest import Finished, Server, run_tutormax
from tests.support.clusters import debian_cluster

NAMES = (
    "Capitals",
    "dots.in.it",
    "ann@example.com",
    "two  blanks",
    "it's",
    'say "yes"',
    "100%s \\ {schema} :x",
    "Ümlaut·漢字-and-63-bytes-" + "x" * 33,
)
"""Eight names that mean something else where SQL, a URL or a shell reads them as text."""

BRIEF = """Ann's "A.b" c@d"""
"""Most of them in one, for the brief test."""


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Iterator[Server]:
    with debian_cluster(home / "debian-names") as cluster:
        yield cluster


def walk(server: Server, name: str, folder: Path) -> dict[str, Finished]:
    """Go the whole way as a role of that name in a database of that name, and return how each command ended."""
    server.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(sql.Identifier(name)))
    keywords = dict(server.settings.keywords or {})
    where = f"host={quote(keywords['host'], safe='')}&port={keywords['port']}"
    user = quote(name, safe="")

    def run(line: str, dbname: str, **variables: str) -> Finished:
        url = f"postgresql://{user}@/{quote(dbname, safe='')}?{where}"
        return run_tutormax(tuple(line.split()), {"DATABASE_URL": url, **variables}, folder)

    try:
        done = {
            line: run(line, name)
            for line in (
                "init",
                "seed --tutors 30 --days 60 --as-of 2026-06-01",
                "evaluate --as-of 2026-06-01",
                "risk-report",
                "dump -o company.dump",
                "prove company.dump",
                "seed --tutors 20 --days 40 --as-of 2026-06-01 --replace --yes",
                "doctor",
                "migrate down -1 --yes",
                "migrate up",
                "reset --yes",
                "restore company.dump --yes",
                "roles",
            )
        }
        done["restore elsewhere"] = run("restore company.dump", f"{name[:40]} 2")
        done["init in a schema"] = run("init", f"{name[:40]} 3", TUTORMAX_SCHEMA=name)
        done["seed in a schema"] = run("seed --tutors 20 --days 40", f"{name[:40]} 3", TUTORMAX_SCHEMA=name)
        done["import in a schema"] = run("export --all -o out", f"{name[:40]} 3", TUTORMAX_SCHEMA=name)
        done["upsert in a schema"] = run("import out --mode upsert", f"{name[:40]} 3", TUTORMAX_SCHEMA=name)
        done["report in a schema"] = run("risk-report", f"{name[:40]} 3", TUTORMAX_SCHEMA=name)
    finally:
        for dbname in (name, f"{name[:40]} 2", f"{name[:40]} 3"):
            server.drop(dbname)
        server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
    return done


def unexpected(done: dict[str, Finished]) -> dict[str, str]:
    """List what ended otherwise than well; a name too long for the roles named after it is refused as that."""
    return {
        line: finished.stderr[-400:]
        for line, finished in done.items()
        if finished.exit_code and not re.search("too long to name a role after", finished.stderr)
    }


def test_a_hostile_name_works_on_the_embedded_server(server: Server, tmp_path: Path) -> None:
    assert not unexpected(walk(server, BRIEF, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_all_hostile_names_work_on_the_embedded_server(server: Server, tmp_path: Path, name: str) -> None:
    assert not unexpected(walk(server, name, tmp_path))


@pytest.mark.debian
@pytest.mark.parametrize("name", NAMES)
def test_all_hostile_names_work_on_debians_server(
    debian: Server, tmp_path: Path, name: str, tutormax: Callable[..., Finished]
) -> None:
    assert not unexpected(walk(debian, name, tmp_path))
