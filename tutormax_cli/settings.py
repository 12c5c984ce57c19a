"""Which database is meant, and which setting chose it. The only reader of the environment and of `.env`."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from tutormax_cli.errors import UsageError
from tutormax_cli.setting_values import (
    check_ports,
    flag,
    postgresql_version,
    refuse_control_characters,
    schema_name,
    stripped,
)
from tutormax_cli.urls import EXAMPLE, addresses, parse_url, shown_address, write_url

PRODUCT = "tutormax"
"""The default name of the role, the database and the application."""

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

OUR_NAMES = (
    "DATABASE_URL",
    *POSTGRES_KEYS,
    "TUTORMAX_SCHEMA",
    "TUTORMAX_NO_EMBEDDED",
    "TUTORMAX_HOME",
    "TUTORMAX_PG_VERSION",
    "DB_ECHO",
)
"""The settings that a `.env` file may hold."""

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
    are the keywords that we add to them; `source` names the settings that chose the database; `unset` is what to
    do to use the embedded server instead, empty if that is not possible; `schema` holds TutorMax's tables;
    `env_file` is the file that was named in place of `.env`; `warning` is a text for the user about settings that were
    not read. The password is in `keywords` alone, which `repr` omits.
    """

    source: str
    keywords: Mapping[str, str] | None
    home: Path
    pg_version: int | None = None
    echo: bool = False
    defaults: Mapping[str, str] = field(default_factory=dict)
    schema: str = DEFAULT_SCHEMA
    unset: str = ""
    env_file: Path | None = None
    warning: str = ""

    @property
    def embedded(self) -> bool:
        """Whether nothing was configured, so that the embedded PostgreSQL is used."""
        return self.keywords is None

    @property
    def dbname(self) -> str:
        """The database's name; empty if libpq decides it (by a service file, for example)."""
        return PRODUCT if self.keywords is None else self.keywords.get("dbname", "")

    @property
    def place(self) -> str:
        """The server, for people: `db.example.com:5432`."""
        if self.keywords is None:
            return "embedded PostgreSQL"
        if "service" in self.keywords:
            return f"service {self.keywords['service']}"
        hosts = self.keywords.get("hostaddr") or self.keywords.get("host", "")
        each = addresses(hosts, self.keywords.get("port", ""))
        return ", ".join(shown_address(host, port or "5432") for host, port in each) or "libpq's default server"

    @property
    def description(self) -> str:
        """The database, its server, its schema unless that is `public`, and the settings that chose it, for people."""
        name = "" if self.embedded else f"{self.dbname or 'the default database'} on "
        schema = "" if self.schema == DEFAULT_SCHEMA else f", schema {self.schema}"
        return f"{name}{self.place}{schema} ({self.source})"

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
        return write_url(self.keywords)

    def __repr__(self) -> str:
        return f"Settings(source={self.source!r}, database_url={self.database_url!r})"


@dataclass(frozen=True, slots=True)
class _Choice:
    """The database that the settings name: see the fields of `Settings`."""

    source: str
    keywords: Mapping[str, str] | None
    unset: str = ""


@dataclass(frozen=True, slots=True)
class _EnvFile:
    """A `.env` file: what people call it, where it is, and the values in it."""

    name: str
    path: Path
    values: Mapping[str, str]


def load_settings(
    database_url: str | None = None,
    *,
    env_file: Path | None = None,
    schema: str | None = None,
    no_embedded: bool | None = None,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Settings:
    """Return the settings: the given URL, DATABASE_URL, POSTGRES_*, the same in `.env`, or the embedded server.

    POSTGRES_* are merged per variable: environment, then `.env`, then default. An empty POSTGRES_* counts as not set;
    an empty DATABASE_URL, TUTORMAX_SCHEMA or TUTORMAX_ENV_FILE is an error. White space around values is dropped, from
    a password only one line break at its end. `env_file` or TUTORMAX_ENV_FILE replaces `.env` in `directory`;
    `no_embedded` overrides TUTORMAX_NO_EMBEDDED.

    Raises UsageError if a setting can't be read, if `.env` and the environment name a database each, or if nothing is
    configured and the embedded server is ruled out. A `.env` that can't be read matters only if nothing before it
    names the database, a named file always.
    """
    env = os.environ if environ is None else environ
    folder = directory or Path()
    named = env_file or _named_file(env)
    first = _first_url(database_url, env)
    file = _read_named(folder, named) if named else _read_default(folder / ".env", needed=first is None)
    choice = first or _configured(env, file)
    unread = None if first or _names_database(file.values) else _unread_file(folder, file.path, env)

    def setting(key: str) -> str:
        return env.get(key) or file.values.get(key) or ""

    if no_embedded is None:
        no_embedded = flag("TUTORMAX_NO_EMBEDDED", setting("TUTORMAX_NO_EMBEDDED"))
    if choice is None and no_embedded:
        raise _nothing_configured(unread)
    choice = choice or _Choice("nothing configured", None)
    return Settings(
        source=choice.source,
        keywords=choice.keywords,
        home=Path(setting("TUTORMAX_HOME")).expanduser().absolute() if setting("TUTORMAX_HOME") else default_home(),
        pg_version=postgresql_version(setting("TUTORMAX_PG_VERSION")),
        echo=flag("DB_ECHO", setting("DB_ECHO")),
        defaults=_defaults(env),
        schema=_schema(schema, env, file.values),
        unset="" if no_embedded else choice.unset,
        env_file=file.path if named else None,
        warning=_warning(unread) if unread else "",
    )


def default_home() -> Path:
    """Return the folder that holds the embedded server.

    It is the platform's user data folder; for root it is /var/lib/tutormax, because the server's programs refuse
    to run as root and the account that they run as can't enter root's own home.
    """
    if os.name == "posix" and os.geteuid() == 0:
        return Path("/var/lib") / PRODUCT
    from platformdirs import user_data_path

    return user_data_path(PRODUCT, appauthor=False)


def _first_url(option: str | None, env: Mapping[str, str]) -> _Choice | None:
    """Return the database of --database-url or of DATABASE_URL in the environment, which win over all others."""
    if option is not None:
        fix = f"omit it to use the configured database, or write --database-url {EXAMPLE}"
        return _Choice("--database-url", _parse(option, "--database-url", fix))
    if "DATABASE_URL" not in env:
        return None
    fix = f"unset DATABASE_URL, or set it to {EXAMPLE}"
    return _Choice("DATABASE_URL", _parse(env["DATABASE_URL"], "DATABASE_URL", fix), "unset DATABASE_URL")


def _parse(url: str, source: str, fix: str) -> dict[str, str]:
    if not url.strip():
        raise UsageError(f"{source} is empty", fix)
    return parse_url(url, source)


def _configured(env: Mapping[str, str], file: _EnvFile) -> _Choice | None:
    """Return the database of DATABASE_URL in the file, or of POSTGRES_* in environment and file."""
    here, there = _parts(env), _parts(file.values)
    if "DATABASE_URL" not in file.values:
        return _merged(here, there, file.name) if here or there else None
    source = f"DATABASE_URL, {file.name}"
    fix = f"remove the line DATABASE_URL= from {file.name}, or complete it: DATABASE_URL={EXAMPLE}"
    keywords = _parse(file.values["DATABASE_URL"], source, fix)
    if there:
        raise UsageError(
            f"{file.name} has both DATABASE_URL and {', '.join(there)}",
            f"keep one of them: remove DATABASE_URL, or {' '.join(there)}, from {file.name}",
        )
    if here:
        raise UsageError(
            f"DATABASE_URL in {file.name} and {', '.join(here)} in the environment name a database each",
            f"unset {' '.join(here)}, or remove DATABASE_URL from {file.name}",
        )
    return _Choice(source, keywords, f"remove DATABASE_URL from {file.name}")


def _parts(values: Mapping[str, str]) -> dict[str, str]:
    """Return the POSTGRES_* that are set, without white space around them. An empty one counts as not set."""
    found = {key: stripped(key, values.get(key, "")) for key in POSTGRES_KEYS}
    return {key: value for key, value in found.items() if value}


def _merged(here: Mapping[str, str], there: Mapping[str, str], file: str) -> _Choice:
    """Merge POSTGRES_* per variable: `here` is the environment, `there` the file."""
    left = [key for key in there if key not in here]
    source = _source(list(here), left, file)
    chosen = {keyword: {**there, **here}.get(key, default) for key, (keyword, default) in POSTGRES_KEYS.items()}
    keywords = {keyword: value for keyword, value in chosen.items() if value is not None}
    refuse_control_characters({**there, **here}, source, ("POSTGRES_PASSWORD",))
    check_ports(keywords["port"], source)
    steps = [f"unset {' '.join(here)}" if here else "", f"remove {', '.join(there)} from {file}" if there else ""]
    return _Choice(source, keywords, " and ".join(filter(None, steps)))


def _source(here: list[str], left: list[str], file: str) -> str:
    """Return where POSTGRES_* came from: `left` are those that the file adds to the environment's."""
    if here and left:
        return f"{', '.join(here)}; {', '.join(left)} from {file}"
    names = here or left
    main = "POSTGRES_HOST" if "POSTGRES_HOST" in names else names[0]
    return main if here else f"{main}, {file}"


def _defaults(env: Mapping[str, str]) -> dict[str, str]:
    """Return time limits that no PG* variable sets, and our name for pg_stat_activity."""
    limits = {key: value for key, (value, variable) in PATIENCE.items() if not (variable and env.get(variable))}
    return limits if env.get("PGAPPNAME") else limits | {"application_name": PRODUCT}


def _named_file(env: Mapping[str, str]) -> Path | None:
    """Return the file that TUTORMAX_ENV_FILE names."""
    value = env.get("TUTORMAX_ENV_FILE")
    if value is not None and not value.strip():
        raise UsageError("TUTORMAX_ENV_FILE is empty", "unset TUTORMAX_ENV_FILE, or set it to the path of a file")
    return None if value is None else Path(os.path.expanduser(value.strip()))


def _read_named(folder: Path, named: Path) -> _EnvFile:
    """Read a file that was named. Raises UsageError if it is missing or unreadable."""
    path = folder / named
    return _EnvFile(str(named), path, _dotenv(path, "name a UTF-8 file that you can read: --env-file FILE"))


def _read_default(path: Path, *, needed: bool) -> _EnvFile:
    """Read `.env`, or nothing from one that can't be read and isn't needed. A folder of that name is no file."""
    values = {}
    if os.path.lexists(path) and not os.path.isdir(path):
        try:
            values = _dotenv(path, "make it a readable UTF-8 file, or remove it")
        except UsageError:
            if needed:
                raise
    return _EnvFile(path.name, path, values)


def _dotenv(path: Path, fix: str) -> dict[str, str]:
    """Return the values in a `.env` file; nothing in them is expanded, because passwords contain dollar signs.

    Windows programs put a byte order mark in front of the first key. Raises UsageError with `fix`.
    """
    from dotenv.parser import parse_stream

    try:
        with path.open(encoding="utf-8-sig") as file:
            bindings = list(parse_stream(file))
    except OSError as problem:
        raise UsageError(f"can't read {path}: {problem.strerror}", fix) from None
    except UnicodeDecodeError:
        raise UsageError(f"can't read {path}: it is not UTF-8", fix) from None
    for binding in bindings:
        if "\0" in binding.original.string:
            raise UsageError(f"can't read {path}: line {binding.original.line} contains a NUL character", fix)
        if binding.error:
            raise UsageError(f"{path}, line {binding.original.line}: not KEY=value", "close its quotes, or remove it")
    return {binding.key: binding.value for binding in bindings if binding.key and binding.value is not None}


@dataclass(frozen=True, slots=True)
class _UnreadFile:
    """A `.env` in a parent folder that was not read: its path, the options that read it, and our names in it."""

    path: Path
    option: str
    names: tuple[str, ...]


def _names_database(values: Mapping[str, str]) -> bool:
    return "DATABASE_URL" in values or bool(_parts(values))


def _unread_file(directory: Path, read: Path, env: Mapping[str, str]) -> _UnreadFile | None:
    """Find the nearest `.env` with a setting of ours in the parent folders, up to the home folder or the root.

    `read` is the file that was read.
    """
    try:
        here = directory.absolute()
    except OSError:  # the working directory was deleted
        return None
    home = Path(env.get("HOME", ""))
    below_home = takewhile(lambda each: not (home.is_absolute() and _same_file(each, home)), (here, *here.parents))
    for folder in below_home:
        path = folder.parent / ".env"
        names = () if _same_file(path, read) else _our_names(path)
        if names:
            return _UnreadFile(path, f"--env-file {shlex.quote(os.path.relpath(path, here))}", names)
    return None


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _our_names(path: Path) -> tuple[str, ...]:
    """Return our settings in a file; none if it can't be read."""
    try:
        values = _dotenv(path, "") if os.path.isfile(path) else {}
    except UsageError:
        return ()
    return tuple(name for name in OUR_NAMES if name in values)


def _warning(unread: _UnreadFile) -> str:
    names = ", ".join(unread.names)
    return (
        f"warning: {unread.path} sets {names}, but the .env of a parent folder is not read\n"
        f"  to read it, add {unread.option}"
    )


def _nothing_configured(unread: _UnreadFile | None) -> UsageError:
    fix = f"set DATABASE_URL={EXAMPLE}, or name a file that does: --env-file FILE"
    if unread:
        fix = f"to read {unread.path}, add {unread.option}"
    return UsageError("no database is configured, and --no-embedded rules out the embedded one", fix)


def _schema(option: str | None, env: Mapping[str, str], file: Mapping[str, str]) -> str:
    """Return the schema of TutorMax's tables. Raises UsageError for a name that no schema of ours can have."""
    if option is not None:
        return schema_name(option, "--schema")
    name = env.get("TUTORMAX_SCHEMA", file.get("TUTORMAX_SCHEMA"))
    return DEFAULT_SCHEMA if name is None else schema_name(name, "TUTORMAX_SCHEMA")
