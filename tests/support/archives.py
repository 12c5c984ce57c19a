"""Archives as tests need them: with another seal, without one, or of plain pg_dump."""

import subprocess
from dataclasses import replace
from pathlib import Path

from tutormax_cli.backup.contents import Contents
from tutormax_cli.backup.seal import Seal, read_seal, seal
from tutormax_cli.database.clients import client_environment, client_program
from tutormax_cli.database.names import TableName
from tutormax_cli.settings import Settings

_SEAL = b"\ntutormax seal "


def sealed(path: Path) -> Seal:
    """Return the seal of an archive that has one."""
    found = read_seal(path)
    assert found is not None
    return found


def unsealed(path: Path, target: Path) -> Path:
    """Write an archive without its seal, as plain pg_dump makes it."""
    target.write_bytes(path.read_bytes().partition(_SEAL)[0])
    return target


def resealed(path: Path, target: Path, content: Seal) -> Path:
    """Write an archive with another seal, which fits the file."""
    seal(unsealed(path, target), content)
    return target


def changed(contents: Contents, name: str, **digest: object) -> Contents:
    """Return contents with other values in the digest of one table in schema public."""
    table = TableName("public", name)
    return replace(contents, tables={**contents.tables, table: replace(contents.tables[table], **digest)})  # type: ignore[arg-type]


def pg_dump(settings: Settings, path: Path, *options: str) -> Path:
    """Run pg_dump itself."""
    program = str(client_program("pg_dump", settings, 18))
    command = [program, "--format=custom", f"--file={path}", *options]
    subprocess.run(command, env=client_environment(settings), check=True)
    return path
