"""`tutormax stats` as a real process."""

import csv
import io
import json
from collections.abc import Callable

from sqlalchemy.orm import Session

from tests.conftest import Finished
from tests.database.report_world import AS_OF, DAY, add_at_work
from tests.support.stderr import after_database_line
from tutormax_cli.database.models import Base

Run = Callable[..., Finished]


def test_an_empty_database_has_eight_empty_tables(tutormax: Run) -> None:
    done = tutormax("stats", "--format", "csv")
    assert done.exit_code == 0
    assert after_database_line(done.stderr).startswith("Next: tutormax seed --tutors 500")
    assert "tutormax import" in done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["table"] for row in rows] == list(Base.metadata.tables)
    assert {row["rows"] for row in rows} == {"0"}


def test_counts_ratings_and_levels(tutormax: Run, db: Session) -> None:
    add_at_work(db, "a", 80)
    db.commit()
    done = tutormax("stats")
    assert done.stdout.startswith("TutorMax database · rows 9")
    assert "average rating 4.00" in done.stdout
    assert "Critical  1  100%" in done.stdout


def test_as_of_a_time(tutormax: Run, db: Session) -> None:
    add_at_work(db, "a", 80)
    db.commit()
    done = tutormax("stats", "--as-of", f"{AS_OF - 2 * DAY:%Y-%m-%d}", "--format", "json")
    found = json.loads(done.stdout)
    rows = {row["table"]: row["rows"] for row in found["tables"]}
    assert (rows["sessions"], rows["churn_predictions"], rows["students"]) == (2, 0, None)
    assert after_database_line(done.stderr) == ""
    assert "as of 30 May 2026" in tutormax("stats", "--as-of", "2026-05-30").stdout


def test_one_tutor(tutormax: Run, db: Session) -> None:
    add_at_work(db, "a", 80)
    db.commit()
    done = tutormax("stats", "--tutor", "a", "--days", "5", "--as-of", f"{AS_OF:%Y-%m-%d}", "--format", "json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["tutor_id"] == "a"
    assert found["statistics"] == [
        {"days_back": 5, "total_sessions": 2, "average_rating": 4.0, "no_shows": 0, "reschedules": 0}
    ]
    earlier = tutormax("stats", "--tutor", "a", "--as-of", f"{AS_OF - 60 * DAY:%Y-%m-%d}", "--format", "json")
    windows = json.loads(earlier.stdout)["statistics"]
    assert [(window["days_back"], window["total_sessions"]) for window in windows] == [(7, 0), (30, 0), (90, 0)]


def test_wrong_input(tutormax: Run) -> None:
    for arguments in (("--tutor", "nobody"), ("--days", "30"), ("--tutor", "a", "--days", "0")):
        done = tutormax("stats", *arguments)
        assert (done.exit_code, done.stdout) == (2, ""), arguments
