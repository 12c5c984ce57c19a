"""PostgreSQL servers beside the suite's own: another version of the embedded one, and Debian's PostgreSQL 15."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import Server
from tutormax_cli.database.embedded import EmbeddedServer
from tutormax_cli.database.embedded.account import account_for
from tutormax_cli.settings import Settings

DEBIAN = Path("/usr/lib/postgresql/15/bin")
"""The programs of Debian's PostgreSQL 15."""


@contextmanager
def embedded_cluster(folder: Path, version: int) -> Iterator[Server]:
    """Run an embedded server of this major version in a folder (a short path that every account can enter)."""
    embedded = EmbeddedServer(folder, version)
    try:
        embedded.start()
        yield Server(Settings("tests", embedded.connection_keywords("postgres"), folder))
    finally:
        embedded.stop()


@contextmanager
def debian_cluster(folder: Path, *initdb_options: str) -> Iterator[Server]:
    """Run Debian's PostgreSQL 15 in a new folder, reached by its socket alone."""
    folder.mkdir()
    folder.chmod(0o755)
    account = account_for(folder, folder / "data")
    for name in ("data", "run"):
        account.make_folder(folder / name)

    def run(program: str, *arguments: str) -> None:
        command = [str(DEBIAN / program), "-D", str(folder / "data"), *arguments]
        environment = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
        with (folder / "output").open("a") as output:
            done = subprocess.run(
                command, env=environment, cwd="/", stdout=output, stderr=output, check=False, **account.identity
            )
        assert done.returncode == 0, (folder / "output").read_text()

    run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", *initdb_options)
    run("pg_ctl", "start", "-w", "-o", f"-F -k {folder / 'run'} -c listen_addresses=''")
    try:
        keywords = {"host": str(folder / "run"), "port": "5432", "user": "postgres", "dbname": "postgres"}
        yield Server(Settings("tests", keywords, folder))
    finally:
        run("pg_ctl", "stop", "-m", "immediate")
