"""Score sets in numbers. They never change, so each is read once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from axiom.lake import Lake

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Figures(NamedTuple):
    """One score set. Money is in the lake's currency; None where nothing was scored.

    Attributes:
        customers: how many.
        churn_rate: mean P(churn).
        clv_total: sum of the expected values.
        clv_mean: their mean.
        clv_median: their median.
        expected_loss: sum of the money at risk.
    """

    customers: int
    churn_rate: float | None
    clv_total: float | None
    clv_mean: float | None
    clv_median: float | None
    expected_loss: float | None


@lru_cache(maxsize=512)
def figures_of(lake: Lake, score_set_id: str) -> Figures:
    """A score set in numbers.

    Raises:
        NotFoundError: its dataset is gone.
    """
    import pyarrow.compute as pc

    table = lake.dataset("scores", score_set_id).read(["p_churn", "clv_mean", "expected_loss"])
    value = table["clv_mean"]
    median = pc.quantile(value, 0.5)[0].as_py() if len(value) > value.null_count else None
    return Figures(
        customers=table.num_rows,
        churn_rate=_finite(pc.mean(table["p_churn"]).as_py()),
        clv_total=_finite(pc.sum(value).as_py()),
        clv_mean=_finite(pc.mean(value).as_py()),
        clv_median=_finite(median),
        expected_loss=_finite(pc.sum(table["expected_loss"]).as_py()),
    )


@lru_cache(maxsize=64)
def distribution_of(lake: Lake, score_set_id: str, column: str, bins: int) -> dict[str, Any]:
    """Histogram and quantiles of a column. The last bin takes everything beyond the 99th percentile.

    Raises:
        NotFoundError: the dataset of the score set is gone.
    """
    import numpy as np

    table = lake.dataset("scores", score_set_id).read([column])
    values = table[column].to_numpy().astype(float)
    known = values[np.isfinite(values)]
    found: dict[str, Any] = {"customers": len(known), "missing": len(values) - len(known), "mean": None}
    if not len(known):
        return found | {"quantiles": {}, "bins": []}
    low, high = float(min(known.min(), 0.0)), float(np.quantile(known, 0.99))
    edges = np.linspace(low, high if high > low else low + 1.0, bins + 1)
    counts, _ = np.histogram(np.clip(known, edges[0], edges[-1]), edges)
    bars = [
        {"low": float(a), "high": float(b), "customers": int(count)}
        for a, b, count in zip(edges, edges[1:], counts, strict=False)
    ]
    bars[-1]["high"] = max(bars[-1]["high"], float(known.max()))
    quantiles = {f"p{round(100 * q):02d}": float(np.quantile(known, q)) for q in _QUANTILES}
    return found | {"mean": float(known.mean()), "quantiles": quantiles, "bins": bars}


def _finite(value: float | None) -> float | None:
    return None if value is None or value != value or value in (float("inf"), float("-inf")) else value
