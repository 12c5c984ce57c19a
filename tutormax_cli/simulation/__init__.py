"""The synthetic world: a tutoring company of any size, the same rows for the same arguments.

Numbers in, columns out; no database. README.md beside this file draws the model.
"""

from tutormax_cli.simulation.chunks import CHUNK_TUTORS, TABLES, companies, digests, expected_rows, simulate
from tutormax_cli.simulation.oracle import OracleProbabilities, oracle
from tutormax_cli.simulation.world import World

__all__ = [
    "CHUNK_TUTORS",
    "TABLES",
    "OracleProbabilities",
    "World",
    "companies",
    "digests",
    "expected_rows",
    "oracle",
    "simulate",
]
