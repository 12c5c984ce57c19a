"""Ridge-logistic regression by Newton's method (iteratively reweighted least squares).

Minimises sum(log(1 + exp(eta)) - y eta) + penalty/2 |coefficients|², eta = intercept + features · coefficients; the
intercept goes unpenalised. See Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, 4.4.1.
"""

import numpy as np
import numpy.typing as npt

from tutormax_cli.churn.panel import Bools, Floats

Features = npt.NDArray[np.floating]

TOLERANCE = 1e-7
"""Steps end when none changes a coefficient by more."""

MOST_STEPS = 60

BLOCK = 16_384
"""Rows worked on at a time: few enough to stay in the processor's cache, whatever their number."""

SLICE = 256
"""Rows multiplied at a time: so few that the linear algebra library doesn't wake threads, which wait for each other for
longer than they work, above all where other programs want the processor as well."""

SAMPLE = 10
"""The first steps look at one row in so many, where that leaves plenty."""

PLENTY = 4_000


def fit_logistic(features: Features, outcome: Bools, penalty: float) -> Floats:
    """Give the intercept and the coefficients, shape (1 + features,); features of shape (rows, features).

    The outcome must have both values, or there is no finite intercept (ValueError).
    """
    if not 0 < outcome.sum() < len(outcome):
        raise ValueError("nothing to tell apart: all outcomes are the same")
    start = np.zeros(1 + features.shape[1])
    start[0] = np.log(outcome.mean() / (1 - outcome.mean()))
    sample = slice(None, None, SAMPLE)
    if len(outcome) > SAMPLE * PLENTY and 0 < outcome[sample].sum() < len(outcome[sample]):
        start = _descend(features[sample], outcome[sample], penalty / SAMPLE, start)
    return _descend(features, outcome, penalty, start)


def _descend(features: Features, outcome: Bools, penalty: float, start: Floats) -> Floats:
    """Take Newton steps from `start`, halved where they overshoot, until they no longer move."""
    weights = np.r_[0.0, np.full(len(start) - 1, penalty)]
    here = start
    loss, gradient, curvature = _expand(features, outcome, weights, here)
    for _ in range(MOST_STEPS):
        step = np.linalg.solve(curvature, gradient)
        if np.abs(step).max() < TOLERANCE:
            break
        there, found = here - step, _expand(features, outcome, weights, here - step)
        while found[0] > loss + 1e-9 * abs(loss) and np.abs(step).max() >= TOLERANCE:
            step /= 2
            there, found = here - step, _expand(features, outcome, weights, here - step)
        here, (loss, gradient, curvature) = there, found
    return here


def _expand(features: Features, outcome: Bools, weights: Floats, at: Floats) -> tuple[float, Floats, Floats]:
    """Give the loss, its gradient and its second derivatives at some coefficients."""
    loss = float(weights @ at**2) / 2
    gradient, curvature = weights * at, np.diag(weights)
    for first in range(0, len(outcome), BLOCK):
        happened = outcome[first : first + BLOCK]
        rows = _in_slices(features[first : first + BLOCK], len(at))
        log_odds = (rows @ at).reshape(-1)[: len(happened)]
        probability = sigmoid(log_odds)
        loss += float(softplus(log_odds).sum() - log_odds[happened].sum())
        # Far out a float knows no spread; a little keeps the equations solvable.
        spread = np.maximum(probability * (1 - probability), 1e-12)
        across = rows.transpose(0, 2, 1)
        gradient += (across @ _in_slices((probability - happened)[:, None], 1)).sum(axis=0)[:, 0]
        curvature += (across @ (rows * _in_slices(spread[:, None], 1))).sum(axis=0)
    return loss, gradient, curvature


def _in_slices(rows: Features, width: int) -> Floats:
    """Cut rows into slices, shape (slices, SLICE, width), with rows of 0 at the end; a missing column is one of 1."""
    slices = np.zeros((-(-len(rows) // SLICE), SLICE, width))
    flat = slices.reshape(-1, width)[: len(rows)]
    flat[:, 0] = 1.0
    flat[:, width - rows.shape[1] :] = rows
    return slices


def sigmoid(log_odds: Floats) -> Floats:
    """Give the probability of log odds."""
    with np.errstate(over="ignore"):
        probability: Floats = 1 / (1 + np.exp(-log_odds))
    return probability


def softplus(log_odds: Floats) -> Floats:
    """Give log(1 + exp(x)), which is -log(1 - sigmoid(x)), without overflow."""
    value: Floats = np.maximum(log_odds, 0) + np.log1p(np.exp(-np.abs(log_odds)))
    return value
