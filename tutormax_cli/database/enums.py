"""The values that columns may take: each enum stands here once, and everything else derives from it."""

import enum


class TutorStatus(enum.StrEnum):
    """Whether a tutor works with us now."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    CHURNED = "churned"


class BehavioralArchetype(enum.StrEnum):
    """The kind of tutor that synthetic data started from; never an input of a prediction."""

    HIGH_PERFORMER = "high_performer"
    AT_RISK = "at_risk"
    NEW_TUTOR = "new_tutor"
    STEADY = "steady"
    CHURNER = "churner"


class SessionType(enum.StrEnum):
    """How many students sit in a session."""

    ONE_ON_ONE = "1-on-1"
    GROUP = "group"


class MetricWindow(enum.StrEnum):
    """The days before the as-of time over which performance metrics are taken."""

    DAYS_7 = "7day"
    DAYS_30 = "30day"
    DAYS_90 = "90day"

    @property
    def days(self) -> int:
        """The length in days."""
        return int(self.value.removesuffix("day"))


class PerformanceTier(enum.StrEnum):
    """A tutor's standing, best first."""

    EXEMPLARY = "Exemplary"
    STRONG = "Strong"
    DEVELOPING = "Developing"
    NEEDS_ATTENTION = "Needs Attention"
    AT_RISK = "At Risk"


class RiskLevel(enum.StrEnum):
    """The band that a churn score falls in, lowest first."""

    LOW = "Low"
    MEDIUM = "Medium"
    HIGH = "High"
    CRITICAL = "Critical"

    @property
    def floor(self) -> int:
        """The lowest churn score, of 0..100, that has this level."""
        return RISK_LEVEL_FLOORS[self]


RISK_LEVEL_FLOORS = {RiskLevel.LOW: 0, RiskLevel.MEDIUM: 26, RiskLevel.HIGH: 51, RiskLevel.CRITICAL: 76}
MAX_CHURN_SCORE = 100


class InterventionType(enum.StrEnum):
    """What is done to keep a tutor or to help one."""

    AUTOMATED_COACHING = "automated_coaching"
    TRAINING_MODULE = "training_module"
    FIRST_SESSION_CHECKIN = "first_session_checkin"
    RESCHEDULING_ALERT = "rescheduling_alert"
    MANAGER_COACHING = "manager_coaching"
    PEER_MENTORING = "peer_mentoring"
    PERFORMANCE_IMPROVEMENT_PLAN = "performance_improvement_plan"
    RETENTION_INTERVIEW = "retention_interview"
    RECOGNITION = "recognition"


class InterventionStatus(enum.StrEnum):
    """Where an intervention stands."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class InterventionOutcome(enum.StrEnum):
    """What came of a completed intervention."""

    IMPROVED = "improved"
    NO_CHANGE = "no_change"
    DECLINED = "declined"
    CHURNED = "churned"


class EventType(enum.StrEnum):
    """The events whose metadata this product reads; the column takes any other type as it is."""

    LOGIN = "login"
    MESSAGE_RESPONSE = "message_response"
    RESCHEDULE_REQUEST = "reschedule_request"
    AVAILABILITY_CHANGE = "availability_change"
    TRAINING_COMPLETED = "training_completed"
    STATUS_CHANGE = "status_change"
