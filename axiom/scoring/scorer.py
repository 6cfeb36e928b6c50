"""The scorer: feature rows in, scores out. Batch and online call the same one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from axiom.errors import BadInputError, MisuseError
from axiom.training.clv.rows import RFM_COLUMNS, RfmArrays

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

    from axiom.maths.arrays import FloatArray
    from axiom.training.clv.model import ClvModel, ClvPrediction


class ChurnPredictor(Protocol):
    """A fitted, calibrated churn model."""

    @property
    def features(self) -> tuple[str, ...]:
        """Feature columns it reads."""
        ...

    def predict_proba(self, X: pa.Table) -> FloatArray:
        """Calibrated churn probabilities of n feature rows, shape (n,)."""
        ...


@dataclass(frozen=True)
class Scorer:
    """A churn model, a CLV model, or both, with the names their scores carry.

    Attributes:
        churn: the churn model, or None.
        clv: the CLV model, or None.
        churn_version: `name@version` of the churn model, "" where there is none.
        clv_version: likewise.
    """

    churn: ChurnPredictor | None
    clv: ClvModel | None
    churn_version: str = ""
    clv_version: str = ""

    def __post_init__(self) -> None:
        if self.churn is None and self.clv is None:
            raise MisuseError("there is no model to score with", hint="run `axiom train churn` or `axiom train clv`")

    @property
    def columns(self) -> list[str]:
        """Feature columns to read: the customer, and what the models look at."""
        wanted = ["customer_id", *(self.churn.features if self.churn else ())]
        if self.clv is not None:
            wanted += [*RFM_COLUMNS, *self.clv.features]
        return list(dict.fromkeys(wanted))

    def score(self, features: pa.Table, *, as_of: datetime, scored_at: datetime) -> pa.Table:
        """Score n feature rows of one cut-off.

        Args:
            features: the columns of `columns`, n rows.
            as_of: the cut-off of the features.
            scored_at: now.

        Returns:
            n rows: `customer_id`, `as_of`, `churn_model`, `clv_model`, `p_churn`, `p_alive`, `expected_purchases`,
            `clv_mean`, `clv_p05`, `clv_p50`, `clv_p95`, `expected_loss` (= p_churn x clv_mean), `scored_at`. What a
            missing model would have said is null; so is the CLV of customers who have never bought.

        Raises:
            BadInputError: a model gave a probability outside [0, 1] or a value that is not finite.
        """
        import pyarrow as pa

        n = features.num_rows
        nothing = np.full(n, np.nan)
        p_churn = (
            nothing if self.churn is None else self.churn.predict_proba(features.select(list(self.churn.features)))
        )
        values = self._clv(features)
        columns = {"p_churn": p_churn, **values, "expected_loss": p_churn * values["clv_mean"]}
        _check(columns, n)
        moment = pa.timestamp("us", "UTC")
        customers = features["customer_id"]
        return pa.table(
            {
                "customer_id": customers.cast(pa.string()),
                "as_of": pa.repeat(pa.scalar(as_of, moment), n),
                "churn_model": pa.repeat(pa.scalar(self.churn_version or None, pa.string()), n),
                "clv_model": pa.repeat(pa.scalar(self.clv_version or None, pa.string()), n),
                **{name: pa.array(column, pa.float64(), mask=np.isnan(column)) for name, column in columns.items()},
                "scored_at": pa.repeat(pa.scalar(scored_at, moment), n),
            }
        )

    def _clv(self, features: pa.Table) -> dict[str, FloatArray]:
        names = ("p_alive", "expected_purchases", "clv_mean", "clv_p05", "clv_p50", "clv_p95")
        values = {name: np.full(features.num_rows, np.nan) for name in names}
        if self.clv is None:
            return values
        rfm = rfm_of(features)
        bought = np.isfinite(rfm.x)
        if bought.any():
            read = features.select(list(self.clv.features)).filter(bought) if self.clv.features else None
            for name, column in _columns(self.clv.predict(rfm[bought], read)).items():
                values[name][bought] = column
        return values


def rfm_of(features: pa.Table) -> RfmArrays:
    """The RFM summary inside feature rows; NaN for customers who have never bought."""
    x, t_x, age, spend = (features[name].to_numpy().astype(np.float64) for name in RFM_COLUMNS)
    return RfmArrays(x, t_x, age, spend)


def _columns(prediction: ClvPrediction) -> dict[str, FloatArray]:
    low, middle, high = prediction.clv_quantiles
    return {
        "p_alive": prediction.p_alive,
        "expected_purchases": prediction.expected_purchases,
        "clv_mean": prediction.clv_mean,
        "clv_p05": low,
        "clv_p50": middle,
        "clv_p95": high,
    }


def _check(columns: dict[str, FloatArray], n: int) -> None:
    """A score that cannot be true never leaves: one bad row stops the run rather than reach a decision."""
    for name, column in columns.items():
        bad = np.isinf(column)
        if name.startswith("p_"):
            bad |= (column < 0) | (column > 1)
        if column.shape != (n,) or bad.any():
            row = int(np.argmax(bad)) if bad.any() else 0
            raise BadInputError(
                f"{name} of row {row} is {column[row] if len(column) > row else 'missing'}: not a valid score",
                hint="the features lie far outside what the model was trained on; look at them with `axiom sql`",
            )
