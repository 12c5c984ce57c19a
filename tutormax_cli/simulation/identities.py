"""Names, e-mail addresses and ids. Names come from pools that were drawn from Faker once (see draw_names)."""

import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from tutormax_cli.simulation.streams import Ints, Keys, below

Text = npt.NDArray[np.bytes_]
"""UTF-8 text of fixed width."""

MAIL_DOMAINS = (b"example.com", b"example.net", b"example.org")
"""Domains that belong to nobody (RFC 2606)."""


@dataclass(frozen=True, slots=True)
class _Pool:
    """The names of one kind, by locale one after the other, each as often as it was drawn."""

    names: Text
    slugs: Text
    start: Ints
    size: Ints


def numbered(prefix: str, numbers: Ints) -> Text:
    """Give ids like tutor_00042: the numbers padded to five digits, longer where they must be."""
    return np.strings.add(prefix.encode(), np.strings.zfill(numbers.astype("S8"), 5))


def counted(owners: Text, rows: Ints, counters: Ints, width: int) -> Text:
    """Give ids of things that belong to row `rows` of `owners`, like session_00042_00007: counters from 1."""
    digits = np.array([b"_%0*d" % (width, counter) for counter in range(int(counters.max(initial=0)) + 1)])
    return np.strings.add(owners[rows], digits[counters])


def rank_within(groups: Ints) -> Ints:
    """Number the rows of each group from 1; rows of a group must stand together."""
    new = np.flatnonzero(np.diff(groups, prepend=-1))
    return np.arange(len(groups)) - np.repeat(new, np.diff(new, append=len(groups))) + 1


def names(people: Keys) -> Text:
    """Give each person a name."""
    (first, given), (last, family) = _drawn(people)
    return np.strings.add(np.strings.add(first.names[given], b" "), last.names[family])


def emails(people: Keys, numbers: Ints) -> Text:
    """Give each person an address made of the name and of a number that nobody else has."""
    (first, given), (last, family) = _drawn(people)
    address = np.strings.add(np.strings.add(first.slugs[given], b"."), last.slugs[family])
    domain = np.array(MAIL_DOMAINS)[below(people, "mail domain", len(MAIL_DOMAINS))]
    return np.strings.add(np.strings.add(address, numbers.astype("S8")), np.strings.add(b"@", domain))


def _drawn(people: Keys) -> tuple[tuple[_Pool, Ints], tuple[_Pool, Ints]]:
    """Draw first and last name of one locale, in proportion to the locale's share of the pool."""
    first, last = _pools()
    bounds = np.append(first.start[1:], len(first.names))
    given = below(people, "first name", len(first.names))
    locale = np.searchsorted(bounds, given, side="right")
    return (first, given), (last, last.start[locale] + below(people, "last name", last.size[locale]))


@cache
def _pools() -> tuple[_Pool, _Pool]:
    lines = files(__package__).joinpath("names.tsv").read_text(encoding="utf-8").splitlines()
    entries = [line.split("\t") for line in lines]
    locales = list(dict.fromkeys(locale for locale, *_ in entries))
    return _pool(entries, locales, "first"), _pool(entries, locales, "last")


def _pool(entries: list[list[str]], locales: list[str], part: str) -> _Pool:
    drawn = [
        [name for place, kind, name, times in entries if (place, kind) == (locale, part) for _ in range(int(times))]
        for locale in locales
    ]
    size = np.array([len(names) for names in drawn])
    flat = [name for names in drawn for name in names]
    return _Pool(
        names=np.array([name.encode() for name in flat]),
        slugs=np.array([_slug(name) for name in flat]),
        start=np.cumsum(size) - size,
        size=size,
    )


def _slug(name: str) -> bytes:
    """Reduce a name to the letters that an address takes."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in plain if letter.isascii() and letter.isalnum()).encode()
