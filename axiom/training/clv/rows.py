"""What CLV models learn from and are judged on: customers at a cut-off, and what they did afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from axiom.errors import BadInputError, MisuseError
from axiom.training.splits import day, utc

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import pyarrow as pa

    from axiom.maths.arrays import BoolArray, FloatArray, IntArray

RFM_COLUMNS = ("x", "t_x", "T", "mean_spend")
DAY = timedelta(days=1)


@dataclass(frozen=True, eq=False)
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


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Customers as they are known at one cut-off; nothing of their future.

    Attributes:
        as_of: the cut-off, UTC.
        customer_id: text, shape (n,).
        rfm: their summaries.
        features: n rows of other columns, for the candidates that read some; or None.
    """

    as_of: datetime
    customer_id: npt.NDArray[np.object_]
    rfm: RfmArrays
    features: pa.Table | None = None

    def __post_init__(self) -> None:
        _same_rows(self, {"rfm": self.rfm, "features": self.features})

    def __len__(self) -> int:
        return len(self.rfm)

    def rows(self, index: IntArray) -> Snapshot:
        """The rows of an index array (m,)."""
        import pyarrow as pa

        features = None if self.features is None else self.features.take(pa.array(index))
        return Snapshot(self.as_of, self.customer_id[index], self.rfm[index], features)


@dataclass(frozen=True, eq=False)
class Origin:
    """One rolling origin: customers at a cut-off, and what they did in `[as_of, as_of + horizon)`.

    Attributes:
        as_of: the cut-off, UTC.
        customer_id: text, shape (n,).
        rfm: their summaries at the cut-off.
        purchases: purchase days in the label window, whole numbers, shape (n,).
        spend: their money, shape (n,), NaN where it is unknown; None where the data have no amounts.
        features: n rows of other columns at the cut-off; or None.

    Raises:
        BadInputError: lengths differ, an outcome is missing or impossible; the message names the rows.
    """

    as_of: datetime
    customer_id: npt.NDArray[np.object_]
    rfm: RfmArrays
    purchases: FloatArray
    spend: FloatArray | None = None
    features: pa.Table | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "as_of", utc(self.as_of))
        parts = {"rfm": self.rfm, "purchases": self.purchases, "spend": self.spend, "features": self.features}
        _same_rows(self, parts)
        self._refuse(~np.isfinite(self.purchases), "have no outcome: the data end before their label window does")
        self._refuse(self.purchases < 0, "have a negative number of purchases")
        self._refuse(self.purchases != np.floor(self.purchases), "have a fractional number of purchases")
        if self.spend is not None:
            self._refuse(np.isinf(self.spend) | (self.spend < 0), "have a negative or infinite spend")
            self._refuse((self.purchases == 0) & (self.spend > 0), "spent money without a purchase")

    def __len__(self) -> int:
        return len(self.rfm)

    @property
    def snapshot(self) -> Snapshot:
        """The customers without their outcomes: all that a candidate may see of the origin it is judged at."""
        return Snapshot(self.as_of, self.customer_id, self.rfm, self.features)

    def rows(self, index: IntArray) -> Origin:
        """The rows of an index array (m,)."""
        seen = self.snapshot.rows(index)
        spend = None if self.spend is None else self.spend[index]
        return Origin(self.as_of, seen.customer_id, seen.rfm, self.purchases[index], spend, seen.features)

    def ended_by(self, moment: datetime, horizon: timedelta) -> bool:
        """Whether its label window had ended by `moment`."""
        return self.as_of + horizon <= moment

    def _refuse(self, bad: BoolArray, what: str) -> None:
        if bad.any():
            rows = np.flatnonzero(bad)
            raise BadInputError(
                f"{rows.size} of {bad.size} customers at the origin {day(self.as_of)} {what}, first: "
                f"{self.customer_id[rows[0]]!r}",
                hint="build the labels of this cut-off again, with a horizon that the data cover",
            )


def origins_from_tables(features: pa.Table, labels: pa.Table, horizon: timedelta) -> list[Origin]:
    """Rolling origins from the rows of a features and a labels dataset, oldest first.

    Customers who had not bought by a cut-off are left out there; so are cut-offs whose label window the data do not
    cover. Where the labels hold no money at all, the origins have no spend.

    Args:
        features: `as_of`, `customer_id`, `x`, `t_x`, `T`, `mean_spend` and any features.
        labels: `as_of`, `customer_id`, `purchases_{h}d`, `spend_{h}d` for h = the horizon in days.
        horizon: length of the label window, whole days.

    Raises:
        BadInputError: a column is missing, or a customer has features and no label row.
    """
    days = whole_days(horizon)
    bought, spent = f"purchases_{days}d", f"spend_{days}d"
    _require(features, ("as_of", "customer_id", *RFM_COLUMNS), "features")
    _require(labels, ("as_of", "customer_id", bought, spent), "labels")
    keys = ["as_of", "customer_id"]
    joined = features.join(labels.select([*keys, bought, spent]), keys=keys, join_type="left outer").sort_by(
        [(key, "ascending") for key in keys]
    )
    origins = []
    for snapshot, rows in snapshots_of(joined.drop_columns([bought, spent]), joined):
        purchases, spend = _numbers(rows, bought), _numbers(rows, spent)
        if np.isfinite(purchases).any():
            money = spend if np.isfinite(spend[purchases > 0]).any() or not (purchases > 0).any() else None
            origins.append(
                Origin(snapshot.as_of, snapshot.customer_id, snapshot.rfm, purchases, money, snapshot.features)
            )
    return origins


def snapshots_from_table(features: pa.Table) -> list[Snapshot]:
    """The customers of a features dataset at each cut-off, oldest first; those who had not bought are left out.

    Raises:
        BadInputError: a column is missing.
    """
    _require(features, ("as_of", "customer_id", *RFM_COLUMNS), "features")
    table = features.sort_by([("as_of", "ascending"), ("customer_id", "ascending")])
    return [snapshot for snapshot, _ in snapshots_of(table, table)]


def snapshots_of(features: pa.Table, beside: pa.Table) -> Iterable[tuple[Snapshot, pa.Table]]:
    """Each cut-off's snapshot, and the same rows of `beside`."""
    import pyarrow.compute as pc

    for moment in pc.unique(features["as_of"]).to_pylist():
        chosen = pc.and_(pc.equal(features["as_of"], moment), pc.is_finite(pc.fill_null(features["x"], np.nan)))
        rows = features.filter(chosen)
        rfm = RfmArrays(*(_numbers(rows, name) for name in RFM_COLUMNS))
        customers = np.asarray(rows["customer_id"].to_pylist(), dtype=object)
        yield Snapshot(utc(moment), customers, rfm, rows.drop_columns(["as_of", "customer_id"])), beside.filter(chosen)


def whole_days(horizon: timedelta) -> int:
    """The horizon in days.

    Raises:
        MisuseError: it is not a positive whole number of days.
    """
    if horizon <= timedelta(0) or horizon % DAY:
        raise MisuseError(f"the horizon must be a positive number of whole days, not {horizon}")
    return horizon // DAY


def _numbers(table: pa.Table, name: str) -> FloatArray:
    import pyarrow as pa

    return np.asarray(table[name].cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _require(table: pa.Table, columns: Iterable[str], what: str) -> None:
    missing = sorted(set(columns) - set(table.column_names))
    if missing:
        raise BadInputError(
            f"the {what} have no column {', '.join(missing)}", hint="run `axiom build` with transactions ingested"
        )


def _same_rows(of: Snapshot | Origin, parts: dict[str, Any]) -> None:
    n = len(of.customer_id)
    told = {name: len(part) for name, part in parts.items() if part is not None and len(part) != n}
    if told:
        wrong = ", ".join(f"{name} {length}" for name, length in told.items())
        raise BadInputError(f"{n} customers at {day(utc(of.as_of))}, but rows of {wrong}")
