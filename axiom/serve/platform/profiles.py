"""What the lake knows of one customer: one bucket of each entity is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axiom.contracts import ENTITIES
from axiom.lake.buckets import bucket_of

if TYPE_CHECKING:
    import pyarrow as pa

    from axiom.lake import Lake


def profile_of(lake: Lake, customer: str) -> dict[str, Any] | None:
    """Attributes and activity of a customer; None where no entity has a row of this id.

    Rows that a later row corrects are counted as well: this is for people to look at, features are computed elsewhere.
    """
    rows = {entity: _rows(lake, entity, customer) for entity in ENTITIES}
    if not any(found is not None and found.num_rows for found in rows.values()):
        return None
    return {
        "attributes": _attributes(rows["customers"]),
        "transactions": _activity(rows["transactions"], "transactions"),
        "events": _activity(rows["events"], "events"),
    }


def _rows(lake: Lake, entity: str, customer: str) -> pa.Table | None:
    import pyarrow.compute as pc

    snapshot = lake.snapshot(entity)
    if not snapshot.rows:
        return None
    bucket = snapshot.read(bucket_of(customer, lake.buckets))
    return bucket.filter(pc.equal(bucket["customer_id"], customer))


def _attributes(rows: pa.Table | None) -> dict[str, Any]:
    if rows is None or not rows.num_rows:
        return {}
    last = rows.slice(rows.num_rows - 1).to_pylist()[0]
    return {name: value for name, value in last.items() if name != "customer_id" and value is not None}


def _activity(rows: pa.Table | None, entity: str) -> dict[str, Any]:
    import pyarrow.compute as pc

    found: dict[str, Any] = {"rows": 0, "first_at": None, "last_at": None, "total_amount": None, "by_type": {}}
    if rows is None or not rows.num_rows:
        return found
    times = pc.min_max(rows[ENTITIES[entity].time_column]).as_py()
    found |= {"rows": rows.num_rows, "first_at": times["min"], "last_at": times["max"]}
    if "amount" in rows.column_names:
        found["total_amount"] = pc.sum(rows["amount"]).as_py()
    if "event_type" in rows.column_names:
        counted = rows["event_type"].combine_chunks().value_counts().to_pylist()
        found["by_type"] = {str(one["values"]): one["counts"] for one in counted}
    return found
