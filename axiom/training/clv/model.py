"""The fitted CLV model that is registered and scored: a fitted candidate, and the levels that make intervals honest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.errors import CorruptError, MisuseError
from axiom.maths.forecast import LevelMap
from axiom.training.clv.candidates import candidate
from axiom.training.clv.series import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from axiom.maths.arrays import FloatArray
    from axiom.training.clv.candidate import FittedCandidate
    from axiom.training.clv.rows import RfmArrays

FORMAT = 1
NOMINAL = (0.05, 0.5, 0.95)


@dataclass(frozen=True, eq=False)
class ClvPrediction:
    """What the model says of n customers over its horizon; all arrays have shape (n,).

    Attributes:
        p_alive: probability of being a customer still at the cut-off.
        expected_purchases: E[purchases in the horizon].
        p_no_purchase: P(no purchase in the horizon): churn with no training.
        clv_mean: expected spend in the horizon; NaN where the data have no amounts.
        clv_quantiles: spend at the three nominal levels 0.05, 0.5, 0.95, shape (3, n), recalibrated; NaN likewise.
    """

    p_alive: FloatArray
    expected_purchases: FloatArray
    p_no_purchase: FloatArray
    clv_mean: FloatArray
    clv_quantiles: FloatArray


@dataclass(frozen=True, eq=False)
class ClvModel:
    """A fitted candidate, and the horizon it is asked about.

    Attributes:
        family: name of the candidate.
        fitted: the candidate.
        horizon_days: the horizon in days.
        purchase_levels: nominal level -> the level whose quantile of purchases covered it on the previous origin.
        spend_levels: likewise of money.
    """

    family: str
    fitted: FittedCandidate
    horizon_days: int
    purchase_levels: LevelMap = IDENTITY
    spend_levels: LevelMap = IDENTITY

    @property
    def features(self) -> tuple[str, ...]:
        """Feature columns it reads besides the RFM summary; empty for the probabilistic families."""
        return self.fitted.features

    def predict(
        self, rfm: RfmArrays, features: pa.Table | None = None, *, horizon_days: int | None = None
    ) -> ClvPrediction:
        """Predict for n customers; identical histories are computed once.

        Args:
            rfm: their summaries at one cut-off.
            features: n rows with the columns of `features`; not needed where these are none.
            horizon_days: another horizon than the one the model was registered for. Its quantiles are at the levels
                learnt for the registered one.

        Raises:
            BadInputError: a feature is missing, or the family knows its own horizon only.
        """
        forecast = self.fitted.forecast(rfm, features, self.horizon_days if horizon_days is None else horizon_days)
        p_none = 1.0 - forecast.tail(np.ones(len(rfm)))
        mean = forecast.expected_spend
        if mean is None:
            nothing = np.full(len(rfm), np.nan)
            return ClvPrediction(
                forecast.p_alive, forecast.expected_purchases, p_none, nothing, np.tile(nothing, (len(NOMINAL), 1))
            )
        quantiles = forecast.spend_quantiles(self.spend_levels.level(NOMINAL).tolist())
        return ClvPrediction(forecast.p_alive, forecast.expected_purchases, p_none, mean, quantiles)

    def purchase_quantiles(
        self, rfm: RfmArrays, features: pa.Table | None = None, levels: Sequence[float] = NOMINAL
    ) -> FloatArray:
        """Recalibrated quantiles of the purchases in the horizon, shape (levels, n)."""
        asked = self.purchase_levels.level(levels).tolist()
        return self.fitted.forecast(rfm, features, self.horizon_days).purchase_quantiles(asked)

    def to_files(self) -> dict[str, bytes]:
        """The model as named files; nothing in them is code."""
        about = {
            "format": FORMAT,
            "family": self.family,
            "horizon_days": self.horizon_days,
            "purchase_levels": self.purchase_levels.to_dict(),
            "spend_levels": self.spend_levels.to_dict(),
        }
        return {"clv.json": json.dumps(about, indent=1).encode(), **self.fitted.to_files()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> ClvModel:
        """Read the files of `to_files` back.

        Raises:
            CorruptError: a file is missing or says something this version cannot read.
        """
        try:
            about = json.loads(files["clv.json"])
            _check_format(about["format"])
            family = str(about["family"])
            return cls(
                family,
                candidate(family).load(files),
                int(about["horizon_days"]),
                LevelMap.from_dict(about["purchase_levels"]),
                LevelMap.from_dict(about["spend_levels"]),
            )
        except (KeyError, ValueError, TypeError, MisuseError) as error:
            raise CorruptError(f"the files of the CLV model cannot be read: {error}") from error


def _check_format(found: Any) -> None:
    if found != FORMAT:
        raise CorruptError("the CLV model was written by a newer Axiom", hint="upgrade Axiom")
