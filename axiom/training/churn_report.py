"""What a churn training found out: a frozen value, ready for JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from axiom.maths.arrays import BoolArray, FloatArray
    from axiom.maths.intervals import MetricValue, PairedTest
    from axiom.training.churn_model import ChurnModel


@dataclass(frozen=True)
class Comparison:
    """A model against the baseline on the same holdout rows.

    Attributes:
        against: name of the baseline.
        auc: difference of AUC (DeLong), positive where the model ranks better.
        brier: difference of Brier score (paired t), negative where the model is nearer.
        beaten: the AUC's interval lies above zero.
    """

    against: str
    auc: PairedTest
    brier: PairedTest
    beaten: bool


@dataclass(frozen=True)
class ModelScore:
    """One line of the table.

    Attributes:
        name: entry of the catalogue, or `bg_nbd`, `base_rate`.
        title: for people.
        cv_log_loss: mean log loss over the folds; None where there is nothing to compare on.
        fold_losses: fold -> mean log loss.
        calibration: `identity`, `platt` or `isotonic`.
        threshold: contact from this probability on.
        metrics: on the holdout, with intervals; None where one is undefined.
        cohorts: cohort -> metric -> value, on the holdout.
        baseline: the comparison with the baseline; None for the baselines themselves.
        warnings: of its fit.
    """

    name: str
    title: str
    cv_log_loss: MetricValue | None
    fold_losses: dict[str, float]
    calibration: str
    threshold: float
    metrics: dict[str, MetricValue | None]
    cohorts: dict[str, dict[str, MetricValue | None]] = field(default_factory=dict)
    baseline: Comparison | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReliabilityBin:
    """Rows of similar prediction: their number, mean prediction, churn rate and its Wilson limits."""

    rows: float
    predicted: float
    observed: float
    low: float
    high: float


@dataclass(frozen=True)
class ChurnReport:
    """Everything a person needs to judge the model.

    Attributes:
        champion: the model that was kept.
        rule: how it was chosen, in words.
        verdict: whether it beat the baseline, in words.
        models: the table, baselines last.
        horizon_days: length of the label window.
        windows: slice -> cut-offs as ISO times.
        folds: fold -> cut-offs it learnt from.
        rows: slice -> rows; churn rate beside it.
        churn_rate: slice -> share that churned.
        threshold: contact from this probability on.
        threshold_rule: where it comes from, in words.
        reliability: of the champion on the holdout.
        warnings: everything that should make a reader think, in full sentences.
        level: confidence level of every interval.
    """

    champion: str
    rule: str
    verdict: str
    models: tuple[ModelScore, ...]
    horizon_days: float
    windows: dict[str, list[str]]
    folds: dict[str, list[str]]
    rows: dict[str, int]
    churn_rate: dict[str, float]
    threshold: float
    threshold_rule: str
    reliability: tuple[ReliabilityBin, ...]
    warnings: tuple[str, ...]
    level: float

    def model(self, name: str) -> ModelScore:
        """The line of one model; KeyError where there is none."""
        return {score.name: score for score in self.models}[name]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Holdout:
    """The rows the models were judged on, and what each said: for plots, explanations and paired comparisons.

    Attributes:
        customer_id: shape (n,).
        y: churned, shape (n,).
        p: model -> calibrated P(churn), shape (n,).
        value: what each customer is worth, shape (n,), or None.
    """

    customer_id: npt.NDArray[np.object_]
    y: BoolArray
    p: dict[str, FloatArray]
    value: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class ChurnResult:
    """What `train_churn` gives back.

    Attributes:
        model: the champion, calibrated.
        report: what was found out.
        holdout: rows and predictions behind the numbers.
        card: the fields of the registry's model card that training knows, JSON-ready; who registers adds `name`,
            `feature_set`, `created_at` and `code_version`.
    """

    model: ChurnModel
    report: ChurnReport
    holdout: Holdout
    card: dict[str, Any]

    @property
    def files(self) -> dict[str, bytes]:
        """The artefact's files."""
        return self.model.to_files()
