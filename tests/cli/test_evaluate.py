import csv
import io
import json
from collections.abc import Callable

from sqlalchemy import delete
from sqlalchemy.orm import Session as OrmSession

from tests.conftest import Finished
from tutormax_cli.database.enums import EventType
from tutormax_cli.database.models import StudentFeedback, TutorEvent
from tutormax_cli.evaluation.metrics import METRICS
from tutormax_cli.reports.words import METRIC_WORDS

Tutormax = Callable[..., Finished]


def test_tells_the_tiers_and_names_the_next_command(tutormax: Tutormax, seeded_url: str) -> None:
    done = tutormax("evaluate", "--as-of", "2026-06-01", "--format", "json")
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["tutors"] > 0
    assert document["rows"] == 3 * document["tutors"]
    assert sum(row["tutors"] for row in document["tiers"]) + document["without_tier"] == document["tutors"]
    assert "database:" in done.stderr
    assert "Next: tutormax predict --as-of 2026-06-01" in done.stderr
    assert "warning" not in done.stdout + done.stderr


def test_is_safe_to_repeat(tutormax: Tutormax, seeded_url: str) -> None:
    once, again = (tutormax("evaluate", "--as-of", "2026-05-01", "--format", "csv") for _ in range(2))
    assert once == again
    rows = list(csv.DictReader(io.StringIO(once.stdout)))
    assert [row["tier"] for row in rows] == ["Exemplary", "Strong", "Developing", "Needs Attention", "At Risk"]


def test_says_so_when_there_is_nobody(tutormax: Tutormax) -> None:
    done = tutormax("evaluate")
    assert done.exit_code == 0
    assert "No tutor was active then" in done.stdout


def test_refuses_a_time_that_is_none(tutormax: Tutormax) -> None:
    done = tutormax("evaluate", "--as-of", "yesterday-ish")
    assert (done.exit_code, done.stdout) == (2, "")


def test_warns_where_the_data_end_before_the_time(tutormax: Tutormax, seeded_url: str) -> None:
    warning = "days before: import newer sessions, or look at that time: tutormax evaluate --as-of 2026-06-01"
    done = tutormax("evaluate")
    assert done.exit_code == 0, done.stderr
    assert warning in done.stderr and warning in done.stdout
    assert "No logins in the last 90 days are recorded" in done.stdout
    assert done.stderr.endswith("Next: tutormax evaluate --as-of 2026-06-01\n")


def test_says_in_words_what_the_data_did_not_tell(tutormax: Tutormax, seeded_url: str, seeded_db: OrmSession) -> None:
    seeded_db.execute(delete(StudentFeedback))
    seeded_db.execute(delete(TutorEvent).where(TutorEvent.event_type == EventType.LOGIN))
    seeded_db.commit()
    done = tutormax("evaluate", "--as-of", "2026-06-01")
    assert "Unknown for every tutor over 30 days: ratings, first sessions." in done.stdout
    assert "No logins are recorded, so" in done.stdout


def test_every_metric_has_words() -> None:
    assert tuple(METRIC_WORDS) == METRICS
