"""Other programs' triggers on our tables that rely on a search_path: named with the fix, and the fix works."""

import re
from collections.abc import Callable

import pytest

from tests.conftest import Finished
from tests.support.connections import connect
from tutormax_cli.settings import Settings

TRIGGER = """
CREATE TABLE public.audit (what text);
CREATE FUNCTION public.note_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO audit VALUES (TG_TABLE_NAME); RETURN NULL; END $$;
CREATE TRIGGER noted AFTER INSERT ON public.{table} FOR EACH STATEMENT EXECUTE FUNCTION public.note_change();
"""


def audited(settings: Settings) -> int:
    with connect(settings) as driver:
        return int((driver.execute("SELECT count(*) FROM public.audit").fetchone() or (0,))[0])


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("tutor_performance_metrics", "evaluate --as-of 2026-06-01"),
        ("churn_predictions", "predict --as-of 2026-06-01"),
        ("sessions", "seed --tutors 10 --days 30 --append --as-of 2026-06-01"),
    ],
)
def test_an_error_inside_a_trigger_names_its_function_with_a_fix_that_works(
    tutormax: Callable[..., Finished], seeded_url: str, seeded_settings: Settings, table: str, line: str
) -> None:
    with connect(seeded_settings) as driver:
        driver.execute(TRIGGER.format(table=table).encode())
    done = tutormax(*line.split())
    assert done.exit_code == 1, done.stderr
    assert f"trigger noted on {table} failed" in done.stderr
    assert "its function public.note_change relies on the search_path; nothing was changed" in done.stderr
    fix = re.search(r"ALTER FUNCTION .*;", done.stderr)
    assert fix is not None and fix[0] in tutormax("doctor").stdout
    with connect(seeded_settings) as driver:
        driver.execute(fix[0].encode())
    assert tutormax(*line.split()).exit_code == 0
    assert audited(seeded_settings) > 0


def test_a_trigger_is_not_blamed_for_an_error_of_another_one(
    tutormax: Callable[..., Finished], seeded_url: str, seeded_settings: Settings
) -> None:
    """Its short name occurs in the other one's context, and the other one has a path of its own."""
    with connect(seeded_settings) as driver:
        driver.execute(TRIGGER.format(table="churn_predictions").encode())
        driver.execute("ALTER FUNCTION public.note_change() SET search_path = pg_temp; DROP TABLE public.audit")
        driver.execute(
            "CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
            "CREATE TRIGGER harmless AFTER INSERT ON public.churn_predictions"
            " FOR EACH STATEMENT EXECUTE FUNCTION public.note()"
        )
    done = tutormax("predict", "--as-of", "2026-06-01")
    assert done.exit_code == 1
    assert "trigger harmless" not in done.stderr and "audit" in done.stderr
