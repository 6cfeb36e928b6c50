"""The report of a backtest and a training: one JSON-ready dictionary that Markdown and plots are made from."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.maths.forecast import decile_table, pit_histogram, pit_test
from axiom.training.clv.rows import RfmArrays
from axiom.training.clv.series import PURCHASES, SPEND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.maths.arrays import FloatArray
    from axiom.maths.forecast import LevelMap
    from axiom.training.clv.model import ClvModel
    from axiom.training.clv.result import ClvBacktest, JudgedPart
    from axiom.training.clv.rows import Snapshot
    from axiom.training.clv.tracking import Tracking

_PIT_BINS = 20
_MATRIX_STEPS = 60
_MOST_PURCHASES = 25


def backtest_report(backtest: ClvBacktest) -> dict[str, Any]:
    """The backtest, with the champion at the latest origin looked at closely.

    Besides `ClvBacktest.to_dict`: `latest` with `as_of`, `rows`, `deciles` of purchases and spend, `counts` of
    customers with 0, 1, … purchases, and `pit` histograms (1 = uniform) of the model's own intervals and, where an
    earlier origin taught levels, of the recalibrated ones.
    """
    as_of = backtest.as_ofs[-1]
    rows = backtest.judged[backtest.champion, as_of]
    parts = {what: part for what, part in ((PURCHASES, rows.purchases), (SPEND, rows.spend)) if part is not None}
    levels = backtest.levels[backtest.champion, as_of]
    return {
        **backtest.to_dict(),
        "latest": {
            "as_of": as_of,
            "rows": backtest.rows[as_of],
            "deciles": {what: _deciles(part) for what, part in parts.items()},
            "counts": [asdict(row) for row in rows.counts],
            "pit": {what: _pit(part, levels.get(what)) for what, part in parts.items()},
        },
    }


def training_report(
    model: ClvModel,
    current: Snapshot,
    backtest: ClvBacktest | None,
    tracking: Tracking | None,
    warnings: Sequence[str],
) -> dict[str, Any]:
    """The backtest's report, and what was fitted to the customers of today.

    `model` (family, parameters, levels), `fitted_at`, `customers`, `backtest` or None, `tracking` or None, `matrix` of
    P(alive) and E[purchases] over frequency and recency or None (models that read features have none), `warnings`.
    """
    nominal = (0.05, 0.5, 0.95)
    return {
        "kind": "clv",
        "model": {
            "family": model.family,
            "horizon_days": model.horizon_days,
            "fit": dict(model.fitted.summary),
            "levels": {
                "nominal": list(nominal),
                PURCHASES: model.purchase_levels.level(nominal).tolist(),
                SPEND: model.spend_levels.level(nominal).tolist() if model.fitted.has_spend else None,
            },
        },
        "fitted_at": current.as_of.isoformat(),
        "customers": len(current),
        "backtest": backtest_report(backtest) if backtest else None,
        "tracking": tracking.to_dict() if tracking else None,
        "matrix": frequency_recency(model, current.rfm) if not model.features else None,
        "warnings": list(warnings),
    }


def frequency_recency(model: ClvModel, rfm: RfmArrays) -> dict[str, Any]:
    """P(alive) and E[purchases in the horizon] of repeat buyers of the population's greatest age.

    Returns:
        `x` (columns), `t_x` (rows, days), `T`, and the matrices `p_alive` and `expected_purchases`, (rows, columns).
    """
    age = float(rfm.T.max())
    most = int(np.clip(np.quantile(rfm.x, 0.99), 5, _MOST_PURCHASES))
    x = np.arange(1.0, most + 1.0)
    t_x = np.linspace(age / _MATRIX_STEPS, age, _MATRIX_STEPS)
    grid_t, grid_x = (part.ravel() for part in np.meshgrid(t_x, x, indexing="ij"))
    cells = RfmArrays(grid_x, grid_t, np.full(grid_x.size, age), np.full(grid_x.size, np.nan))
    forecast = model.fitted.forecast(cells, None, model.horizon_days)
    shape = (t_x.size, x.size)
    return {
        "x": x.tolist(),
        "t_x": t_x.tolist(),
        "T": age,
        "p_alive": forecast.p_alive.reshape(shape).tolist(),
        "expected_purchases": forecast.expected_purchases.reshape(shape).tolist(),
    }


def _deciles(part: JudgedPart) -> list[dict[str, Any]]:
    return [asdict(row) for row in decile_table(part.actual, part.expected)]


def _pit(part: JudgedPart, levels: LevelMap | None) -> dict[str, Any]:
    own = {"own": _histogram(part.pit)}
    if levels is None:
        return own
    # The recalibrated distribution is the map's inverse of the model's own, so its PIT is too.
    return own | {"recalibrated": _histogram(np.interp(part.pit, levels.adjusted, levels.nominal))}


def _histogram(pit: FloatArray) -> dict[str, Any]:
    return {"heights": pit_histogram(pit, _PIT_BINS).tolist(), "rows": pit.size, **asdict(pit_test(pit))}
