"""The report's plots as PNG bytes, drawn from the JSON-ready dictionaries of `axiom.training.clv.report`."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLUE, _ORANGE, _GREY = "#1f5fa8", "#d9730d", "#6b6b6b"


def training_plots(report: Mapping[str, Any]) -> dict[str, bytes]:
    """All plots that a training's report has data for: file name without ending -> PNG."""
    drawn = backtest_plots(report["backtest"]) if report["backtest"] is not None else {}
    if report["tracking"] is not None:
        drawn["tracking"] = tracking_plot(report["tracking"])
    if report["matrix"] is not None:
        drawn["frequency_recency"] = matrix_plot(report["matrix"], report["model"])
    return drawn


def backtest_plots(report: Mapping[str, Any]) -> dict[str, bytes]:
    """`deciles`, `counts` and `pit` of the champion at the latest origin: name -> PNG."""
    return {"deciles": decile_plot(report), "counts": count_plot(report), "pit": pit_plot(report)}


def tracking_plot(tracking: Mapping[str, Any]) -> bytes:
    """Cumulative repeat purchases, actual and expected; what lies right of the line the model had not seen."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        moments = np.array(tracking["until"], dtype="datetime64[D]")
        marker = "o" if tracking["every"] == "cut-off" else None
        axes.plot(moments, tracking["actual"], color=_BLUE, lw=2, marker=marker, label="actual")
        axes.plot(
            moments,
            tracking["expected"],
            color=_ORANGE,
            lw=2,
            ls="--",
            marker=marker,
            label=f"expected, {tracking['model']}",
        )
        fitted_at: Any = np.datetime64(tracking["fitted_at"])
        axes.axvline(fitted_at, color=_GREY, lw=1, ls=":")
        late = fitted_at > moments[0] + (moments[-1] - moments[0]) / 2
        axes.annotate(
            " fitted up to here ",
            (fitted_at, 0.03),
            xycoords=("data", "axes fraction"),
            color=_GREY,
            ha="right" if late else "left",
        )
        error = tracking["expected"][-1] / tracking["actual"][-1] - 1 if tracking["actual"][-1] else None
        told = "" if error is None else f"; at the end the model is off by {error:+.1%}"
        _label(
            axes,
            f"Repeat purchases of all customers, a point a {tracking['every']}{told}",
            "",
            "cumulative repeat purchases",
        )
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, loc="upper left")
        figure.autofmt_xdate(rotation=30)

    return _png(draw, (9, 4.8))


def decile_plot(report: Mapping[str, Any]) -> bytes:
    """Mean forecast and mean outcome of customers in ten groups by forecast, purchases and spend."""
    deciles = report["latest"]["deciles"]

    def draw(figure: Figure) -> None:
        for axes, (what, rows) in zip(np.atleast_1d(figure.subplots(1, len(deciles))), deciles.items(), strict=True):
            place = np.arange(len(rows))
            axes.bar(place - 0.2, [row["mean_actual"] for row in rows], 0.4, color=_BLUE, label="actual")
            axes.bar(place + 0.2, [row["mean_predicted"] for row in rows], 0.4, color=_ORANGE, label="expected")
            axes.set_xticks(place, [str(row["group"]) for row in rows])
            unit = "purchases" if what == "purchases" else "money"
            _label(
                axes,
                f"{what.capitalize()}, {report['champion']}: {report['horizon_days']} days after "
                f"{report['latest']['as_of'][:10]}",
                "decile of the forecast (1 = highest)",
                f"mean {unit} a customer",
            )
            axes.legend(frameon=False)

    return _png(draw, (5.2 * len(deciles), 4.4))


def count_plot(report: Mapping[str, Any]) -> bytes:
    """Customers with 0, 1, … purchases: observed, and expected with the range that chance alone allows."""
    rows = report["latest"]["counts"]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        place = np.arange(len(rows))
        expected = np.array([row["expected"] for row in rows])
        spread = 1.96 * np.array([row["standard_deviation"] for row in rows])
        axes.bar(place, [row["observed"] for row in rows], 0.7, color=_BLUE, alpha=0.75, label="observed")
        low = np.minimum(spread, expected - np.minimum(expected, 0.5))
        axes.errorbar(
            place, expected, [low, spread], fmt="o", color=_ORANGE, capsize=4, lw=1.5, label="expected, 95 % by chance"
        )
        axes.set_xticks(place, [row["purchases"] for row in rows])
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.5)
        days, as_of = report["horizon_days"], report["latest"]["as_of"][:10]
        _label(
            axes,
            f"Calibration of counts: {report['champion']}, {days} days after {as_of}",
            "purchases",
            "customers (log scale)",
        )
        axes.legend(frameon=False)

    return _png(draw, (7.5, 4.6))


def pit_plot(report: Mapping[str, Any]) -> bytes:
    """PIT histograms; flat is honest, a hump means intervals too wide, a valley too narrow."""
    pits = report["latest"]["pit"]

    def draw(figure: Figure) -> None:
        axes_of = np.atleast_1d(figure.subplots(1, len(pits), sharey=True))
        for axes, (what, kinds) in zip(axes_of, pits.items(), strict=True):
            own = kinds["own"]
            edges = np.linspace(0, 1, len(own["heights"]) + 1)
            axes.stairs(own["heights"], edges, color=_BLUE, fill=True, alpha=0.5, label="model's own")
            if "recalibrated" in kinds:
                axes.stairs(kinds["recalibrated"]["heights"], edges, color=_ORANGE, lw=2, label="recalibrated")
            axes.axhline(1, color=_GREY, lw=1, ls=":")
            band = 1.96 * np.sqrt((len(own["heights"]) - 1) / own["rows"])
            axes.axhspan(1 - band, 1 + band, color=_GREY, alpha=0.15, lw=0, label="95 % by chance")
            _label(
                axes,
                f"{what.capitalize()}, {report['champion']}: KS distance {own['ks_statistic']:.3f}",
                "randomised PIT (share of the forecast below the outcome)",
                "relative frequency (1 = uniform)",
            )
            axes.set_xlim(0, 1)
            axes.legend(frameon=False, loc="lower center")
        axes_of[0].set_ylim(bottom=0)

    return _png(draw, (5.4 * len(pits), 4.4))


def matrix_plot(matrix: Mapping[str, Any], model: Mapping[str, Any]) -> bytes:
    """P(alive) and expected purchases by frequency and recency, of customers of one age."""
    titles = {
        "p_alive": f"P(still a customer), {model['family']}",
        "expected_purchases": f"Expected purchases in {model['horizon_days']} days",
    }

    def draw(figure: Figure) -> None:
        for axes, (name, title) in zip(figure.subplots(1, 2, sharey=True), titles.items(), strict=True):
            x = matrix["x"]
            extent = (x[0] - 0.5, x[-1] + 0.5, matrix["T"], 0.0)
            image = axes.imshow(
                np.array(matrix[name]), aspect="auto", extent=extent, cmap="viridis", interpolation="nearest"
            )
            if name == "p_alive":
                image.set_clim(0, 1)
            figure.colorbar(image, ax=axes)
            _label(axes, title, "repeat purchases", f"day of the last purchase (age {matrix['T']:.0f} days)")
            axes.yaxis.set_inverted(False)

    return _png(draw, (11, 4.8))


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)


def _png(draw: Callable[[Figure], None], size: tuple[float, float]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    draw(figure)
    out = io.BytesIO()
    # No software version in the file: the same report gives the same bytes.
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
