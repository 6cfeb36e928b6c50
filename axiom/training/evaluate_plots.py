"""Pictures of a churn evaluation as PNG: ROC, precision-recall, reliability, gains, lift, profit."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.maths.metrics import gains_curve, pr_curve, roc_curve
from axiom.maths.profit import expected_contact_profit, profit_curve
from axiom.training.judge import worth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from axiom.maths.arrays import FloatArray
    from axiom.maths.intervals import MetricValue
    from axiom.maths.profit import RetentionCosts
    from axiom.training.evaluate import ChurnEvaluation, EvaluationRows, VersionScore

_COLOURS = ("#1b5e8c", "#d9822b", "#3a8f5c", "#8e5ea2", "#c0504d", "#6b7f82", "#b8860b", "#4f6bed")
_GREY = "#8a8f98"
_FEWEST = 20  # customers: the lift of the first few rows is noise


def evaluation_plots(
    evaluation: ChurnEvaluation, rows: EvaluationRows, costs: RetentionCosts | None = None
) -> dict[str, bytes]:
    """`roc`, `precision_recall`, `reliability`, `gains`, `lift` and, with costs, `profit`: name -> PNG."""
    curves = _Curves(evaluation, rows)
    pictures = {
        "roc": _picture(curves.roc),
        "precision_recall": _picture(curves.precision_recall),
        "reliability": _reliability(evaluation, rows),
        "gains": _picture(curves.gains),
        "lift": _picture(curves.lift),
    }
    if costs is not None and rows.value is not None:
        pictures["profit"] = _picture(lambda axes: curves.profit(axes, costs))
    return pictures


class _Curves:
    """One line a version, the first named thickest."""

    def __init__(self, evaluation: ChurnEvaluation, rows: EvaluationRows) -> None:
        self.evaluation, self.rows = evaluation, rows

    def roc(self, axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8, linestyle="--")
        for score, p, style in self._lines():
            curve = roc_curve(self.rows.churned, p)
            x, y = curve.false_positive_rate, curve.true_positive_rate
            axes.plot(x, y, label=_with(score.title, score.metrics, "auc"), **style)
        self._label(axes, "ROC, with AUC", "share of stayers contacted", "share of churners reached", "lower right")

    def precision_recall(self, axes: Any) -> None:
        rate = self.evaluation.churn_rate
        axes.axhline(rate, color=_GREY, linewidth=0.8, linestyle="--", label=f"churn rate: {rate:.3f}")
        for score, p, style in self._lines():
            curve = pr_curve(self.rows.churned, p)
            label = _with(score.title, score.metrics, "pr_auc")
            axes.plot(curve.recall[1:], curve.precision[1:], label=label, **style)
        axes.set_ylim(0.0, 1.02)
        self._label(axes, "Precision and recall, with PR-AUC", "share of churners reached", "precision", "lower left")

    def gains(self, axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8, linestyle="--", label="at random")
        for score, p, style in self._lines():
            curve = gains_curve(self.rows.churned, p)
            axes.plot(curve.share, curve.captured, label=score.title, **style)
        self._label(axes, "Gains", _CONTACTED, "share of churners reached", "lower right")

    def lift(self, axes: Any) -> None:
        axes.axhline(1.0, color=_GREY, linewidth=0.8, linestyle="--", label="at random")
        for score, p, style in self._lines():
            curve = gains_curve(self.rows.churned, p)
            enough = curve.share * len(self.rows) >= _FEWEST
            label = _with(score.title, score.metrics, "lift_at_10")
            axes.plot(curve.share[enough], curve.lift[enough], label=label, **style)
        axes.set_ylim(0.0, 1.03 * axes.get_ylim()[1])
        self._label(axes, "Lift, with lift in the top 10 %", _CONTACTED, "lift", "lower left")

    def profit(self, axes: Any, costs: RetentionCosts) -> None:
        axes.axhline(0.0, color=_GREY, linewidth=0.8, linestyle="--", label="nobody contacted")
        assert self.rows.value is not None  # noqa: S101  (there is no profit curve without values)
        for score, p, style in self._lines():
            value = worth(self.rows.value)
            curve = profit_curve(self.rows.churned, expected_contact_profit(p, costs, value), costs, value)
            axes.plot(curve.share, curve.profit, label=score.title, **style)
            if score.campaign is not None:
                axes.plot(score.campaign.own_share, score.campaign.own_profit, "o", color=style["color"], markersize=6)
        axes.plot([], [], "o", color=_GREY, label="all whose own odds pay")
        self._label(axes, "Profit", "share of customers contacted, largest expected profit first", "profit", "best")

    def _lines(self) -> Iterator[tuple[VersionScore, FloatArray, dict[str, Any]]]:
        for place, score in reversed(list(enumerate(self.evaluation.versions))):
            style = {"color": _COLOURS[place % len(_COLOURS)], "linewidth": 1.3 if place else 2.2}
            yield score, self.rows.p[score.name], style

    def _label(self, axes: Any, title: str, x: str, y: str, place: str) -> None:
        axes.set_title(f"{title}: {_when(self.evaluation)}", loc="left", fontsize=11)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles[::-1], labels[::-1], loc=place, frameon=False, fontsize=8)


_CONTACTED = "share of customers contacted, riskiest first"


def _reliability(evaluation: ChurnEvaluation, rows: EvaluationRows) -> bytes:
    """One panel a version: observed rate with its band against the prediction, and how often it is predicted."""
    versions = evaluation.versions
    columns = min(len(versions), 3)
    lines = math.ceil(len(versions) / columns)

    def draw(figure: Any) -> None:
        panels = np.atleast_1d(figure.subplots(lines, columns, sharex=True, sharey=True)).ravel()
        for place, (axes, score) in enumerate(zip(panels, versions, strict=False)):
            _reliability_panel(axes, score, rows.p[score.name], _COLOURS[place % len(_COLOURS)], evaluation.level)
        for axes in panels[len(versions) :]:
            axes.set_visible(False)
        figure.supxlabel("predicted", fontsize=10)
        figure.supylabel("observed churn rate", fontsize=10)
        figure.suptitle(f"Reliability: {_when(evaluation)}", x=0.01, ha="left", fontsize=11)

    return _png(draw, (4.4 * columns + 0.4, 4.0 * lines + 0.5))


def _reliability_panel(axes: Any, score: VersionScore, p: FloatArray, colour: str, level: float) -> None:
    predicted, observed, low, high = (
        np.array([getattr(one, name) for one in score.reliability]) for name in ("predicted", "observed", "low", "high")
    )
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8, linestyle="--", label="perfect")
    axes.fill_between(predicted, low, high, color=colour, alpha=0.18, label=f"{level:.0%} band")
    axes.plot(predicted, observed, color=colour, marker="o", markersize=4, linewidth=1.6, label="observed")
    heights, edges = np.histogram(p, bins=40, range=(0.0, 1.0))
    share = 0.12 * heights / heights.max()
    axes.bar(edges[:-1], share, width=1 / 40, align="edge", color=_GREY, alpha=0.35, label="rows")
    axes.set_title(_with(f"{score.title}\nslope", score.metrics, "calibration_slope"), loc="left", fontsize=9)
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.0)
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    _plain(axes)


def _with(title: str, metrics: Mapping[str, MetricValue | None], name: str) -> str:
    value = metrics.get(name)
    return title if value is None else f"{title}: {value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"


def _when(evaluation: ChurnEvaluation) -> str:
    times = evaluation.as_ofs
    told = times[0][:10] if len(times) == 1 else f"{times[0][:10]} to {times[-1][:10]}"
    return f"{told}, {evaluation.rows:,} rows"


def _picture(draw: Callable[[Any], None]) -> bytes:
    def on_figure(figure: Any) -> None:
        axes = figure.add_subplot()
        draw(axes)
        _plain(axes)

    return _png(on_figure, (6.4, 4.8))


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e5e7eb", linewidth=0.6)
    axes.set_axisbelow(True)


def _png(draw: Callable[[Any], None], size: tuple[float, float]) -> bytes:
    """One picture, without the state that pyplot keeps; the same report gives the same bytes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=110, layout="constrained")
    draw(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
