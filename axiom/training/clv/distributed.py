"""Probabilistic fits over the buckets of a lake: every bucket is grouped where it lies, the fit sees sums.

A customer lives in one bucket, and the log likelihood is a sum over customers. Identical histories are one row with a
count, so a bucket shrinks to few rows. As long as all buckets together do, they are merged and the fit is that of one
process, to the bit for purchases. Beyond it every Newton step is one round over the buckets, each of which sends back
(f, g, H): a number, a vector and a matrix, whatever its size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Protocol

import numpy as np

from axiom.clv import GammaGamma
from axiom.clv.inputs import Table, Totals, check_population, compress
from axiom.clv.spend import Spend, SpendTotals, check_buyers
from axiom.training.clv.probabilistic import FittedProbabilistic, Probabilistic
from axiom.training.clv.rows import RFM_COLUMNS, RfmArrays
from axiom.training.clv.spending import FEWEST_BUYERS, told_few, told_silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from axiom.clv.base import TransactionModel
    from axiom.clv.newton import Objective, Terms
    from axiom.engine import Engine
    from axiom.lake import Lake
    from axiom.maths.arrays import FloatArray

MOST_ROWS = 8_000_000
"""Distinct histories that one process holds: about 400 MB with their temporaries."""


class RfmReader(Protocol):
    """Reads the RFM summaries of one bucket; picklable, because workers call it."""

    def __call__(self, bucket: int) -> RfmArrays:
        """Customers of the bucket who have bought; the same at every call."""
        ...


@dataclass(frozen=True)
class RfmOfFeatures:
    """Reads the RFM columns of a features dataset at one cut-off.

    Attributes:
        lake: where it is.
        dataset: its id.
        as_of: the cut-off.
    """

    lake: Lake
    dataset: str
    as_of: datetime

    def __call__(self, bucket: int) -> RfmArrays:
        """See `RfmReader`."""
        import pyarrow.dataset as pads

        features = self.lake.dataset("features", self.dataset)
        bought = (pads.field("as_of") == self.as_of) & pads.field("x").is_valid()
        rows = features.read(list(RFM_COLUMNS), bucket=bucket, row_filter=bought)
        columns = (rows[name].to_numpy().astype(np.float64) for name in RFM_COLUMNS)
        rfm = RfmArrays(*columns)
        return rfm[np.isfinite(rfm.x)]


@dataclass(frozen=True, eq=False)
class Shard:
    """One bucket, grouped.

    Attributes:
        totals: of its customers.
        spend_totals: of its repeat buyers with a known spend; None where there are none.
        silent: repeat buyers without one.
        table: distinct histories; None where they are too many to travel.
        spend: repeat buyers; None likewise.
    """

    totals: Totals
    spend_totals: SpendTotals | None
    silent: int
    table: Table | None
    spend: Spend | None


def fit_distributed(
    candidate: Probabilistic,
    read: RfmReader,
    buckets: Sequence[int],
    engine: Engine,
    *,
    most_rows: int = MOST_ROWS,
    start: FittedProbabilistic | None = None,
    on_done: Callable[[], None] | None = None,
) -> FittedProbabilistic:
    """Fit a probabilistic candidate to all buckets; equal to `candidate.fit_rfm` of all customers, to 1e-9 relative.

    Args:
        candidate: which models, with which prior.
        read: reads one bucket.
        buckets: all of them; some may be empty.
        engine: runs one task a bucket.
        most_rows: distinct histories, and repeat buyers, beyond which nothing is merged.
        start: an earlier fit to start from.
        on_done: called as each bucket is grouped.

    Raises:
        ValueError: as `candidate.fit_rfm`.
    """
    limit = most_rows // max(1, len(buckets))
    shards = [s for s in engine.map_buckets(Group(read, limit), buckets, on_done=on_done) if s is not None]
    if not shards:
        raise ValueError("there are no customers: every bucket is empty, or was first seen at the cut-off")
    rounds = _Rounds(read, buckets, engine)
    purchases = candidate.purchase_model()
    purchases.fit_sums(
        rounds.purchases(purchases, [shard.table for shard in shards]),
        reduce(add, (shard.totals for shard in shards)),
        start=start.purchases.params_ if start else None,
    )
    buyers = [shard for shard in shards if shard.spend_totals is not None]
    totals = [shard.spend_totals for shard in buyers if shard.spend_totals is not None]
    known = int(sum(found.buyers for found in totals))
    if known < FEWEST_BUYERS:
        return FittedProbabilistic(candidate.name, purchases, warnings=told_few(known))
    spend = GammaGamma(correlation_limit=candidate.max_correlation)
    spend.fit_sums(
        rounds.spend(spend, [shard.spend for shard in buyers]),
        reduce(add, totals),
        start=start.spend.params_ if start and start.spend else None,
    )
    silent = sum(shard.silent for shard in shards)
    return FittedProbabilistic(candidate.name, purchases, spend, spend.correlation_, told_silent(silent))


@dataclass(frozen=True)
class Group:
    """Groups one bucket where it lies; None for a bucket that teaches nothing.

    Attributes:
        read: reads the bucket.
        limit: rows beyond which a table stays where it is.
    """

    read: RfmReader
    limit: int

    def __call__(self, bucket: int) -> Shard | None:
        """Group."""
        rfm = self.read(bucket)
        table = purchase_table(rfm)
        if table is None:
            return None
        spend = spend_rows(rfm)
        return Shard(
            Totals.of(table),
            None if spend is None else SpendTotals.of(spend),
            int((rfm.x > 0).sum()) - (0 if spend is None else spend.x.size),
            table if table.x.size <= self.limit else None,
            spend if spend is not None and spend.x.size <= self.limit else None,
        )


def purchase_table(rfm: RfmArrays) -> Table | None:
    """Distinct histories of the customers who were observed for some time; None where there are none.

    Raises:
        ValueError: an impossible history; the message names the rows.
    """
    seen = rfm[rfm.T > 0]
    return compress(*check_population(seen.x, seen.t_x, seen.T)) if len(seen) else None


def spend_rows(rfm: RfmArrays) -> Spend | None:
    """Repeat buyers whose spend is known; None where there are none."""
    known = rfm[rfm.spenders]
    return check_buyers(known.x, known.mean_spend, None) if len(known) else None


@dataclass(frozen=True)
class _Rounds:
    """Objectives as sums over customers: of merged tables where all of them travelled, else of a round over buckets."""

    read: RfmReader
    buckets: Sequence[int]
    engine: Engine

    def purchases(self, model: TransactionModel, tables: Sequence[Table | None]) -> Objective:
        here = [table for table in tables if table is not None]
        if len(here) < len(tables):
            return lambda theta: self._sum(PurchaseTerms(self.read, model, theta))
        merged = _merged(here)
        return lambda theta: model.objective(theta, merged)

    def spend(self, model: GammaGamma, parts: Sequence[Spend | None]) -> Objective:
        here = [part for part in parts if part is not None]
        if len(here) < len(parts):
            return lambda theta: self._sum(SpendTerms(self.read, model, theta))
        rows = Spend(*(np.concatenate([getattr(part, name) for part in here]) for name in ("x", "mean", "weight")))
        return lambda theta: model.objective(theta, rows)

    def _sum(self, terms: Callable[[int], Terms | None]) -> Terms:
        found = [part for part in self.engine.map_buckets(terms, self.buckets) if part is not None]
        return reduce(_plus, found)


@dataclass(frozen=True, eq=False)
class PurchaseTerms:
    """(f, g, H) of one bucket at theta."""

    read: RfmReader
    model: TransactionModel
    theta: FloatArray

    def __call__(self, bucket: int) -> Terms | None:
        """Read, group, sum."""
        table = purchase_table(self.read(bucket))
        return None if table is None else self.model.objective(self.theta, table)


@dataclass(frozen=True, eq=False)
class SpendTerms:
    """(f, g, H) of the repeat buyers of one bucket at theta."""

    read: RfmReader
    model: GammaGamma
    theta: FloatArray

    def __call__(self, bucket: int) -> Terms | None:
        """Read, sum."""
        rows = spend_rows(self.read(bucket))
        return None if rows is None else self.model.objective(self.theta, rows)


def _plus(one: Terms, other: Terms) -> Terms:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _merged(tables: Sequence[Table]) -> Table:
    """One table of all; identical histories of different buckets become one row."""
    return compress(
        *(np.concatenate([getattr(table, name) for table in tables]) for name in ("x", "t_x", "T", "weight"))
    )
