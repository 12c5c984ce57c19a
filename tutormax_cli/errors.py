"""Every error that a user can meet, and the exit code that each one means."""


class TutormaxError(Exception):
    """Something failed: one line that says what and why, and `hint`, the next thing to try."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(TutormaxError):
    """An argument, an option or a setting is wrong; nothing was done."""

    exit_code = 2


class ConnectionFailed(TutormaxError):
    """The database could not be reached or would not let us in."""

    exit_code = 3


class LockTimeout(TutormaxError):
    """A lock, or a server that is still starting, was waited for in vain."""

    exit_code = 4


class CheckFailed(TutormaxError):
    """A check that the user asked for said no."""

    exit_code = 5


class SchemaNotReady(TutormaxError):
    """The schema is missing, behind or ahead of this program."""


SIGNALLED = 128
"""What the exit code after a signal begins with, as shells count it: 130 after Ctrl-C, 143 after SIGTERM."""

INTERRUPTED = SIGNALLED + 2
"""The exit code after Ctrl-C (SIGINT)."""
