"""Pictures of survival as PNG: curves by segment, observed against predicted, hazard ratios, calibration."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.training.survival_km import KmReport
    from axiom.training.survival_report import SurvivalReport

_COLOURS = ("#1b5e8c", "#d9822b", "#3a8f5c", "#8e5ea2", "#c0504d", "#6b7f82", "#b8860b", "#4f6bed")
_GREY = "#8a8f98"
_DPI = 110
_MOST_TERMS = 30
_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 1, 1.25, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def km_plot(report: KmReport) -> dict[str, bytes]:
    """The curves with their bands: `{"kaplan_meier": PNG}`."""
    return {"kaplan_meier": _figure(lambda axes: _km(axes, report))}


def survival_plots(report: SurvivalReport) -> dict[str, bytes]:
    """Name -> PNG: `survival`, `hazard_ratios`, `calibration`."""
    shown = min(len(report.terms), _MOST_TERMS)
    return {
        "survival": _figure(lambda axes: _groups(axes, report)),
        "hazard_ratios": _figure(lambda axes: _forest(axes, report), height=max(2.5, 1.2 + 0.26 * shown)),
        "calibration": _figure(lambda axes: _calibration(axes, report)),
    }


def _figure(draw: Callable[[Any], None], height: float = 4.8) -> bytes:
    """One picture, without the state that pyplot keeps."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, height), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e5e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
    draw(axes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _km(axes: Any, report: KmReport) -> None:
    for colour, curve in zip(_COLOURS, report.curves, strict=False):
        label = f"{curve.segment}: {curve.customers:,} customers, {curve.events:,} events"
        axes.step(curve.times, curve.survival, where="post", color=colour, linewidth=1.8, label=label)
        axes.fill_between(curve.times, curve.low, curve.high, step="post", color=colour, alpha=0.15, linewidth=0)
    title = f"Still customers{f' by {report.by}' if report.by else ''}, Kaplan-Meier with {report.level:.0%} bands"
    if report.log_rank is not None:
        p = report.log_rank.p_value
        title += f"; log-rank p {f'= {p:.2g}' if p >= 1e-6 else '< 1e-6'}"
    _label(axes, title, f"{report.clock} ({report.unit})", "share still there")
    axes.set_ylim(0.0, 1.02)
    axes.set_xlim(left=0.0)
    axes.legend(loc="best", frameon=False, fontsize=8)


def _groups(axes: Any, report: SurvivalReport) -> None:
    for colour, group in zip(_COLOURS, report.groups, strict=False):
        axes.step(group.times, group.observed, where="post", color=colour, linewidth=1.6, label=group.name)
        axes.fill_between(group.times, group.low, group.high, step="post", color=colour, alpha=0.15, linewidth=0)
        axes.plot(group.asked, group.predicted, color=colour, linewidth=1.4, linestyle="--")
    axes.axvline(report.horizon, color=_GREY, linewidth=0.8, linestyle=":")
    still = "still customers" if report.outcome == "churn" else "not back yet"
    _label(
        axes,
        "Quarters by predicted risk: observed (line, band) and predicted (dashed)",
        f"{report.unit} since the {'start' if report.judged_on.startswith('5 folds') else 'cut-off'}",
        f"share {still}",
    )
    axes.set_ylim(0.0, 1.02)
    axes.set_xlim(left=0.0)
    axes.legend(loc="best", frameon=False, fontsize=8)


def _forest(axes: Any, report: SurvivalReport) -> None:
    terms = sorted(report.terms, key=lambda term: -abs(term.z))[:_MOST_TERMS]
    terms.sort(key=lambda term: term.hazard_ratio.value)
    ratio = np.array([[term.hazard_ratio.value, term.hazard_ratio.low, term.hazard_ratio.high] for term in terms])
    # A coefficient that the data leave open has limits beyond any scale.
    ratio = np.clip(ratio, 1e-3, 1e3)
    y = np.arange(len(terms))
    clear = (ratio[:, 1] > 1) | (ratio[:, 2] < 1)
    for wanted, colour in ((clear, _COLOURS[0]), (~clear, _GREY)):
        r = ratio[wanted]
        axes.errorbar(
            r[:, 0],
            y[wanted],
            xerr=[r[:, 0] - r[:, 1], r[:, 2] - r[:, 0]],
            fmt="o",
            color=colour,
            markersize=4,
            linewidth=1.2,
        )
    axes.axvline(1.0, color=_GREY, linewidth=0.8, linestyle="--")
    axes.set_xscale("log")
    low, high = min(0.9, ratio.min()), max(1.1, ratio.max())
    ticks = [tick for tick in _TICKS if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=8)
    axes.xaxis.set_minor_formatter(lambda *_: "")
    axes.set_yticks(y, [term.name for term in terms], fontsize=8)
    of = "churn" if report.outcome == "churn" else "coming back"
    more = f", the {len(terms)} clearest of {len(report.terms)}" if len(terms) < len(report.terms) else ""
    _label(axes, f"Hazard of {of}: ratios with {report.level:.0%} intervals{more}", "hazard ratio (log scale)", "")


def _calibration(axes: Any, report: SurvivalReport) -> None:
    columns = {name: np.array([getattr(one, name) for one in report.calibration]) for name in _BAND}
    top = min(1.0, 1.08 * max(columns["high"].max(), columns["predicted"].max()))
    axes.plot([0, top], [0, top], color=_GREY, linewidth=0.8, linestyle="--", label="perfect")
    axes.fill_between(
        columns["predicted"],
        columns["low"],
        columns["high"],
        color=_COLOURS[0],
        alpha=0.18,
        linewidth=0,
        label=f"{report.level:.0%} band",
    )
    axes.plot(columns["predicted"], columns["observed"], color=_COLOURS[0], marker="o", markersize=4, label="observed")
    _label(axes, f"Churn within {report.horizon:g} {report.unit}, tenths of the rows", "predicted", "observed")
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.legend(loc="upper left", frameon=False, fontsize=8)


_BAND = ("predicted", "observed", "low", "high")


def _label(axes: Any, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
