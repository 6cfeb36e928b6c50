"""The table of measures: what is watched, under which pillar, with which limit, and who does what about a breach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from axiom.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.db.thresholds import Severity

Pillar = Literal["data_quality", "model_health", "business_impact"]
Direction = Literal["above", "below"]
PILLARS: tuple[Pillar, ...] = get_args(Pillar)


@dataclass(frozen=True)
class Measure:
    """Something that is watched.

    Attributes:
        name: unique.
        pillar: that it belongs to.
        title: what the value is, with its unit.
        subject: what there is one value of each of: `entity`, `feature`, `model`, `cohort`; "" where there is one.
        direction: on which side of the limit trouble lies.
        limit: the default one.
        severity: default severity of its alerts.
        owner: the role that acts, by default.
        action: what to do first.
    """

    name: str
    pillar: Pillar
    title: str
    subject: str
    direction: Direction
    limit: float
    severity: Severity
    owner: str
    action: str

    def breached(self, value: float, limit: float) -> bool:
        """Whether a value lies beyond a limit."""
        return value > limit if self.direction == "above" else value < limit


_DATA, _MODEL, _BUSINESS = "data-engineer", "ml-engineer", "product-manager"

_DATA_QUALITY = (
    Measure(
        "freshness_hours",
        "data_quality",
        "hours since the newest row",
        "entity",
        "above",
        24.0,
        "critical",
        _DATA,
        "see whether the source still delivers (`axiom runs --stage ingest`), then ask its owner",
    ),
    Measure(
        "refused_share",
        "data_quality",
        "share of the rows of the last day that ingest refused",
        "entity",
        "above",
        0.05,
        "warning",
        _DATA,
        "look at the reasons in quarantine; usually a column has changed its type or its meaning",
    ),
    Measure(
        "missing_excess",
        "data_quality",
        "share of missing values beyond that in the training rows",
        "feature",
        "above",
        0.05,
        "warning",
        _DATA,
        "find the column that the feature reads, and what its source stopped sending",
    ),
    Measure(
        "missing_ratio",
        "data_quality",
        "share of missing values as a multiple of that in the training rows",
        "feature",
        "above",
        2.0,
        "warning",
        _DATA,
        "find the column that the feature reads, and what its source stopped sending",
    ),
    Measure(
        "feature_psi",
        "data_quality",
        "population stability index against the training rows",
        "feature",
        "above",
        0.2,
        "warning",
        _MODEL,
        "see whether the customers changed or the source did; retrain where it is the customers",
    ),
)

_MODEL_HEALTH = (
    Measure(
        "score_ks",
        "model_health",
        "Kolmogorov-Smirnov distance of the scores from those of the holdout rows",
        "model",
        "above",
        0.1,
        "warning",
        _MODEL,
        "look at the features that drifted; compare a newly trained version (`axiom train churn`)",
    ),
    Measure(
        "score_psi",
        "model_health",
        "population stability index of the scores against those of the holdout rows",
        "model",
        "above",
        0.2,
        "warning",
        _MODEL,
        "look at the features that drifted; compare a newly trained version (`axiom train churn`)",
    ),
    Measure(
        "score_step_ks",
        "model_health",
        "Kolmogorov-Smirnov distance of the scores from those of the score set before",
        "model",
        "above",
        0.1,
        "critical",
        _MODEL,
        "scores rarely jump between two runs: look at the last ingest first",
    ),
    Measure(
        "score_step_psi",
        "model_health",
        "population stability index of the scores against those of the score set before",
        "model",
        "above",
        0.2,
        "critical",
        _MODEL,
        "scores rarely jump between two runs: look at the last ingest first",
    ),
    Measure(
        "brier_increase",
        "model_health",
        "Brier score on matured outcomes over that of the model card, minus one",
        "model",
        "above",
        0.2,
        "critical",
        _MODEL,
        "retrain, compare with the champion, and let the candidate answer in the shadow",
    ),
    Measure(
        "auc_drop",
        "model_health",
        "AUC of the model card minus that on matured outcomes",
        "model",
        "above",
        0.05,
        "critical",
        _MODEL,
        "retrain, compare with the champion, and let the candidate answer in the shadow",
    ),
    Measure(
        "cohort_pr_auc",
        "model_health",
        "area under the precision-recall curve of a lifecycle cohort on matured outcomes",
        "cohort",
        "below",
        0.4,
        "warning",
        _MODEL,
        "see what the cohort has that the others have not; add features for it, or a model of its own",
    ),
    Measure(
        "champion_age_days",
        "model_health",
        "days since the champion was trained",
        "model",
        "above",
        90.0,
        "info",
        _MODEL,
        "train a new version and compare it (`axiom train churn`)",
    ),
)

_BUSINESS_IMPACT = (
    Measure(
        "intervention_rate",
        "business_impact",
        "share of the customers picked for an intervention who got one",
        "",
        "below",
        0.8,
        "warning",
        _BUSINESS,
        "ask the teams that contact customers what keeps them from it",
    ),
    Measure(
        "save_rate",
        "business_impact",
        "share of the contacted customers who stayed beyond what was expected without contact",
        "",
        "below",
        0.3,
        "warning",
        _BUSINESS,
        "test another offer, or contact others",
    ),
    Measure(
        "lead_time_days",
        "business_impact",
        "median days between the first warning and the churn",
        "",
        "below",
        30.0,
        "warning",
        _BUSINESS,
        "score more often, or look further ahead",
    ),
)

MEASURES: Mapping[str, Measure] = {
    measure.name: measure for measure in (*_DATA_QUALITY, *_MODEL_HEALTH, *_BUSINESS_IMPACT)
}


def measure_of(name: str) -> Measure:
    """The measure called `name`.

    Raises:
        NotFoundError: there is none.
    """
    if name not in MEASURES:
        raise NotFoundError(f"there is no measure {name!r}", hint=f"one of {', '.join(MEASURES)}")
    return MEASURES[name]
