"""The report's pictures as PNG: ROC, precision-recall, reliability, gains and lift, profit."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.maths.metrics import gains_curve, pr_curve, roc_curve
from axiom.maths.profit import RetentionCosts, profit_curve
from axiom.training.baselines import BASE_RATE
from axiom.training.judge import worth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from axiom.maths.arrays import FloatArray
    from axiom.training.churn_report import ChurnResult

_COLOURS = ("#1b5e8c", "#d9822b", "#3a8f5c", "#8e5ea2", "#c0504d", "#6b7f82", "#b8860b", "#4f6bed")
_GREY = "#8a8f98"
_DPI = 110


def plot_report(result: ChurnResult, costs: RetentionCosts | None = None) -> dict[str, bytes]:
    """Every picture that the result has data for: name -> PNG.

    Args:
        result: of a training.
        costs: with them, and values on the holdout, there is a profit curve.
    """
    pictures = {
        "roc": _figure(lambda axes: _roc(axes, result)),
        "precision_recall": _figure(lambda axes: _precision_recall(axes, result)),
        "reliability": _figure(lambda axes: _reliability(axes, result)),
        "gains": _figure(lambda axes: _gains(axes, result)),
        "lift": _figure(lambda axes: _lift(axes, result)),
    }
    value = result.holdout.value
    if costs is not None and value is not None:
        pictures["profit"] = _figure(lambda axes: _profit(axes, result, costs, worth(value)))
    return pictures


def _figure(draw: Callable[[Any], None]) -> bytes:
    """One picture, without the state that pyplot keeps."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    draw(axes)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e5e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _curves(result: ChurnResult) -> Iterator[tuple[str, str, FloatArray, dict[str, Any]]]:
    """Name, title, predictions and line style of every model but the constant one, the champion last and thickest."""
    shown = [score for score in result.report.models if score.name != BASE_RATE]
    shown.sort(key=lambda score: score.name == result.report.champion)
    for place, score in enumerate(shown):
        champion = score.name == result.report.champion
        style = {
            "color": _COLOURS[0] if champion else _COLOURS[1 + place % (len(_COLOURS) - 1)],
            "linewidth": 2.2 if champion else 1.2,
        }
        yield score.name, score.title, result.holdout.p[score.name], style


def _named(result: ChurnResult, name: str, title: str, metric: str) -> str:
    value = result.report.model(name).metrics[metric]
    return title if value is None else f"{title}: {value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"


def _label(axes: Any, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _roc(axes: Any, result: ChurnResult) -> None:
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8, linestyle="--")
    for name, title, p, style in _curves(result):
        curve = roc_curve(result.holdout.y, p)
        axes.plot(
            curve.false_positive_rate, curve.true_positive_rate, label=_named(result, name, title, "auc"), **style
        )
    _label(axes, "ROC on the holdout, with AUC", "share of stayers contacted", "share of churners reached")
    axes.legend(loc="lower right", frameon=False, fontsize=8)


def _precision_recall(axes: Any, result: ChurnResult) -> None:
    rate = float(result.holdout.y.mean())
    axes.axhline(rate, color=_GREY, linewidth=0.8, linestyle="--", label=f"churn rate: {rate:.3f}")
    for name, title, p, style in _curves(result):
        curve = pr_curve(result.holdout.y, p)
        axes.plot(curve.recall[1:], curve.precision[1:], label=_named(result, name, title, "pr_auc"), **style)
    _label(axes, "Precision and recall on the holdout, with PR-AUC", "share of churners reached", "precision")
    axes.set_ylim(0.0, 1.02)
    axes.legend(loc="lower left", frameon=False, fontsize=8)


def _reliability(axes: Any, result: ChurnResult) -> None:
    bins = result.report.reliability
    predicted = np.array([one.predicted for one in bins])
    observed, low, high = (np.array([getattr(one, name) for one in bins]) for name in ("observed", "low", "high"))
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8, linestyle="--", label="perfect")
    axes.fill_between(predicted, low, high, color=_COLOURS[0], alpha=0.18, label=f"{result.report.level:.0%} band")
    axes.plot(predicted, observed, color=_COLOURS[0], marker="o", markersize=4, linewidth=1.6, label="observed")
    p = result.holdout.p[result.report.champion]
    heights, edges = np.histogram(p, bins=40, range=(0.0, 1.0))
    axes.bar(
        edges[:-1], 0.12 * heights / heights.max(), width=1 / 40, align="edge", color=_GREY, alpha=0.35, label="rows"
    )
    slope = result.report.model(result.report.champion).metrics["calibration_slope"]
    told = "" if slope is None else f", slope {slope.value:.2f} [{slope.low:.2f}, {slope.high:.2f}]"
    _label(axes, f"Reliability of {result.report.champion} on the holdout{told}", "predicted", "observed churn rate")
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.0)
    axes.legend(loc="upper left", frameon=False, fontsize=8)


def _gains(axes: Any, result: ChurnResult) -> None:
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8, linestyle="--", label="at random")
    for _, title, p, style in _curves(result):
        curve = gains_curve(result.holdout.y, p)
        axes.plot(curve.share, curve.captured, label=title, **style)
    _label(axes, "Gains on the holdout", "share of customers contacted, riskiest first", "share of churners reached")
    axes.legend(loc="lower right", frameon=False, fontsize=8)


def _lift(axes: Any, result: ChurnResult) -> None:
    axes.axhline(1.0, color=_GREY, linewidth=0.8, linestyle="--", label="at random")
    for name, title, p, style in _curves(result):
        curve = gains_curve(result.holdout.y, p)
        enough = curve.share * len(result.holdout.y) >= 20  # the first few rows are noise
        axes.plot(curve.share[enough], curve.lift[enough], label=_named(result, name, title, "lift_at_10"), **style)
    _label(
        axes, "Lift on the holdout, with lift in the top 10 %", "share of customers contacted, riskiest first", "lift"
    )
    axes.set_ylim(bottom=0.0)
    axes.legend(loc="lower left", frameon=False, fontsize=8)


def _profit(axes: Any, result: ChurnResult, costs: RetentionCosts, values: FloatArray) -> None:
    axes.axhline(0.0, color=_GREY, linewidth=0.8, linestyle="--", label="nobody contacted")
    for name, title, p, style in _curves(result):
        curve = profit_curve(result.holdout.y, p, costs, values)
        axes.plot(curve.share, curve.profit, label=title, **style)
        if name == result.report.champion:
            chosen = curve.share[np.searchsorted(-curve.threshold, -result.report.threshold, side="right") - 1]
            axes.axvline(chosen, color=style["color"], linewidth=0.8, linestyle=":", label="the model's threshold")
    _label(axes, "Profit on the holdout", "share of customers contacted, riskiest first", "profit")
    axes.legend(loc="best", frameon=False, fontsize=8)
