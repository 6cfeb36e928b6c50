"""What a search and the training of its best found out: JSON and Markdown."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from axiom.training.baselines import TITLES
from axiom.training.catalogue import CATALOGUE
from axiom.training.judge import compare
from axiom.training.tuning.work import REFERENCE

if TYPE_CHECKING:
    from axiom.maths.intervals import MetricValue
    from axiom.training.churn_report import ChurnReport, ChurnResult, Comparison
    from axiom.training.tuning.search import Found, Trial

DEFAULTS = f"{REFERENCE} (defaults)"
METRICS = {
    "auc": "AUC",
    "pr_auc": "PR-AUC",
    "brier": "Brier",
    "log_loss": "log loss",
    "calibration_slope": "slope",
    "lift_at_10": "lift top 10 %",
}


@dataclass(frozen=True)
class TuneReport:
    """Everything a person needs to judge a search.

    Attributes:
        verdict: whether the best beat the baselines on the holdout, in words.
        best: the trial that was trained.
        trials: all, finished ones first, best first.
        wanted: how many were asked for.
        folds: what a whole trial was judged on.
        comparisons: baseline -> paired tests of the tuned model against it on the holdout.
        metrics: model -> metrics on the holdout, with intervals.
        horizon_days: length of the label window.
        path: where the search is stored.
        warnings: in full sentences.
        level: of every interval.
    """

    verdict: str
    best: Trial
    trials: tuple[Trial, ...]
    wanted: int
    folds: tuple[str, ...]
    comparisons: dict[str, Comparison]
    metrics: dict[str, dict[str, MetricValue | None]]
    horizon_days: float
    path: str
    warnings: tuple[str, ...]
    level: float

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return asdict(self)


def tune_report(found: Found, tuned: ChurnResult, reference: ChurnResult) -> TuneReport:
    """Compare the trained best with what it has to beat, on the same holdout rows.

    Args:
        found: the search.
        tuned: training of its best, alone.
        reference: training of logistic regression with default settings, alone, on the same table.
    """
    report, level = tuned.report, tuned.report.level
    best = report.model(report.champion)
    y, p = tuned.holdout.y, tuned.holdout.p
    comparisons = {} if best.baseline is None else {best.baseline.against: best.baseline}
    comparisons[DEFAULTS] = compare(y, p[best.name], DEFAULTS, reference.holdout.p[REFERENCE], level)
    metrics = {
        f"{best.name} (tuned)": best.metrics,
        DEFAULTS: reference.report.model(REFERENCE).metrics,
        **{score.name: score.metrics for score in report.models if score.name != best.name},
    }
    return TuneReport(
        verdict=_verdict(found.best, comparisons),
        best=found.best,
        trials=found.trials,
        wanted=found.wanted,
        folds=found.folds,
        comparisons=comparisons,
        metrics=metrics,
        horizon_days=report.horizon_days,
        path=found.path,
        warnings=(*found.warnings, *_stopped(found), *_told(report, found)),
        level=level,
    )


def to_json(report: TuneReport) -> str:
    """The whole report as JSON text."""
    return json.dumps(report.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)


def to_markdown(report: TuneReport) -> str:
    """The report as Markdown: verdict first."""
    parts = [
        "# Search over churn models",
        f"**{report.verdict}**",
        f"Best of {len(report.trials)} trials: `{report.best.model}` with {params_text(report.best)}.",
        f"Judged at {', '.join(report.folds)}.",
        "## Warnings\n\n" + "\n".join(f"- {warning}" for warning in report.warnings) if report.warnings else "",
        "## On the holdout",
        f"In brackets: {report.level:.0%} intervals.",
        _table(
            ["model", *METRICS.values()],
            [[name, *(_number(metrics.get(key)) for key in METRICS)] for name, metrics in report.metrics.items()],
        ),
        "### The tuned model against each baseline (paired)",
        _table(
            ["against", "AUC", "p", "Brier", "p"],
            [
                [
                    _title(name),
                    *(text for test in (one.auc, one.brier) for text in (_gap(test.difference), _p(test.p_value))),
                ]
                for name, one in report.comparisons.items()
            ],
        ),
        "## Trials",
        "Excess is the mean log loss over the folds minus that of logistic regression with default settings.",
        _table(
            ["model", "parameters", "folds", "excess", "log loss", "seconds"],
            [_trial_row(trial) for trial in report.trials],
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def params_text(trial: Trial) -> str:
    """The hyper-parameters of a trial, for people."""
    told = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in trial.params.items()
    )
    return told or "default settings"


def _verdict(best: Trial, comparisons: dict[str, Comparison]) -> str:
    """Plain words: whom it beat and whom not, by the paired test of the AUC."""
    told, title = [], f"{CATALOGUE[best.model].title}, tuned,"
    if best.model == REFERENCE and dict(best.params).items() <= dict(CATALOGUE[REFERENCE].defaults).items():
        comparisons = {name: one for name, one in comparisons.items() if name != DEFAULTS}
        title = f"nothing was found that is better than {CATALOGUE[REFERENCE].title} with default settings, which"
    for against, one in comparisons.items():
        gap, p = one.auc.difference, one.auc.p_value
        verb = "beat" if one.beaten else "did not beat"
        told.append(f"{verb} {_title(against)} (AUC {_gap(gap)}, p {_p(p)})")
    advice = "" if all(one.beaten for one in comparisons.values()) else " What it did not beat is simpler: prefer it."
    return f"{title} {' and '.join(told)} on the holdout.{advice}"


def _title(name: str) -> str:
    return TITLES.get(name, name)


def _stopped(found: Found) -> list[str]:
    early = sum(not trial.finished for trial in found.trials)
    return [f"{early} of {len(found.trials)} trials were not judged in all {len(found.folds)} folds"] if early else []


def _told(report: ChurnReport, found: Found) -> list[str]:
    """What the training has to say and the search did not."""
    return [warning for warning in report.warnings if warning not in found.warnings]


def _trial_row(trial: Trial) -> list[str]:
    if trial.last is None or trial.last.failed:
        why = "interrupted" if trial.last is None else trial.last.failed
        return [trial.model, params_text(trial), "–", f"not judged: {why}", "–", f"{trial.seconds:.1f}"]
    last = trial.last
    return [
        trial.model,
        params_text(trial),
        f"{last.folds}",
        f"{last.excess:+.5f}",
        f"{last.log_loss:.5f}",
        f"{trial.seconds:.1f}",
    ]


def _gap(value: MetricValue) -> str:
    return f"{value.value:+.4f} [{value.low:+.4f}, {value.high:+.4f}]"


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-6 else "< 1e-6"


def _number(value: MetricValue | None) -> str:
    return "–" if value is None else f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
