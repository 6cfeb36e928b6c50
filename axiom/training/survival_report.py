"""What a survival training found out: a frozen value, as JSON and as Markdown."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from axiom.maths.intervals import MetricValue
    from axiom.maths.survival import CoxTerm, ProportionalityTest
    from axiom.training.churn_report import Comparison, ReliabilityBin
    from axiom.training.survival_judge import RiskGroup
    from axiom.training.survival_model import SurvivalModel
    from axiom.training.survival_table import Outcome

TITLES = {
    "concordance": "concordance",
    "auc": "AUC of churn within the horizon",
    "pr_auc": "PR-AUC",
    "brier": "Brier score",
    "log_loss": "log loss",
    "calibration_slope": "calibration slope",
    "calibration_in_the_large": "calibration in the large",
    "ece": "ECE",
    "lift_at_10": "lift in the top 10 %",
    "ipcw_brier": "IPCW Brier score at the horizon",
    "integrated_brier": "IPCW Brier score, integrated to the horizon",
    "observed_over_expected": "events observed / expected by the horizon",
}


@dataclass(frozen=True)
class SurvivalReport:
    """Everything a person needs to judge the model.

    Attributes:
        verdict: whether it beat its baseline, in words.
        outcome: what the event is: `churn`, or `return`, whose absence within the horizon is churn.
        horizon: what P(churn) is about, in `unit`.
        unit: of all times.
        judged_on: how the rows of the metrics were kept apart from the fit, in words.
        windows: slice -> cut-offs as ISO times.
        rows: slice -> rows.
        events: slice -> events.
        terms: hazard ratios.
        per: what a hazard ratio is per, in words.
        strata: names of the baselines.
        ridge: the penalty that was used.
        converged: whether the maximum was reached.
        log_likelihood: partial, at the estimate.
        log_likelihood_null: partial, at no effect.
        proportionality: the test; None where it is undefined.
        metrics: of the model, with intervals.
        baselines: name -> the same metrics of what it had to beat, as far as they are defined.
        comparisons: name of a baseline -> paired tests.
        calibration: tenths of predicted churn against what came by the horizon.
        groups: quarters by risk, observed and predicted.
        medians: quarter by risk -> median time to the event, None where fewer than half have it in the follow-up.
        warnings: everything that should make a reader think.
        level: of every interval.
    """

    verdict: str
    outcome: Outcome
    horizon: float
    unit: str
    judged_on: str
    windows: dict[str, list[str]]
    rows: dict[str, int]
    events: dict[str, int]
    terms: tuple[CoxTerm, ...]
    per: str
    strata: tuple[str, ...]
    ridge: float
    converged: bool
    log_likelihood: float
    log_likelihood_null: float
    proportionality: ProportionalityTest | None
    metrics: dict[str, MetricValue | None]
    baselines: dict[str, dict[str, MetricValue | None]]
    comparisons: dict[str, Comparison]
    calibration: tuple[ReliabilityBin, ...]
    groups: tuple[RiskGroup, ...]
    medians: dict[str, float | None]
    warnings: tuple[str, ...]
    level: float

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        facts = asdict(self)
        if self.proportionality is not None:
            facts["proportionality"] = proportionality_fields(self.proportionality)
        return facts


@dataclass(frozen=True, eq=False)
class SurvivalResult:
    """What a survival training gives back.

    Attributes:
        model: ready to be registered.
        report: what was found out.
        card: fields of the model card that training knows; empty for a static table, which cannot be registered.
    """

    model: SurvivalModel
    report: SurvivalReport
    card: dict[str, Any] = field(default_factory=dict)


def proportionality_fields(tested: ProportionalityTest) -> dict[str, Any]:
    """The test as JSON-ready values."""
    pairs = zip(tested.names, tested.statistic.tolist(), tested.p_value.tolist(), strict=True)
    return {
        "global": {"chi_square": tested.global_statistic, "p_value": tested.global_p_value},
        "covariates": {name: {"chi_square": chi, "p_value": p} for name, chi, p in pairs},
    }


def to_json(report: SurvivalReport) -> str:
    """The whole report as JSON text."""
    return json.dumps(report.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)


def to_markdown(report: SurvivalReport) -> str:
    """The report as Markdown: verdict first, then the table, then what it rests on."""
    event = "churn" if report.outcome == "churn" else "the next activity (a high hazard is a customer who comes back)"
    parts = [
        "# Survival model (Cox proportional hazards)",
        f"**{report.verdict}**",
        f"The event is {event}. Horizon {report.horizon:g} {report.unit}. Judged on {report.judged_on}.",
        "## Warnings\n\n" + "\n".join(f"- {warning}" for warning in report.warnings) if report.warnings else "",
        "## Metrics",
        f"In brackets: {report.level:.0%} intervals.",
        _metric_table(report),
        "## Hazard ratios",
        _fit_line(report),
        _term_table(report),
        _proportionality(report),
        "## Calibration at the horizon",
        _table(
            ["rows", "P(churn) predicted", "observed", "interval"],
            [
                [f"{one.rows:.0f}", f"{one.predicted:.3f}", f"{one.observed:.3f}", f"[{one.low:.3f}, {one.high:.3f}]"]
                for one in report.calibration
            ],
        ),
        "## Median time to the event",
        _table(
            ["by risk", f"median, {report.unit}"],
            [[name, "beyond the follow-up" if m is None else f"{m:.1f}"] for name, m in report.medians.items()],
        ),
        "## Rows",
        _table(
            ["slice", "cut-offs", "rows", "events"],
            [
                [
                    name,
                    ", ".join(time[:10] for time in report.windows.get(name, [])) or "–",
                    f"{count:,}",
                    f"{report.events[name]:,}",
                ]
                for name, count in report.rows.items()
            ],
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _fit_line(report: SurvivalReport) -> str:
    return (
        f"{report.per} Ridge {report.ridge:g}; strata: {', '.join(report.strata)}; log partial likelihood "
        f"{report.log_likelihood:.4f} (no effect: {report.log_likelihood_null:.4f})."
    )


def _metric_table(report: SurvivalReport) -> str:
    names = [name for name in TITLES if report.metrics.get(name) is not None]
    header = ["metric", "cox_ph", *report.baselines]
    rows = [
        [TITLES[name], _number(report.metrics[name]), *(_number(base.get(name)) for base in report.baselines.values())]
        for name in names
    ]
    return _table(header, rows)


def _term_table(report: SurvivalReport) -> str:
    tested = report.proportionality
    trend = {} if tested is None else dict(zip(tested.names, tested.p_value.tolist(), strict=True))
    ordered = sorted(report.terms, key=lambda term: -abs(term.z))
    return _table(
        ["covariate", "hazard ratio", "coefficient", "standard error", "p", "proportionality p"],
        [
            [
                term.name,
                _number(term.hazard_ratio),
                f"{term.coefficient:+.4f}",
                f"{term.standard_error:.4f}",
                _p(term.p_value).removeprefix("= "),
                _p(trend[term.name]).removeprefix("= ") if term.name in trend else "–",
            ]
            for term in ordered
        ],
    )


def _proportionality(report: SurvivalReport) -> str:
    tested = report.proportionality
    if tested is None:
        return ""
    chi = f"χ² = {tested.global_statistic:.2f} with {len(tested.names)} degrees of freedom"
    return f"Proportional hazards (Grambsch & Therneau): {chi}, p {_p(tested.global_p_value)}."


def _p(value: float) -> str:
    return f"= {value:.2g}" if value >= 1e-6 else "< 1e-6"


def _number(value: MetricValue | None) -> str:
    return "–" if value is None else f"{value.value:.4g} [{value.low:.4g}, {value.high:.4g}]"


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
