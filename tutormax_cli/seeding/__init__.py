"""Filling a database with a synthetic company: simulated, loaded, evaluated and predicted in one transaction."""

from tutormax_cli.seeding.record import Seeded, read_seed_record
from tutormax_cli.seeding.seed import Listener, Mode, SeedSummary, refuse_rows, seed

__all__ = ["Listener", "Mode", "SeedSummary", "Seeded", "read_seed_record", "refuse_rows", "seed"]
