"""The eight tables, with every constraint that they began with.

Revision ID: 20251107_0000
Revises:
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "20251107_0000"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, each before those that refer to it."""
    op.create_table(
        "students",
        sa.Column("student_id", sa.String(length=50), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("age", sa.Integer(), nullable=True),
        sa.Column("grade_level", sa.String(length=50), nullable=True),
        sa.Column("subjects_interested", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("age BETWEEN 0 AND 130", name=op.f("ck_students_age_range")),
        sa.PrimaryKeyConstraint("student_id", name=op.f("pk_students")),
    )
    op.create_table(
        "tutors",
        sa.Column("tutor_id", sa.String(length=50), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=False),
        sa.Column("onboarding_date", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "active", "inactive", "churned", name="status", native_enum=False, create_constraint=True, length=50
            ),
            nullable=False,
        ),
        sa.Column("subjects", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("education_level", sa.String(length=100), nullable=True),
        sa.Column("location", sa.String(length=200), nullable=True),
        sa.Column("timezone", sa.String(length=50), nullable=True),
        sa.Column("baseline_sessions_per_week", sa.Float(), nullable=True),
        sa.Column(
            "behavioral_archetype",
            sa.Enum(
                "high_performer",
                "at_risk",
                "new_tutor",
                "steady",
                "churner",
                name="behavioral_archetype",
                native_enum=False,
                create_constraint=True,
                length=50,
            ),
            nullable=True,
        ),
        sa.Column("churned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "baseline_sessions_per_week >= 0 AND baseline_sessions_per_week < 'Infinity'::float8",
            name=op.f("ck_tutors_baseline_sessions_per_week_range"),
        ),
        sa.CheckConstraint("churned_at IS NULL OR status = 'churned'", name=op.f("ck_tutors_churned_at_needs_status")),
        sa.CheckConstraint(
            "onboarding_date BETWEEN '0001-01-02 00:00Z' AND '9999-12-30 00:00Z' AND churned_at BETWEEN '0001-01-02 00:00Z' AND '9999-12-30 00:00Z'",
            name=op.f("ck_tutors_timestamps_range"),
        ),
        sa.PrimaryKeyConstraint("tutor_id", name=op.f("pk_tutors")),
        sa.UniqueConstraint("email", name=op.f("uq_tutors_email")),
    )
    op.create_index(op.f("ix_tutors_status"), "tutors", ["status"], unique=False)
    op.create_table(
        "churn_predictions",
        sa.Column("prediction_id", sa.String(length=50), nullable=False),
        sa.Column("tutor_id", sa.String(length=50), nullable=False),
        sa.Column("prediction_date", sa.DateTime(timezone=True), nullable=False),
        sa.Column("churn_score", sa.Integer(), nullable=False),
        sa.Column(
            "risk_level",
            sa.Enum(
                "Low",
                "Medium",
                "High",
                "Critical",
                name="risk_level",
                native_enum=False,
                create_constraint=True,
                length=50,
            ),
            nullable=False,
        ),
        sa.Column("window_1day_probability", sa.Float(), nullable=True),
        sa.Column("window_7day_probability", sa.Float(), nullable=True),
        sa.Column("window_30day_probability", sa.Float(), nullable=True),
        sa.Column("window_90day_probability", sa.Float(), nullable=True),
        sa.Column("contributing_factors", postgresql.JSONB(), nullable=True),
        sa.Column("model_version", sa.String(length=50), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "prediction_date BETWEEN '0001-01-02 00:00Z' AND '9999-12-30 00:00Z'",
            name=op.f("ck_churn_predictions_timestamps_range"),
        ),
        sa.CheckConstraint(
            "risk_level = CASE WHEN churn_score >= 76 THEN 'Critical' WHEN churn_score >= 51 THEN 'High' WHEN churn_score >= 26 THEN 'Medium' WHEN churn_score >= 0 THEN 'Low' END",
            name=op.f("ck_churn_predictions_risk_level_of_score"),
        ),
        sa.CheckConstraint("churn_score BETWEEN 0 AND 100", name=op.f("ck_churn_predictions_churn_score_range")),
        sa.CheckConstraint(
            "coalesce(window_1day_probability, 0) <= coalesce(window_7day_probability, window_1day_probability, 0) AND coalesce(window_7day_probability, window_1day_probability, 0) <= coalesce(window_30day_probability, window_7day_probability, window_1day_probability, 0) AND coalesce(window_30day_probability, window_7day_probability, window_1day_probability, 0) <= coalesce(window_90day_probability, 1)",
            name=op.f("ck_churn_predictions_probabilities_grow"),
        ),
        sa.CheckConstraint(
            "window_1day_probability BETWEEN 0 AND 1", name=op.f("ck_churn_predictions_window_1day_probability_range")
        ),
        sa.CheckConstraint(
            "window_30day_probability BETWEEN 0 AND 1", name=op.f("ck_churn_predictions_window_30day_probability_range")
        ),
        sa.CheckConstraint(
            "window_7day_probability BETWEEN 0 AND 1", name=op.f("ck_churn_predictions_window_7day_probability_range")
        ),
        sa.CheckConstraint(
            "window_90day_probability BETWEEN 0 AND 1", name=op.f("ck_churn_predictions_window_90day_probability_range")
        ),
        sa.ForeignKeyConstraint(
            ["tutor_id"], ["tutors.tutor_id"], name=op.f("fk_churn_predictions_tutor_id_tutors"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("prediction_id", name=op.f("pk_churn_predictions")),
    )
    op.create_index(
        op.f("ix_churn_predictions_prediction_date"), "churn_predictions", ["prediction_date"], unique=False
    )
    op.create_index(op.f("ix_churn_predictions_risk_level"), "churn_predictions", ["risk_level"], unique=False)
    op.create_index(
        op.f("ix_churn_predictions_tutor_id_prediction_date"),
        "churn_predictions",
        ["tutor_id", "prediction_date"],
        unique=False,
    )
    op.create_index(
        "uq_churn_predictions_day",
        "churn_predictions",
        [sa.literal_column("tutor_id"), sa.literal_column("((prediction_date AT TIME ZONE 'UTC')::date)")],
        unique=True,
    )
    op.create_table(
        "interventions",
        sa.Column("intervention_id", sa.String(length=50), nullable=False),
        sa.Column("tutor_id", sa.String(length=50), nullable=False),
        sa.Column(
            "intervention_type",
            sa.Enum(
                "automated_coaching",
                "training_module",
                "first_session_checkin",
                "rescheduling_alert",
                "manager_coaching",
                "peer_mentoring",
                "performance_improvement_plan",
                "retention_interview",
                "recognition",
                name="intervention_type",
                native_enum=False,
                create_constraint=True,
                length=50,
            ),
            nullable=False,
        ),
        sa.Column("trigger_reason", sa.Text(), nullable=True),
        sa.Column("recommended_date", sa.DateTime(timezone=True), nullable=False),
        sa.Column("assigned_to", sa.String(length=50), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "pending",
                "in_progress",
                "completed",
                "cancelled",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=50,
            ),
            nullable=False,
        ),
        sa.Column("due_date", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_date", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "outcome",
            sa.Enum(
                "improved",
                "no_change",
                "declined",
                "churned",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=50,
            ),
            nullable=True,
        ),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(status = 'completed') = (completed_date IS NOT NULL)", name=op.f("ck_interventions_completed_has_date")
        ),
        sa.CheckConstraint(
            "outcome IS NULL OR status = 'completed'", name=op.f("ck_interventions_outcome_needs_completed")
        ),
        sa.CheckConstraint(
            "recommended_date BETWEEN '0001-01-02 00:00Z' AND '9999-12-30 00:00Z' AND due_date BETWEEN '0001-01-02 00:00Z' AND '9999-12-30 00:00Z' AND completed_date BETWEEN '0001-01-02 00:00Z' AND '9999-12-30 00:00Z'",
            name=op.f("ck_interventions_timestamps_range"),
        ),
        sa.CheckConstraint(
            "completed_date >= recommended_date", name=op.f("ck_interventions_completed_after_recommended")
        ),
        sa.ForeignKeyConstraint(
            ["tutor_id"], ["tutors.tutor_id"], name=op.f("fk_interventions_tutor_id_tutors"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("intervention_id", name=op.f("pk_interventions")),
    )
    op.create_index(op.f("ix_interventions_status"), "interventions", ["status"], unique=False)
    op.create_index(op.f("ix_interventions_tutor_id"), "interventions", ["tutor_id"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.String(length=50), nullable=False),
        sa.Column("tutor_id", sa.String(length=50), nullable=False),
        sa.Column("student_id", sa.String(length=50), nullable=False),
        sa.Column("session_number", sa.Integer(), nullable=False),
        sa.Column("scheduled_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actual_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration_minutes", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=False),
        sa.Column(
            "session_type",
            sa.Enum("1-on-1", "group", name="session_type", native_enum=False, create_constraint=True, length=50),
            nullable=False,
        ),
        sa.Column("tutor_initiated_reschedule", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("no_show", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("late_start_minutes", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("engagement_score", sa.Float(), nullable=True),
        sa.Column("learning_objectives_met", sa.Boolean(), nullable=True),
        sa.Column("technical_issues", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "scheduled_start BETWEEN '0001-01-02 00:00Z' AND '9999-12-30 00:00Z' AND actual_start BETWEEN '0001-01-02 00:00Z' AND '9999-12-30 00:00Z'",
            name=op.f("ck_sessions_timestamps_range"),
        ),
        sa.CheckConstraint(
            "NOT (no_show AND actual_start IS NOT NULL)", name=op.f("ck_sessions_no_show_never_started")
        ),
        sa.CheckConstraint("duration_minutes > 0", name=op.f("ck_sessions_duration_minutes_positive")),
        sa.CheckConstraint("engagement_score BETWEEN 0 AND 1", name=op.f("ck_sessions_engagement_score_range")),
        sa.CheckConstraint("late_start_minutes >= 0", name=op.f("ck_sessions_late_start_minutes_not_negative")),
        sa.CheckConstraint("session_number >= 1", name=op.f("ck_sessions_session_number_positive")),
        sa.ForeignKeyConstraint(
            ["student_id"], ["students.student_id"], name=op.f("fk_sessions_student_id_students"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tutor_id"], ["tutors.tutor_id"], name=op.f("fk_sessions_tutor_id_tutors"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("tutor_id", "session_id", name=op.f("uq_sessions_tutor_id_session_id")),
    )
    op.create_index(op.f("ix_sessions_scheduled_start"), "sessions", ["scheduled_start"], unique=False)
    op.create_index(op.f("ix_sessions_student_id"), "sessions", ["student_id"], unique=False)
    op.create_index(op.f("ix_sessions_subject"), "sessions", ["subject"], unique=False)
    op.create_table(
        "tutor_events",
        sa.Column("event_id", sa.String(length=50), nullable=False),
        sa.Column("tutor_id", sa.String(length=50), nullable=False),
        sa.Column("event_type", sa.String(length=100), nullable=False),
        sa.Column("event_timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("metadata", postgresql.JSONB(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "event_timestamp BETWEEN '0001-01-02 00:00Z' AND '9999-12-30 00:00Z'",
            name=op.f("ck_tutor_events_timestamps_range"),
        ),
        sa.ForeignKeyConstraint(
            ["tutor_id"], ["tutors.tutor_id"], name=op.f("fk_tutor_events_tutor_id_tutors"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_tutor_events")),
    )
    op.create_index(op.f("ix_tutor_events_event_timestamp"), "tutor_events", ["event_timestamp"], unique=False)
    op.create_index(op.f("ix_tutor_events_event_type"), "tutor_events", ["event_type"], unique=False)
    op.create_index(op.f("ix_tutor_events_tutor_id"), "tutor_events", ["tutor_id"], unique=False)
    op.create_table(
        "tutor_performance_metrics",
        sa.Column("metric_id", sa.String(length=50), nullable=False),
        sa.Column("tutor_id", sa.String(length=50), nullable=False),
        sa.Column("calculation_date", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "window",
            sa.Enum("7day", "30day", "90day", name="window", native_enum=False, create_constraint=True, length=50),
            nullable=False,
        ),
        sa.Column("sessions_completed", sa.Integer(), nullable=False),
        sa.Column("avg_rating", sa.Float(), nullable=True),
        sa.Column("first_session_success_rate", sa.Float(), nullable=True),
        sa.Column("reschedule_rate", sa.Float(), nullable=True),
        sa.Column("no_show_count", sa.Integer(), nullable=False),
        sa.Column("engagement_score", sa.Float(), nullable=True),
        sa.Column("learning_objectives_met_pct", sa.Float(), nullable=True),
        sa.Column("response_time_avg_minutes", sa.Float(), nullable=True),
        sa.Column(
            "performance_tier",
            sa.Enum(
                "Exemplary",
                "Strong",
                "Developing",
                "Needs Attention",
                "At Risk",
                name="performance_tier",
                native_enum=False,
                create_constraint=True,
                length=50,
            ),
            nullable=True,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "calculation_date BETWEEN '0001-01-02 00:00Z' AND '9999-12-30 00:00Z'",
            name=op.f("ck_tutor_performance_metrics_timestamps_range"),
        ),
        sa.CheckConstraint(
            "response_time_avg_minutes >= 0 AND response_time_avg_minutes < 'Infinity'::float8",
            name=op.f("ck_tutor_performance_metrics_response_time_avg_minutes_range"),
        ),
        sa.CheckConstraint("avg_rating BETWEEN 1 AND 5", name=op.f("ck_tutor_performance_metrics_avg_rating_range")),
        sa.CheckConstraint(
            "engagement_score BETWEEN 0 AND 1", name=op.f("ck_tutor_performance_metrics_engagement_score_range")
        ),
        sa.CheckConstraint(
            "first_session_success_rate BETWEEN 0 AND 1",
            name=op.f("ck_tutor_performance_metrics_first_session_success_rate_range"),
        ),
        sa.CheckConstraint(
            "learning_objectives_met_pct BETWEEN 0 AND 100",
            name=op.f("ck_tutor_performance_metrics_learning_objectives_met_pct_range"),
        ),
        sa.CheckConstraint("no_show_count >= 0", name=op.f("ck_tutor_performance_metrics_no_show_count_not_negative")),
        sa.CheckConstraint(
            "reschedule_rate BETWEEN 0 AND 1", name=op.f("ck_tutor_performance_metrics_reschedule_rate_range")
        ),
        sa.CheckConstraint(
            "sessions_completed >= 0", name=op.f("ck_tutor_performance_metrics_sessions_completed_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["tutor_id"],
            ["tutors.tutor_id"],
            name=op.f("fk_tutor_performance_metrics_tutor_id_tutors"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("metric_id", name=op.f("pk_tutor_performance_metrics")),
    )
    op.create_index(
        op.f("ix_tutor_performance_metrics_calculation_date"),
        "tutor_performance_metrics",
        ["calculation_date"],
        unique=False,
    )
    op.create_index(
        op.f("ix_tutor_performance_metrics_tutor_id_calculation_date"),
        "tutor_performance_metrics",
        ["tutor_id", "calculation_date"],
        unique=False,
    )
    op.create_index(
        "uq_tutor_performance_metrics_day",
        "tutor_performance_metrics",
        [
            sa.literal_column("tutor_id"),
            sa.literal_column('"window"'),
            sa.literal_column("((calculation_date AT TIME ZONE 'UTC')::date)"),
        ],
        unique=True,
    )
    op.create_table(
        "student_feedback",
        sa.Column("feedback_id", sa.String(length=50), nullable=False),
        sa.Column("session_id", sa.String(length=50), nullable=False),
        sa.Column("student_id", sa.String(length=50), nullable=False),
        sa.Column("tutor_id", sa.String(length=50), nullable=False),
        sa.Column("overall_rating", sa.Integer(), nullable=False),
        sa.Column("is_first_session", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("subject_knowledge_rating", sa.Integer(), nullable=True),
        sa.Column("communication_rating", sa.Integer(), nullable=True),
        sa.Column("patience_rating", sa.Integer(), nullable=True),
        sa.Column("engagement_rating", sa.Integer(), nullable=True),
        sa.Column("helpfulness_rating", sa.Integer(), nullable=True),
        sa.Column("would_recommend", sa.Boolean(), nullable=True),
        sa.Column("improvement_areas", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("free_text_feedback", sa.Text(), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "submitted_at BETWEEN '0001-01-02 00:00Z' AND '9999-12-30 00:00Z'",
            name=op.f("ck_student_feedback_timestamps_range"),
        ),
        sa.CheckConstraint(
            "communication_rating BETWEEN 1 AND 5", name=op.f("ck_student_feedback_communication_rating_range")
        ),
        sa.CheckConstraint(
            "engagement_rating BETWEEN 1 AND 5", name=op.f("ck_student_feedback_engagement_rating_range")
        ),
        sa.CheckConstraint(
            "helpfulness_rating BETWEEN 1 AND 5", name=op.f("ck_student_feedback_helpfulness_rating_range")
        ),
        sa.CheckConstraint("overall_rating BETWEEN 1 AND 5", name=op.f("ck_student_feedback_overall_rating_range")),
        sa.CheckConstraint("patience_rating BETWEEN 1 AND 5", name=op.f("ck_student_feedback_patience_rating_range")),
        sa.CheckConstraint(
            "subject_knowledge_rating BETWEEN 1 AND 5", name=op.f("ck_student_feedback_subject_knowledge_rating_range")
        ),
        sa.ForeignKeyConstraint(
            ["student_id"],
            ["students.student_id"],
            name=op.f("fk_student_feedback_student_id_students"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tutor_id", "session_id"],
            ["sessions.tutor_id", "sessions.session_id"],
            name=op.f("fk_student_feedback_tutor_id_session_id_sessions"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tutor_id"], ["tutors.tutor_id"], name=op.f("fk_student_feedback_tutor_id_tutors"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("feedback_id", name=op.f("pk_student_feedback")),
    )
    op.create_index(op.f("ix_student_feedback_session_id"), "student_feedback", ["session_id"], unique=True)
    op.create_index(op.f("ix_student_feedback_student_id"), "student_feedback", ["student_id"], unique=False)
    op.create_index(op.f("ix_student_feedback_tutor_id"), "student_feedback", ["tutor_id"], unique=False)


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("student_feedback")
    op.drop_table("tutor_performance_metrics")
    op.drop_table("tutor_events")
    op.drop_table("sessions")
    op.drop_table("interventions")
    op.drop_table("churn_predictions")
    op.drop_table("tutors")
    op.drop_table("students")
