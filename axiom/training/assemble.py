"""From predictions on the holdout to the report, the model and the card."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from axiom.maths.calibration import Calibrator, Identity, ReliabilityBand
from axiom.training.baselines import BASE_RATE, PURCHASES, TITLES
from axiom.training.card import card_fields
from axiom.training.catalogue import CATALOGUE, FittedModel
from axiom.training.churn_model import ChurnModel
from axiom.training.churn_report import ChurnReport, ChurnResult, Holdout, ModelScore
from axiom.training.guards import leakage_warnings, leaking_features
from axiom.training.judge import compare, judge, judge_cohorts, reliability_bins

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.training.options import ChurnOptions
    from axiom.training.selection import Selection
    from axiom.training.table import ChurnTable


@dataclass(frozen=True, eq=False)
class Judged:
    """A model, or a baseline without one, with its calibrated probabilities on the holdout.

    Attributes:
        p: calibrated P(churn) of the holdout's rows.
        threshold: contact from this probability on.
        threshold_rule: why.
        model: the fitted model; None for a baseline.
        calibrator: what its probabilities went through.
        warnings: of its fit and its calibration.
    """

    p: FloatArray
    threshold: float
    threshold_rule: str
    model: FittedModel | None = None
    calibrator: Calibrator = field(default_factory=Identity)
    warnings: tuple[str, ...] = ()

    @classmethod
    def baseline(cls, p: FloatArray, threshold: float) -> Judged:
        """A baseline: used as it is, with the churn rate as its threshold."""
        return cls(p, threshold, "the churn rate of the training rows")


def assemble(
    *,
    table: ChurnTable,
    slices: dict[str, IntArray],
    judged: dict[str, Judged],
    selection: Selection,
    options: ChurnOptions,
    horizon_days: float,
    windows: dict[str, list[str]],
    folds: dict[str, list[str]],
    warnings: list[str],
    feature_set: str,
) -> ChurnResult:
    """Judge every model on the holdout and put everything together.

    Args:
        table: the labelled rows.
        slices: `training`, `calibration`, `holdout` -> rows.
        judged: models and baselines.
        selection: which model is kept.
        options: of the training.
        horizon_days: length of the label window.
        windows: slice -> cut-offs.
        folds: fold -> cut-offs it learnt from.
        warnings: so far.
        feature_set: its version.
    """
    reference = PURCHASES if PURCHASES in judged else BASE_RATE
    holdout = table.rows(slices["holdout"])
    order = [*options.models, *(name for name in TITLES if name in judged)]
    scores = [_score(name, judged, reference, holdout, selection, options) for name in order]
    champion = judged[selection.champion]
    assert champion.model is not None  # noqa: S101 - a selection names a model, never a baseline
    report = ChurnReport(
        champion=selection.champion,
        rule=selection.rule,
        verdict=_verdict(next(score for score in scores if score.name == selection.champion), reference),
        models=tuple(scores),
        horizon_days=horizon_days,
        windows=windows,
        folds=folds,
        rows={name: len(rows) for name, rows in slices.items() if len(rows)},
        churn_rate={name: float(table.churned[rows].mean()) for name, rows in slices.items() if len(rows)},
        threshold=champion.threshold,
        threshold_rule=champion.threshold_rule,
        reliability=reliability_bins(holdout.churned, champion.p, options.level),
        warnings=_warnings(table.rows(slices["training"]), warnings, scores),
        level=options.level,
    )
    band = ReliabilityBand.fit(holdout.churned, champion.p)
    model = ChurnModel(champion.model, champion.calibrator, champion.threshold, horizon_days, feature_set, band)
    rows = Holdout(holdout.customer_id, holdout.churned, {name: one.p for name, one in judged.items()}, holdout.value)
    used = np.sort(np.unique(np.concatenate(list(slices.values()))))
    return ChurnResult(model, report, rows, card_fields(table.rows(used), report))


def _score(
    name: str,
    judged: dict[str, Judged],
    reference: str,
    holdout: ChurnTable,
    selection: Selection,
    options: ChurnOptions,
) -> ModelScore:
    one, y, cohort = judged[name], holdout.churned, holdout.cohort
    is_model = one.model is not None
    return ModelScore(
        name=name,
        title=CATALOGUE[name].title if is_model else TITLES[name],
        cv_log_loss=selection.losses.get(name),
        fold_losses=selection.fold_losses.get(name, {}),
        calibration=one.calibrator.kind,
        threshold=one.threshold,
        metrics=judge(y, one.p, options, one.threshold, holdout.value),
        cohorts=judge_cohorts(y, one.p, cohort, options) if cohort is not None else {},
        baseline=compare(y, one.p, reference, judged[reference].p, options.level) if is_model else None,
        warnings=one.warnings,
    )


def _warnings(training: ChurnTable, so_far: list[str], scores: list[ModelScore]) -> tuple[str, ...]:
    aucs = {score.name: score.metrics["auc"].value for score in scores if score.baseline and score.metrics["auc"]}
    notes = [*so_far, *leakage_warnings(leaking_features(training), aucs)]
    told: dict[str, list[str]] = {}
    for score in scores:
        for warning in score.warnings:
            told.setdefault(warning.removeprefix(f"{score.name}: "), []).append(score.name)
    return tuple(dict.fromkeys([*notes, *(f"{', '.join(names)}: {warning}" for warning, names in told.items())]))


def _verdict(score: ModelScore, reference: str) -> str:
    assert score.baseline is not None  # noqa: S101 - every model is compared
    test = score.baseline.auc
    gap = test.difference
    p = f"p = {test.p_value:.2g}" if test.p_value >= 1e-6 else "p < 1e-6"
    told = f"AUC {gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}], {p} (paired DeLong)"
    if score.baseline.beaten:
        return f"{score.name} beat the baseline {TITLES[reference]} on the holdout: {told}."
    return (
        f"{score.name} did not beat the baseline {TITLES[reference]} on the holdout: {told}. "
        "Use the baseline, or give the model more history or better features."
    )
