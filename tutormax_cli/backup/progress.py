"""How long work tells how far it is."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stage:
    """What is being done now: `done` of `total` (None: nobody knows), and a `note` for people, such as a size."""

    what: str
    done: int = 0
    total: int | None = None
    note: str = ""


Listener = Callable[[Stage], None]
"""Told every stage; it may be called often, and within a transaction: return soon."""


def silent(stage: Stage) -> None:
    """Listen to nothing."""
