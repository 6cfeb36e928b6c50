"""The probabilistic candidates: BG/NBD, MBG/NBD and Pareto/NBD for purchases, each with Gamma-Gamma for money."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.clv import BetaGeo, GammaGamma, ModifiedBetaGeo, ParetoNBD
from axiom.clv.inputs import distinct_rows
from axiom.training.clv.candidate import Span
from axiom.training.clv.spending import expected_per_purchase, fit_spend, spend_cdf, spend_quantiles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from axiom.clv.base import TransactionModel
    from axiom.maths.arrays import FloatArray
    from axiom.training.clv.candidate import Known, Space
    from axiom.training.clv.rows import RfmArrays

PURCHASE_MODELS: dict[str, type[TransactionModel]] = {
    "bg_nbd": BetaGeo,
    "mbg_nbd": ModifiedBetaGeo,
    "pareto_nbd": ParetoNBD,
}
_TITLES = {"bg_nbd": "BG/NBD", "mbg_nbd": "MBG/NBD", "pareto_nbd": "Pareto/NBD"}
_RANKS = {"bg_nbd": 10, "mbg_nbd": 11, "pareto_nbd": 12}


@dataclass(frozen=True)
class Probabilistic:
    """A purchase model with Gamma-Gamma spend, fitted to the customers at the cut-off; it needs no past origins.

    Attributes:
        name: key of `PURCHASE_MODELS`.
        prior_sd: of the weak prior on the unit-free parameters.
        max_correlation: |correlation of purchases and mean spend| beyond which the fit is warned about.
    """

    name: str
    prior_sd: float = 4.0
    max_correlation: float = 0.3

    @property
    def title(self) -> str:
        """See `Candidate.title`."""
        return _TITLES[self.name]

    @property
    def rank(self) -> int:
        """See `Candidate.rank`."""
        return _RANKS[self.name]

    @property
    def params(self) -> dict[str, float]:
        """See `Candidate.params`."""
        return {"prior_sd": self.prior_sd, "max_correlation": self.max_correlation}

    @property
    def space(self) -> Space:
        """See `Candidate.space`."""
        return {"prior_sd": Span(0.5, 16.0, log=True)}

    def fit(self, known: Known) -> FittedProbabilistic:
        """Fit to the RFM summaries at the cut-off.

        Raises:
            ValueError: nobody repeats, one customer, nobody was observed for any time.
        """
        return self.fit_rfm(known.now.rfm)

    def fit_rfm(self, rfm: RfmArrays) -> FittedProbabilistic:
        """Fit to RFM summaries; the same errors as `fit`."""
        # Who was first seen at the cut-off itself teaches nothing, and every cut-off has some.
        seen = rfm[rfm.T > 0]
        purchases = self.purchase_model().fit(seen.x, seen.t_x, seen.T)
        spend, correlation, told = fit_spend(rfm, self.max_correlation)
        return FittedProbabilistic(self.name, purchases, spend, correlation, told)

    def purchase_model(self) -> TransactionModel:
        """The purchase model, not fitted yet."""
        return PURCHASE_MODELS[self.name](prior_sd=self.prior_sd)

    def load(self, files: Mapping[str, bytes]) -> FittedProbabilistic:
        """See `Candidate.load`."""
        return FittedProbabilistic.from_files(self.name, files)


@dataclass(frozen=True, eq=False)
class FittedProbabilistic:
    """A fitted purchase model and, where there are amounts, a fitted spend model.

    Attributes:
        name: key of `PURCHASE_MODELS`.
        purchases: in days.
        spend: None where the data have no amounts.
        correlation: of purchases and mean spend among repeat buyers; None where it is not defined.
        warnings: see `FittedCandidate.warnings`.
    """

    name: str
    purchases: TransactionModel
    spend: GammaGamma | None = None
    correlation: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def features(self) -> tuple[str, ...]:
        """None: the RFM summary is all it reads."""
        return ()

    @property
    def converged(self) -> bool:
        """Both models."""
        return self.purchases.converged_ and (self.spend is None or self.spend.converged_)

    @property
    def has_spend(self) -> bool:
        """Whether there were amounts."""
        return self.spend is not None

    @property
    def summary(self) -> dict[str, Any]:
        """Parameters, log likelihood and convergence of both models, and the spend/frequency correlation."""
        told: dict[str, Any] = {"purchases": _fit_of(self.purchases)}
        if self.spend is not None:
            told |= {"spend": _fit_of(self.spend), "spend_frequency_correlation": self.correlation}
        return told

    def forecast(self, rfm: RfmArrays, features: pa.Table | None, days: float) -> HistoryForecast:  # noqa: ARG002
        """See `FittedCandidate.forecast`; any horizon."""
        return HistoryForecast(self.purchases, self.spend, rfm, float(days))

    def to_files(self) -> dict[str, bytes]:
        """`fit.json`, `purchases.json` and, with amounts, `spend.json`."""
        about = {"correlation": self.correlation, "warnings": self.warnings}
        files = {"fit.json": json.dumps(about, indent=1), "purchases.json": self.purchases.to_json()}
        if self.spend is not None:
            files["spend.json"] = self.spend.to_json()
        return {name: text.encode() for name, text in files.items()}

    @classmethod
    def from_files(cls, name: str, files: Mapping[str, bytes]) -> FittedProbabilistic:
        """What `to_files` wrote.

        Raises:
            KeyError, ValueError, TypeError: a file is missing or unreadable.
        """
        about = json.loads(files["fit.json"])
        return cls(
            name,
            PURCHASE_MODELS[name].from_json(files["purchases.json"].decode()),
            GammaGamma.from_json(files["spend.json"].decode()) if "spend.json" in files else None,
            None if about["correlation"] is None else float(about["correlation"]),
            tuple(map(str, about["warnings"])),
        )


@dataclass(frozen=True, eq=False)
class HistoryForecast:
    """The forecast of models that read the history (x, t_x, T) alone; identical customers are computed once.

    Attributes:
        purchases: fitted, in days.
        spend: fitted, or None.
        rfm: n customers.
        days: the horizon.
    """

    purchases: TransactionModel
    spend: GammaGamma | None
    rfm: RfmArrays
    days: float

    @cached_property
    def p_alive(self) -> FloatArray:
        """See `Forecast`."""
        return self._once(self.purchases.probability_alive)

    @cached_property
    def expected_purchases(self) -> FloatArray:
        """See `Forecast`."""
        return self._once(lambda *history: self.purchases.expected_purchases(self.days, *history))

    @cached_property
    def expected_spend(self) -> FloatArray | None:
        """See `Forecast`."""
        if self.spend is None:
            return None
        return self.expected_purchases * expected_per_purchase(self.spend, self.rfm)

    def pmf(self, count: FloatArray) -> FloatArray:
        """See `Forecast`."""
        return self._once(lambda n, *history: self.purchases.purchase_pmf(n, self.days, *history), count)

    def tail(self, count: FloatArray) -> FloatArray:
        """See `Forecast`."""
        return self._once(lambda n, *history: self.purchases.tail(n, self.days, *history), count)

    def purchase_quantiles(self, levels: Sequence[float]) -> FloatArray:
        """See `Forecast`."""
        asked = np.asarray(levels, dtype=np.float64)
        return self._once(lambda *history: self.purchases.purchase_quantile(asked, self.days, *history))

    def spend_cdf(self, spend: FloatArray) -> FloatArray:
        """See `Forecast`."""
        return spend_cdf(self._known_spend, self.purchases, self.rfm, self.days, spend)

    def spend_quantiles(self, levels: Sequence[float]) -> FloatArray:
        """See `Forecast`."""
        return spend_quantiles(self._known_spend, self.purchases, self.rfm, self.days, levels)

    @property
    def _known_spend(self) -> GammaGamma:
        if self.spend is None:
            raise ValueError("there is no spend model: the data have no amounts")
        return self.spend

    def _once(self, function: Callable[..., Any], *more: FloatArray) -> FloatArray:
        columns = (*more, self.rfm.x, self.rfm.t_x, self.rfm.T)
        first, back = distinct_rows(*columns)
        found = np.asarray(function(*(column[first] for column in columns)), dtype=np.float64)
        return np.asarray(found[..., back])


def _fit_of(model: Any) -> dict[str, Any]:
    return {
        "model": model.name,
        "params": model.params_,
        "log_likelihood": model.log_likelihood_,
        "converged": model.converged_,
        "steps": model.n_iter_,
        "customers": model.customers_,
    }
