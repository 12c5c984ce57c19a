"""The `tutormax` command: its list of commands, loaded one at a time, and the one place that shows errors."""

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from tutormax_cli.cli.invocation import current
from tutormax_cli.cli.options import DatabaseUrlOption, DebugOption, VersionOption
from tutormax_cli.errors import INTERRUPTED, TutormaxError

COMMANDS = {
    "Set up": {
        "init": "Create the database and its eight tables, or bring them up to date.",
        "migrate": "Move the schema up or down, and say where it stands.",
        "server": "Start, stop and look at the embedded PostgreSQL.",
    },
    "Data": {
        "seed": "Fill the database with a realistic synthetic tutoring company.",
        "stats": "Count what the database holds and say how fresh it is.",
    },
    "Insight": {
        "evaluate": "Compute every active tutor's metrics over 7, 30 and 90 days, and their tiers.",
        "predict": "Score every active tutor's risk to leave, 0 to 100, and keep what goes with the score.",
        "risk-report": "Show who is about to leave, what goes with it and what to do.",
    },
}
"""Panel, command and summary: all that `--help` needs, so that it imports no command."""

_PANELS = {name: panel for panel, commands in COMMANDS.items() for name in commands}
_SUMMARIES = {name: summary for commands in COMMANDS.values() for name, summary in commands.items()}


class LazyGroup(TyperGroup):
    """A group that imports a command's module when that command is run, or its own help is asked for."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {
            name: TyperCommand(name, help=summary, short_help=summary, rich_help_panel=_PANELS[name])
            for name, summary in _SUMMARIES.items()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command that is to be run, and only now import it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and load_command(str(name)), rest


def load_command(name: str) -> Any:
    """Import a command's module and give the command, or group of commands, with the global options added."""
    module = import_module(f"tutormax_cli.cli.{name.replace('-', '_')}")
    app = getattr(module, "app", None)
    if app is None:
        app = _typer()
        app.command(name)(getattr(module, name.replace("-", "_")))
    command = typer.main.get_command(app)
    _add_global_options(command)
    return command


def _typer(**attributes: Any) -> typer.Typer:
    return typer.Typer(add_completion=False, pretty_exceptions_show_locals=False, **attributes)


def _add_global_options(command: Any) -> None:
    for child in getattr(command, "commands", {}).values():
        _add_global_options(child)
    if not hasattr(command, "commands"):
        command.params.extend(_global_options())


def _global_options() -> list[Any]:
    """Make the options that stand after a command too; their callbacks keep the values, the command never sees them."""
    app = _typer()

    @app.command()
    def options(database_url: DatabaseUrlOption = None, debug: DebugOption = False) -> None: ...

    params = [param for param in typer.main.get_command(app).params if param.name != "help"]
    for param in params:
        param.expose_value = False
    return params


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


@app.callback(epilog="Start here: tutormax init, then tutormax seed --tutors 500, then tutormax risk-report")
def tutormax(
    database_url: DatabaseUrlOption = None, debug: DebugOption = False, version: VersionOption = False
) -> None:
    """Administer a tutoring company's PostgreSQL database: schema, data, evaluation, churn risk.

    With no server configured it runs an embedded PostgreSQL of its own.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and give its exit code; every error ends here as one line on stderr."""
    current.begin()
    try:
        code = app_command().main(args=arguments, prog_name="tutormax", standalone_mode=False)
        sys.stdout.flush()
        # Typer turns Ctrl-C into this exit code before we see it.
        return _show_interrupted() if code == INTERRUPTED else int(code or 0)
    except typer.TyperException as problem:
        return _show_usage(problem)
    except (KeyboardInterrupt, typer.Abort):
        return _show_interrupted()
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as problem:
        error = _ours(problem)
        return _show(f"error: {error.message}", error.hint, error.exit_code)


def app_command() -> Any:
    """Build the command group; commands themselves are still to be imported."""
    return typer.main.get_command(app)


def _ours(problem: Exception) -> TutormaxError:
    """Turn any exception into an error of ours."""
    if isinstance(problem, TutormaxError):
        return problem
    if type(problem).__module__.startswith(("sqlalchemy", "psycopg")):
        from tutormax_cli.database.failures import explain

        return explain(problem)
    return TutormaxError(
        f"unexpected {type(problem).__name__}: {problem}".split("\n")[0],
        "this is a bug in tutormax; add --debug to see where",
    )


def _show_usage(problem: typer.TyperException) -> int:
    """Show a wrong command line: one line, then where to look; or the help, where nothing was asked."""
    context = getattr(problem, "ctx", None)
    if type(problem).__name__ == "NoArgsIsHelpError":
        return problem.exit_code
    command = context.command_path if context else "tutormax"
    message = " ".join(problem.format_message().split())
    return _show(f"error: {message[:1].lower()}{message[1:]}", f"see {command} --help", problem.exit_code)


def _show_interrupted() -> int:
    return _show("interrupted; what was not finished was taken back", None, INTERRUPTED)


def _show(line: str, hint: str | None, code: int) -> int:
    from tutormax_cli.cli.console import harmless, say

    if current.debug and sys.exc_info()[0] is not None:
        sys.stderr.write(harmless(traceback.format_exc()))
    say(line, style="red" if code != INTERRUPTED else None)
    if hint:
        say(f"  {hint}")
    return code


def main() -> NoReturn:
    """Run the command line of this process."""
    sys.exit(run())
