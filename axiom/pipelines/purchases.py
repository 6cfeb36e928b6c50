"""When a population bought, for the weekly tracking plot."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from axiom.features.rfm import purchase_days
from axiom.features.rows import load_bucket
from axiom.training.clv.tracking import PurchaseDays

if TYPE_CHECKING:
    from axiom.engine import Engine
    from axiom.lake import Lake, Snapshot
    from axiom.maths.arrays import BoolArray, IntArray

MOST_ROWS = 5_000_000
"""Transactions beyond which the plot does without: it needs all purchase days in one place."""

_COLUMNS = ("customer_id", "txn_ts", "amount", "transaction_id", "known_at")


def all_purchase_days(lake: Lake, engine: Engine) -> PurchaseDays | None:
    """Every purchase day in silver, each correction in its last version; None where there are too many, or none.

    Args:
        lake: whose silver.
        engine: runs one task a bucket.
    """
    snapshot = lake.snapshot("transactions")
    if not 0 < snapshot.rows <= MOST_ROWS:
        return None
    found = engine.map_buckets(partial(_days_of, snapshot), range(lake.buckets))
    day = np.concatenate([days for days, _ in found]).astype("datetime64[D]")
    first = np.concatenate([starts for _, starts in found])
    return PurchaseDays(day[first], day[~first])


def _days_of(snapshot: Snapshot, bucket: int) -> tuple[IntArray, BoolArray]:
    columns = [name for name in _COLUMNS if name in snapshot.columns]
    rows = load_bucket({"transactions": snapshot.read(bucket, columns)}).transactions
    bought = purchase_days(rows.final)
    first = np.ones(len(bought.day), dtype=np.bool_)
    first[1:] = bought.customer[1:] != bought.customer[:-1]
    return bought.day, first
