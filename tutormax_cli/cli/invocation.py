"""The global options of this run, and the settings that they lead to."""

import shlex
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tutormax_cli.reports.report import Database
    from tutormax_cli.settings import Settings


@dataclass(slots=True)
class Invocation:
    """The options that every command takes, before it or after it on the command line.

    `settings` is the database of this run, once it was printed, and `database` what its reports say of it.
    """

    database_url: str | None = None
    env_file: Path | None = None
    schema: str | None = None
    no_embedded: bool = False
    debug: bool = False
    settings: "Settings | None" = None
    database: "Database | None" = None

    def begin(self) -> None:
        """Forget an earlier run in the same process."""
        for option in fields(self):
            setattr(self, option.name, option.default)

    @property
    def repeatable_options(self) -> str:
        """The options that choose the database, to be typed again; not the URL, which may contain a password."""
        words = ["--env-file", str(self.env_file)] if self.env_file else []
        words += ["--schema", self.schema] if self.schema else []
        words += ["--no-embedded"] if self.no_embedded else []
        return shlex.join(words)


current = Invocation()
