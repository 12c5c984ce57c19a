"""The composite score: the weighted sum of what was found, for a company with too few departures to learn from.

What is unknown of a tutor is taken to be as what is known: the weights are shared out among the known components.
"""

from collections.abc import Mapping

import numpy as np

from tutormax_cli.churn.components import Component
from tutormax_cli.churn.findings import Finding
from tutormax_cli.churn.panel import Floats

MODEL_VERSION = "composite-1"


def contributions(findings: Mapping[Component, Finding]) -> Floats:
    """Give what each component adds to the score, shape (tutors, components); a row's sum is the score of 0..100."""
    risk = np.stack([findings[component].risk for component in Component], axis=1)
    weight = np.array([component.weight for component in Component]) * ~np.isnan(risk)
    parts: Floats = 100 * np.nan_to_num(risk) * weight / weight.sum(axis=1, keepdims=True)
    return parts
