"""How well each tutor did over 7, 30 and 90 days: metrics, red flags and tiers, for all tutors at once."""

from tutormax_cli.evaluation.daily import EvaluationSummary, evaluate

__all__ = ["EvaluationSummary", "evaluate"]
