"""How long the risk report takes with a thousand times the prediction history: at most 1.2 times as long.

    python benchmarks/report.py [URL] [--tutors 200] [--times 1000] [--runs 20]

URL names a server whose role may create databases (default: the one that is configured, else the embedded one). The
rows are made in SQL, in two databases of the benchmark's own that are dropped at the end. Timed is what the command
does between connecting and printing: reading, laying out, drawing the table. The two alternate, so that a machine whose
speed drifts slows both; the ratio is the median of the pairs' ratios.
"""

import argparse
import statistics
import time
from datetime import UTC, datetime

from databases import migrated
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tutormax_cli.reports.render import Format, render
from tutormax_cli.reports.risk import risk_report
from tutormax_cli.reports.risk_data import Selection, assess
from tutormax_cli.settings import load_settings

NAME = "tutormax_benchmark_report"
AS_OF = datetime(2026, 6, 1, tzinfo=UTC)

COMPANY = """
INSERT INTO tutors (tutor_id, name, email, onboarding_date, status, subjects)
SELECT 'tutor_' || i, 'Tutor ' || i, i || '@example.org', timestamptz '2020-01-01', 'active', '{mathematics}'
  FROM generate_series(1, :tutors) AS i;
INSERT INTO students (student_id, name) VALUES ('student', 'Student');
INSERT INTO sessions (session_id, tutor_id, student_id, session_number, scheduled_start, actual_start,
                      duration_minutes, subject, session_type)
SELECT i || '_' || n, 'tutor_' || i, 'student', n, start, start, 60, 'mathematics', '1-on-1'
  FROM generate_series(1, :tutors) AS i, generate_series(1, 180) AS n,
       LATERAL (SELECT CAST(:as_of AS timestamptz) - n * interval '1 day' AS start) AS day
"""

PREDICTIONS = """
INSERT INTO churn_predictions (prediction_id, tutor_id, prediction_date, churn_score, risk_level, model_version,
                               window_7day_probability, window_30day_probability, window_90day_probability,
                               contributing_factors)
SELECT i || '_' || day, 'tutor_' || i, CAST(:as_of AS timestamptz) - day * interval '1 day', score,
       CASE WHEN score > 75 THEN 'Critical' WHEN score > 50 THEN 'High' WHEN score > 25 THEN 'Medium' ELSE 'Low' END,
       'hazard-1', score / 300.0, score / 100.0, score / 100.0,
       jsonb_build_object('calibrated', true, 'baseline', 12, 'components', jsonb_build_array(jsonb_build_object(
         'component', 'engagement_decline', 'points', score - 12,
         'evidence', jsonb_build_object('sessions_last_7_days', 3, 'sessions_usual_7_days', 14.0))))
  FROM generate_series(1, :tutors) AS i,
       generate_series(0, :days - 1) AS day,
       LATERAL (SELECT (i * 37 + day * 11) % 101 AS score) AS scored
"""


def main() -> None:
    """Measure both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?", help="postgresql://user:password@host:5432/any")
    parser.add_argument("--tutors", type=int, default=200)
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args()
    server = load_settings(arguments.url)
    with migrated(server, f"{NAME}_short") as short, migrated(server, f"{NAME}_long") as long:
        fill(short, arguments.tutors, days=1)
        fill(long, arguments.tutors, days=arguments.times)
        pairs = [(milliseconds(short), milliseconds(long)) for _ in range(arguments.runs + 1)][1:]
    for times, taken in zip((1, arguments.times), zip(*pairs, strict=True), strict=True):
        predictions = arguments.tutors * times
        print(f"{arguments.tutors:,} tutors, {predictions:,} predictions: {statistics.median(taken):.1f} ms")
    ratio = statistics.median(slow / fast for fast, slow in pairs)
    print(f"ratio {ratio:.2f} (at most 1.2)")


def fill(engine: Engine, tutors: int, days: int) -> None:
    """Make a company whose tutors were scored on so many days, and let the planner know."""
    rows = {"tutors": tutors, "days": days, "as_of": AS_OF}
    with engine.begin() as connection:
        for statement in (*COMPANY.split(";"), PREDICTIONS):
            connection.execute(text(statement), {key: rows[key] for key in rows if f":{key}" in statement})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def milliseconds(engine: Engine) -> float:
    """Time one whole report."""
    with Session(engine) as db:
        began = time.perf_counter()
        render(risk_report(assess(db, AS_OF, Selection()), AS_OF), Format.TABLE, width=140)
        return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    main()
