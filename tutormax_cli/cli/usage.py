"""What is wrong with a command line, in one voice: Typer's, click's and pydantic's words turned into ours."""

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import typer

_CAN_BE: dict[str, Callable[[dict[str, Any]], str]] = {
    "int_parsing": lambda limit: "a whole number",
    "int_parsing_size": lambda limit: "a whole number of a sensible size",
    "float_parsing": lambda limit: "a number",
    "greater_than_equal": lambda limit: f"{limit['ge']} or more",
    "less_than_equal": lambda limit: f"{limit['le']} or less",
    "bool_parsing": lambda limit: "true or false",
}
"""What a value can be instead, by the kind of pydantic's error and from its context."""

_REWORDED = (
    (r"No such command '(.*?)'\.(?: Did you mean '([^']*)'.*)?.*", r"there is no command '\1'; did you mean \2?"),
    (r"Option '(.*)' requires an argument\.", r"\1 needs a value"),
    (r"Option '(.*)' does not take a value\.", r"\1 takes no value"),
    (r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", r"there is no place for the argument \1"),
)
_CHOICES = re.compile(r"Value error, .* is not one of (.*)\.")


def usage_line(problem: typer.TyperException) -> str:
    """Say what is wrong, without a full stop."""
    message = " ".join(problem.message.split())
    kind = type(problem).__name__
    if kind == "NoSuchOption":
        return _no_such_option(problem)
    if kind == "MissingParameter":
        return f"{_name(problem)} is missing"
    if isinstance(problem, typer.BadParameter):
        return _bad_value(problem, message)
    for pattern, ours in _REWORDED:
        if found := re.fullmatch(pattern, message):
            return found.expand(ours).removesuffix("; did you mean ?")
    return f"{message[:1].lower()}{message[1:]}".removesuffix(".")


def _bad_value(problem: typer.BadParameter, message: str) -> str:
    """Say what an option or argument can be: what pydantic found is the cause of Typer's exception."""
    errors: list[dict[str, Any]] = getattr(problem.__cause__, "errors", list)()
    name = _name(problem)
    if errors and errors[0]["type"] in _CAN_BE:
        error = errors[0]
        return f"{name} is {str(error['input'])!r}; it can be {_CAN_BE[error['type']](error.get('ctx', {}))}"
    if errors and (choices := _CHOICES.fullmatch(message)):
        *others, last = re.findall(r"'(.*?)'", choices[1])
        return f"{name} is {str(errors[0]['input'])!r}; it can be {', '.join(others)} or {last}"
    return f"{name}: {message.removesuffix('.')}" if name else message


def _name(problem: Any) -> str:
    """Name an option as people type it first, an argument as the help shows it."""
    hint = problem.param_hint or (problem.param.get_error_hint() if problem.param else "")
    hints = [hint] if isinstance(hint, str) else list(hint)
    return str(hints[0]).split(" / ")[0].strip("'") if hints else ""


def _no_such_option(problem: Any) -> str:
    bare = {option.lstrip("-"): option for option in problem.possibilities or ()}
    near = [bare[match] for match in get_close_matches(problem.option_name.lstrip("-"), bare, n=1)]
    return f"there is no option {problem.option_name}" + (f"; did you mean {near[0]}?" if near else "")
