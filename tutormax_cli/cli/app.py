"""The `tutormax` command: what stands in front of its commands, and the one place that shows errors."""

import gc
import io
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

import typer

from tutormax_cli import interrupts
from tutormax_cli.cli.commands import LazyGroup, smooth
from tutormax_cli.cli.invocation import current
from tutormax_cli.cli.options import (
    DatabaseUrlOption,
    DebugOption,
    EnvFileOption,
    NoEmbeddedOption,
    SchemaOption,
    VersionOption,
)
from tutormax_cli.errors import INTERRUPTED, SIGNALLED, CheckFailed, TutormaxError, UsageError

app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


@app.callback(epilog="Start here: tutormax init, then tutormax seed --tutors 500, then tutormax risk-report")
def tutormax(
    database_url: DatabaseUrlOption = None,
    env_file: EnvFileOption = None,
    schema: SchemaOption = None,
    no_embedded: NoEmbeddedOption = False,
    debug: DebugOption = False,
    version: VersionOption = False,
) -> None:
    """Administer a tutoring company's PostgreSQL database: schema, data, evaluation, churn risk.

    With no server configured it runs an embedded PostgreSQL of its own.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and give its exit code; every error ends here as one line on stderr."""
    current.begin()
    interrupts.begin()
    try:
        code = app_command().main(args=arguments, prog_name="tutormax", standalone_mode=False)
        sys.stdout.flush()
        # Typer turns Ctrl-C into this exit code before we see it.
        return _show_interrupted() if code == INTERRUPTED else int(code or 0)
    except typer.TyperException as problem:
        return _show_usage(problem)
    except (KeyboardInterrupt, typer.Abort):
        return _show_interrupted()
    except UnicodeEncodeError:
        return _show("error: an argument is not valid UTF-8", None, UsageError.exit_code)
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as problem:
        error = _ours(problem)
        code = _show(f"error: {error.message}", error.hint, error.exit_code)
        if code != CheckFailed.exit_code and interrupts.kept():
            _show_kept()
        return code


def app_command() -> Any:
    """Build the command group; commands themselves are still to be imported."""
    command = typer.main.get_command(app)
    smooth(command)
    return command


def _ours(problem: Exception) -> TutormaxError:
    """Turn any exception into an error of ours."""
    if isinstance(problem, TutormaxError):
        return problem
    if type(problem).__module__.startswith(("sqlalchemy", "psycopg")):
        from tutormax_cli.database.failures import explain

        return explain(problem)
    if isinstance(problem, OSError):
        what = f" {problem.filename}" if problem.filename else ""
        return TutormaxError(f"can't write or read{what}: {problem.strerror}", "make room, or name another place")
    return TutormaxError(
        f"unexpected {type(problem).__name__}: {problem}".split("\n")[0],
        "this is a bug in tutormax; add --debug to see where",
    )


def _show_usage(problem: typer.TyperException) -> int:
    """Show a wrong command line: one line, then where to look; or the help, where nothing was asked."""
    from tutormax_cli.cli.usage import usage_line

    context = getattr(problem, "ctx", None)
    if type(problem).__name__ == "NoArgsIsHelpError":
        return problem.exit_code
    command = context.command_path if context else "tutormax"
    return _show(f"error: {usage_line(problem)}", f"see {command} --help", problem.exit_code)


def _show_interrupted() -> int:
    code = SIGNALLED + interrupts.received()
    with suppress(OSError):  # the terminal may be gone
        _show("interrupted; what was not finished was rolled back", None, code)
        if interrupts.kept():
            _show_kept()
    return code


def _show_kept() -> None:
    from tutormax_cli.cli.console import say

    say(f"  done before and kept: {', '.join(interrupts.kept())}")


def _show(line: str, hint: str | None, code: int) -> int:
    from tutormax_cli.cli.console import harmless, on_same_database, say

    if current.debug and sys.exc_info()[0] is not None:
        sys.stderr.write(harmless(traceback.format_exc()))
    say(line, style="red" if code < SIGNALLED else None)
    if hint:
        say(f"  {on_same_database(hint)}")
    return code


def _open_streams() -> None:
    """Make sure that there are streams to write to, and that no character of a name can stop them."""
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (as long as the process)
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _settle_colour() -> None:
    """Take FORCE_COLOR=0 for what whoever sets it means; Rich and Typer would turn colour on."""
    if os.environ.get("FORCE_COLOR", "").lower() in ("0", "false", "no", "off"):
        del os.environ["FORCE_COLOR"]
        os.environ["NO_COLOR"] = "1"


def main() -> NoReturn:
    """Run the command line of this process."""
    interrupts.install()
    # What imports make, stays: to look for garbage in it again and again, and once more at exit, costs a tenth of a
    # short command.
    gc.set_threshold(50_000)
    _open_streams()
    _settle_colour()
    # What a driver remarks about a connection that is gone would stand between our lines; what matters is raised.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        code = run()
        interrupts.uninstall()
    except KeyboardInterrupt:  # it came while the end was being reported
        code = _show_interrupted()
    gc.freeze()
    sys.exit(code)
