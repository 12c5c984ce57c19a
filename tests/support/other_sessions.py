"""Other sessions that do something at the very moment when a command is vulnerable."""

from collections.abc import Callable
from typing import Any

import pytest
from psycopg import sql

from tests.support.connections import connect
from tutormax_cli.database.driver import SyncConnection
from tutormax_cli.settings import Settings


def execute(settings: Settings, *statements: str) -> None:
    with connect(settings) as driver:
        for statement in statements:
            driver.execute(statement.encode())


def before_locking(monkeypatch: pytest.MonkeyPatch, action: Callable[[], None], times: int = 1) -> None:
    """Do something when a connection is about to send its first LOCK TABLE, so many times."""
    execute_, first, left = SyncConnection.execute, [False], [times]

    def hooked(self: SyncConnection, query: Any, *arguments: Any, **options: Any) -> Any:
        text = query.as_string(self) if isinstance(query, sql.Composed) else str(query)
        if text.startswith("SAVEPOINT locks"):
            first[0] = True
        elif text.startswith("LOCK TABLE") and first[0] and left[0]:
            first[0] = False
            left[0] -= 1
            action()
        return execute_(self, query, *arguments, **options)

    monkeypatch.setattr(SyncConnection, "execute", hooked)
