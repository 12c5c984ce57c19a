"""What this run of the command was told by the options that every command takes."""

from dataclasses import dataclass


@dataclass(slots=True)
class Invocation:
    """The global options, wherever on the command line they stood."""

    database_url: str | None = None
    debug: bool = False

    def begin(self) -> None:
        """Forget what an earlier run in the same process was told."""
        self.database_url, self.debug = None, False


current = Invocation()
