"""Whether `tutormax seed` is all or nothing: struck at random moments, it leaves everything or nothing behind.

    python -m benchmarks.seed_crash [--rounds 42] [--tutors 300] [--seed 1]

Each round seeds a fresh database of a server of its own and strikes: SIGKILL, SIGINT, pg_terminate_backend, a lost
connection, a crash of the server, a full disk (that as root only). Then columns, constraints, indexes, rows and the
record of the seeding must be as before or complete, and a second try must complete it.
"""

import argparse
import random
import signal
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cli.seed_crash import Strike, data_folder, possible, rehearsed, survive
from tests.conftest import Server
from tutormax_cli.database.embedded import EmbeddedServer
from tutormax_cli.database.migrations import create_database, upgrade
from tutormax_cli.settings import Settings

ONCE_CONNECTED = (Strike.TERMINATE, Strike.LOSE, Strike.CRASH)
"""Strikes that hit nothing while the process is still starting."""


def main() -> None:
    """Run the rounds, printing each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=42)
    parser.add_argument("--tutors", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    # A shell's background job ignores Ctrl-C, and so would every process that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with TemporaryDirectory(prefix="tutormax-") as folder:
        Path(folder).chmod(0o755)
        embedded = EmbeddedServer(Path(folder) / "home")
        try:
            embedded.start()
            server = Server(Settings("benchmark", embedded.connection_keywords("postgres"), Path(folder)))
            strike_all(server, arguments.rounds, arguments.tutors, random.Random(arguments.seed))
        finally:
            embedded.stop()


def strike_all(server: Server, rounds: int, tutors: int, chance: random.Random) -> None:
    """Strike in every way in turn, at moments that chance gives."""
    template = server.database("tutormax_template")
    create_database(template)
    upgrade(template)
    with server.clone(template) as database:
        seeding = rehearsed(("--raw", "--tutors", str(tutors), "--as-of", "2026-06-01"), database)
    print(f"undisturbed: {sum(seeding.complete.rows.values()):,} rows in {seeding.seconds:.1f} s")
    ways = possible(ours=data_folder(server).is_dir())
    left: Counter[str] = Counter()
    for number in range(rounds):
        way = ways[number % len(ways)]
        moment = chance.uniform(0.4 if way in ONCE_CONNECTED else 0.05, 1.0)
        what = survive(seeding, way, moment, server, template)
        left[what] += 1
        print(
            f"round {number + 1:>3}: {way:<21} at {moment:4.0%}: left {what}; the second try completed it", flush=True
        )
    print(f"{rounds} rounds: " + ", ".join(f"{count} left {what}" for what, count in left.items()) + ", none between")


if __name__ == "__main__":
    main()
