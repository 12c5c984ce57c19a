"""The eight tables: tutors, students and all that is recorded of their work.

Enums are stored as their values in text columns under a CHECK constraint, so plain strings and members are
interchangeable. What a row can never be is a CHECK constraint here, so the database refuses it whoever writes.
A tutor's rows carry tutor_id and refer to each other through it, which lets the schema be sharded by tutor.
"""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    DateTime,
    Enum,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from tutormax_cli.database.enums import (
    MAX_CHURN_SCORE,
    RISK_LEVEL_FLOORS,
    BehavioralArchetype,
    InterventionOutcome,
    InterventionStatus,
    InterventionType,
    MetricWindow,
    PerformanceTier,
    RiskLevel,
    SessionType,
    TutorStatus,
)

NAMING_CONVENTION = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}


class Base(DeclarativeBase):
    """The declarative base of the eight tables; its metadata names every constraint."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(none_as_null=True),  # None is NULL, not the JSON text null
        list[str]: ARRAY(Text),
    }


def _one_of(kind: type[enum.StrEnum], name: str) -> Enum:
    """Store the values of `kind` in a varchar(50) under a CHECK constraint called `name`."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=50,
        values_callable=lambda members: [member.value for member in members],
    )


def _between(column: str, low: float, high: float) -> CheckConstraint:
    """Hold a number within [low, high]. NaN sorts above every number in PostgreSQL, so this refuses it too."""
    return CheckConstraint(f"{column} BETWEEN {low:g} AND {high:g}", name=f"{column}_range")


def _not_negative(column: str) -> CheckConstraint:
    return CheckConstraint(f"{column} >= 0", name=f"{column}_not_negative")


def _finite_not_negative(column: str) -> CheckConstraint:
    return CheckConstraint(f"{column} >= 0 AND {column} < 'Infinity'::float8", name=f"{column}_range")


def _readable(*columns: str) -> CheckConstraint:
    """Refuse infinity and years that no Python datetime can hold, whatever time zone it is shown in."""
    rules = (f"{column} BETWEEN '0001-01-02 00:00Z' AND '9999-12-30 00:00Z'" for column in columns)
    return CheckConstraint(" AND ".join(rules), name="timestamps_range")


def _one_per_day(table: str, timestamp: str, *key: str) -> Index:
    """Allow one row per key and UTC day of `timestamp`, whatever the hour."""
    day = f"(({timestamp} AT TIME ZONE 'UTC')::date)"
    return Index(f"uq_{table}_day", *(text(expression) for expression in (*key, day)), unique=True)


class Timestamps:
    """When the row was made and last changed, by the server's clock."""

    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=100)
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now(), sort_order=101)


class Tutor(Timestamps, Base):
    """A tutor: who they are and whether they work with us."""

    __tablename__ = "tutors"
    __table_args__ = (
        _finite_not_negative("baseline_sessions_per_week"),
        CheckConstraint("churned_at IS NULL OR status = 'churned'", name="churned_at_needs_status"),
        _readable("onboarding_date", "churned_at"),
    )

    tutor_id: Mapped[str] = mapped_column(String(50), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str] = mapped_column(String(255), unique=True)
    onboarding_date: Mapped[datetime]
    status: Mapped[TutorStatus] = mapped_column(_one_of(TutorStatus, "status"), index=True)
    subjects: Mapped[list[str]]
    education_level: Mapped[str | None] = mapped_column(String(100))
    location: Mapped[str | None] = mapped_column(String(200))
    timezone: Mapped[str | None] = mapped_column(String(50))
    baseline_sessions_per_week: Mapped[float | None] = mapped_column(Float)
    behavioral_archetype: Mapped[BehavioralArchetype | None] = mapped_column(
        _one_of(BehavioralArchetype, "behavioral_archetype")
    )
    churned_at: Mapped[datetime | None]

    sessions: Mapped[list["Session"]] = relationship(back_populates="tutor", passive_deletes=True)
    feedback: Mapped[list["StudentFeedback"]] = relationship(
        back_populates="tutor", passive_deletes=True, foreign_keys="StudentFeedback.tutor_id"
    )
    performance_metrics: Mapped[list["TutorPerformanceMetric"]] = relationship(
        back_populates="tutor", passive_deletes=True
    )
    churn_predictions: Mapped[list["ChurnPrediction"]] = relationship(back_populates="tutor", passive_deletes=True)
    interventions: Mapped[list["Intervention"]] = relationship(back_populates="tutor", passive_deletes=True)
    events: Mapped[list["TutorEvent"]] = relationship(back_populates="tutor", passive_deletes=True)


class Student(Timestamps, Base):
    """A student."""

    __tablename__ = "students"
    __table_args__ = (_between("age", 0, 130),)

    student_id: Mapped[str] = mapped_column(String(50), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    age: Mapped[int | None]
    grade_level: Mapped[str | None] = mapped_column(String(50))
    subjects_interested: Mapped[list[str] | None]

    sessions: Mapped[list["Session"]] = relationship(back_populates="student", passive_deletes=True)
    feedback: Mapped[list["StudentFeedback"]] = relationship(back_populates="student", passive_deletes=True)


class Session(Timestamps, Base):
    """One booked hour of a tutor with a student, held or not."""

    __tablename__ = "sessions"
    __table_args__ = (
        # The target of feedback's foreign key; it also serves every look-up by tutor.
        UniqueConstraint("tutor_id", "session_id"),
        CheckConstraint("session_number >= 1", name="session_number_positive"),
        CheckConstraint("duration_minutes > 0", name="duration_minutes_positive"),
        _not_negative("late_start_minutes"),
        _between("engagement_score", 0, 1),
        CheckConstraint("NOT (no_show AND actual_start IS NOT NULL)", name="no_show_never_started"),
        _readable("scheduled_start", "actual_start"),
    )

    session_id: Mapped[str] = mapped_column(String(50), primary_key=True)
    tutor_id: Mapped[str] = mapped_column(ForeignKey("tutors.tutor_id", ondelete="CASCADE"))
    student_id: Mapped[str] = mapped_column(ForeignKey("students.student_id", ondelete="CASCADE"), index=True)
    session_number: Mapped[int]
    scheduled_start: Mapped[datetime] = mapped_column(index=True)
    actual_start: Mapped[datetime | None]
    duration_minutes: Mapped[int]
    subject: Mapped[str] = mapped_column(String(100), index=True)
    session_type: Mapped[SessionType] = mapped_column(_one_of(SessionType, "session_type"))
    tutor_initiated_reschedule: Mapped[bool] = mapped_column(server_default=text("false"))
    no_show: Mapped[bool] = mapped_column(server_default=text("false"))
    late_start_minutes: Mapped[int] = mapped_column(server_default=text("0"))
    engagement_score: Mapped[float | None] = mapped_column(Float)
    learning_objectives_met: Mapped[bool | None]
    technical_issues: Mapped[bool] = mapped_column(server_default=text("false"))

    tutor: Mapped[Tutor] = relationship(back_populates="sessions")
    student: Mapped[Student] = relationship(back_populates="sessions")
    feedback: Mapped["StudentFeedback | None"] = relationship(
        back_populates="session",
        passive_deletes=True,
        foreign_keys="[StudentFeedback.tutor_id, StudentFeedback.session_id]",
        overlaps="feedback",
    )


RATING_COLUMNS = (
    "overall_rating",
    "subject_knowledge_rating",
    "communication_rating",
    "patience_rating",
    "engagement_rating",
    "helpfulness_rating",
)


class StudentFeedback(Base):
    """What a student said of one session."""

    __tablename__ = "student_feedback"
    __table_args__ = (
        # Through (tutor_id, session_id), so that feedback can't name a tutor who did not give the session.
        ForeignKeyConstraint(
            ["tutor_id", "session_id"], ["sessions.tutor_id", "sessions.session_id"], ondelete="CASCADE"
        ),
        Index(None, "session_id", unique=True),
        *(_between(column, 1, 5) for column in RATING_COLUMNS),
        _readable("submitted_at"),
    )

    feedback_id: Mapped[str] = mapped_column(String(50), primary_key=True)
    session_id: Mapped[str] = mapped_column(String(50))
    student_id: Mapped[str] = mapped_column(ForeignKey("students.student_id", ondelete="CASCADE"), index=True)
    tutor_id: Mapped[str] = mapped_column(ForeignKey("tutors.tutor_id", ondelete="CASCADE"), index=True)
    overall_rating: Mapped[int]
    is_first_session: Mapped[bool] = mapped_column(server_default=text("false"))
    subject_knowledge_rating: Mapped[int | None]
    communication_rating: Mapped[int | None]
    patience_rating: Mapped[int | None]
    engagement_rating: Mapped[int | None]
    helpfulness_rating: Mapped[int | None]
    would_recommend: Mapped[bool | None]
    improvement_areas: Mapped[list[str] | None]
    free_text_feedback: Mapped[str | None] = mapped_column(Text)
    submitted_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=100)

    session: Mapped[Session] = relationship(
        back_populates="feedback",
        foreign_keys="[StudentFeedback.tutor_id, StudentFeedback.session_id]",
        overlaps="feedback,tutor",
    )
    student: Mapped[Student] = relationship(back_populates="feedback")
    tutor: Mapped[Tutor] = relationship(
        back_populates="feedback", foreign_keys="StudentFeedback.tutor_id", overlaps="feedback,session"
    )


class TutorPerformanceMetric(Timestamps, Base):
    """How a tutor did over one window that ends at calculation_date. Rates are 0..1, `_pct` columns 0..100."""

    __tablename__ = "tutor_performance_metrics"
    __table_args__ = (
        Index(None, "tutor_id", "calculation_date"),
        _one_per_day("tutor_performance_metrics", "calculation_date", "tutor_id", '"window"'),
        _not_negative("sessions_completed"),
        _not_negative("no_show_count"),
        _between("avg_rating", 1, 5),
        _between("first_session_success_rate", 0, 1),
        _between("reschedule_rate", 0, 1),
        _between("engagement_score", 0, 1),
        _between("learning_objectives_met_pct", 0, 100),
        _finite_not_negative("response_time_avg_minutes"),
        _readable("calculation_date"),
    )

    metric_id: Mapped[str] = mapped_column(String(50), primary_key=True)
    tutor_id: Mapped[str] = mapped_column(ForeignKey("tutors.tutor_id", ondelete="CASCADE"))
    calculation_date: Mapped[datetime] = mapped_column(index=True)
    window: Mapped[MetricWindow] = mapped_column(_one_of(MetricWindow, "window"))
    sessions_completed: Mapped[int]
    avg_rating: Mapped[float | None] = mapped_column(Float)
    first_session_success_rate: Mapped[float | None] = mapped_column(Float)
    reschedule_rate: Mapped[float | None] = mapped_column(Float)
    no_show_count: Mapped[int]
    engagement_score: Mapped[float | None] = mapped_column(Float)
    learning_objectives_met_pct: Mapped[float | None] = mapped_column(Float)
    response_time_avg_minutes: Mapped[float | None] = mapped_column(Float)
    performance_tier: Mapped[PerformanceTier | None] = mapped_column(_one_of(PerformanceTier, "performance_tier"))

    tutor: Mapped[Tutor] = relationship(back_populates="performance_metrics")


PROBABILITY_COLUMNS = (
    "window_1day_probability",
    "window_7day_probability",
    "window_30day_probability",
    "window_90day_probability",
)


class ChurnPrediction(Timestamps, Base):
    """What was predicted for a tutor on one day: a score of 0..100, its level, and what goes with it."""

    __tablename__ = "churn_predictions"
    __table_args__ = (
        # A tutor's latest prediction is one step down this index, however long the history.
        Index(None, "tutor_id", "prediction_date"),
        _one_per_day("churn_predictions", "prediction_date", "tutor_id"),
        _between("churn_score", 0, MAX_CHURN_SCORE),
        CheckConstraint(
            "risk_level = CASE "
            + " ".join(
                f"WHEN churn_score >= {floor} THEN '{level.value}'"
                for level, floor in sorted(RISK_LEVEL_FLOORS.items(), key=lambda item: -item[1])
            )
            + " END",
            name="risk_level_of_score",
        ),
        *(_between(column, 0, 1) for column in PROBABILITY_COLUMNS),
        _readable("prediction_date"),
        CheckConstraint(
            "coalesce(window_1day_probability, 0)"
            " <= coalesce(window_7day_probability, window_1day_probability, 0)"
            " AND coalesce(window_7day_probability, window_1day_probability, 0)"
            " <= coalesce(window_30day_probability, window_7day_probability, window_1day_probability, 0)"
            " AND coalesce(window_30day_probability, window_7day_probability, window_1day_probability, 0)"
            " <= coalesce(window_90day_probability, 1)",
            name="probabilities_grow",
        ),
    )

    prediction_id: Mapped[str] = mapped_column(String(50), primary_key=True)
    tutor_id: Mapped[str] = mapped_column(ForeignKey("tutors.tutor_id", ondelete="CASCADE"))
    prediction_date: Mapped[datetime] = mapped_column(index=True)
    churn_score: Mapped[int]
    risk_level: Mapped[RiskLevel] = mapped_column(_one_of(RiskLevel, "risk_level"), index=True)
    window_1day_probability: Mapped[float | None] = mapped_column(Float)
    window_7day_probability: Mapped[float | None] = mapped_column(Float)
    window_30day_probability: Mapped[float | None] = mapped_column(Float)
    window_90day_probability: Mapped[float | None] = mapped_column(Float)
    contributing_factors: Mapped[dict[str, Any] | None]
    model_version: Mapped[str] = mapped_column(String(50))

    tutor: Mapped[Tutor] = relationship(back_populates="churn_predictions")


class Intervention(Timestamps, Base):
    """Something recommended or done for a tutor, and what came of it."""

    __tablename__ = "interventions"
    __table_args__ = (
        CheckConstraint("(status = 'completed') = (completed_date IS NOT NULL)", name="completed_has_date"),
        CheckConstraint("outcome IS NULL OR status = 'completed'", name="outcome_needs_completed"),
        CheckConstraint("completed_date >= recommended_date", name="completed_after_recommended"),
        _readable("recommended_date", "due_date", "completed_date"),
    )

    intervention_id: Mapped[str] = mapped_column(String(50), primary_key=True)
    tutor_id: Mapped[str] = mapped_column(ForeignKey("tutors.tutor_id", ondelete="CASCADE"), index=True)
    intervention_type: Mapped[InterventionType] = mapped_column(_one_of(InterventionType, "intervention_type"))
    trigger_reason: Mapped[str | None] = mapped_column(Text)
    recommended_date: Mapped[datetime]
    assigned_to: Mapped[str | None] = mapped_column(String(50))
    status: Mapped[InterventionStatus] = mapped_column(_one_of(InterventionStatus, "status"), index=True)
    due_date: Mapped[datetime | None]
    completed_date: Mapped[datetime | None]
    outcome: Mapped[InterventionOutcome | None] = mapped_column(_one_of(InterventionOutcome, "outcome"))
    notes: Mapped[str | None] = mapped_column(Text)

    tutor: Mapped[Tutor] = relationship(back_populates="interventions")


class TutorEvent(Base):
    """Something a tutor did outside a session, with metadata by type (see EventType)."""

    __tablename__ = "tutor_events"
    __table_args__ = (_readable("event_timestamp"),)

    event_id: Mapped[str] = mapped_column(String(50), primary_key=True)
    tutor_id: Mapped[str] = mapped_column(ForeignKey("tutors.tutor_id", ondelete="CASCADE"), index=True)
    event_type: Mapped[str] = mapped_column(String(100), index=True)
    event_timestamp: Mapped[datetime] = mapped_column(index=True)
    event_metadata: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=100)

    tutor: Mapped[Tutor] = relationship(back_populates="events")
