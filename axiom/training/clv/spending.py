"""Gamma-Gamma on RFM summaries: who it may learn from, and what it says of those whose spend is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from axiom.clv import GammaGamma

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.clv.base import TransactionModel
    from axiom.maths.arrays import FloatArray
    from axiom.training.clv.rows import RfmArrays

FEWEST_BUYERS = 2


def fit_spend(rfm: RfmArrays, max_correlation: float) -> tuple[GammaGamma | None, float | None, tuple[str, ...]]:
    """Fit to the repeat buyers whose spend is known.

    Args:
        rfm: n customers.
        max_correlation: |correlation of purchases and mean spend| beyond which the fit warns.

    Returns:
        The model, the correlation, and warnings. No model where fewer than two repeat buyers have a known spend; with a
        warning unless nobody has.
    """
    known = rfm[rfm.spenders]
    if len(known) < FEWEST_BUYERS:
        return None, None, told_few(len(known))
    model = GammaGamma(correlation_limit=max_correlation).fit(known.x, known.mean_spend)
    return model, model.correlation_, told_silent(int((rfm.x > 0).sum()) - len(known))


def told_few(known: int) -> tuple[str, ...]:
    """The warning about too few repeat buyers to learn spend from; none where the data have no amounts at all."""
    return (
        (f"no forecast of money: {known} repeat buyer has a known spend, {FEWEST_BUYERS} are needed",) if known else ()
    )


def told_silent(silent: int) -> tuple[str, ...]:
    """The warning about repeat buyers without a known spend."""
    return (f"the population's mean spend stands in for that of {silent} repeat buyers, unknown",) if silent else ()


def expected_per_purchase(model: GammaGamma, rfm: RfmArrays) -> FloatArray:
    """E[value of one future purchase], shape (n,)."""
    return model.expected_spend(rfm.x, _mean_spend(model, rfm))


def spend_cdf(
    model: GammaGamma, purchases: TransactionModel, rfm: RfmArrays, t: FloatArray | float, spend: FloatArray
) -> FloatArray:
    """P(W <= spend) over the horizon t, one value a customer, shape (n,)."""
    return np.asarray(
        model.value_cdf(spend, purchases, t, rfm.x, rfm.t_x, rfm.T, _mean_spend(model, rfm)), dtype=np.float64
    )


def spend_quantiles(
    model: GammaGamma, purchases: TransactionModel, rfm: RfmArrays, t: FloatArray | float, levels: Sequence[float]
) -> FloatArray:
    """Quantiles of W over the horizon t, shape (levels, n)."""
    asked = np.asarray(levels, dtype=np.float64)
    return model.value_quantile(asked, purchases, t, rfm.x, rfm.t_x, rfm.T, _mean_spend(model, rfm))


def _mean_spend(model: GammaGamma, rfm: RfmArrays) -> FloatArray:
    """Mean spend, the population's where it is unknown: the expected spend then is the population's too."""
    return np.where(rfm.spenders, rfm.mean_spend, model.population_mean_)
