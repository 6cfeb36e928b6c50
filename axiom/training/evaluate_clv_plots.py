"""Pictures of a CLV evaluation as PNG, each version's at the latest cut-off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axiom.training.clv.plots import count_plot, decile_plot, pit_plot

if TYPE_CHECKING:
    from axiom.training.evaluate_clv import ClvEvaluation

_PICTURES = {"deciles": decile_plot, "counts": count_plot, "pit": pit_plot}


def evaluation_plots(evaluation: ClvEvaluation) -> dict[str, bytes]:
    """`deciles-NAME`, `counts-NAME` and `pit-NAME` of every version: name -> PNG."""
    found: dict[str, bytes] = {}
    for version in evaluation.versions:
        report = {"champion": version.name, "horizon_days": evaluation.horizon_days, "latest": version.latest}
        found |= {f"{name}-{version.name}": draw(report) for name, draw in _PICTURES.items()}
    return found
