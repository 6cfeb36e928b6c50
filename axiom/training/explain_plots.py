"""Pictures of a global explanation as PNG: permutation importance, partial dependence."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from axiom.training.explain import Importance, PartialDependence

_BLUE, _GREY = "#1b5e8c", "#8a8f98"
_MOST = 20
_LONGEST = 18  # characters of a category on an axis


def importance_plot(importance: Sequence[Importance], title: str) -> bytes:
    """The most important features with their intervals, largest on top."""
    shown = list(importance[:_MOST])[::-1]
    values = np.array([one.increase.value for one in shown])
    low, high = (np.array([getattr(one.increase, name) for one in shown]) for name in ("low", "high"))

    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        place = np.arange(len(shown))
        axes.axvline(0.0, color=_GREY, linewidth=0.8)
        axes.errorbar(values, place, xerr=[values - low, high - values], fmt="o", color=_BLUE, capsize=3, markersize=5)
        axes.set_yticks(place, [one.feature for one in shown], fontsize=8)
        axes.set_xlabel("increase of the log loss when the feature is shuffled")
        axes.set_title(title, loc="left", fontsize=11)
        _plain(axes)

    return _png(draw, (7.2, 1.2 + 0.28 * max(len(shown), 4)))


def dependence_plot(curves: Sequence[PartialDependence], title: str) -> bytes:
    """Mean prediction as each feature takes other values, with the range of four rows in five."""
    columns = min(len(curves), 3)
    lines = math.ceil(len(curves) / columns)

    def draw(figure: Any) -> None:
        panels = np.atleast_1d(figure.subplots(lines, columns, sharey=True)).ravel()
        for axes, curve in zip(panels, curves, strict=False):
            _dependence(axes, curve)
        for axes in panels[len(curves) :]:
            axes.set_visible(False)
        figure.supylabel("P(churn): mean, and 10 % to 90 % of the rows", fontsize=9)
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)

    return _png(draw, (3.8 * columns + 0.4, 3.0 * lines + 0.6))


def _dependence(axes: Any, curve: PartialDependence) -> None:
    if isinstance(curve.values[0], str):
        place = np.arange(len(curve.values))
        axes.errorbar(
            place, curve.mean, [curve.mean - curve.low, curve.high - curve.mean], fmt="o", color=_BLUE, capsize=3
        )
        axes.set_xticks(place, [str(value)[:_LONGEST] for value in curve.values], rotation=30, ha="right", fontsize=7)
    else:
        axes.fill_between(curve.values, curve.low, curve.high, color=_BLUE, alpha=0.15)
        axes.plot(curve.values, curve.mean, color=_BLUE, marker=".", linewidth=1.6)
    axes.set_title(curve.feature, loc="left", fontsize=9)
    axes.set_ylim(0.0, 1.0)
    _plain(axes)


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e5e7eb", linewidth=0.6)
    axes.set_axisbelow(True)


def _png(draw: Callable[[Any], None], size: tuple[float, float]) -> bytes:
    """One picture, without the state that pyplot keeps; the same input gives the same bytes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=110, layout="constrained")
    draw(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
