"""The command line as it may be written down: the command, its options, and such values as give nothing away."""

import re
from datetime import datetime, time
from enum import Enum
from pathlib import Path
from typing import Any

from tutormax_cli.database.admin_log import file_words

LEFT_OUT = "…"
"""Stands for a value that may be a secret or somebody's data."""

_BARE_WORD = re.compile(r"[\w.+-]{1,64}")


def command_words() -> str:
    """Give the words of the command that runs: `tutormax seed --tutors 500 --replace`.

    Numbers, times, choices and files stand as they were given, arguments where they are one bare word; any other text
    is left out, as the URL of the database is with its option.
    """
    from typer._click.globals import get_current_context

    context = get_current_context(silent=True)
    if context is None:
        return "tutormax"
    given = [
        word
        for param in context.command.params
        if param.name in context.params and _is_given(context, param.name)
        for word in _words(param, context.params[param.name])
    ]
    return " ".join([context.command_path, *given])


def _is_given(context: Any, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _words(param: Any, value: Any) -> list[str]:
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if param.param_type_name == "argument":
        return [_shown(each, bare_word=True) for each in values]
    name = max(param.opts, key=len)
    if isinstance(value, bool):
        return [name if value else max(param.secondary_opts or [name], key=len)]
    return [word for each in values for word in (name, _shown(each, bare_word=False))]


def _shown(value: Any, *, bare_word: bool) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}" if value.time() == time() else value.isoformat()
    if isinstance(value, Path):
        return file_words(value) or LEFT_OUT
    if isinstance(value, (int, float)):
        return str(value)
    return value if bare_word and isinstance(value, str) and _BARE_WORD.fullmatch(value) else LEFT_OUT
