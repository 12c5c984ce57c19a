"""`tutormax risk-report` as a real process."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from tests.conftest import Finished
from tests.database.report_world import AS_OF, DAY, add_at_work, add_prediction, add_sessions, add_tutor
from tests.support.stderr import after_database_line, without_database_line

Run = Callable[..., Finished]


@pytest.fixture
def company(db: Session) -> None:
    """Six tutors: one silent, two critical, one high, one medium, one whose name means harm."""
    for tutor_id, score in {"a": 90, "b": 80, "c": 60, "d": 30}.items():
        add_at_work(db, tutor_id, score)
    add_at_work(db, "e", 55, name="[red]E[/]\x1b[31m\nx")
    add_tutor(db, "silent")
    add_sessions(db, "silent", (10,))
    add_prediction(db, "silent", 40)
    add_prediction(db, "a", 70, AS_OF - 7 * DAY)
    db.commit()


@pytest.mark.usefixtures("company")
def test_the_report_says_whom_to_call(tutormax: Run) -> None:
    done = tutormax("risk-report")
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Churn risk · as of 1 Jun 2026 · model hazard-1 · calibrated")
    assert next(line for line in lines if line.startswith("  1")).split()[:2] == ["1", "a"]
    assert "Silent for 7 days or more: 1, contact today" in lines
    assert "[red]E[/]\\x1b[31m\\nx" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert "Secret Student" not in done.stdout


@pytest.mark.usefixtures("company")
def test_filters(tutormax: Run) -> None:
    def ids(*arguments: str) -> list[str]:
        done = tutormax("risk-report", "--format", "jsonl", *arguments)
        assert done.exit_code == 0, done.stderr
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert [row["tutor_id"] for row in rows if row["section"] == "silent"] in ([], ["silent"])
        return [row["tutor_id"] for row in rows if row["section"] == "queue"]

    assert ids() == ["a", "b", "c", "e"]
    assert ids("--limit", "1") == ["a"]
    assert ids("--min-score", "0") == ["a", "b", "c", "e", "d"]
    assert ids("--level", "medium") == ["d"]
    assert ids("--subject", "Mathematics", "--min-score", "80") == ["a", "b"]
    assert ids("--as-of", "2026-05-28") == ["a"]


@pytest.mark.usefixtures("company")
def test_fail_on_prints_the_report_and_exits_5(tutormax: Run) -> None:
    done = tutormax("risk-report", "--fail-on", "critical:2", "--format", "json")
    assert done.exit_code == 5
    assert json.loads(done.stdout)["tutors"] == 6
    assert "2 tutors at Critical or above" in done.stderr
    assert tutormax("risk-report", "--fail-on", "critical:3").exit_code == 0
    assert tutormax("risk-report", "--fail-on", "HIGH:4", "--limit", "1").exit_code == 5


@pytest.mark.parametrize(
    "arguments",
    [
        ("--fail-on", "critical:0"),
        ("--fail-on", "critical:x"),
        ("--fail-on", "critical:"),
        ("--fail-on", "grave"),
        ("--level", "huge"),
        ("--min-score", "101"),
        ("--limit", "0"),
        ("--tutor", "a", "--level", "high"),
        ("--tutor", "nobody"),
        ("--as-of", "yesterday"),
        ("--since", "2026-05-01", "--as-of", "2026-05-01"),
    ],
)
@pytest.mark.usefixtures("company")
def test_wrong_input_exits_2_with_nothing_on_stdout(tutormax: Run, arguments: tuple[str, ...]) -> None:
    done = tutormax("risk-report", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert without_database_line(done.stderr).startswith("error: ")


@pytest.mark.usefixtures("company")
def test_one_tutor_in_full_and_into_a_file(tutormax: Run, tmp_path: Path) -> None:
    done = tutormax("risk-report", "--tutor", "a", "--format", "json", "-o", "a.json")
    assert (done.exit_code, done.stdout) == (0, "")
    found = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert (found["report"], found["tutor_id"], found["standing"]["change"]) == ("tutor-risk", "a", 20)


@pytest.mark.usefixtures("company")
def test_a_tutor_by_name_and_a_subject_that_nobody_teaches(tutormax: Run) -> None:
    done = tutormax("risk-report", "--tutor", "silent", "--format", "csv")
    assert done.stdout.startswith("tutor_id,name,as_of,score,level,points,")
    assert tutormax("risk-report", "--tutor", "SILENT").stdout.startswith("Silent · silent · active")
    wrong = tutormax("risk-report", "--subject", "Mathematik")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert after_database_line(wrong.stderr).splitlines() == [
        "error: --subject: no tutor teaches 'Mathematik'",
        "  did you mean mathematics? there are: mathematics",
    ]
    none_there = tutormax("risk-report", "--subject", "mathematics", "--level", "critical", "--as-of", "2026-05-28")
    assert none_there.exit_code == 0, none_there.stderr


@pytest.mark.usefixtures("company")
def test_the_command_that_shows_more_can_be_typed_as_it_stands(tutormax: Run) -> None:
    given = ("--min-score", "60", "--subject", "mathematics", "--since", "2026-05-20", "--as-of", "2026-06-02")
    done = tutormax("risk-report", "--limit", "1", *given)
    assert f"2 more at 60 or above: tutormax risk-report {' '.join(given)} --limit 3" in done.stdout.splitlines()
    assert "change" in done.stdout


@pytest.mark.usefixtures("company")
def test_the_report_as_a_page(tutormax: Run, tmp_path: Path) -> None:
    done = tutormax("risk-report", "-f", "html", "-o", "risk.html")
    assert (done.exit_code, done.stdout) == (0, ""), done.stderr
    page = (tmp_path / "risk.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "[red]E[/]\\x1b[31m\\nx" in page and "Secret Student" not in page


def test_without_predictions_the_next_step_is_named(tutormax: Run, db: Session) -> None:
    empty = tutormax("risk-report", "--format", "json")
    assert empty.exit_code == 0
    assert json.loads(empty.stdout)["queue"] == []
    assert "Next: tutormax seed --tutors 500" in empty.stderr
    add_tutor(db, "a")
    db.commit()
    assert "Next: tutormax predict" in tutormax("risk-report").stderr
    assert tutormax("risk-report", "--fail-on", "critical").exit_code == 5
    earlier = tutormax("risk-report", "--as-of", "2026-03-02", "--fail-on", "critical")
    assert earlier.stderr.count("tutormax predict --as-of 2026-03-02\n") == 2
    page = tutormax("risk-report", "--tutor", "a", "--as-of", "2026-03-02")
    assert "No prediction yet: tutormax predict --as-of 2026-03-02\n" in page.stdout


@pytest.mark.usefixtures("company")
def test_a_check_of_old_predictions_says_so(tutormax: Run) -> None:
    done = tutormax("risk-report", "--fail-on", "critical:3")
    assert done.exit_code == 0
    assert "warning: These predictions are " in done.stderr
    assert "the data end 31 May 2026; import newer sessions, then tutormax predict" in done.stderr
    assert "warning" not in tutormax("risk-report", "--fail-on", "critical:3", "--as-of", "2026-06-02").stderr
