"""The fitted CLV model that is registered and scored: purchases, spend, and the levels that make its intervals honest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.clv import BetaGeo, GammaGamma, ModifiedBetaGeo, ParetoNBD
from axiom.errors import CorruptError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.clv.base import TransactionModel
    from axiom.maths.arrays import BoolArray, FloatArray

FORMAT = 1
PURCHASE_MODELS: dict[str, type[TransactionModel]] = {
    "bg_nbd": BetaGeo,
    "mbg_nbd": ModifiedBetaGeo,
    "pareto_nbd": ParetoNBD,
}
NOMINAL = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class RfmArrays:
    """The RFM summary of n customers at one cut-off, times in days.

    Attributes:
        x: repeat purchases, shape (n,).
        t_x: day of the last purchase since the first.
        T: age at the cut-off.
        mean_spend: mean net amount of the repeat purchases; NaN where there is none.
    """

    x: FloatArray
    t_x: FloatArray
    T: FloatArray
    mean_spend: FloatArray

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: Any) -> RfmArrays:
        return RfmArrays(*(column[rows] for column in (self.x, self.t_x, self.T, self.mean_spend)))

    @property
    def spenders(self) -> BoolArray:
        """Rows whose spend the Gamma-Gamma model can learn from: repeat purchases and a positive mean."""
        return np.asarray((self.x > 0) & np.isfinite(self.mean_spend) & (self.mean_spend > 0))


@dataclass(frozen=True)
class ClvPrediction:
    """What the model says of n customers over its horizon; all arrays have shape (n,).

    Attributes:
        p_alive: probability of being a customer still at the cut-off.
        expected_purchases: E[purchases in the horizon].
        p_no_purchase: P(no purchase in the horizon): churn with no training.
        clv_mean: expected spend in the horizon; NaN where the data have no amounts.
        clv_quantiles: spend at the three nominal levels 0.05, 0.5, 0.95, shape (3, n), recalibrated.
    """

    p_alive: FloatArray
    expected_purchases: FloatArray
    p_no_purchase: FloatArray
    clv_mean: FloatArray
    clv_quantiles: FloatArray


@dataclass(frozen=True)
class ClvModel:
    """A purchase model, an optional spend model, and the horizon they are asked about.

    Attributes:
        family: key of `PURCHASE_MODELS`.
        purchases: the fitted purchase model, in days.
        spend: the fitted Gamma-Gamma model; None where the data have no amounts.
        horizon_days: the horizon in days.
        levels: for each nominal level the level whose quantile covered it on the previous rolling origin.
    """

    family: str
    purchases: TransactionModel
    spend: GammaGamma | None
    horizon_days: int
    levels: tuple[float, float, float] = NOMINAL

    def predict(self, rfm: RfmArrays, *, horizon_days: int | None = None) -> ClvPrediction:
        """Predict for n customers; identical histories are computed once.

        Args:
            rfm: their summaries at one cut-off.
            horizon_days: another horizon than the one the model was registered for.
        """
        t = float(self.horizon_days if horizon_days is None else horizon_days)
        history, back = _distinct(rfm.x, rfm.t_x, rfm.T)
        p_alive = self.purchases.probability_alive(*history)[back]
        expected = self.purchases.expected_purchases(t, *history)[back]
        p_none = 1.0 - self.purchases.tail(1, t, *history)[back]
        if self.spend is None:
            nothing = np.full(len(rfm), np.nan)
            return ClvPrediction(p_alive, expected, p_none, nothing, np.tile(nothing, (3, 1)))
        # Customers with no repeat purchase of positive value have told nothing of their spend: the population speaks.
        known = rfm.spenders
        x = np.where(known, rfm.x, 0.0)
        mean_spend = np.where(known, rfm.mean_spend, 0.0)
        clv_mean = expected * self.spend.expected_spend(x, mean_spend)
        quantiles = self.spend.value_quantile(
            np.asarray(self.levels), self.purchases, t, rfm.x, rfm.t_x, rfm.T, mean_spend
        )
        return ClvPrediction(p_alive, expected, p_none, clv_mean, quantiles)

    def to_files(self) -> dict[str, bytes]:
        """The model as named JSON files."""
        about = {"format": FORMAT, "family": self.family, "horizon_days": self.horizon_days, "levels": self.levels}
        files = {"clv.json": json.dumps(about, indent=1), "purchases.json": self.purchases.to_json()}
        if self.spend is not None:
            files["spend.json"] = self.spend.to_json()
        return {name: text.encode() for name, text in files.items()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> ClvModel:
        """Read the files of `to_files` back.

        Raises:
            CorruptError: a file is missing or says something this version cannot read.
        """
        try:
            about = json.loads(files["clv.json"])
            if about["format"] != FORMAT:
                raise CorruptError("the CLV model was written by a newer Axiom", hint="upgrade Axiom")
            family = str(about["family"])
            purchases = PURCHASE_MODELS[family].from_json(files["purchases.json"].decode())
            spend = GammaGamma.from_json(files["spend.json"].decode()) if "spend.json" in files else None
            low, middle, high = (float(level) for level in about["levels"])
            return cls(family, purchases, spend, int(about["horizon_days"]), (low, middle, high))
        except (KeyError, ValueError, TypeError) as error:
            raise CorruptError(f"the files of the CLV model cannot be read: {error}") from error


def _distinct(*columns: FloatArray) -> tuple[list[FloatArray], Any]:
    """Distinct rows of equally long columns, and the index that restores all rows."""
    rows = np.ascontiguousarray(np.column_stack(columns))
    # One opaque key a row: numpy sorts it several times faster than it compares rows column by column.
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, first, back = np.unique(keys, return_index=True, return_inverse=True)
    return [column[first] for column in columns], back
