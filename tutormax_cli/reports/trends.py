"""How the company's last weeks went, week by week and subject by subject."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Executable, select
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.models import Tutor
from tutormax_cli.database.queries import active_at, departed_at
from tutormax_cli.reports.report import Column, Kind, Row, Section
from tutormax_cli.reports.sql import statement, statement_on

WEEKS = 12
_WEEK = timedelta(days=7)
_QUIET = "no session, nobody joined or left"


@dataclass(frozen=True, slots=True)
class Work:
    """What happened in one subject in one week, week 0 being the last; `rating` is the sum of `rated` ratings."""

    subject: str
    weeks_ago: int
    booked: int
    held: int
    missed: int
    rating: int
    rated: int


@dataclass(frozen=True, slots=True)
class Trends:
    """The last weeks before `as_of`: work, and tutors counted by what (active, joined, left), subject and week."""

    as_of: datetime
    work: tuple[Work, ...]
    people: Mapping[tuple[str, str | None, int | None], int]

    @property
    def quiet(self) -> bool:
        """Whether nothing happened in these weeks: no session, and nobody joined or left."""
        return not self.work and all(of_what == "active" for of_what, _, _ in self.people)


def read_trends(db: OrmSession, as_of: datetime) -> Trends:
    """Read the last weeks in two statements."""
    work = tuple(Work(*row) for row in db.execute(statement("stats_work", db), {"as_of": as_of}))
    rows = db.execute(_people(db, as_of), {"as_of": as_of})
    return Trends(as_of, work, {(of_what, subject, ago): tutors for of_what, subject, ago, tutors in rows})


def _people(db: OrmSession, as_of: datetime) -> Executable:
    """Count tutors by the library's own definitions of who is active and who has left."""
    columns = (departed_at().label("left_at"), active_at(as_of).label("active"))
    return statement_on("stats_people", db, select(Tutor.subjects, Tutor.onboarding_date, *columns).cte("people"))


def weeks(trends: Trends) -> Section:
    """List the weeks, oldest first, each by the day on which it began."""
    columns = (
        Column("from", "week from", Kind.DATE),
        Column("sessions", "sessions", Kind.INT),
        Column("no_show_rate", "no-shows", Kind.PERCENT, digits=1),
        Column("rating", "rating", Kind.FLOAT),
        Column("joined", "joined", Kind.INT),
        Column("left", "left", Kind.INT),
    )
    rows = tuple(_week(trends, ago) for ago in reversed(range(WEEKS))) if not trends.quiet else ()
    return Section("weeks", columns, rows, title=f"The last {WEEKS} weeks", if_empty=_QUIET)


def _week(trends: Trends, ago: int) -> Row:
    work = [part for part in trends.work if part.weeks_ago == ago]
    joined, left = (trends.people.get((of_what, None, ago), 0) for of_what in ("joined", "left"))
    return (
        trends.as_of - (ago + 1) * _WEEK,
        sum(part.held for part in work),
        _missed(work),
        _rating(work),
        joined,
        left,
    )


def subjects(trends: Trends) -> Section:
    """List the subjects, the one with most sessions held first."""
    columns = (
        Column("subject", "subject", flexible=True),
        Column("active", "tutors", Kind.INT),
        Column("left", "left", Kind.INT),
        Column("sessions", "sessions", Kind.INT),
        Column("weeks", f"{WEEKS} weeks", Kind.SPARK),
        Column("no_show_rate", "no-shows", Kind.PERCENT, digits=1),
        Column("rating", "rating", Kind.FLOAT),
    )
    names = {part.subject for part in trends.work} | {subject for _, subject, _ in trends.people if subject}
    names = set() if trends.quiet else names
    rows = sorted((_subject(trends, name) for name in names), key=lambda row: (-int(str(row[3])), str(row[0])))
    return Section("subjects", columns, tuple(rows), title=f"Subjects, the last {WEEKS} weeks", if_empty=_QUIET)


def _subject(trends: Trends, name: str) -> Row:
    work = [part for part in trends.work if part.subject == name]
    held = {part.weeks_ago: part.held for part in work}
    active, left = (trends.people.get((of_what, name, None), 0) for of_what in ("active", "left"))
    bars = tuple(held.get(ago, 0) for ago in reversed(range(WEEKS)))
    return (name, active, left, sum(bars), bars, _missed(work), _rating(work))


def _missed(work: Sequence[Work]) -> float | None:
    booked = sum(part.booked for part in work)
    return sum(part.missed for part in work) / booked if booked else None


def _rating(work: Sequence[Work]) -> float | None:
    rated = sum(part.rated for part in work)
    return sum(part.rating for part in work) / rated if rated else None
