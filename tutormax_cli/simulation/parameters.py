"""The numbers and words of the synthetic world, each with its unit and where it comes from.

Sources: *required* (a fact the world must reproduce), *calibrated* (chosen so that benchmarks/calibration.py shows the
required facts), *assumed* (plausible, nothing hangs on it). Words that the schema knows stand here a second time,
because this room imports no database; a test holds the two together.
"""

from dataclasses import dataclass

# --- words of the schema ---------------------------------------------------------------------------------------------

TUTOR_STATUSES = ("active", "inactive", "churned")
ARCHETYPES = ("high_performer", "at_risk", "new_tutor", "steady", "churner")
SESSION_TYPES = ("1-on-1", "group")
EVENT_TYPES = (
    "login",
    "message_response",
    "reschedule_request",
    "availability_change",
    "training_completed",
    "status_change",
)
INTERVENTION_TYPES = (
    "automated_coaching",
    "first_session_checkin",
    "rescheduling_alert",
    "manager_coaching",
    "performance_improvement_plan",
    "retention_interview",
)
INTERVENTION_STATUSES = ("pending", "in_progress", "completed", "cancelled")
OUTCOMES = ("improved", "no_change", "declined", "churned")

# --- who the tutors are ----------------------------------------------------------------------------------------------

ARCHETYPE_SHARES = (0.30, 0.20, 0.25, 0.20, 0.05)  # of all tutors; required
NEW_TUTOR = ARCHETYPES.index("new_tutor")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of teaching.

    `share` of tutors; `log_hazard` is its shift of the log hazard of leaving, `onset` its factor of ONSET; for each
    subject the age from which pupils take it.
    """

    share: float
    log_hazard: float
    onset: float
    subjects: tuple[tuple[str, int], ...]


FIELDS = (
    Field(
        0.34,
        -0.40,
        0.50,
        (
            ("mathematics", 6),
            ("physics", 12),
            ("chemistry", 13),
            ("biology", 12),
            ("computer science", 10),
            ("statistics", 15),
        ),
    ),
    Field(
        0.34,
        0.00,
        0.80,
        (("English", 6), ("essay writing", 10), ("reading", 6), ("Spanish", 8), ("French", 8), ("German", 10)),
    ),
    Field(
        0.32,
        0.20,
        1.02,
        (
            ("SAT", 15),
            ("ACT", 15),
            ("PSAT", 14),
            ("AP Calculus", 16),
            ("AP English", 16),
            ("entrance examinations", 10),
        ),
    ),
)  # STEM 8 %, languages and writing 12 %, test preparation 15 % leave in 30 days: required; onset calibrated
SUBJECTS = tuple(subject for field in FIELDS for subject, _ in field.subjects)
YOUNGEST = tuple(age for field in FIELDS for _, age in field.subjects)
MAX_SUBJECTS = 3
SUBJECT_COUNT_WEIGHTS = (0.35, 0.40, 0.25)  # of tutors with 1, 2, 3 subjects; assumed
FIRST_SUBJECT_SHARE = 0.65  # of a tutor's pupils come for the first of the tutor's subjects; assumed

EDUCATION_LEVELS = ("Bachelor's degree", "Master's degree", "Doctorate", "Undergraduate student", "Teaching diploma")
EDUCATION_WEIGHTS = (0.38, 0.24, 0.06, 0.22, 0.10)  # assumed


@dataclass(frozen=True, slots=True)
class City:
    """A place where tutors live: its IANA time zone, its weight, and whether it lies in the south."""

    name: str
    zone: str
    weight: float
    southern: bool = False


CITIES = (
    City("New York, NY", "America/New_York", 9),
    City("Boston, MA", "America/New_York", 5),
    City("Philadelphia, PA", "America/New_York", 4),
    City("Atlanta, GA", "America/New_York", 4),
    City("Miami, FL", "America/New_York", 3),
    City("Detroit, MI", "America/Detroit", 2),
    City("Chicago, IL", "America/Chicago", 7),
    City("Houston, TX", "America/Chicago", 4),
    City("Austin, TX", "America/Chicago", 4),
    City("Minneapolis, MN", "America/Chicago", 2),
    City("Denver, CO", "America/Denver", 4),
    City("Boise, ID", "America/Boise", 1),
    City("Phoenix, AZ", "America/Phoenix", 3),
    City("Los Angeles, CA", "America/Los_Angeles", 8),
    City("San Francisco, CA", "America/Los_Angeles", 5),
    City("Seattle, WA", "America/Los_Angeles", 4),
    City("Anchorage, AK", "America/Anchorage", 1),
    City("Honolulu, HI", "Pacific/Honolulu", 1),
    City("Toronto, ON", "America/Toronto", 5),
    City("Vancouver, BC", "America/Vancouver", 3),
    City("Halifax, NS", "America/Halifax", 1),
    City("London", "Europe/London", 6),
    City("Manchester", "Europe/London", 2),
    City("Dublin", "Europe/Dublin", 2),
    City("Berlin", "Europe/Berlin", 1),
    City("Bengaluru", "Asia/Kolkata", 3),
    City("Singapore", "Asia/Singapore", 2),
    City("Sydney", "Australia/Sydney", 3, southern=True),
    City("Adelaide", "Australia/Adelaide", 1, southern=True),
    City("Auckland", "Pacific/Auckland", 2, southern=True),
)  # assumed

# --- how many there are ----------------------------------------------------------------------------------------------

ARRIVAL_RATE = 0.006  # arrivals a day per tutor on board at first: more than leave, the company grows; assumed
TENURE_SCALE_DAYS = 420.0  # mean tenure of tutors on board before the world begins; assumed
ON_LEAVE_SHARE = 0.03  # of tutors go on leave within the last weeks (status inactive); assumed
ON_LEAVE_WITHIN_DAYS = 45
SETTLING_DAYS = 2  # between onboarding and the first session; assumed

# --- how much they teach ---------------------------------------------------------------------------------------------

BASELINE_SHAPE, BASELINE_MEAN = 5.0, 15.0  # sessions a week, gamma-like; required
BASELINE_LOW, BASELINE_HIGH = 5.0, 30.0  # required
SLOTS_PER_BASELINE = 1.42  # weekly hours kept free per usual session; calibrated
FILLED_SHARE = 0.80  # of open slots hold a pupil and a session that takes place in term; calibrated
MAKE_UP_SLOTS = 6  # hours a week kept for moved sessions
WEEK_WOBBLE = 0.16  # standard deviation of the log of a tutor's own week; assumed
GROUP_SHARE = 0.06  # of slots are group lessons; assumed
BREAK_CHANCE, BREAK_EVERY_DAYS = 0.30, 90  # of a break away from work in each such stretch; calibrated
BREAK_DAYS = (4, 12)  # shortest and longest break; assumed

FIRST_WAIT_WEEKS = 2.2  # mean wait of a slot for its first pupil; assumed
GAP_WEEKS = 0.9  # mean vacancy between two pupils; calibrated
RUN_SCALE_WEEKS, RUN_SHAPE = 11.0, 0.75  # Weibull length of a pupil's stay: many leave early, some stay; assumed
PUPIL_ABSENCE = 0.055  # of weekly sessions the pupil calls off in time, so that no session is booked; assumed
HELD_WEEKS = 0.80  # of the weeks of a pair have a session booked; as measured within the world
LEAD_WEEKS = 16  # a world's slots start to fill this long before its first day

# --- the hidden state ------------------------------------------------------------------------------------------------

ONSET = 0.0081  # chance a day that a healthy tutor starts to disengage; calibrated, times the archetype's factor
RECOVERY = 1 / 70  # chance a day that a disengaging tutor recovers; prototype
REVERSION = 0.10  # share of the way to its level that disengagement goes in a day; prototype
DEPTH = (2.1, 3.0)  # level of disengagement that a declining tutor drifts to; prototype
STATE_NOISE = 0.16  # standard deviation of the daily noise; prototype
ONSET_FACTORS = (0.80, 1.35, 1.05, 0.95, 2.0)  # by archetype; calibrated
DECLINING_AT_START = (0.06, 0.22, 0.03, 0.12, 0.70)  # chance by archetype; calibrated
HAZARD_LEVEL = -9.30  # log of the daily hazard of leaving for an engaged tutor; calibrated
HAZARD_SLOPE = 2.60  # per unit of disengagement; prototype
NEW_TUTOR_HAZARD, NEW_TUTOR_DAYS = 0.45, 60.0  # log hazard of a tutor's first day, and how fast it wears off; assumed
HAZARD_WITHOUT_SIGNAL = 0.0043  # daily hazard of leaving in a world without signal: as many leave; calibrated
RESIGNED_SHARE = 0.12  # of departures are said aloud, 1-2 % of tutors a month; required
SILENT_DAYS = 14  # of silence until a departure is recorded; required
POOR_FIRST_SHOCK = 0.20  # disengagement that a poor first session adds; calibrated
POOR_FIRST_NEW_SHOCK = 0.20  # what it adds more on a tutor's first day, wearing off like the hazard; calibrated

# --- what a session shows of it --------------------------------------------------------------------------------------

OPEN_SLOPE = 0.30  # log share of slots kept open, lost per unit of disengagement; calibrated
NO_SHOW, NO_SHOW_SLOPE = 0.0125, 0.55  # chance for an engaged tutor, growth of its log per unit; calibrated
NO_SHOW_MONDAY, NO_SHOW_MORNING = 1.9, 1.8  # factors; required in kind
RESCHEDULE, RESCHEDULE_SLOPE = 0.042, 0.92  # likewise; calibrated
PUPIL_RESCHEDULE = 0.0008  # chance that a session is moved at the pupil's wish; "nearly all are the tutor's" required
LATE, LATE_SLOPE = 0.10, 0.38  # chance of a late start, likewise
LATE_MEAN, LATE_MEAN_SLOPE = 3.2, 1.4  # minutes late, when late
LATE_LIMIT = 15  # minutes after which a tutor counts as absent; assumed
ENGAGEMENT, ENGAGEMENT_SLOPE, ENGAGEMENT_NOISE = 0.79, 0.100, 0.075  # 0..1, loss per unit, noise
OBJECTIVES, OBJECTIVES_SLOPE = 2.35, 0.45  # log odds of objectives met, loss per unit
OBJECTIVES_UNKNOWN = 0.04  # share of sessions without a statement; assumed
TECHNICAL_ISSUES = 0.03  # share of sessions; assumed

# --- what pupils say -------------------------------------------------------------------------------------------------

RATING_BOUNDS = (-1.66, -1.45, -1.07, -0.46)  # satisfaction below which a rating is 1, 2, 3, 4; else 5; J-shaped
POOR = RATING_BOUNDS[1]  # satisfaction of a first session that drives people away: a 1 or a 2
QUALITY_SD, PAIR_SD, SESSION_SD = 0.38, 0.32, 0.86  # satisfaction's parts: tutor, pair, session
QUALITY_SHIFTS = (0.32, -0.22, -0.08, 0.05, -0.25)  # by archetype
SATISFACTION_SLOPE = 0.26  # satisfaction lost per unit of disengagement
FIRST_SESSION_SHIFT = -0.08  # strangers
FIRST_SESSION_NEW, FIRST_SESSION_DAYS = -0.75, 40.0  # a new tutor's first sessions, and how fast it wears off; required
TECHNICAL_SHIFT, LATE_SHIFT = -0.30, -0.025  # per session with trouble, per minute late
POOR_FIRST_LEAVES = 0.60  # of pupils don't come back after a poor first session; required in kind
ANSWERS = (0.50, 0.42, 0.29, 0.31, 0.43)  # share of sessions rated, by rating: the extremes answer more; calibrated
ANSWER_HOURS, ANSWER_SPREAD = 5.0, 1.45  # median delay, standard deviation of its log
ANSWER_LIMIT_HOURS = 240.0
WAKING = (7 * 60 + 30, 21 * 60 + 30)  # minutes of the local day in which people write
SUB_RATING_UNKNOWN = 0.06
RECOMMENDS = (0.03, 0.12, 0.45, 0.88, 0.985)  # share that would recommend, by rating
RECOMMEND_UNKNOWN = 0.12
NAMES_AREAS = (0.90, 0.85, 0.70, 0.35, 0.06)  # share that names something to improve, by rating
WRITES_TEXT = (0.78, 0.66, 0.42, 0.33, 0.42)  # share that writes something, by rating

# --- what tutors do outside sessions ---------------------------------------------------------------------------------

LOGIN_TEACHING, LOGIN_TEACHING_SLOPE = 0.95, 0.17  # chance on a teaching day, loss of its log per unit
LOGIN_FREE, LOGIN_FREE_SLOPE = 0.42, 0.40  # on another day
LOGIN_AGAIN = 0.30  # chance of a second login on a day with one
LOGIN_ON_BREAK = 0.12
MESSAGES = 0.055  # answered messages a day, per weekly session of the tutor's baseline
MESSAGE_TRIES = 3
RESPONSE_MINUTES, RESPONSE_SD, RESPONSE_SLOPE = 32.0, 0.85, 0.38  # median, spread and growth of the log
RESPONSE_LIMIT_MINUTES = 2880
AVAILABILITY_STEP = 0.18  # relative change of the hours meant that makes a tutor change the hours declared
AVAILABILITY_NOISE = 0.05
COURSES = (
    "first lessons",
    "online whiteboard",
    "keeping pupils engaged",
    "giving feedback",
    "exam strategies",
    "working with parents",
)
COURSE_CHANCE, COURSE_MEAN_DAYS = 0.70, 25.0  # share of courses a tutor takes, mean time after onboarding
RESCHEDULE_REASONS = ("personal", "illness", "schedule conflict", "travel", "other work")
PUPIL_RESCHEDULE_REASON = "student request"
LEAVE_REASONS = ("parental leave", "studies", "health", "sabbatical")
RESIGN_REASONS = ("another job", "pay", "moving away", "studies", "workload")
SILENT_REASON = "no activity for 14 days"

# --- what was done about it ------------------------------------------------------------------------------------------

ACTED_ON = 0.65  # share of observed troubles that lead to an intervention; assumed
COOLDOWN_WEEKS = 4  # between two interventions for a tutor
MANAGERS = ("Marcus Bell", "Priya Raman", "Elena Costa", "Tom Akers", "Grace Lin", "Samuel Ortiz")
