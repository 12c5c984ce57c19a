"""The week's work at a glance: each recommended action once, most urgent first, and for whom it is."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from tutormax_cli.database.enums import InterventionType
from tutormax_cli.interventions.rules import Recommendation
from tutormax_cli.reports.report import Column, Kind, Section
from tutormax_cli.reports.words import labels_of

Advised = Recommendation | None

COLUMNS = (
    Column("action", "action", labels=labels_of(InterventionType)),
    Column("within_hours", "within h", Kind.INT, joined=" in {} h"),
    Column("tutors", "tutors", Kind.INT),
    Column("who", "for", Kind.LIST, flexible=True, wrap=True),
)


def actions(queue: Sequence[tuple[int, Advised]], silent: Iterable[Advised]) -> Section:
    """Count who needs which action; `queue` names its tutors by rank, the silent ones are only counted."""
    wanted: dict[tuple[int, str], list[int]] = {}
    silently: dict[tuple[int, str], int] = {}
    for rank, advised in queue:
        if advised:
            wanted.setdefault(_key(advised), []).append(rank)
    for advised in filter(None, silent):
        silently[_key(advised)] = silently.get(_key(advised), 0) + 1
    rows = []
    for key in sorted(wanted.keys() | silently.keys()):
        ranks, others = wanted.get(key, []), silently.get(key, 0)
        who = [f"# {', '.join(_ranges(ranks))}"] if ranks else []
        who += [f"{others} silent"] if others else []
        rows.append((key[1], key[0], len(ranks) + others, tuple(who)))
    return Section("actions", COLUMNS, tuple(rows), title="Recommended", header=False, if_empty="nothing")


def _key(advised: Recommendation) -> tuple[int, str]:
    return advised.hours, advised.intervention.value


def _ranges(ranks: Iterable[int]) -> list[str]:
    """Write neighbours as a range: 1, 2, 3, 7 is 1–3, 7."""
    runs = [[rank for _, rank in run] for _, run in groupby(enumerate(ranks), lambda pair: pair[1] - pair[0])]
    return [f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
