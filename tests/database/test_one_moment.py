"""A session that sees one moment, whatever other sessions do to the tables before they are locked."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session as OrmSession

from tests.support.connections import connect
from tutormax_cli.database import TutorEvent, one_moment
from tutormax_cli.database.locks import lock_tables
from tutormax_cli.errors import LockTimeout
from tutormax_cli.settings import Settings

RENAMED = "ALTER TABLE public.tutor_events RENAME TO gone"
BACK = "ALTER TABLE public.gone RENAME TO tutor_events"
TRUNCATED = "TRUNCATE public.tutor_events"


@pytest.fixture
def before_locking(monkeypatch: pytest.MonkeyPatch, seeded_settings: Settings) -> Callable[..., list[str]]:
    """Run one of some statements in another session before each locking of the tables; return those that ran."""

    def arrange(*statements: str) -> list[str]:
        waiting, ran = list(statements), list[str]()

        def locking(driver: Any, tables: Any, mode: str, wait: float) -> None:
            if mode == "ACCESS SHARE" and waiting:
                ran.append(waiting.pop(0))
                with connect(seeded_settings) as other:
                    other.execute(ran[-1].encode())
            lock_tables(driver, tables, mode, wait)

        monkeypatch.setattr(one_moment, "lock_tables", locking)
        return ran

    return arrange


def events(db: OrmSession) -> int:
    return db.scalar(select(func.count()).select_from(TutorEvent)) or 0


def test_a_table_that_goes_and_comes_before_it_is_locked_starts_it_over(
    seeded_db: OrmSession, before_locking: Callable[..., list[str]]
) -> None:
    whole = events(seeded_db)
    ran = before_locking(RENAMED, BACK)
    one_moment.begin_at_one_moment(seeded_db, wait=10)
    assert (len(ran), events(seeded_db)) == (2, whole)


def test_a_truncate_before_the_locks_is_part_of_the_moment_and_one_after_them_waits(
    seeded_db: OrmSession, seeded_settings: Settings, before_locking: Callable[..., list[str]]
) -> None:
    before_locking(TRUNCATED)
    one_moment.begin_at_one_moment(seeded_db, wait=10)
    assert events(seeded_db) == 0
    with connect(seeded_settings) as other, pytest.raises(Exception, match="lock timeout"):
        other.execute("SET LOCAL lock_timeout = '100ms'")
        other.execute(TRUNCATED.encode())


def test_tables_that_never_rest_end_it_after_a_while(
    seeded_db: OrmSession, before_locking: Callable[..., list[str]]
) -> None:
    before_locking(*[RENAMED, BACK] * 500)
    with pytest.raises(LockTimeout, match="changed again and again"):
        one_moment.begin_at_one_moment(seeded_db, wait=0.5)
