"""URLs of databases: read into libpq's keywords, and written without secrets.

We read them ourselves, so that libpq never sees a raw URL: its messages repeat fragments of what it cannot read, and a
password may be one of them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from urllib.parse import quote, unquote

from tutormax_cli.errors import UsageError
from tutormax_cli.setting_values import CONTROL_CHARACTER, refuse_control_characters

SECRETS = ("password", "sslpassword", "oauth_client_secret")
"""The keywords whose values are never shown."""

EXAMPLE = "postgresql://user:password@host:5432/database"

_SCHEME = re.compile(r"postgres(?:ql)?(?:\+\w+)?://", re.IGNORECASE)
_ADDRESS = re.compile(
    r"(?P<hosts>[^/?#@]*)(?:/(?P<dbname>[^?]*))?(?:\?(?P<query>(?:(?:[A-Za-z_]|%[0-9A-Fa-f]{2})+=.*)?))?", re.DOTALL
)
_HOST = re.compile(r"(?P<host>\[[^\[\]/?#@\s]+\]|[^:\[\]\s]*)(?P<colon>:(?P<port>[0-9]{0,5}))?")
_USER_AND_PASSWORD = re.compile(r"[^:/?#@]*:")


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to cut a URL: what is before the `@`, still encoded, and the keywords of what is behind it.

    `doubtful` if the database's name holds a raw `@`: the `@` may as well be the one behind a raw password.
    """

    login: str
    address: dict[str, str]
    doubtful: bool

    @property
    def complete(self) -> bool:
        """Whether the address is more than a host."""
        return bool({"port", "dbname"} & self.address.keys())


def parse_url(url: str, source: str) -> dict[str, str]:
    """Return the libpq keywords of a PostgreSQL URL, read as libpq reads it.

    Surrounding white space is dropped. A password may also contain raw `@ / # ? %` and blanks: if these make the URL
    ambiguous, the reading with a well-formed host, port and database wins. Raises UsageError, which names `source` and
    never quotes the URL.
    """
    text = url.strip()
    scheme = _SCHEME.match(text)
    if scheme is None:
        raise UsageError(f"{source} is not a PostgreSQL URL", f"write it as {EXAMPLE}")
    if CONTROL_CHARACTER.search(text):
        raise UsageError(f"{source} contains a line break or another control character", "remove it from the URL")
    try:
        reading = _read(text[scheme.end() :])
        keywords = {} if reading is None else _read_login(reading.login) | reading.address
    except UnicodeDecodeError:
        raise UsageError(
            f"{source}: percent-encoded bytes are not UTF-8", "encode them as UTF-8: %C3%A4 is ä"
        ) from None
    if reading is None:
        raise UsageError(
            f"{source} can't be read as a PostgreSQL URL", f"write it as {EXAMPLE}, with %20 for a blank and %40 for @"
        )
    refuse_control_characters(keywords, source, SECRETS)
    return keywords


def write_url(keywords: Mapping[str, str]) -> str:
    """Return the URL of libpq keywords, with `***` for the password; other secrets are omitted."""
    parts = dict(keywords)
    user, dbname = quote(parts.pop("user", ""), safe=""), quote(parts.pop("dbname", ""), safe="")
    secret = ":***" if parts.pop("password", None) is not None else ""
    where = _authority(parts.get("host", ""), parts.get("port", ""))
    if where:
        parts = {keyword: value for keyword, value in parts.items() if keyword not in ("host", "port")}
    query = "&".join(f"{key}={quote(value, safe='/')}" for key, value in parts.items() if key not in SECRETS)
    login = f"{user}{secret}@" if user or secret else ""
    return f"postgresql://{login}{where}/{dbname}" + (f"?{query}" if query else "")


def _authority(hosts: str, ports: str) -> str:
    """Return `host:port,…`; empty if only the query of a URL can hold them, as it does folders of sockets."""
    found = addresses(hosts, ports)
    sockets = not all(host and not host.startswith(("/", "@")) for host, _ in found)
    if sockets or ports.count(",") not in (0, len(found) - 1):
        return ""
    return ",".join(shown_address(quote(host, safe=":"), port) for host, port in found)


def addresses(hosts: str, ports: str) -> list[tuple[str, str]]:
    """Return each host of libpq's comma-separated list with its port; empty for the default. One port is for all."""
    names, numbers = hosts.split(","), ports.split(",")
    each = numbers * len(names) if len(numbers) == 1 else numbers
    return list(zip_longest(names, each[: len(names)], fillvalue="")) if hosts else []


def shown_address(host: str, port: str) -> str:
    """Return `host:port`, with brackets around an IPv6 address."""
    name = f"[{host}]" if ":" in host and not host.startswith("/") else host
    return f"{name}:{port}" if port else name


def _read(rest: str) -> _Reading | None:
    """Read what follows `postgresql://`, or return None if it is no address of a database."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    login, _, host = authority.rpartition("@")
    standard = _reading(login, host + rest[len(authority) :])
    if standard is not None and not standard.doubtful:
        return standard
    raw = _raw_password(rest)
    if standard is None or (raw is not None and (raw.complete or not login)):
        return raw
    return standard


def _raw_password(rest: str) -> _Reading | None:
    """Read a URL whose password contains raw characters: cut it at each `@`, from the right."""
    for cut in reversed([match.start() for match in re.finditer("@", rest)]):
        reading = _reading(rest[:cut], rest[cut + 1 :]) if _USER_AND_PASSWORD.match(rest[:cut]) else None
        if reading is not None and not reading.doubtful:
            return reading
    return None


def _reading(login: str, address: str) -> _Reading | None:
    """Read `host:port,host:port/database?keyword=value&…`; None if it is not that."""
    match = _ADDRESS.fullmatch(address)
    query = _read_query((match["query"] or "").strip()) if match else None
    hosts = _read_hosts(match["hosts"].strip(), port_optional="@" not in address) if match else None
    if match is None or query is None or hosts is None:
        return None
    dbname = (match["dbname"] or "").strip()
    if re.search(r"\s", dbname):
        return None
    keywords = hosts | ({"dbname": unquote(dbname, errors="strict")} if dbname else {}) | query
    return _Reading(login, keywords, "@" in dbname)


def _read_hosts(text: str, *, port_optional: bool) -> dict[str, str] | None:
    """Read `host:port,…`. `port_optional` if the port behind a colon may be missing, as libpq has it."""
    found = [_HOST.fullmatch(part.strip()) for part in text.split(",")]
    hosts = [each for each in found if each is not None]
    if len(hosts) < len(found) or not (port_optional or all(each["port"] for each in hosts if each["colon"])):
        return None
    keywords = {
        "host": ",".join(unquote(each["host"].strip("[]"), errors="strict") for each in hosts),
        "port": ",".join(each["port"] or "" for each in hosts),
    }
    return {keyword: value for keyword, value in keywords.items() if value}


def _read_query(text: str) -> dict[str, str] | None:
    """Read `keyword=value&…`; None if a pair has no `=`. Like libpq, take JDBC's ssl=true for sslmode=require."""
    pairs = [pair.partition("=") for pair in text.removesuffix("&").split("&")] if text else []
    if not all(equals for _, equals, _ in pairs):
        return None
    read = [(unquote(key.strip(), errors="strict"), unquote(value.strip(), errors="strict")) for key, _, value in pairs]
    return dict(("sslmode", "require") if pair == ("ssl", "true") else pair for pair in read)


def _read_login(login: str) -> dict[str, str]:
    user, _, password = login.partition(":")
    found: Sequence[tuple[str, str]] = (("user", user.strip()), ("password", password))
    return {keyword: unquote(value, errors="strict") for keyword, value in found if value}
