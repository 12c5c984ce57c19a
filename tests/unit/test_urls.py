"""URLs of databases are read as libpq reads them, and raw passwords too; none is ever shown."""

import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import pq

from tutormax_cli.errors import UsageError
from tutormax_cli.urls import parse_url, write_url

AWKWARD = "@ : / # ? % space ä '"


def read(url: str) -> dict[str, str]:
    return parse_url(url, "DATABASE_URL")


def as_libpq_reads(url: str) -> dict[str, str]:
    options = pq.Conninfo.parse(url.encode())
    return {option.keyword.decode(): option.val.decode() for option in options if option.val is not None}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgres://host",
        "postgresql:///db?host=/run/pg&user=a@b",
        "postgresql://one,two:5433/db",
        "postgresql://one:5432,two:5433,three/db?target_session_attrs=read-write",
        "postgresql://one,/db",
        "postgresql://,two/db",
        "postgresql://[::1]:5432/db",
        "postgresql://[::1],[fe80::1%25eth0]:5433/db",
        "postgresql://[2001:db8::1]",
        "postgresql://me@/db",
        "postgresql://me:@host/db",
        "postgresql://@host/db",
        "postgresql://host:/db",
        "postgresql://:5433/db",
        "postgresql://%2Frun%2Fpg:5433/db",
        "postgresql://host/db?",
        "postgresql://host?",
        "postgresql://?",
        "postgresql://host/db?sslmode=require&",
        "postgresql://host/db?ssl=true",
        "postgresql://host/db?ssl=true&sslmode=disable",
        "postgresql:///?service=tutors",
        "postgresql://?service=tutors",
        "postgresql:///db?service=tutors&user=me",
        "postgresql://host/db?options=-c%20work_mem%3D1MB",
        "postgresql://host/db?%75ser=me&host=other",
        "postgresql://host/a/b#c",
        "postgresql://me@host/a@b",
        "postgresql://me:pw@host/a@b",
        "postgresql://me:pw@host/db?sslrootcert=/etc/x@y/ca.pem",
        "postgresql://host:5432/db?sslrootcert=/etc/x@y/ca.pem",
        "postgresql://host/db?application_name=a#b",
        "postgresql://m%C3%A4x:%40%3A%2F%23%3F%25@host/d%20b",
        "postgresql://host/ db ?sslmode=require",
    ],
)
def test_urls_are_read_as_libpq_reads_them(url: str) -> None:
    assert read(url) == as_libpq_reads(url)


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).map(
    lambda text: quote(text, "")
)
HOSTS = st.one_of(
    st.sampled_from(["", "localhost", "db.example.com", "10.0.0.1", "[::1]", "[fe80::1%25eth0]", "%2Frun%2Fpg"]),
    st.from_regex(r"[a-z0-9.-]{1,8}", fullmatch=True),
)
PORTS = st.one_of(st.sampled_from(["", ":"]), st.integers(0, 65535).map(lambda port: f":{port}"))
ADDRESSES = st.lists(st.tuples(HOSTS, PORTS).map("".join), min_size=1, max_size=3).map(",".join)
LOGINS = st.one_of(
    st.just(""), NAMES.map("{}@".format), st.tuples(NAMES, NAMES).map(lambda pair: "{}:{}@".format(*pair))
)
DATABASES = st.one_of(st.sampled_from(["", "/", "/a/b", "/a#b"]), NAMES.map("/{}".format))
PAIRS = st.one_of(
    st.tuples(st.sampled_from(["user", "host", "dbname", "options", "application_name", "service"]), NAMES),
    st.sampled_from([("ssl", "true"), ("sslmode", "prefer"), ("host", "")]),
).map("=".join)
QUERIES = st.one_of(
    st.sampled_from(["", "?"]), st.lists(PAIRS, min_size=1, max_size=3).map(lambda x: "?" + "&".join(x))
)
URLS = st.tuples(st.sampled_from(["postgres", "postgresql"]), LOGINS, ADDRESSES, DATABASES, QUERIES).map(
    lambda parts: "{}://{}{}{}{}".format(*parts)
)


@given(URLS)
def test_every_encoded_url_is_read_as_libpq_reads_it(url: str) -> None:
    assert read(url) == as_libpq_reads(url)


@given(URLS)
def test_a_url_that_was_written_leads_to_the_same_database_without_the_password(url: str) -> None:
    keywords = read(url)
    again = read(write_url(keywords))
    shown = {key: "***" if key == "password" else value for key, value in keywords.items()}
    assert {key: value for key, value in again.items() if value.strip(",")} == {
        key: value for key, value in shown.items() if value.strip(",")
    }


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+asyncpg"])
@pytest.mark.parametrize("password", [AWKWARD, quote(AWKWARD, safe=""), quote(AWKWARD)])
def test_awkward_passwords(scheme: str, password: str) -> None:
    assert read(f"{scheme}://me:{password}@db.example.com:6543/tutors?sslmode=require") == {
        "user": "me",
        "password": AWKWARD,
        "host": "db.example.com",
        "port": "6543",
        "dbname": "tutors",
        "sslmode": "require",
    }


# A whole address with a query in front of the last @ (`5432/db?key=…@host`, `x@host?key=…@host`) is one, for libpq too;
# `%` with two hex digits is an escape.
LOOKS_STANDARD = re.compile(r"(\d{1,5}|.*@[^/?#@]*)(/[^?@]*)?\?[A-Za-z_]+=|.*%[0-9a-fA-F]{2}", re.DOTALL)


@given(st.text("ab1@:/#?=&% ä'", min_size=1).filter(lambda text: not LOOKS_STANDARD.match(text)))
def test_raw_passwords_come_back_if_the_address_is_complete(password: str) -> None:
    found = read(f"postgresql://me:{password}@db.example.com:5432/tutors")
    assert (found["host"], found["dbname"], found["password"]) == ("db.example.com", "tutors", password)


@pytest.mark.parametrize("end", ["\n", "\r\n", " ", "\t", " \n"])
def test_white_space_around_a_url_is_dropped(end: str) -> None:
    assert read(f"{end}postgresql://me@host/db{end}") == {"user": "me", "host": "host", "dbname": "db"}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://host/d\nb",
        "postgresql://host/db\r\n?sslmode=require",
        "postgresql://me:ca\tnary@host/db",
        "postgresql://host/canary%0A",
        "postgresql://host/canary%00",
        "postgresql://me:canary%00@host/db",
        "postgresql://canary%1B@host/db",
        "postgresql://host/db?application_name=canary%0A",
        "postgresql://host/db\x85canary",
    ],
)
def test_control_characters_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="control character") as refused:
        read(url)
    assert "canary" not in refused.value.message + str(refused.value.hint)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "canary",
        "mysql://canary@host/db",
        "host=canary",
        "postgresql://host:port/canary",
        "postgresql://host/my canary",
        "postgresql://host/canary # the production server",
        "postgresql://host/canary?sslmode",
        "postgresql://host/canary?sslmode=require&&user=me",
        "postgresql://[]/canary",
        "postgresql://[::1/canary",
        "postgresql://[::1]canary/db",
        "postgresql://me:canary%E4@host/db",
        "postgresql://host/canary%FF",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        read(url)
    assert "canary" not in refused.value.message + str(refused.value.hint)
