"""What PostgreSQL's programs complain of, and the names of dumps."""

import pytest

from tutormax_cli.backup.dump import free_name
from tutormax_cli.backup.programs import failure
from tutormax_cli.errors import ConnectionFailed, TutormaxError


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        ("pg_dump: error: could not write: No space left on device", TutormaxError, "could not write: No space left"),
        ("pg_dump: warning: x\npg_dump: error: query failed: ERROR:  canceling statement due to lock timeout",
         TutormaxError, "query failed: ERROR:  canceling"),
        ('pg_dump: error: connection to server on socket "/x" failed: FATAL:  no', ConnectionFailed, "connection to"),
        ("", TutormaxError, "it was ended by signal 9"),
    ],
)  # fmt: skip
def test_a_programs_complaint_becomes_one_line(said: str, kind: type[TutormaxError], message: str) -> None:
    problem = failure(["/usr/bin/pg_dump", "x"], said, -9)
    assert type(problem) is kind
    assert problem.message.startswith(f"pg_dump failed: {message}")
    assert "\n" not in problem.message


def test_a_file_is_named_for_database_and_time_and_never_taken_twice(tmp_path: object) -> None:
    from datetime import UTC, datetime
    from pathlib import Path

    folder, at = Path(str(tmp_path)), datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
    assert free_name(folder, "tutormax", at).name == "tutormax-2026-11-22T1530Z.dump"
    free_name(folder, "tutormax", at).touch()
    assert free_name(folder, "tutormax", at).name == "tutormax-2026-11-22T1530Z-2.dump"
    assert free_name(folder, "../a b", at).name == ".._a_b-2026-11-22T1530Z.dump"
