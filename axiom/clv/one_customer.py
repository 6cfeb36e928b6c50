"""One customer at a time, fast: what `HistoryForecast` says of many, for a fitted model over one horizon."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from axiom.clv.beta_geo import BetaGeo
from axiom.clv.one_future import GeometricFuture, OneFuture, ParetoFuture
from axiom.clv.one_spend import log_quantiles
from axiom.clv.pareto_nbd import ParetoNBD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.clv.base import TransactionModel
    from axiom.clv.gamma_gamma import GammaGamma

# As the batch path has it: beyond, a quantile hangs on the last digits of P(no purchase).
_LEAST_LEVEL = 1e-9


class Outlook(NamedTuple):
    """One customer's future; see `ClvPrediction`. Money is None where there is no spend model."""

    p_alive: float
    expected_purchases: float
    p_no_purchase: float
    mean: float | None
    quantiles: tuple[float, ...] | None


class OneCustomer:
    """BG/NBD, MBG/NBD or Pareto/NBD over one horizon, with Gamma-Gamma or without.

    Agrees with the batch path to 1e-9 relative, quantiles to 1e-6, which is how far the batch path solves them.

    Args:
        purchases: fitted.
        spend: fitted, or None.
        t: the horizon, > 0, in the unit of `purchases`.
        levels: of the quantiles of spend, in (0, 1).

    Raises:
        ValueError: another family, or a regression.
    """

    def __init__(
        self, purchases: TransactionModel, spend: GammaGamma | None, t: float, levels: Sequence[float]
    ) -> None:
        self._future = one_future(purchases, t)
        self._levels = [float(level) for level in levels]
        self._spend = spend is not None
        if spend is not None:
            ln_p, ln_excess, ln_m = spend.theta_.tolist()
            self._p, self._q, self._gamma = (float(value) for value in np.exp(spend.log_natural(spend.theta_)))
            self._weight, self._mean = math.exp(ln_p - ln_excess), math.exp(ln_m)

    def outlook(self, x: float, t_x: float, T: float, mean_spend: float) -> Outlook | None:
        """The future of a customer; None where the batch path has to say it (hundreds of purchases in the horizon).

        Args:
            x: repeat purchases, a whole number >= 0.
            t_x: time of the last one, 0 < t_x <= T, 0 where x = 0.
            T: age, >= 0.
            mean_spend: of the repeat purchases; NaN, or not positive, where it is unknown.

        Raises:
            ValueError: a history that cannot be.
        """
        check_history(x, t_x, T)
        future = self._future.of(x, t_x, T)
        if future is None:
            return None
        some = future.some
        if not self._spend:
            return Outlook(future.alive, future.mean, 1.0 - some, None, None)
        amount = mean_spend if x > 0 and 0.0 < mean_spend < math.inf else self._mean
        trust = self._weight * x
        value = (self._mean + trust * amount) / (1.0 + trust)
        nothing = 1.0 - some
        inner = [(level - nothing) / some for level in self._levels if level > nothing]
        inner = [min(max(level, _LEAST_LEVEL), 1.0 - _LEAST_LEVEL) for level in inner]
        quantiles = [0.0] * len(self._levels)
        if inner:
            scale = self._gamma + (x * amount if x > 0 else 0.0)
            logs = iter(log_quantiles(future.mass, self._p, self._q + self._p * x, inner))
            for place, level in enumerate(self._levels):
                if level > nothing:
                    quantiles[place] = math.exp(next(logs)) * scale
        return Outlook(future.alive, future.mean, nothing, future.mean * value, tuple(quantiles))


def one_future(purchases: TransactionModel, t: float) -> OneFuture:
    """The one-customer path of a fitted purchase model.

    Raises:
        ValueError: it has none.
    """
    theta = purchases.theta_
    if theta.ndim == 1 and isinstance(purchases, BetaGeo):
        return GeometricFuture(theta, purchases.first_coins, t)
    if isinstance(purchases, ParetoNBD):
        return ParetoFuture(theta, t)
    raise ValueError(f"{purchases.name} has no one-customer path")


def check_history(x: float, t_x: float, T: float) -> None:
    """The rules of `check_histories` for one customer.

    Raises:
        ValueError: a rule is broken; the message names it.
    """
    if not (0.0 <= x < math.inf and 0.0 <= t_x <= T < math.inf):
        raise ValueError(f"x = {x:g}, t_x = {t_x:g}, T = {T:g}: they must be finite with x >= 0 and 0 <= t_x <= T")
    if x != math.floor(x):
        raise ValueError(f"x = {x:g} (repeat purchases) must be a whole number")
    if (x > 0) != (t_x > 0):
        raise ValueError(f"x = {x:g} but t_x = {t_x:g}: t_x is 0 exactly where x is")
