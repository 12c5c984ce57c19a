"""The rows that hazards are fitted on and judged by: one per active tutor per week.

What became of a tutor after a landmark is known as far as the panel reaches: up to its as-of.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from tutormax_cli.churn.features import features
from tutormax_cli.churn.panel import Bools, Floats, Ids, Ints, Panel
from tutormax_cli.churn.weekly import WEEK

HISTORY_WEEKS = 4
"""With fewer weeks of records before a landmark nothing is usual yet."""


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Tutors at landmarks; every array has one element, `features` one row, for each.

    `weeks` is how long before the panel's as-of the landmark lies, `gone_after` the days from the landmark to the
    recorded departure (inf if none is recorded by as-of), `silent_days` those since a session was held.
    """

    tutor_ids: Ids
    weeks: Ints
    features: npt.NDArray[np.float32]
    gone_after: Floats
    silent_days: Floats

    def __len__(self) -> int:
        return len(self.tutor_ids)

    @property
    def known_days(self) -> Floats:
        """For how many days after the landmark it is known who left."""
        return _days(self.weeks)

    def of(self, chosen: Bools) -> "Landmarks":
        """Give some of them."""
        return replace(self, **{field.name: getattr(self, field.name)[chosen] for field in fields(self)})


def landmarks(panel: Panel, weeks: Sequence[int]) -> Landmarks:
    """Give the tutors active at each of these landmarks, in the order of the panel."""
    before = np.asarray(weeks, np.intp)
    days = _days(before)
    gone_after: Floats = days - np.where(np.isnan(panel.departed_days), -np.inf, panel.departed_days)[:, None]
    here = (panel.tenure_days[:, None] > days) & (gone_after >= 0)
    tutor, place = np.nonzero(here)
    return Landmarks(
        tutor_ids=panel.tutor_ids[tutor],
        weeks=before[place],
        features=features(panel, weeks)[here],
        gone_after=gone_after[here],
        silent_days=panel.silent_days[:, before][here],
    )


def _days(weeks: Ints) -> Floats:
    return (weeks * WEEK.days).astype(np.float64)


def past_landmarks(panel: Panel, most: int) -> range:
    """Give the weeks before as-of that can be landmarks: with records before them, at most so many."""
    return range(1, max(1, min(panel.observed_weeks - HISTORY_WEEKS, most) + 1))
