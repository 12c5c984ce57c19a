"""What pupils say of sessions: who answers, when, how many stars, and in which words."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tutormax_cli.columns import Coded
from tutormax_cli.simulation import parameters as p
from tutormax_cli.simulation.behaviour import Company
from tutormax_cli.simulation.calendars import MINUTES_PER_DAY
from tutormax_cli.simulation.lessons import Lessons
from tutormax_cli.simulation.streams import Floats, Ints, Keys, Times, below, chance, normal, subkeys, uniform
from tutormax_cli.simulation.wording import AREA_LISTS, AREAS, LATE_AREA, TEXTS, TEXTS_PER_RATING

Masked = np.ma.MaskedArray[tuple[int, ...], np.dtype[np.generic]]

DIMENSIONS = ("subject_knowledge", "communication", "patience", "engagement", "helpfulness")
"""The parts of a rating, as the columns name them."""
LATE_MINUTES = 5
"""Delay that a dissatisfied pupil mentions."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """Answers, one element each, in the order of their sessions; `lesson` is the row of the session."""

    lesson: Ints
    key: Keys
    rating: Ints
    submitted_at: Times


def collect(company: Company, lessons: Lessons) -> Feedback:
    """Ask after every session that ended; some answer, before the world ends."""
    rating = opinions(company, lessons)
    habit = np.exp(0.5 * normal(company.timetable.runs.key, "answers"))[lessons.bookings.run]
    likely = np.minimum(np.array(p.ANSWERS)[rating - 1] * habit, 0.95)
    submitted_at = _submitted_at(company, lessons)
    answered = lessons.ended & chance(lessons.bookings.key, "answer", likely)
    rows = np.flatnonzero(answered & (submitted_at < company.calendar.world.end))
    return Feedback(rows, lessons.bookings.key[rows], rating[rows], submitted_at[rows])


def opinions(company: Company, lessons: Lessons) -> Ints:
    """Give the stars that each session deserves, whether or not anybody says so."""
    return np.searchsorted(np.array(p.RATING_BOUNDS), _satisfaction(company, lessons), side="right") + 1


def _satisfaction(company: Company, lessons: Lessons) -> Floats:
    """Give the latent satisfaction with each session; that with first ones is already part of the tutor's history."""
    runs, bookings = company.timetable.runs, lessons.bookings
    usual = company.tutors.quality[bookings.tutor] + p.PAIR_SD * normal(runs.key, "pair")[bookings.run]
    usual += p.SESSION_SD * normal(bookings.key, "satisfaction") - p.SATISFACTION_SLOPE * lessons.state
    met = np.where(lessons.number == 1, company.behaviour.pupils.satisfaction[bookings.run], usual)
    return np.asarray(met + p.TECHNICAL_SHIFT * lessons.technical + p.LATE_SHIFT * lessons.late)


def _submitted_at(company: Company, lessons: Lessons) -> Times:
    """Draw when pupils would answer: soon mostly, sometimes days later, and next morning instead of at night."""
    bookings = lessons.bookings
    hours = np.minimum(p.ANSWER_HOURS * np.exp(p.ANSWER_SPREAD * normal(bookings.key, "delay")), p.ANSWER_LIMIT_HOURS)
    minute = bookings.minute + lessons.late + lessons.duration + 2 + (60 * hours).astype(np.int64)
    morning, night = p.WAKING
    of_day = minute % MINUTES_PER_DAY
    asleep = (of_day < morning) | (of_day >= night)
    next_morning = minute - of_day + MINUTES_PER_DAY * (of_day >= night) + morning + below(bookings.key, "morning", 150)
    city = company.tutors.city[bookings.tutor]
    seconds = below(bookings.key, "seconds", 60) * np.timedelta64(1_000_000, "us")
    return company.calendar.utc(city, np.where(asleep, next_morning, minute)) + seconds


def sub_ratings(company: Company, lessons: Lessons, feedback: Feedback) -> dict[str, Masked]:
    """Rate the dimensions: around the overall rating, each tutor with strengths and weaknesses, some left out."""
    tutors = company.tutors.key[lessons.bookings.tutor[feedback.lesson]]
    result = {}
    for number, dimension in enumerate(DIMENSIONS):
        strength = 0.28 * normal(subkeys(tutors, number), "strength")
        noise = (0.5 + 0.12 * (5 - feedback.rating)) * normal(feedback.key, dimension)
        stars = np.clip(np.rint(feedback.rating + strength + noise), 1, 5).astype(np.int32)
        unknown = chance(feedback.key, f"{dimension} unknown", p.SUB_RATING_UNKNOWN)
        result[f"{dimension}_rating"] = np.ma.MaskedArray(np.where(unknown, 0, stars), mask=unknown)
    return result


def recommends(feedback: Feedback) -> Masked:
    """Tell whether they would recommend the tutor, masked where they don't say."""
    would = uniform(feedback.key, "recommends") < np.array(p.RECOMMENDS)[feedback.rating - 1]
    unknown = chance(feedback.key, "recommends unknown", p.RECOMMEND_UNKNOWN)
    return np.ma.MaskedArray(would & ~unknown, mask=unknown)


def improvement_areas(lessons: Lessons, feedback: Feedback) -> Coded:
    """Name one or two things to improve, or nothing; who waited names that first."""
    late = lessons.late[feedback.lesson] >= LATE_MINUTES
    first = np.where(late, LATE_AREA, below(feedback.key, "area", len(AREAS)))
    second = np.where(chance(feedback.key, "two areas", 0.4), below(feedback.key, "second area", len(AREAS)), first)
    names = chance(feedback.key, "names areas", np.array(p.NAMES_AREAS)[feedback.rating - 1])
    return Coded(_short(np.where(names, first * len(AREAS) + second, -1)), AREA_LISTS)


def texts(feedback: Feedback) -> Coded:
    """Write a few words, or none."""
    writes = chance(feedback.key, "writes", np.array(p.WRITES_TEXT)[feedback.rating - 1])
    chosen = (feedback.rating - 1) * TEXTS_PER_RATING + below(feedback.key, "text", TEXTS_PER_RATING)
    return Coded(_short(np.where(writes, chosen, -1)), TEXTS)


def _short(codes: Ints) -> npt.NDArray[np.int32]:
    return codes.astype(np.int32)
