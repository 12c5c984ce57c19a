"""Counts per subject and month that name nobody: cells of few people are suppressed."""

from tutormax_cli.database.names import quoted
from tutormax_cli.exporting.sources import Kind, Source, SourceColumn

NAME = "subject_months"
TABLES = ("sessions", "student_feedback")
"""What is counted."""

FEWEST_PEOPLE = 5
"""A cell of fewer tutors or fewer students than this could tell of one of them."""

_COLUMNS = {
    "month": Kind.WORD,
    "subject": Kind.TEXT,
    "tutors": Kind.INT,
    "students": Kind.INT,
    "sessions": Kind.INT,
    "no_shows": Kind.INT,
    "ratings": Kind.INT,
    "average_rating": Kind.FLOAT,
    "suppressed": Kind.BOOL,
}


def subject_months(schema: str) -> Source:
    """Return sessions and ratings per subject and month (UTC) of the tables of a schema.

    A row of fewer than FEWEST_PEOPLE tutors or students holds no figures and says that it is suppressed; ratings are
    left out where fewer than that were rated or rated others. No totals: they would give the suppressed figures away.
    """
    columns = tuple(SourceColumn(name, kind, quoted(name)) for name, kind in _COLUMNS.items())
    return Source(NAME, columns, _relation(quoted(schema)), ("month", "subject"))


def _relation(schema: str) -> str:
    """Return the SQL of the counts over the tables of a schema (an SQL identifier)."""
    return f"""(
    SELECT month, subject, suppressed,
           CASE WHEN NOT suppressed THEN tutors END AS tutors,
           CASE WHEN NOT suppressed THEN students END AS students,
           CASE WHEN NOT suppressed THEN sessions END AS sessions,
           CASE WHEN NOT suppressed THEN no_shows END AS no_shows,
           CASE WHEN enough_rate THEN ratings END AS ratings,
           CASE WHEN enough_rate THEN average_rating END AS average_rating
    FROM (
        SELECT *,
               least(tutors, students) < {FEWEST_PEOPLE} AS suppressed,
               least(rated_tutors, rating_students) >= {FEWEST_PEOPLE} AS enough_rate
        FROM (
            SELECT to_char(scheduled_start AT TIME ZONE 'UTC', 'YYYY-MM') AS month,
                   subject,
                   count(DISTINCT s.tutor_id)::int AS tutors,
                   count(DISTINCT s.student_id)::int AS students,
                   count(*)::int AS sessions,
                   (count(*) FILTER (WHERE no_show))::int AS no_shows,
                   count(f.overall_rating)::int AS ratings,
                   round(avg(f.overall_rating), 2)::float8 AS average_rating,
                   count(DISTINCT f.tutor_id) AS rated_tutors,
                   count(DISTINCT f.student_id) AS rating_students
            FROM {schema}.sessions AS s
            LEFT JOIN {schema}.student_feedback AS f ON f.tutor_id = s.tutor_id AND f.session_id = s.session_id
            GROUP BY 1, 2
        ) AS counted
    ) AS judged
)"""
