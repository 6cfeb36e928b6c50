"""The feature row of one customer, computed from that customer's bucket alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from axiom.errors import NotFoundError
from axiom.features.kernel import compute
from axiom.lake.buckets import bucket_of
from axiom.pipelines.build import BuildRequest, moment_of, plan_job

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

    from axiom.features.definitions import FeatureSet
    from axiom.pipelines.workspace import Workspace


@dataclass(frozen=True, eq=False)
class CustomerRow:
    """One customer at one cut-off.

    Attributes:
        row: one feature row.
        as_of: the cut-off.
        version: of the feature set.
    """

    row: pa.Table
    as_of: datetime
    version: str


def customer_row(
    ws: Workspace, customer: str, *, as_of: datetime | None = None, definitions: FeatureSet | None = None
) -> CustomerRow:
    """The feature row of one customer. Rows that were built already are read, others are computed and not kept.

    Args:
        ws: the workspace.
        customer: id, compared byte by byte.
        as_of: the cut-off; default: the last day of the data.
        definitions: the feature set; default: the one a build would choose.

    Raises:
        NotFoundError: nobody of this id was known at the cut-off; the message says whether ever.
        BadInputError: the cut-off lies before the data.
    """
    import pyarrow.compute as pc

    job = plan_job(ws, BuildRequest(as_of=as_of, labels=False, definitions=definitions))
    bucket = bucket_of(customer, ws.lake.buckets)
    if job.features_writer().committed() is not None:
        rows = ws.lake.dataset("features", job.features_id).read(bucket=bucket)
    else:
        tables = {entity: job.snapshots[entity].read(bucket, columns) for entity, columns in job.plan.reads.items()}
        rows = compute(job.plan, tables, job.as_ofs)
    found = rows.filter(pc.equal(rows["customer_id"], customer))
    moment = moment_of(job.as_ofs[-1])
    if not found.num_rows:
        raise _unknown(ws, customer, bucket, moment)
    return CustomerRow(found, moment, job.plan.feature_set.version)


def _unknown(ws: Workspace, customer: str, bucket: int, as_of: datetime) -> NotFoundError:
    import pyarrow.compute as pc

    for snapshot in ws.lake.snapshots().values():
        ids = snapshot.read(bucket, ["customer_id"])["customer_id"] if snapshot.rows else None
        if ids is not None and pc.any(pc.equal(ids, customer)).as_py():
            return NotFoundError(
                f"customer {customer!r} was not known yet at {as_of:%Y-%m-%d}",
                hint="use a later --as-of; rows count from the time they were known, not only from when they happened",
            )
    return NotFoundError(
        f"there is no customer {customer!r} in the lake",
        hint='ids are compared letter by letter; `axiom sql "select distinct customer_id from transactions limit 10"` '
        "shows what they look like",
    )
