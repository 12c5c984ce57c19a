"""Which database is meant, and which setting said so. The only reader of the environment and of `.env`."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from tutormax_cli.errors import UsageError

PRODUCT = "tutormax"
"""The name that the role, the database and the application take when nothing else is said."""

DEFAULT_SCHEMA = "public"
"""The schema that holds TutorMax's tables unless TUTORMAX_SCHEMA or --schema names another one."""

POSTGRES_KEYS = {
    "POSTGRES_USER": ("user", PRODUCT),
    "POSTGRES_PASSWORD": ("password", None),
    "POSTGRES_HOST": ("host", "localhost"),
    "POSTGRES_PORT": ("port", "5432"),
    "POSTGRES_DB": ("dbname", PRODUCT),
}
"""Each POSTGRES_* variable, the libpq keyword that it sets, and what that takes when only others are set."""

# A peer that goes silent must not hang a command: libpq's own defaults wait for minutes.
PATIENCE = {
    "connect_timeout": ("10", "PGCONNECT_TIMEOUT"),
    "keepalives_idle": ("15", None),
    "keepalives_interval": ("5", None),
    "keepalives_count": ("3", None),
    "tcp_user_timeout": ("30000", None),
}

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one run.

    `keywords` are libpq's connection keywords as they were configured, or None for the embedded server; `defaults`
    are the keywords that we add to them; `source` names the setting that chose the database; `schema` holds TutorMax's
    tables. The password is in `keywords` alone, which `repr` leaves out.
    """

    source: str
    keywords: Mapping[str, str] | None
    home: Path
    pg_version: int | None = None
    echo: bool = False
    defaults: Mapping[str, str] = field(default_factory=dict)
    schema: str = DEFAULT_SCHEMA

    @property
    def embedded(self) -> bool:
        """Whether nothing was configured, so that the embedded PostgreSQL is used."""
        return self.keywords is None

    @property
    def dbname(self) -> str:
        """The database's name; empty where libpq will decide it (a service file, say)."""
        return PRODUCT if self.keywords is None else self.keywords.get("dbname", "")

    @property
    def place(self) -> str:
        """Where the server is, for people: `db.example.com:5432`."""
        if self.keywords is None:
            return "embedded PostgreSQL"
        if "service" in self.keywords:
            return f"service {self.keywords['service']}"
        host, port = self.keywords.get("host"), self.keywords.get("port", "5432")
        return f"{host}:{port}" if host else "libpq's default server"

    @property
    def description(self) -> str:
        """The database, its server and the setting that chose it, for people."""
        name = "" if self.embedded else f"{self.dbname or 'the default database'} on "
        return f"{name}{self.place} ({self.source})"

    @property
    def local(self) -> bool:
        """Whether the server is known to be on this machine."""
        if self.keywords is None:
            return True
        hosts = (self.keywords.get("hostaddr") or self.keywords.get("host", "")).split(",")
        return "service" not in self.keywords and all(h.startswith(("/", "@")) or h in LOCAL_HOSTS for h in hosts)

    @property
    def database_url(self) -> str:
        """The URL of the database, with `***` for the password."""
        if self.keywords is None:
            return f"postgresql:///{PRODUCT} (embedded in {self.home})"
        parts = dict(self.keywords)
        user, dbname = quote(parts.pop("user", ""), safe=""), quote(parts.pop("dbname", ""), safe="")
        secret = ":***" if parts.pop("password", None) is not None else ""
        host, port = parts.pop("host", ""), parts.pop("port", "")
        query = "&".join(f"{key}={quote(value, safe='')}" for key, value in parts.items() if key not in SECRETS)
        login = f"{user}{secret}@" if user or secret else ""
        if host.startswith("/"):
            query = "&".join(part for part in (f"host={quote(host, safe='/')}", query) if part)
            host = ""
        where = host + (f":{port}" if port else "")
        return f"postgresql://{login}{where}/{dbname}" + (f"?{query}" if query else "")

    def __repr__(self) -> str:
        return f"Settings(source={self.source!r}, database_url={self.database_url!r})"


SECRETS = ("password", "sslpassword", "oauth_client_secret")


def load_settings(
    database_url: str | None = None, *, environ: Mapping[str, str] | None = None, directory: Path | None = None
) -> Settings:
    """Find the database: the given URL, DATABASE_URL, POSTGRES_*, the same in `.env`, or the embedded server.

    Raises UsageError when the setting that wins can't be read. A `.env` that can't be read matters only where nothing
    before it names the database.
    """
    env = os.environ if environ is None else environ
    chosen = _given(database_url) or _configured(env)
    dotenv = _read_dotenv((directory or Path()) / ".env", needed=chosen is None)
    source, keywords = chosen or _configured(dotenv, ", .env") or ("nothing configured", None)

    def setting(key: str) -> str:
        return env.get(key) or dotenv.get(key) or ""

    return Settings(
        source=source,
        keywords=keywords,
        home=Path(setting("TUTORMAX_HOME")).expanduser().absolute() if setting("TUTORMAX_HOME") else default_home(),
        pg_version=_pg_version(setting("TUTORMAX_PG_VERSION")),
        echo=_flag("DB_ECHO", setting("DB_ECHO")),
        defaults=_defaults(env),
    )


def default_home() -> Path:
    """Give the folder that holds the embedded server.

    It is the platform's user data folder; for root it is /var/lib/tutormax, because the server's programs refuse
    to run as root and the account that they run as can't enter root's own home.
    """
    if os.name == "posix" and os.geteuid() == 0:
        return Path("/var/lib") / PRODUCT
    from platformdirs import user_data_path

    return user_data_path(PRODUCT, appauthor=False)


def _given(url: str | None) -> tuple[str, dict[str, str]] | None:
    return None if url is None else ("--database-url", parse_url(url, "--database-url"))


def _configured(values: Mapping[str, str], suffix: str = "") -> tuple[str, dict[str, str]] | None:
    """Give the name of the setting among `values` that wins, and the connection keywords in it."""
    if values.get("DATABASE_URL"):
        return f"DATABASE_URL{suffix}", parse_url(values["DATABASE_URL"], f"DATABASE_URL{suffix}")
    named = [key for key in POSTGRES_KEYS if values.get(key)]
    if not named:
        return None
    telling = "POSTGRES_HOST" if "POSTGRES_HOST" in named else named[0]
    return f"{telling}{suffix}", _from_parts(values, f"{telling}{suffix}")


def _from_parts(values: Mapping[str, str], source: str) -> dict[str, str]:
    chosen = {keyword: values.get(key) or default for key, (keyword, default) in POSTGRES_KEYS.items()}
    keywords = {keyword: value for keyword, value in chosen.items() if value is not None}
    if not re.fullmatch(r"\d{1,5}(,\d{1,5})*", keywords["port"]):
        raise UsageError(f"POSTGRES_PORT is {keywords['port']!r}, not a number ({source})", "set POSTGRES_PORT=5432")
    return keywords


def _defaults(env: Mapping[str, str]) -> dict[str, str]:
    """Give time limits where no PG* variable sets them, and our name for pg_stat_activity."""
    limits = {key: value for key, (value, variable) in PATIENCE.items() if not (variable and env.get(variable))}
    return limits if env.get("PGAPPNAME") else limits | {"application_name": PRODUCT}


_SCHEME = re.compile(r"postgres(?:ql)?(?:\+\w+)?://", re.IGNORECASE)
_ADDRESS = re.compile(
    r"(?P<hosts>[^/?#@]*)(?:/(?P<dbname>[^/?#@]*))?(?:\?(?P<query>[A-Za-z_]+=[^#]*))?",
    re.DOTALL,
)
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^:\[\]]*)(?::(?P<port>\d{1,5}))?")


def parse_url(url: str, source: str) -> dict[str, str]:
    """Turn a PostgreSQL URL into libpq keywords, so that libpq never sees (or prints) the raw URL.

    Passwords may be percent-encoded or stand as they are: where a raw `@ / # ?` makes the URL ambiguous, the
    reading that leaves a well-formed host, port and database wins. Raises UsageError, which never quotes the URL.
    """
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise UsageError(
            f"{source} is not a PostgreSQL URL", "write it as postgresql://user:password@host:5432/database"
        )
    for login, address in _readings(url[scheme.end() :]):
        keywords = _read_address(address)
        if keywords is not None:
            return _read_login(login) | keywords
    raise UsageError(
        f"{source} can't be read as a PostgreSQL URL", "write it as postgresql://user:password@host:5432/database"
    )


def _readings(rest: str) -> list[tuple[str, str]]:
    """List the ways to cut `login@address`, the standard one first, then at each `@` from the right."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    login, at, host = authority.rpartition("@")
    standard = (login if at else "", host + rest[len(authority) :])
    cuts = [match.start() for match in re.finditer("@", rest)]
    return [standard, *((rest[:cut], rest[cut + 1 :]) for cut in reversed(cuts))]


def _read_address(address: str) -> dict[str, str] | None:
    """Read `host:port,host:port/database?keyword=value&…`; None where it isn't that."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        return None
    hosts = [_HOST.fullmatch(part) for part in match["hosts"].split(",")]
    if any(host is None for host in hosts):
        return None
    found = [host for host in hosts if host is not None]
    keywords = {
        "host": ",".join(unquote(host["host"].strip("[]")) for host in found).strip(","),
        "port": ",".join(host["port"] or "" for host in found) if any(host["port"] for host in found) else "",
        "dbname": unquote(match["dbname"] or ""),
    }
    keywords = {keyword: value for keyword, value in keywords.items() if value}
    for pair in (match["query"] or "").split("&"):
        keyword, equals, value = pair.partition("=")
        if equals:
            keywords[unquote(keyword)] = unquote(value)
    return keywords


def _read_login(login: str) -> dict[str, str]:
    user, colon, password = login.partition(":")
    return ({"user": unquote(user)} if user else {}) | ({"password": unquote(password)} if colon and password else {})


def _read_dotenv(path: Path, *, needed: bool) -> dict[str, str]:
    """Read a `.env` file, or nothing of one that can't be read and isn't needed."""
    try:
        return _dotenv(path)
    except UsageError:
        if needed:
            raise
        return {}


def _dotenv(path: Path) -> dict[str, str]:
    """Read a `.env` file; nothing in it is expanded, because passwords hold dollar signs."""
    try:
        if not path.is_file():
            return {}
        from dotenv.parser import parse_stream

        with path.open(encoding="utf-8") as file:
            bindings = list(parse_stream(file))
    except (OSError, UnicodeDecodeError) as problem:
        raise UsageError(f"can't read {path}: {problem}", "make it a readable UTF-8 file, or remove it") from None
    for binding in bindings:
        if binding.error:
            raise UsageError(f"{path}, line {binding.original.line}: not KEY=value", "close its quotes, or remove it")
    return {binding.key: binding.value for binding in bindings if binding.key and binding.value is not None}


def _pg_version(value: str) -> int | None:
    if value and value not in ("16", "18"):
        raise UsageError(f"TUTORMAX_PG_VERSION is {value!r}; it can be 16 or 18", "unset it to use the newest")
    return int(value) if value else None


def _flag(key: str, value: str) -> bool:
    if value.lower() in ("", "0", "false", "no", "off"):
        return False
    if value.lower() in ("1", "true", "yes", "on"):
        return True
    raise UsageError(f"{key} is {value!r}; it can be true or false", f"set {key}=true, or unset it")
