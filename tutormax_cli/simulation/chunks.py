"""The company over the days of a world: simulated in chunks of tutors, of which none knows another."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tutormax_cli.columns import Columns, row_count
from tutormax_cli.simulation.behaviour import Company, behave
from tutormax_cli.simulation.calendars import BOOKED_AHEAD_DAYS, Calendar
from tutormax_cli.simulation.digests import digest_chunks
from tutormax_cli.simulation.people import draw_tutors
from tutormax_cli.simulation.rows import tables
from tutormax_cli.simulation.timetable import draw_timetable
from tutormax_cli.simulation.world import World

TABLES = ("tutors", "students", "sessions", "student_feedback", "tutor_events", "interventions")
"""The tables that are simulated, in the order of foreign keys."""
CHUNK_TUTORS = 500
_SAMPLE_TUTORS = 200


def simulate(world: World, *, chunk_tutors: int = CHUNK_TUTORS) -> Iterator[dict[str, Columns]]:
    """Give the rows of the world, by chunks of at most `chunk_tutors` tutors and by table in the order of TABLES.

    The rows are the same whatever the size of a chunk; memory and nothing else grows with it.
    """
    return map(tables, companies(world, chunk_tutors=chunk_tutors))


def companies(world: World, *, chunk_tutors: int = CHUNK_TUTORS, ahead: int = BOOKED_AHEAD_DAYS) -> Iterator[Company]:
    """Give the same chunks before they are rows, with the hidden state that no table holds.

    With more days `ahead` of the world's end the timetable reaches further; the days before don't change.
    """
    if chunk_tutors < 1:
        raise ValueError("a chunk holds at least one tutor")
    calendar = Calendar(world, ahead)
    for start in range(0, world.tutors, chunk_tutors):
        numbers = world.first_tutor + np.arange(start, min(start + chunk_tutors, world.tutors))
        tutors = draw_tutors(calendar, numbers)
        timetable = draw_timetable(calendar, tutors)
        yield Company(calendar, tutors, timetable, behave(calendar, tutors, timetable))


def digests(world: World, *, chunk_tutors: int = CHUNK_TUTORS) -> dict[str, str]:
    """Give the SHA-256 of each table's rows: worlds are equal when these are."""
    return digest_chunks(simulate(world, chunk_tutors=chunk_tutors))


def expected_rows(world: World) -> dict[str, int]:
    """Estimate the rows per table from the first tutors; exact for a world that has no more."""
    sample = min(world.tutors, _SAMPLE_TUTORS)
    (rows,) = simulate(replace(world, tutors=sample), chunk_tutors=_SAMPLE_TUTORS)
    return {table: round(row_count(columns) * world.tutors / sample) for table, columns in rows.items()}
