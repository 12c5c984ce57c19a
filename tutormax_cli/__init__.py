"""TutorMax: administration of a tutoring company's PostgreSQL database, and the library under it."""

__version__ = "0.1.0"
