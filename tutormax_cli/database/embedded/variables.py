"""The caller's PG* variables, kept out of the way while libpq connects to the embedded server.

Keywords say where to connect, so that no variable can lead elsewhere. But libpq offers no keyword against PGSERVICE,
PGTZ, PGDATESTYLE and PGGEQO, and a variable with a value that it doesn't know fails every connection.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_guard = threading.Lock()
_users = 0
_hidden: dict[str, str] = {}


@contextmanager
def libpq_variables_hidden() -> Iterator[None]:
    """Take the PG* variables out of this process's environment, and put them back at the end.

    May be entered by several threads or tasks at once: the first one hides, the last one restores. It changes
    nothing in an environment without such variables.
    """
    global _users
    with _guard:
        _users += 1
        _hidden.update({name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PG")})
    try:
        yield
    finally:
        with _guard:
            _users -= 1
            if _users == 0:
                os.environ.update({name: value for name, value in _hidden.items() if name not in os.environ})
                _hidden.clear()


def without_libpq_variables() -> dict[str, str]:
    """Give a copy of the environment without the PG* variables, for a program that we run."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
