"""The churn report for people: Markdown, and for machines: JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from axiom.maths.intervals import MetricValue
    from axiom.training.churn_report import ChurnReport, ModelScore

_COLUMNS = {
    "auc": "AUC",
    "pr_auc": "PR-AUC",
    "brier": "Brier",
    "log_loss": "log loss",
    "calibration_slope": "slope",
    "lift_at_10": "lift top 10 %",
}
_MORE = {
    "calibration_intercept": "calibration intercept",
    "calibration_in_the_large": "calibration in the large",
    "ece": "ECE",
    "precision": "precision at the threshold",
    "recall": "recall at the threshold",
    "f1": "F1 at the threshold",
    "precision_at_10": "precision in the top 10 %",
    "profit_per_customer": "profit per customer, contacting from the threshold on",
    "profit_by_customer": "profit per customer, contacting whose own odds pay",
}


def to_json(report: ChurnReport) -> str:
    """The whole report as JSON text."""
    return json.dumps(report.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)


def to_markdown(report: ChurnReport) -> str:
    """The report as Markdown: verdict first, then the table, then what it rests on."""
    parts = [
        "# Churn model",
        f"**{report.verdict}**",
        f"Kept: `{report.champion}`. Rule: {report.rule}.",
        _warnings(report),
        "## Models on the holdout",
        f"In brackets: {report.level:.0%} intervals.",
        _model_table(report),
        "## The champion in detail",
        _details(report.model(report.champion)),
        f"Contact from a probability of {report.threshold:.3f} on: {report.threshold_rule}.",
        _cohorts(report.model(report.champion)),
        "## Reliability",
        _table(
            ["rows", "predicted", "observed", "interval"],
            [
                [f"{one.rows:.0f}", f"{one.predicted:.3f}", f"{one.observed:.3f}", f"[{one.low:.3f}, {one.high:.3f}]"]
                for one in report.reliability
            ],
        ),
        "## Slices of time" if report.windows["training"] else "## Rows",
        _slices(report),
        _folds(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _warnings(report: ChurnReport) -> str:
    return "## Warnings\n\n" + "\n".join(f"- {warning}" for warning in report.warnings) if report.warnings else ""


def _model_table(report: ChurnReport) -> str:
    header = ["model", "CV log loss", *_COLUMNS.values(), "calibration", "AUC − baseline", "p"]
    return _table(header, [_model_row(score, report.champion) for score in report.models])


def _model_row(score: ModelScore, champion: str) -> list[str]:
    name = f"**{score.title}**" if score.name == champion else score.title
    against = ["", ""]
    if score.baseline is not None:
        gap, p = score.baseline.auc.difference, score.baseline.auc.p_value
        against = [f"{gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]", f"{p:.2g}" if p >= 1e-6 else "< 1e-6"]
    loss = "–" if score.cv_log_loss is None else f"{score.cv_log_loss.value:.4f}"
    return [name, loss, *(_number(score.metrics.get(key)) for key in _COLUMNS), score.calibration, *against]


def _details(score: ModelScore) -> str:
    return _table(
        ["metric", "value"],
        [[title, _number(score.metrics[key])] for key, title in _MORE.items() if key in score.metrics],
    )


def _cohorts(score: ModelScore) -> str:
    if not score.cohorts:
        return ""
    names = list(next(iter(score.cohorts.values())))
    header = ["cohort", *(name.replace("_", " ") for name in names)]
    rows = [[cohort, *(_number(metrics[name]) for name in names)] for cohort, metrics in score.cohorts.items()]
    return "### Cohorts\n\n" + _table(header, rows)


def _slices(report: ChurnReport) -> str:
    rows = [
        [
            name,
            ", ".join(time[:10] for time in report.windows[name]) or "–",
            f"{count:,}",
            f"{report.churn_rate[name]:.3f}",
        ]
        for name, count in report.rows.items()
    ]
    return _table(["slice", "cut-offs", "rows", "churn rate"], rows)


def _folds(report: ChurnReport) -> str:
    scored = [score for score in report.models if score.fold_losses]
    if not scored:
        return ""
    folds = list(scored[0].fold_losses)
    rows = [[score.title, *(f"{score.fold_losses[fold]:.4f}" for fold in folds)] for score in scored]
    return "### Log loss by fold\n\n" + _table(["model", *folds], rows)


def _number(value: MetricValue | None) -> str:
    return "–" if value is None else f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
