"""The week's work at a glance."""

from tutormax_cli.database.enums import InterventionType
from tutormax_cli.interventions.rules import Recommendation
from tutormax_cli.reports.actions import actions
from tutormax_cli.reports.render import Format, render
from tutormax_cli.reports.report import Report

TALK = Recommendation(InterventionType.RETENTION_INTERVIEW, 24, "score over 75")
COACH = Recommendation(InterventionType.MANAGER_COACHING, 48, "score over 50")


def test_each_action_stands_once_the_most_urgent_first() -> None:
    queue = [(1, COACH), (2, TALK), (3, TALK), (4, TALK), (5, None), (6, TALK)]
    section = actions(queue, [TALK, None, TALK])
    assert section.rows == (
        ("retention_interview", 24, 6, ("# 2–4, 6", "2 silent")),
        ("manager_coaching", 48, 1, ("# 1",)),
    )
    text = render(Report("r", "R", (section,)), Format.TABLE, width=80)
    assert "  retention interview in 24 h  6  # 2–4, 6, 2 silent\n" in text


def test_nothing_to_do_is_said() -> None:
    assert "nothing" in render(Report("r", "R", (actions([(1, None)], [None]),)), Format.TABLE)
