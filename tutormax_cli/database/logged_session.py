"""A session that writes itself down: every commit adds its entry to the admin log, in the transaction of the work."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any

import psycopg
from sqlalchemy import Connection, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as OrmSession
from sqlalchemy.orm import SessionTransaction

from tutormax_cli.database.admin_log import Entry, Rows, command_name, failure, record, require_log
from tutormax_cli.database.driver import schema_of
from tutormax_cli.database.engine import driver_connection
from tutormax_cli.database.models import Base
from tutormax_cli.errors import TutormaxError

_NOTED = "tutormax_admin_rows"


@contextmanager
def logged(db: OrmSession, revision: str | None) -> Iterator[None]:
    """Add an entry with every commit of a session, and one for an error that ends the work.

    `revision` is the schema's. Raises what `require_log` does.
    """
    ledger = _Ledger(db, revision)
    event.listen(db, "after_begin", ledger.after_begin)
    event.listen(db, "before_commit", ledger.before_commit)
    try:
        yield
    except BaseException as problem:
        ledger.close()
        ledger.record_failure(problem)
        raise
    ledger.close()


def note_rows(db: OrmSession, verb: str, rows: Mapping[str, int]) -> None:
    """Have the next commit's entry say what the server doesn't count: rows that a TRUNCATE `deleted`, say."""
    noted: dict[str, dict[str, int]] = db.info.setdefault(_NOTED, {})
    for table, count in rows.items():
        if count:
            noted.setdefault(table, {})[verb] = count


class _Ledger:
    """What one piece of work on a session needs to know to write itself down."""

    def __init__(self, db: OrmSession, revision: str | None) -> None:
        driver = driver_connection(db.connection())
        require_log(driver)
        self._db, self._revision, self._began = db, revision, monotonic()
        self._earlier = _changed_rows(driver)

    def after_begin(self, session: OrmSession, transaction: SessionTransaction, connection: Connection) -> None:
        """Note what the session's earlier transactions did, which the server counts with this one's for a while."""
        if not transaction.nested:
            self._earlier = _changed_rows(driver_connection(connection))

    def before_commit(self, session: OrmSession) -> None:
        """Add the entry of a transaction that is about to be committed."""
        if session.in_nested_transaction():
            return
        session.flush()
        driver = driver_connection(session.connection())
        changed = _difference(_changed_rows(driver), self._earlier)
        noted = session.info.pop(_NOTED, {})
        rows = {table: {**changed.get(table, {}), **noted.get(table, {})} for table in {**changed, **noted}}
        record(driver, self._entry(rows=rows))

    def record_failure(self, problem: BaseException) -> None:
        """Add the entry of an error, as far as that is possible: the error itself is what counts."""
        how = failure(problem)
        if how is None:
            return
        with suppress(SQLAlchemyError, psycopg.Error, TutormaxError):
            self._db.rollback()
            record(driver_connection(self._db.connection()), self._entry(**how))
            self._db.commit()

    def close(self) -> None:
        """Stop listening to the session."""
        event.remove(self._db, "after_begin", self.after_begin)
        event.remove(self._db, "before_commit", self.before_commit)

    def _entry(self, **how: Any) -> Entry:
        return Entry(command_name(), round(monotonic() - self._began, 3), revision=self._revision, **how)


def _changed_rows(driver: psycopg.Connection) -> dict[str, dict[str, int]]:
    """Ask the server how many rows of each of our tables were inserted, updated and deleted.

    It counts this transaction so far, and those of the same session in the last second or so.
    """
    counted = driver.execute(
        """
        SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_xact_user_tables
        WHERE schemaname = %(schema)s AND relname = ANY(%(tables)s)
        ORDER BY array_position(%(tables)s, relname::text)
        """,
        {"schema": schema_of(driver), "tables": list(Base.metadata.tables)},
    ).fetchall()
    verbs = ("inserted", "updated", "deleted")
    return {table: dict(zip(verbs, counts, strict=True)) for table, *counts in counted}


def _difference(now: Rows, earlier: Rows) -> dict[str, dict[str, int]]:
    changed = {
        table: {verb: n for verb, count in verbs.items() if (n := count - earlier.get(table, {}).get(verb, 0))}
        for table, verbs in now.items()
    }
    return {table: verbs for table, verbs in changed.items() if verbs}
