"""How long the command takes to start, as ratios against two floors in one run.

    python benchmarks/startup.py [--runs 15] [--database-url URL]

- `tutormax --help` against the help of a two-command Typer program: at most 1.3.
- `tutormax risk-report` on a seeded database against importing sqlalchemy.orm and psycopg, connecting the same way
  and running one query: at most 1.5.

The pairs alternate, so a machine whose speed drifts slows both; each ratio is the median of the pairs' ratios.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tutormax_cli.database.connection import connection_keywords
from tutormax_cli.settings import load_settings

HELLO = """
import typer
app = typer.Typer()

@app.command()
def hello(name: str) -> None:
    "Say hello."
    print(f"Hello {name}")

@app.command()
def goodbye(name: str, formal: bool = False) -> None:
    "Say goodbye."
    print(f"Bye {name}")

app()
"""

FLOOR = """
import json, sys
import psycopg, sqlalchemy.orm
engine = sqlalchemy.create_engine("postgresql+psycopg://", connect_args=json.loads(sys.argv[1]))
with sqlalchemy.orm.Session(engine) as session:
    session.execute(sqlalchemy.text("SELECT count(*) FROM churn_predictions")).scalar()
"""


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """Time one run of a command, whole process, output thrown away."""
    began = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def compare(name: str, ours: list[str], floor: list[str], limit: float, runs: int, environment: dict[str, str]) -> None:
    """Run both in turn and print the median times and the median ratio."""
    pairs = [(seconds(ours, environment), seconds(floor, environment)) for _ in range(runs + 1)][1:]
    ratio = statistics.median(a / b for a, b in pairs)
    mine, theirs = (statistics.median(side) * 1000 for side in zip(*pairs, strict=True))
    print(f"{name:<42} {mine:6.0f} ms  floor {theirs:6.0f} ms  ratio {ratio:.2f}  (at most {limit})")


def main() -> None:
    """Print both ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--database-url", help="a seeded database (default: as the settings say)")
    chosen = parser.parse_args()
    settings = load_settings(chosen.database_url)
    keywords = json.dumps({key: value for key, value in connection_keywords(settings).items() if value})
    url = ["--database-url", chosen.database_url] if chosen.database_url else []
    tutormax = [str(Path(sys.executable).with_name("tutormax"))]
    with tempfile.TemporaryDirectory() as folder:
        hello, floor = Path(folder, "hello.py"), Path(folder, "floor.py")
        hello.write_text(HELLO, encoding="utf-8")
        floor.write_text(FLOOR, encoding="utf-8")
        python = [sys.executable]
        environment = dict(os.environ)
        compare(
            "tutormax --help", [*tutormax, "--help"], [*python, str(hello), "--help"], 1.3, chosen.runs, environment
        )
        report = [*tutormax, *url, "risk-report"]
        compare("tutormax risk-report", report, [*python, str(floor), keywords], 1.5, chosen.runs, environment)


if __name__ == "__main__":
    main()
