"""What became of customers after the moments that their scores spoke about, where that is known by now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from axiom.features.definitions import FeatureSet
from axiom.features.frame import Frame
from axiom.features.labels import LabelSpec, data_end, label_columns
from axiom.features.plan import compile_plan
from axiom.features.rows import load_bucket
from axiom.lake.buckets import buckets_of
from axiom.training.definition import LABEL_COLUMNS, ChurnDefinition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from axiom.features.plan import Plan
    from axiom.lake import Lake, Snapshot
    from axiom.maths.arrays import FloatArray, IntArray

_CUTS = 30  # cut-offs at once: each needs arrays as long as a bucket has customers


def churn_outcomes(
    lake: Lake,
    customers: Sequence[str],
    as_of: IntArray,
    horizon: int,
    definition: ChurnDefinition | None,
    cancel_types: tuple[str, ...] = ("cancel",),
) -> FloatArray:
    """Whether each customer churned within the horizon: the very labels that models are trained on.

    Args:
        lake: with everything that is known now.
        customers: who, shape (n,).
        as_of: from when on, microseconds since 1970, shape (n,).
        horizon: days.
        definition: what churn means; None: what the data suggest.
        cancel_types: event types that end a contract.

    Returns:
        1 churned, 0 stayed, NaN where the data do not reach to the end of the horizon, or where the customer was not
        at risk, or not known, at that moment; shape (n,).
    """
    labels = _labels(lake, customers, as_of, horizon, cancel_types)
    outcome = np.full(len(customers), np.nan)
    if not len(customers) or not any(labels[name].null_count < len(customers) for name in LABEL_COLUMNS):
        return outcome
    meant = definition or ChurnDefinition.guess(labels)
    asked = meant.known(labels, horizon) & meant.at_risk(labels)
    outcome[asked] = meant.churned(labels, horizon)[asked]
    return outcome


def _labels(
    lake: Lake, customers: Sequence[str], as_of: IntArray, horizon: int, cancel_types: tuple[str, ...]
) -> pa.Table:
    import pyarrow as pa

    snapshots = {entity: snapshot for entity, snapshot in lake.snapshots().items() if snapshot.rows}
    plan = compile_plan(FeatureSet("outcomes", ()), {entity: found.columns for entity, found in snapshots.items()})
    ends = {
        entity: data_end(snapshots[entity].max_ts) if entity in snapshots else None
        for entity in ("transactions", "events")
    }
    spec = LabelSpec((horizon,), cancel_types, transactions_end=ends["transactions"], events_end=ends["events"])
    columns = {name: np.full(len(customers), np.nan) for name in LABEL_COLUMNS}
    bucket = buckets_of(customers, lake.buckets)
    for number in np.unique(bucket).tolist():
        rows = np.flatnonzero(bucket == number)
        _fill(columns, rows, [customers[row] for row in rows.tolist()], as_of[rows], plan, snapshots, spec, number)
    return pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})


def _fill(  # one argument a thing that a bucket needs
    columns: Mapping[str, FloatArray],
    rows: IntArray,
    customers: Sequence[str],
    as_of: IntArray,
    plan: Plan,
    snapshots: Mapping[str, Snapshot],
    spec: LabelSpec,
    number: int,
) -> None:
    bucket = load_bucket({entity: snapshots[entity].read(number, names) for entity, names in plan.reads.items()})
    place = {customer: i for i, customer in enumerate(bucket.ids.to_pylist())}
    column = np.array([place.get(customer, -1) for customer in customers], dtype=np.int64)
    known = column >= 0
    cuts, cut = np.unique(as_of, return_inverse=True)
    for first in range(0, len(cuts), _CUTS):
        part = cuts[first : first + _CUTS]
        here = known & (cut >= first) & (cut < first + len(part))
        if here.any():
            found = label_columns(Frame(plan, bucket, tuple(part.tolist())), spec)
            for name in LABEL_COLUMNS:
                columns[name][rows[here]] = found[name][cut[here] - first, column[here]]
