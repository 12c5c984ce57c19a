import csv
import io
import json
from collections.abc import Callable

from sqlalchemy import delete
from sqlalchemy.orm import Session as OrmSession

from tests.conftest import Finished
from tutormax_cli.database.models import StudentFeedback

Tutormax = Callable[..., Finished]


def test_tells_the_levels_and_names_the_next_command(tutormax: Tutormax, seeded_url: str) -> None:
    done = tutormax("predict", "--as-of", "2026-06-01", "--format", "json")
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["model_version"], document["calibrated"]) == ("composite-1", False)
    assert [row["level"] for row in document["levels"]] == ["Critical", "High", "Medium", "Low"]
    assert sum(row["tutors"] for row in document["levels"]) == document["tutors"] > 0
    assert "they are not chances" in tutormax("predict", "--as-of", "2026-06-01").stdout
    assert "database:" in done.stderr
    assert "Next: tutormax risk-report --as-of 2026-06-01" in done.stderr
    assert "warning" not in done.stdout + done.stderr


def test_is_safe_to_repeat(tutormax: Tutormax, seeded_url: str) -> None:
    once, again = (tutormax("predict", "--as-of", "2026-05-01", "--format", "csv") for _ in range(2))
    assert once == again
    assert len(list(csv.DictReader(io.StringIO(once.stdout)))) == 4


def test_says_what_the_data_did_not_tell(tutormax: Tutormax, seeded_url: str, seeded_db: OrmSession) -> None:
    seeded_db.execute(delete(StudentFeedback))
    seeded_db.commit()
    done = tutormax("predict", "--as-of", "2026-06-01")
    assert "The data tell nothing of ratings, first sessions" in done.stdout


def test_says_so_when_there_is_nobody(tutormax: Tutormax) -> None:
    done = tutormax("predict")
    assert done.exit_code == 0
    assert "No tutor was active then" in done.stdout


def test_refuses_a_time_that_is_none(tutormax: Tutormax) -> None:
    done = tutormax("predict", "--as-of", "2026-13-45")
    assert (done.exit_code, done.stdout) == (2, "")


def test_warns_where_the_data_end_before_the_time(tutormax: Tutormax, seeded_url: str) -> None:
    warning = "days before: import newer sessions, or look at that time: tutormax predict --as-of 2026-06-01"
    done = tutormax("predict")
    assert done.exit_code == 0, done.stderr
    assert "warning: The data end 31 May 2026, " in done.stderr and warning in done.stderr
    assert done.stdout.splitlines()[2].strip().endswith(warning)
    assert warning in json.loads(tutormax("predict", "--format", "json").stdout)["warning"]["text"]
    assert done.stderr.endswith("Next: tutormax predict --as-of 2026-06-01\n")
    checked = tutormax("risk-report", "--fail-on", "critical:1000")
    assert checked.exit_code == 0
    assert warning in checked.stderr and warning in checked.stdout.splitlines()[2]
