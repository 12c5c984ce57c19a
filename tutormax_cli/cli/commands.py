"""The list of commands, each imported when it is run and not before."""

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from keyword import iskeyword
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from tutormax_cli.cli.options import DatabaseUrlOption, DebugOption, EnvFileOption, NoEmbeddedOption, SchemaOption

COMMANDS = {
    "Set up": {
        "init": "Create the database and its eight tables, or bring them up to date.",
        "migrate": "Move the schema up or down, and say where it stands.",
        "server": "Start, stop and look at the embedded PostgreSQL.",
    },
    "Data": {
        "seed": "Fill the database with a realistic synthetic tutoring company.",
        "import": "Load files of real data into the tables, all rows or none.",
        "export": "Write a table, or all of them, to files that import takes back unchanged.",
        "stats": "Count what the database holds and say how fresh it is.",
    },
    "Insight": {
        "evaluate": "Compute every active tutor's metrics over 7, 30 and 90 days, and their tiers.",
        "predict": "Score every active tutor's risk to leave, 0 to 100, and keep what goes with the score.",
        "backtest": "Judge past predictions by who left afterwards.",
        "risk-report": "Show who is about to leave, what goes with it and what to do.",
    },
    "Operate": {
        "shell": "Open psql on the database, with the settings and the password of every other command.",
        "dump": "Write the whole database to one file, and check that it holds every row.",
        "prove": "Restore a dump into a throw-away server, and compare it with what was dumped.",
        "restore": "Bring a dump back, all of it or nothing.",
        "promote": "Copy the embedded database to a server, and compare every table.",
        "reset": "Drop TutorMax's tables with all their rows, and make them anew, empty.",
        "doctor": "Examine database, server, data and this machine, and name what mends each fault.",
        "roles": "Print the SQL of least-privilege roles for the database, or apply it.",
        "log": "Show who changed the database with which command, newest first.",
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
    home = name.replace("-", "_") + "_" * iskeyword(name)
    module = import_module(f"tutormax_cli.cli.{home}")
    app = getattr(module, "app", None)
    if app is None:
        app = _typer()
        app.command(name)(getattr(module, home))
    command = typer.main.get_command(app)
    for each in _tree(command):
        each.params.extend(_global_options())
        smooth(each)
    return command


def _typer(**attributes: Any) -> typer.Typer:
    return typer.Typer(add_completion=False, pretty_exceptions_show_locals=False, **attributes)


def _tree(command: Any) -> Iterator[Any]:
    """Give a command and all that are below it."""
    yield command
    for child in getattr(command, "commands", {}).values():
        yield from _tree(child)


def smooth(command: Any) -> None:
    """Mend what Typer does to every command: its help keeps our line breaks, and its options are read too eagerly."""
    command.help = "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
    listed = command.get_params

    def get_params(ctx: Any) -> list[Any]:
        params: list[Any] = listed(ctx)  # with --help, which Typer makes only now
        for param in params:
            _smooth_param(param)
        return params

    command.get_params = get_params


def _smooth_param(param: Any) -> None:
    """Leave out the word <bool> behind a flag, and read an option only if it was given: reading imports pydantic."""
    if isinstance(param.get_runtime_param, partial):
        return
    if getattr(param, "is_flag", False):
        param.metavar = ""
    param.get_runtime_param = partial(_DefaultAsItIs, param.get_runtime_param)


class _DefaultAsItIs:
    """Stands before Typer's own reader of a parameter, which is built when a value has to be read."""

    def __init__(self, build: Callable[[], Any]) -> None:
        self._build = build

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Give the default as it is, and anything else to Typer."""
        single = param.nargs == 1 and not param.multiple
        if single and (value is None or value == param.default):
            return value if value is None else param.default
        return self._build().coerce(value, param=param, ctx=ctx)


def _global_options() -> list[Any]:
    """Make the options that stand after a command too; their callbacks keep the values, the command never sees them."""
    app = _typer()

    @app.command()
    def options(
        database_url: DatabaseUrlOption = None,
        env_file: EnvFileOption = None,
        schema: SchemaOption = None,
        no_embedded: NoEmbeddedOption = False,
        debug: DebugOption = False,
    ) -> None: ...

    params = [param for param in typer.main.get_command(app).params if param.name != "help"]
    for param in params:
        param.expose_value = False
    return params
