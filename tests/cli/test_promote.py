"""`tutormax promote`: from an embedded server of this test's own to the suite's server."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Finished, Server, url_of
from tutormax_cli.database.embedded import EmbeddedServer

Run = Callable[..., Finished]


def test_it_copies_compares_and_says_what_to_configure(home: Path, server: Server, tutormax: Run) -> None:
    place = {"TUTORMAX_HOME": str(home / "promoted")}
    name = "tutormax_test_promoted"
    url = url_of(server.database(name)).replace("postgresql:///", "postgresql://tutormax:canary@/", 1)
    try:
        assert tutormax("init", **place).exit_code == 0
        assert tutormax("seed", "--tutors", "3", "--days", "10", "--raw", **place).exit_code == 0
        done = tutormax("promote", "--to", url, **place)
        assert done.exit_code == 0, done.stderr
        assert done.stderr.startswith("database: from embedded PostgreSQL to tutormax_test_promoted on ")
        assert done.stderr.count("database: ") == 1 and "(--to)" in done.stderr.splitlines()[0]
        assert "Put into .env: DATABASE_URL=postgresql://" in done.stdout
        assert ":***@" in done.stdout and "/tutormax_test_promoted" in done.stdout
        assert "created database" in done.stderr and "The embedded database stays" in done.stderr
        assert "canary" not in done.stdout + done.stderr
        assert "tutors" in tutormax("stats", DATABASE_URL=url).stdout
        again = tutormax("promote", DATABASE_URL=url, **place)
        assert (again.exit_code, again.stdout) == (2, "")
        assert "already holds rows: 3 tutors" in again.stderr
    finally:
        EmbeddedServer(home / "promoted").stop()
        server.drop(name)


@pytest.mark.parametrize(
    ("arguments", "words"), [((), "no server is named"), (("--to", "nonsense"), "--to is not a PostgreSQL URL")]
)
def test_without_a_source_or_a_target_nothing_begins(
    arguments: tuple[str, ...], words: str, tutormax: Run, tmp_path: Path
) -> None:
    done = tutormax("promote", *arguments, TUTORMAX_HOME=str(tmp_path / "home"))
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []
