"""Who is about to leave, and what goes with it: a tutor × week panel in, scores and their reasons out."""

from tutormax_cli.churn.daily import PredictionSummary, predict

__all__ = ["PredictionSummary", "predict"]
