"""How good predictions would have been, as a report: figures by risk set, calibration, and risk levels."""

from collections.abc import Iterator

from tutormax_cli.backtesting import Comparison, Judge
from tutormax_cli.churn.backtest import RiskSet
from tutormax_cli.churn.measures import Bin, Scores
from tutormax_cli.reports.report import Column, Kind, Layout, Report, Section, record
from tutormax_cli.reports.words import LEVEL_TONES, day_words

_SETS = {RiskSet.ALL.value: "all active", RiskSet.WORKING.value: "at work", RiskSet.SILENT.value: "silent"}
"""Short words for the risk sets: the table is wide."""

SCORE_COLUMNS = (
    Column("risk_set", "tutors", labels=_SETS),
    Column("judged", "chances by"),
    Column("rows", "rows", Kind.INT, priority=2),
    Column("left", "left", Kind.PERCENT),
    Column("auc", "AUC", Kind.FLOAT, digits=3),
    Column("auc_low", "from", Kind.FLOAT, digits=3),
    Column("auc_high", "to", Kind.FLOAT, digits=3),
    Column("top_tenth_precision", "top 10%", Kind.PERCENT),
    Column("brier", "Brier", Kind.FLOAT, digits=4, priority=3),
    Column("brier_skill", "skill", Kind.FLOAT, digits=3, priority=1),
    Column("calibration_error", "cal. error", Kind.FLOAT, digits=4),
)
CALIBRATION_COLUMNS = (
    Column("tenth", "tenth", Kind.INT),
    Column("rows", "rows", Kind.INT),
    Column("predicted", "predicted", Kind.PERCENT, digits=1),
    Column("observed", "left", Kind.PERCENT, digits=1),
)
LEVEL_COLUMNS = (
    Column("level", "level", tones=LEVEL_TONES),
    Column("rows", "rows", Kind.INT),
    Column("left", "left", Kind.PERCENT),
    Column("precision", "precision from here up", Kind.PERCENT),
    Column("recall", "recall from here up", Kind.PERCENT),
)


def backtest_report(found: Comparison) -> Report:
    """Fill the report of a backtest."""
    trial = found.backtest.trial
    judged_from, judged_until = found.backtest.judged_from, found.backtest.judged_until
    first = {day_words(judged_from): f"{day_words(judged_from)} to {day_words(judged_until)}"}
    facts = (
        (Column("as_of", "as of", Kind.DATE), found.as_of),
        (Column("horizon_days", "days ahead", Kind.INT), trial.horizon),
        (Column("judged_from", "judged from", Kind.DATE, labels=first), judged_from),
        # People read it in the fact before.
        (Column("judged_until", "", Kind.DATE, labels={day_words(judged_until): ""}), judged_until),
        (Column("rows_learned_from", "rows learned from", Kind.INT), trial.model.hazards[0].rows),
    )
    sections = (
        Section("scores", SCORE_COLUMNS, tuple(_scores(found)), title=f"Who left within {trial.horizon} days"),
        _plot(found.backtest.calibration),
        _calibration(found.backtest.calibration),
        _levels(found),
    )
    return Report("backtest", "Backtest", sections, facts, tuple(_notes(found)), main="scores")


def _scores(found: Comparison) -> Iterator[tuple[str | int | float | None, ...]]:
    for risk_set in RiskSet:
        for judged, by_set in found.scores.items():
            yield (risk_set.value, judged.value, *_figures(by_set[risk_set]))


def _figures(scores: Scores) -> tuple[int | float | None, ...]:
    return (
        scores.rows,
        scores.left / scores.rows if scores.rows else None,
        scores.auc,
        scores.auc_low,
        scores.auc_high,
        scores.top_precision,
        scores.brier,
        scores.skill,
        scores.calibration_error,
    )


def _plot(bins: tuple[Bin, ...]) -> Section:
    """Draw predicted and observed shares, from the least endangered tenth to the most endangered."""
    predicted, observed = tuple(found.predicted for found in bins), tuple(found.observed for found in bins)
    bounds = (0.0, max(*predicted, *observed))
    return record(
        "calibration_plot",
        (
            (Column("predicted", "predicted", Kind.SPARK, bounds=bounds), predicted),
            (Column("observed", "left", Kind.SPARK, bounds=bounds), observed),
        ),
        title="Calibration of the model, by tenths of the tutors",
        layout=Layout.RECORD,
    )


def _calibration(bins: tuple[Bin, ...]) -> Section:
    rows = tuple((number, found.rows, found.predicted, found.observed) for number, found in enumerate(bins, start=1))
    return Section("calibration", CALIBRATION_COLUMNS, rows)


def _levels(found: Comparison) -> Section:
    rows = tuple(
        (level.level.value, level.rows, level.left, level.precision, level.recall) for level in found.backtest.levels
    )
    return Section("levels", LEVEL_COLUMNS, rows, title="Risk levels", beside=True)


def _notes(found: Comparison) -> Iterator[str]:
    """Say what a reader might miss: how many had gone already, and whether something leaks."""
    model = found.scores[Judge.MODEL]
    gone, everybody = model[RiskSet.SILENT].left, model[RiskSet.ALL].left
    yield (
        f"{gone / everybody:.0%} of those who left had been silent for 7 days already: finding them is easy, keeping"
        " them is not. Those at work, with a session in the last 7 days, are the harder and the more useful test."
    )
    yield "A row is a tutor at a weekly date; the interval of the AUC (95%) draws whole tutors."
    if Judge.ORACLE in found.scores:
        yield (
            "The oracle knows the hidden state of the synthetic tutors: nobody can do better but for chance. Without"
            " signal it is the same company with departures at random."
        )
    for better, worse in (
        (Judge.MODEL, Judge.ORACLE),
        (Judge.MODEL_WITHOUT_SIGNAL, Judge.ORACLE_WITHOUT_SIGNAL),
    ):
        if worse in found.scores and _beats(found.scores[better][RiskSet.ALL], found.scores[worse][RiskSet.ALL]):
            yield f"The {better} beats the {worse}, which knows all that can be known: something leaks from the future."


def _beats(scores: Scores, bound: Scores) -> bool:
    return None not in (scores.auc_low, bound.auc_high) and scores.auc_low > bound.auc_high  # type: ignore[operator]
