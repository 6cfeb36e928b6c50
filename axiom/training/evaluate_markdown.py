"""Evaluations for people, as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from axiom.maths.intervals import MetricValue, PairedTest
    from axiom.training.clv.result import Score
    from axiom.training.evaluate import ChurnEvaluation, VersionComparison, VersionScore
    from axiom.training.evaluate_clv import ClvEvaluation

TITLES: Mapping[str, str] = {
    "auc": "AUC",
    "pr_auc": "PR-AUC",
    "brier": "Brier",
    "log_loss": "log loss",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept",
    "calibration_in_the_large": "calibration in the large",
    "ece": "ECE",
    "precision": "precision at the threshold",
    "recall": "recall at the threshold",
    "f1": "F1 at the threshold",
    "precision_at_10": "precision in the top 10 %",
    "lift_at_10": "lift in the top 10 %",
    "profit_per_customer": "profit per customer, contacting from the threshold on",
    "profit_by_customer": "profit per customer, contacting whose own odds pay",
    "churn_rate": "churn rate",
    "mean_prediction": "mean prediction",
}
_COHORT = (
    "churn_rate",
    "mean_prediction",
    "auc",
    "pr_auc",
    "brier",
    "log_loss",
    "calibration_slope",
    "ece",
    "lift_at_10",
)
_CLV_COHORT = ("log_score", "mae_purchases", "bias_purchases", "bias_spend", "recalibrated_90_spend")


def churn_markdown(evaluation: ChurnEvaluation) -> str:
    """Verdicts first, then the table, then cohorts, lead time, campaign and what it rests on."""
    versions = evaluation.versions
    about = (
        f"{evaluation.rows:,} rows, {evaluation.customers:,} customers, churn rate {evaluation.churn_rate:.3f}, at "
        f"{', '.join(time[:10] for time in evaluation.as_ofs)}. Churn: {evaluation.definition}; horizon "
        f"{evaluation.horizon_days:g} days. In brackets: {evaluation.level:.0%} intervals."
    )
    metrics = [name for name in TITLES if any(name in version.metrics for version in versions)]
    parts = [
        "# Evaluation of churn models",
        _verdicts(evaluation.comparisons, evaluation.best, evaluation.rule),
        _warnings(evaluation.warnings),
        about,
        "## Metrics",
        _table(
            ["metric", *(version.title for version in versions)],
            [[TITLES[name], *(_number(version.metrics.get(name)) for version in versions)] for name in metrics],
        ),
        *_differences(evaluation.comparisons, TITLES),
        "## Thresholds and lead time",
        _thresholds(versions),
        _campaigns(versions),
        *(_parts("Cohorts", version.title, version.cohorts, version.rows) for version in versions),
        *(_parts("Cut-offs", version.title, version.by_cutoff, version.rows) for version in versions),
        *(_reliability(version) for version in versions),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def clv_markdown(evaluation: ClvEvaluation) -> str:
    """Verdicts first, then the table, then cohorts and cut-offs."""
    versions = evaluation.versions
    names = list(versions[0].metrics)
    about = (
        f"{evaluation.rows:,} customers at {', '.join(time[:10] for time in evaluation.as_ofs)}, horizon "
        f"{evaluation.horizon_days} days. In brackets: {evaluation.level:.0%} intervals. `coverage`: of the model's "
        "own intervals; `recalibrated`: of those it is scored with; naive: past rate x horizon."
    )
    naive = {name: _score(evaluation.naive.get(name)) for name in names}
    parts = [
        "# Evaluation of CLV models",
        _verdicts(evaluation.comparisons, evaluation.best, evaluation.rule),
        _warnings(evaluation.warnings),
        about,
        "## Metrics",
        _table(
            ["metric", *(f"{version.name} ({version.family})" for version in versions), "naive"],
            [[name, *(_score(version.metrics.get(name)) for version in versions), naive[name]] for name in names],
        ),
        *_differences(evaluation.comparisons, {name: name for name in names}),
        *(
            f"### {kind}: {version.name}\n\n"
            + _table(
                ["", "rows", *_CLV_COHORT],
                [
                    [part, f"{version.rows[part]:,}", *(_score(found.get(name)) for name in _CLV_COHORT)]
                    for part, found in groups.items()
                ],
            )
            for version in versions
            for kind, groups in (("Cohorts", version.cohorts), ("Cut-offs", version.by_cutoff))
            if groups
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _verdicts(comparisons: Sequence[VersionComparison], best: str, rule: str) -> str:
    told = "\n".join(f"- {found.verdict}" for found in comparisons)
    return "\n\n".join(part for part in (told, f"Preferred: **{best}**. Rule: {rule}." if told else "") if part)


def _warnings(warnings: Sequence[str]) -> str:
    return "## Warnings\n\n" + "\n".join(f"- {warning}" for warning in warnings) if warnings else ""


def _differences(comparisons: Sequence[VersionComparison], titles: Mapping[str, str]) -> list[str]:
    found = []
    for one in comparisons:
        rows = [[titles[name], *_test(test)] for name, test in one.tests.items() if name in titles]
        found.append(f"### {one.one} - {one.against}, paired\n\n" + _table(["metric", "difference", "p"], rows))
    return found


def _test(test: PairedTest | None) -> list[str]:
    if test is None:
        return ["–", "–"]
    gap = test.difference
    told = f"{gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]"
    return [told, f"{test.p_value:.2g}" if test.p_value >= 1e-6 else "< 1e-6"]


def _thresholds(versions: Sequence[VersionScore]) -> str:
    rows = []
    for version in versions:
        lead = version.lead
        told = ["–"] * 5
        if lead is not None:
            told = [
                f"{lead.late:,}",
                f"{lead.churns:,}",
                _number(lead.warned),
                _number(lead.days, 1),
                _number(lead.early),
            ]
        rows.append([version.title, f"{version.threshold:.3f}", version.threshold_rule, *told])
    early = next((version.lead.early_days for version in versions if version.lead is not None), 0.0)
    header = ["version", "threshold", "why", "silent already", "churns ahead", "warned of", "median lead, days"]
    return _table([*header, f"warned at least {early:g} days before"], rows)


def _campaigns(versions: Sequence[VersionScore]) -> str:
    rows = [
        [
            version.title,
            f"{version.campaign.share:.1%}",
            f"{version.campaign.profit:,.2f}",
            f"{version.campaign.own_share:.1%}",
            f"{version.campaign.own_profit:,.2f}",
            f"{version.campaign.best_share:.1%}",
            f"{version.campaign.best_profit:,.2f}",
        ]
        for version in versions
        if version.campaign is not None
    ]
    header = [
        "version",
        "from the threshold on",
        "profit",
        "whose own odds pay",
        "profit",
        "best in hindsight",
        "profit",
    ]
    return "## Campaign\n\n" + _table(header, rows) if rows else ""


def _parts(
    kind: str, title: str, groups: Mapping[str, Mapping[str, MetricValue | None]], rows: Mapping[str, int]
) -> str:
    if not groups:
        return ""
    lines = [
        [part, f"{rows[part]:,}", *(_number(metrics.get(name)) for name in _COHORT)] for part, metrics in groups.items()
    ]
    return f"### {kind}: {title}\n\n" + _table(["", "rows", *(TITLES[name] for name in _COHORT)], lines)


def _reliability(version: VersionScore) -> str:
    rows = [
        [f"{one.rows:.0f}", f"{one.predicted:.3f}", f"{one.observed:.3f}", f"[{one.low:.3f}, {one.high:.3f}]"]
        for one in version.reliability
    ]
    return f"### Reliability: {version.title}\n\n" + _table(["rows", "predicted", "observed", "interval"], rows)


def _number(value: MetricValue | None, digits: int = 3) -> str:
    if value is None:
        return "–"
    return f"{value.value:.{digits}f} [{value.low:.{digits}f}, {value.high:.{digits}f}]"


def _score(score: Score | None) -> str:
    return "–" if score is None else _number(score.value)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [list(header), ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
