"""The labelled table that churn models learn from: one row a customer and cut-off."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from axiom.errors import BadInputError
from axiom.training.splits import utc

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import pyarrow as pa

    from axiom.maths.arrays import BoolArray, FloatArray, IntArray

TimeArray: TypeAlias = npt.NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class ChurnTable:
    """Labelled rows. Immutable; `rows`, `at` and `with_X` give new tables.

    Attributes:
        as_of: cut-off of each row, datetime64[us] in UTC, shape (n,); NaT throughout in a static table.
        customer_id: text, shape (n,).
        X: features, one column each: numbers (missing = null or NaN) or text / dictionary (categories), n rows.
        churned: the label over `[as_of, as_of + horizon)`, shape (n,).
        x: repeat purchases, shape (n,), NaN for those who have not bought yet; None where there is no purchase history.
        t_x: time of the last purchase since the first, days, shape (n,); likewise.
        T: age since the first purchase, days, shape (n,); likewise.
        value: what the customer is worth in money, for value weights and the profit threshold, shape (n,).
        baseline: P(no purchase in the horizon) of a purchase model that saw no label, shape (n,).
        cohort: name of the group that metrics are also given by (lifecycle), shape (n,).
        horizon_days: length of the label window; None where it is not known.
    """

    as_of: TimeArray
    customer_id: npt.NDArray[np.object_]
    X: pa.Table
    churned: BoolArray
    x: FloatArray | None = None
    t_x: FloatArray | None = None
    T: FloatArray | None = None
    value: FloatArray | None = None
    baseline: FloatArray | None = None
    cohort: npt.NDArray[np.object_] | None = None
    horizon_days: float | None = None

    def __post_init__(self) -> None:
        rows = len(self.churned)
        for field in fields(self):
            part = getattr(self, field.name)
            if part is not None and field.name != "horizon_days" and len(part) != rows:
                raise BadInputError(f"the churn table has {rows} labels but {len(part)} rows of {field.name}")
        names = self.X.column_names
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise BadInputError(f"feature names occur twice: {', '.join(twice[:5])}", hint="rename one of each")

    def __len__(self) -> int:
        return len(self.churned)

    @property
    def features(self) -> tuple[str, ...]:
        """Feature names in the order of X."""
        return tuple(self.X.column_names)

    @property
    def static(self) -> bool:
        """Whether the rows have no times."""
        return bool(np.isnat(self.as_of).all())

    @property
    def cutoffs(self) -> tuple[datetime, ...]:
        """The distinct cut-offs, ascending."""
        return tuple(utc(time) for time in np.unique(self.as_of) if not np.isnat(time))

    def rows(self, index: IntArray | BoolArray) -> ChurnTable:
        """The rows that an index array (m,) or a mask (n,) names."""
        import pyarrow as pa

        where = np.flatnonzero(index) if index.dtype == np.bool_ else index
        parts: dict[str, Any] = {
            field.name: None if (part := getattr(self, field.name)) is None else part[where]
            for field in fields(self)
            if field.name not in {"X", "horizon_days"}
        }
        return ChurnTable(X=self.X.take(pa.array(where)), horizon_days=self.horizon_days, **parts)

    def at(self, cutoffs: Iterable[datetime]) -> ChurnTable:
        """The rows of some cut-offs."""
        wanted = np.array([np.datetime64(time.replace(tzinfo=None), "us") for time in cutoffs], dtype="datetime64[us]")
        return self.rows(np.isin(self.as_of, wanted))

    def with_X(self, X: pa.Table) -> ChurnTable:  # noqa: N802 - X is the field's own symbol
        """The same rows with other features."""
        return replace(self, X=X)

    def data_hash(self) -> str:
        """SHA-256 over rows, features and labels: the same table gives the same text on every machine."""
        digest = hashlib.sha256()
        digest.update("\x00".join(self.features).encode())
        digest.update(np.ascontiguousarray(self.as_of.astype("datetime64[us]").astype("<i8")).tobytes())
        digest.update("\x00".join(map(str, self.customer_id)).encode())
        digest.update(np.packbits(self.churned).tobytes())
        for name in self.features:
            digest.update(_column_bytes(self.X.column(name)))
        return digest.hexdigest()


def _column_bytes(column: pa.ChunkedArray) -> bytes:
    """Values alone: how Arrow chunks or encodes them is no part of the data."""
    import pyarrow as pa

    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        return np.ascontiguousarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype="<f8").tobytes()
    return "\x00".join(map(str, column.to_pylist())).encode()
