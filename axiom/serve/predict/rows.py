"""The feature rows a replica answers from: one cut-off of the gold features, found by customer id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from axiom.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa

    from axiom.lake import Lake
    from axiom.scoring.batch import ScorePlan


@dataclass(frozen=True)
class FeatureRows:
    """Feature rows of every customer at one cut-off, in memory.

    Attributes:
        as_of: the cut-off.
        table: one row a customer.
        position: customer id -> row.
    """

    as_of: datetime
    table: pa.Table
    position: Mapping[str, int]

    @classmethod
    def load(cls, lake: Lake, features_id: str, as_of: datetime, columns: Sequence[str]) -> FeatureRows:
        """Read one cut-off of a features dataset."""
        import pyarrow.dataset as pads

        rows = lake.dataset("features", features_id).read(columns, row_filter=pads.field("as_of") == as_of)
        rows = rows.combine_chunks()
        ids = rows["customer_id"].to_pylist()
        return cls(as_of, rows, {customer: row for row, customer in enumerate(ids)})

    def take(self, customers: Sequence[str]) -> pa.Table:
        """The rows of some customers, in their order.

        Raises:
            NotFoundError: one of them has no row; the message names it.
        """
        try:
            return self.table.take([self.position[customer] for customer in customers])
        except KeyError as error:
            raise NotFoundError(
                f"no features for customer {error.args[0]!r} as of {self.as_of:%Y-%m-%d}",
                hint="check the id, or ingest the customer's history and run `axiom build` and `axiom score`",
            ) from None


def plan_rows(plan: ScorePlan, columns: Sequence[str]) -> FeatureRows:
    """The rows that a scoring run was made from."""
    return FeatureRows.load(plan.lake, plan.features_id, plan.as_of, columns)
