"""Times to churn of every customer of a bucket, from what they did: the input of survival curves.

Churn is a stopping time: whether it has come by any moment can be told at that moment, so that the end of the data
censors it independently.

* cancellation: the moment of the first cancel event;
* inactivity: the moment at which `silence` days without activity are complete. A customer who comes back later churned
  all the same, and a customer who has been silent for less is still one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.features.conditions import matches
from axiom.features.definitions import Filter
from axiom.features.rfm import Purchases, purchase_days
from axiom.features.rows import DAY, NEVER, NO_TIME, Bucket, load_bucket

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from axiom.features.rows import Rows
    from axiom.lake import Snapshot
    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.training.definition import ChurnDefinition


@dataclass(frozen=True)
class DurationJob:
    """What is asked of every bucket. Picklable.

    Attributes:
        snapshots: entity -> what silver holds.
        definition: what churn means.
        silence: days without activity that make a churn; unused for cancellations.
        end: time in microseconds up to which the data are complete.
        as_of: where the clock starts, in microseconds; None: when each customer started.
        by: column of the customers table that makes the segments, or "".
        cancel_types: event types that end a contract.
    """

    snapshots: Mapping[str, Snapshot]
    definition: ChurnDefinition
    silence: int
    end: int
    as_of: int | None = None
    by: str = ""
    cancel_types: tuple[str, ...] = ("cancel",)


def bucket_durations(job: DurationJob, bucket: int) -> pa.Table:
    """Durations in days of the customers of one bucket who were at risk when their clock started.

    Returns:
        `customer_id`, `duration`, `event`, `started` (microseconds), and `segment` (text or number) where `by` is set.
    """
    import pyarrow as pa

    tables = {entity: job.snapshots[entity].read(bucket, columns) for entity, columns in _reads(job).items()}
    found = load_bucket(tables)
    start, churn = _start_and_churn(found, job)
    # Who leaves at the very start is counted; who had left before a common clock is not.
    at_risk = (start < job.end) & ((churn > start) if job.as_of is not None else (churn >= start))
    seen = churn < job.end
    until = np.where(seen, churn, job.end)
    columns: dict[str, Any] = {
        "customer_id": found.ids.filter(pa.array(at_risk)),
        "duration": (until[at_risk] - start[at_risk]) / DAY,
        "event": seen[at_risk],
        "started": start[at_risk],
    }
    if job.by:
        columns["segment"] = _attribute(found, job.by).filter(pa.array(at_risk))
    return pa.table(columns)


def _reads(job: DurationJob) -> dict[str, list[str]]:
    wanted = {"transactions": ["amount"], "events": ["event_type"], "customers": ["signup_ts"]}
    reads = {}
    for entity, snapshot in job.snapshots.items():
        held = snapshot.columns
        columns = [*wanted[entity], *([job.by] if job.by and entity == "customers" else [])]
        keys = [name for name in ("transaction_id", "event_id", "known_at") if name in held]
        times = {"transactions": "txn_ts", "events": "event_ts", "customers": "valid_from"}
        reads[entity] = ["customer_id", times[entity], *(n for n in columns if n in held), *keys]
    return reads


def _start_and_churn(bucket: Bucket, job: DurationJob) -> tuple[IntArray, IntArray]:
    """When each customer's clock starts, and when churn comes; `NEVER` where it does not."""
    customers = len(bucket.ids)
    events, bought = bucket.events.final, purchase_days(bucket.transactions.final)
    begin = _began(bucket, events, bought, customers)
    if job.as_of is not None:
        begin = np.where(begin < job.as_of, np.int64(job.as_of), NEVER)
    if job.definition.kind == "cancellation":
        gone = _cancelled(events, job.cancel_types)
        return begin, _first(gone.customer, gone.ts, customers)
    parts = [(bought.customer, bought.first_ts)] if job.definition.activity != "events" else []
    parts += [(events.customer, events.ts)] if job.definition.activity != "transactions" else []
    customer, ts = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return begin, _silent(customer.astype(np.int64), ts, begin, job)


def _silent(customer: IntArray, ts: IntArray, begin: IntArray, job: DurationJob) -> IntArray:
    """When the first silence that is long enough is complete, counted from the last sign of life before the clock."""
    # A start without activity (a sign-up) is a sign of life; the start of a common clock is not.
    alive = begin if job.as_of is None else np.full_like(begin, NEVER)
    known = np.flatnonzero(alive != NEVER)
    customer, ts = np.concatenate([customer, known]), np.concatenate([ts, alive[known]])
    inside = ts < job.end
    order = np.lexsort((ts[inside], customer[inside]))
    customer, ts = customer[inside][order], ts[inside][order]
    following = np.full(len(ts), job.end, dtype=np.int64)
    same = customer[1:] == customer[:-1]
    following[:-1][same] = ts[1:][same]
    long = following - ts >= job.silence * DAY
    # A silence that was over before the clock started is history.
    long &= following > begin[customer]
    churn = _first(customer[long], ts[long] + job.silence * DAY, len(begin))
    if job.as_of is None:
        return churn
    # Who was never active before the clock started was not a customer then.
    seen = np.isin(np.arange(len(begin)), customer[ts < job.as_of])
    return np.where(seen, churn, NO_TIME)


def _began(bucket: Bucket, events: Rows, bought: Purchases, customers: int) -> IntArray:
    """Sign-up, first purchase or first event, whichever is earliest; `NEVER` if none."""
    first = np.minimum(
        _first(bought.customer, bought.first_ts, customers), _first(events.customer, events.ts, customers)
    )
    signups = bucket.customers.times.get("signup_ts")
    if signups is not None:
        known = signups != NO_TIME
        first = np.minimum(first, _first(bucket.customers.customer[known], signups[known], customers))
    return first


def _cancelled(events: Rows, types: tuple[str, ...]) -> Rows:
    if "event_type" not in events.texts:
        return events.take(slice(0, 0))
    return events.take(matches(events, (Filter("event_type", "in", types),)))


def _first(customer: Any, ts: IntArray, customers: int) -> IntArray:
    found = np.full(customers, NEVER, dtype=np.int64)
    np.minimum.at(found, customer, ts)
    return found


def _attribute(bucket: Bucket, column: str) -> pa.Array:
    """Each customer's first known value of an attribute: a segment is known when the clock starts."""
    import pyarrow as pa

    rows = bucket.customers
    order = np.argsort(rows.ts, kind="stable")[::-1]
    place = np.full(len(bucket.ids), -1, dtype=np.int64)
    place[rows.customer[order]] = order  # of repeated targets numpy keeps the last, the earliest version
    if column in rows.texts:
        text = rows.texts[column]
        codes = np.where(place < 0, -1, text.codes[place]) if len(rows) else place
        return pa.array([None if code < 0 else text.values[code] for code in codes.tolist()], pa.string())
    values: FloatArray = rows.numbers.get(column, np.empty(0))
    picked = np.where(place < 0, np.nan, values[place]) if len(values) else np.full(len(place), np.nan)
    return pa.array(picked, pa.float64(), mask=np.isnan(picked))
