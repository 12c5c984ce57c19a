"""pg_dump on a snapshot of ours: what it writes is what the snapshot sees.

The snapshot's tables are locked already, but pg_dump takes locks of its own, and it reads objects that no lock
protects. If another session waits for one of the tables, pg_dump waits behind it, and every reader behind both: so it
waits for LOCK_SECONDS only. A failure before the first row is written, whatever the language of its message, is taken
for one that another try can get around; what is beyond hope fails in the same way twice.
"""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from tutormax_cli.backup.programs import failure, is_local, lines_of, running
from tutormax_cli.backup.progress import Listener, Stage
from tutormax_cli.database.clients import client_environment, client_program
from tutormax_cli.database.snapshot import Snapshot, SnapshotLostError
from tutormax_cli.errors import TutormaxError
from tutormax_cli.files.whole import Unfinished
from tutormax_cli.settings import DEFAULT_SCHEMA, Settings

COMPRESSION = 1
"""Of zlib's levels: writing takes half the time of the usual 6, and the file is a third larger."""

LOCK_SECONDS = 2
"""How long pg_dump waits for a lock."""

_TABLE = re.compile(r'dumping contents of table "(?P<name>.+)"')


def dump_to_file(
    settings: Settings, held: Snapshot, target: Unfinished, options: Sequence[str], listener: Listener
) -> None:
    """Have pg_dump write a snapshot to a file in its custom format.

    Raises SnapshotLostError if another try can succeed, TutormaxError with pg_dump's complaint.
    """
    command = [*_command(settings, held), "--format=custom", f"--compress={COMPRESSION}", "--verbose"]
    command += [f"--file={target.path}", *options]
    doing, first_row, said, began = "reading the schema", False, [""], monotonic()

    def tick() -> None:
        listener(Stage(doing, note=f"{target.path.stat().st_size / 1e6:,.0f} MB"))

    keep_open = [] if target.lock is None else [target.lock]
    environment = client_environment(settings)
    with running(
        command, environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, keep_open=keep_open
    ) as process:
        assert process.stderr is not None
        for line in lines_of(process.stderr.fileno(), tick):
            if table := _TABLE.search(line):
                doing, first_row = table["name"].removeprefix(f"{DEFAULT_SCHEMA}."), True
            else:
                said.append(line)
    if process.returncode:
        raise _judged(command, "\n".join(said), process.returncode, began, first_row=first_row)


def _command(settings: Settings, held: Snapshot) -> list[str | Path]:
    driver = held.driver
    version, tls = driver.info.server_version // 10_000, bool(driver.pgconn.ssl_in_use)
    program = client_program("pg_dump", settings, version, tls=tls)
    return [program, "--no-password", f"--snapshot={held.id}", f"--lock-wait-timeout={LOCK_SECONDS}s"]


def _judged(command: Sequence[str | Path], said: str, code: int, began: float, *, first_row: bool) -> TutormaxError:
    """Return the error for a pg_dump that failed."""
    error = failure(command, said, code)
    if first_row or is_local(said):
        return error
    return SnapshotLostError(error, waited=monotonic() - began >= LOCK_SECONDS)
