"""A reset: our tables dropped and created again in one transaction, whatever stops it."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import clean_environment, url_of
from tests.support.connections import connect
from tests.support.tables import contents, held_rows
from tutormax_cli.backup.reset import reset
from tutormax_cli.database import migrations, revisions
from tutormax_cli.database.drift import drift
from tutormax_cli.settings import Settings

KILLED = """
import os, signal, sys
from tutormax_cli.backup import reset
from tutormax_cli.settings import load_settings
real, moment = getattr(reset, sys.argv[1]), sys.argv[2]
def struck(*arguments, **options):
    if moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(*arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(reset, sys.argv[1], struck)
reset.reset(load_settings())
"""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["upgrade_within", "keep_places_of_new_sequences"])
def test_a_kill_at_any_step_leaves_all_rows(step: str, moment: str, seeded_settings: Settings) -> None:
    before = contents(seeded_settings)
    environment = clean_environment(DATABASE_URL=url_of(seeded_settings))
    done = subprocess.run([sys.executable, "-c", KILLED, step, moment], env=environment, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert contents(seeded_settings) == before


def test_a_revision_that_fails_leaves_all_rows(seeded_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(seeded_settings)

    def fail(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("alembic.command.upgrade", fail)
    with pytest.raises(ZeroDivisionError):
        reset(seeded_settings)
    assert contents(seeded_settings) == before


def test_the_deletion_is_recorded_even_if_the_log_is_as_new_as_the_tables(seeded_settings: Settings) -> None:
    with connect(seeded_settings) as driver:
        driver.execute("DROP SCHEMA tutormax_admin CASCADE")
    reset(seeded_settings)
    with connect(seeded_settings) as driver:
        found = driver.execute("SELECT rows->'tutors' FROM tutormax_admin.log WHERE rows ? 'tutors'").fetchall()
    assert found == [({"deleted": 60},)]


@pytest.fixture
def concurrent_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One more revision, whose index is created CONCURRENTLY."""
    folder = tmp_path / "alembic"
    shutil.copytree(revisions.script_folder(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "29990101_0000_concurrent.py").write_text(
        f"""
from alembic import op
revision, down_revision = "29990101_0000", "{revisions.revisions()[-1].id}"
def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("ix_later", "students", ["name"], postgresql_concurrently=True)
def downgrade():
    op.drop_index("ix_later")
"""
    )
    monkeypatch.setattr(migrations, "script_folder", lambda: folder)
    revisions.revisions.cache_clear()
    monkeypatch.setattr(revisions, "script_folder", lambda: folder)
    yield
    monkeypatch.undo()
    revisions.revisions.cache_clear()


@pytest.mark.usefixtures("concurrent_revision")
def test_a_revision_that_commits_by_itself_is_run_afterwards(seeded_settings: Settings) -> None:
    assert reset(seeded_settings).current == "29990101_0000"
    assert set(held_rows(seeded_settings).values()) == {0}
    assert drift(seeded_settings) == ["remove_index students.ix_later"]
