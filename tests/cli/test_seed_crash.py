"""Whatever strikes a seeding, the database holds all of it or nothing; `benchmarks/seed_crash.py` runs more rounds."""

import os
import random

import pytest

from tests.cli.seed_crash import Seeding, Strike, possible, rehearsed, survive
from tests.conftest import GIVEN_SERVER, Server
from tutormax_cli.settings import Settings


@pytest.fixture(scope="module")
def seeding(server: Server, migrated: Settings) -> Seeding:
    with server.clone(migrated) as database:
        return rehearsed(("--raw", "--tutors", "80", "--as-of", "2026-06-01"), database)


@pytest.mark.parametrize("strike", possible(ours=GIVEN_SERVER not in os.environ))
def test_everything_or_nothing(seeding: Seeding, strike: Strike, server: Server, migrated: Settings) -> None:
    moment = random.Random(f"{strike}").uniform(0.4, 0.9)
    assert survive(seeding, strike, moment, server, migrated) in ("nothing", "everything")
