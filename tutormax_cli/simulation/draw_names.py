"""Draws the pools of names from Faker, once: `python -m tutormax_cli.simulation.draw_names`.

The pools are kept beside the code, so that a newer Faker doesn't change yesterday's world. Each line of names.tsv is
a locale, `first` or `last`, a name, and how often it came up: that is its weight.
"""

from collections import Counter
from pathlib import Path

from faker import Faker

NAMES = Path(__file__).with_name("names.tsv")
DRAWS = {"en_US": 3000, "es_MX": 700, "en_IN": 700, "en_GB": 700, "fr_FR": 400, "de_DE": 400, "it_IT": 400}
"""Names drawn per locale; also the locale's share in the population."""
FAKER_SEED = 20261101


def draw_names() -> str:
    """Draw every pool and give the text of names.tsv."""
    lines = []
    for locale, count in DRAWS.items():
        faker = Faker(locale)
        faker.seed_instance(FAKER_SEED)
        for part, draw in (("first", faker.first_name), ("last", faker.last_name)):
            drawn = Counter(draw() for _ in range(count))
            lines += [f"{locale}\t{part}\t{name}\t{times}\n" for name, times in sorted(drawn.items())]
    return "".join(lines)


if __name__ == "__main__":
    NAMES.write_text(draw_names(), encoding="utf-8")
