"""What the value of a setting can be: each function returns the value, or raises UsageError naming the setting."""

import re
from collections.abc import Mapping

from tutormax_cli.errors import UsageError

MAX_NAME_BYTES = 63
"""PostgreSQL cuts longer names without an error."""

CONTROL_CHARACTER = re.compile("[\x00-\x1f\x7f-\x9f]")


def stripped(key: str, value: str) -> str:
    """Drop the white space around a value; a password may begin and end with blanks, so only a last line break."""
    return re.sub(r"(\r\n|\n|\r)\Z", "", value) if key == "POSTGRES_PASSWORD" else value.strip()


def refuse_control_characters(keywords: Mapping[str, str], source: str, secrets: tuple[str, ...]) -> None:
    """Raise UsageError if a libpq keyword's value contains a control character; in `secrets` only NUL is refused."""
    for keyword, value in keywords.items():
        if "\x00" in value or (keyword not in secrets and CONTROL_CHARACTER.search(value)):
            raise UsageError(f"{source}: {keyword} contains a control character", f"remove it from {keyword}")


def check_ports(value: str, source: str) -> None:
    """Raise UsageError if POSTGRES_PORT is neither a number nor a list of numbers."""
    if not re.fullmatch(r"[0-9]{0,5}(,[0-9]{0,5})*", value):
        raise UsageError(f"POSTGRES_PORT is {value!r}, not a number ({source})", "set POSTGRES_PORT=5432")


def schema_name(name: str, source: str) -> str:
    """Return the name of a schema. Raises UsageError if no schema of ours can have it."""
    problem = _schema_problem(name)
    if problem:
        raise UsageError(f"{source} {problem}", f"name a schema of your own, or omit {source}")
    return name


def _schema_problem(name: str) -> str | None:
    if not name.strip():
        return "is empty"
    if CONTROL_CHARACTER.search(name):
        return "contains a line break or another control character"
    if name != name.strip():
        return f"is {name!r}, with a blank at its beginning or end"
    if len(name.encode(errors="surrogateescape")) > MAX_NAME_BYTES:
        return f"is longer than {MAX_NAME_BYTES} bytes"
    if name.startswith("pg_") or name == "information_schema":
        return f"is {name}, one of PostgreSQL's own schemas"
    return None


def postgresql_version(value: str) -> int | None:
    """Return the major version for a new embedded server; None for the newest."""
    if value and value not in ("16", "18"):
        raise UsageError(f"TUTORMAX_PG_VERSION is {value!r}; it can be 16 or 18", "unset it to use the newest")
    return int(value) if value else None


def flag(key: str, value: str) -> bool:
    """Return whether a setting is on; an empty one is off."""
    if value.lower() in ("", "0", "false", "no", "off"):
        return False
    if value.lower() in ("1", "true", "yes", "on"):
        return True
    raise UsageError(f"{key} is {value!r}; it can be true or false", f"set {key}=true, or unset it")
