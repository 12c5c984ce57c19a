"""What to do about a prediction: the rules that recommend an intervention."""

from tutormax_cli.interventions.rules import Recommendation, Situation, recommend

__all__ = ["Recommendation", "Situation", "recommend"]
