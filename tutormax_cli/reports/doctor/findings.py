"""What a check is given, and what it finds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from tutormax_cli.database.driver import SyncConnection
from tutormax_cli.database.names import in_schema
from tutormax_cli.settings import Settings


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, in words, and the command or statement that mends it."""

    state: State
    says: str
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined: the database behind `driver`, in a transaction that can only read.

    `now` is this machine's time, `folder` the one whose `.env` counts.
    """

    settings: Settings
    driver: SyncConnection
    now: datetime
    folder: Path


Check = Callable[[Patient], Finding]


def ok(says: str) -> Finding:
    """Say that all is well."""
    return Finding(State.OK, says)


def warning(says: str, mend: str | None = None) -> Finding:
    """Say what somebody should look after."""
    return Finding(State.WARNING, says, mend)


def failed(says: str, mend: str | None = None) -> Finding:
    """Say what is broken or in danger."""
    return Finding(State.FAILED, says, mend)


NOTHING = Finding(State.OK, "")
"""The finding of a check that has nothing to report; it is not shown."""


def rows(patient: Patient, name: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """Run the statement in `sql/name.sql` and give its rows."""
    statement = (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    given = {"schema": patient.driver.schema, **(values or {})}
    return patient.driver.execute(in_schema(statement, patient.driver).encode(), given).fetchall()


def row(patient: Patient, name: str, values: Mapping[str, Any] | None = None) -> tuple[Any, ...]:
    """Run the statement in `sql/name.sql`, which has one row, and give that."""
    return rows(patient, name, values)[0]


def listed(names: list[str], most: int = 3) -> str:
    """Join names, and say how many more there are than `most`."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
