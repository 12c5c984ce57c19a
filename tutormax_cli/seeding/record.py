"""What a database was seeded with, kept in the database itself so that a dump carries it and a rollback takes it back.

It is a comment on the constraint of tutors.behavioral_archetype, the one column that only synthetic data has. A
comment on a table or column would count as drift of the schema.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

from tutormax_cli.database.driver import schema_of
from tutormax_cli.database.names import own_table

TABLE, CONSTRAINT = "tutors", "ck_tutors_behavioral_archetype"


@dataclass(frozen=True, slots=True)
class Seeded:
    """One run of `tutormax seed`: the arguments, how many tutors were there before, and the version that ran.

    `digests` are the SHA-256 of what was loaded into each table; without `signal` nothing could be learned from it.
    """

    tutors: int
    days: int
    seed: int
    as_of: datetime
    first_tutor: int
    raw: bool
    version: str
    digests: Mapping[str, str]
    signal: bool = True

    @property
    def command(self) -> str:
        """The command line that makes the same rows again, given what was there before."""
        parts = [f"--tutors {self.tutors} --days {self.days} --seed {self.seed}"]
        parts += [f"--as-of {self.as_of.astimezone(UTC):%Y-%m-%d}"]
        parts += ["--raw"] * self.raw + ["--append"] * (self.first_tutor > 0)
        return f"tutormax seed {' '.join(parts)}"


def read_seed_record(connection: psycopg.Connection) -> list[Seeded]:
    """List what the database was seeded with, oldest first; empty where it wasn't, or nothing readable is kept."""
    row = connection.execute(
        "SELECT obj_description(k.oid, 'pg_constraint') FROM pg_constraint AS k"
        " JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s AND k.conname = %s",
        [schema_of(connection), TABLE, CONSTRAINT],
    ).fetchone()
    try:
        return [_parse(entry) for entry in json.loads((row and row[0]) or "[]")]
    except (ValueError, TypeError, KeyError):
        return []


def write_seed_record(connection: psycopg.Connection, runs: Sequence[Seeded]) -> None:
    """Keep the list of runs, within the connection's transaction; an empty list removes it."""
    text = json.dumps([_entry(run) for run in runs]) if runs else None
    connection.execute(
        sql.SQL("COMMENT ON CONSTRAINT {} ON {} IS {}").format(
            sql.Identifier(CONSTRAINT), own_table(connection, TABLE).sql, sql.Literal(text)
        )
    )


def _entry(run: Seeded) -> dict[str, Any]:
    return asdict(run) | {"as_of": run.as_of.astimezone(UTC).isoformat()}


def _parse(entry: dict[str, Any]) -> Seeded:
    return Seeded(**entry | {"as_of": datetime.fromisoformat(entry["as_of"])})
