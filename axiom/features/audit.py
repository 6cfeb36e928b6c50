"""The proof that no feature feels the future: compute a sample again in other futures, and compare bit by bit."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.features.kernel import compute
from axiom.features.perturb import FUTURES, perturbed
from axiom.sources.cleaning import DAWN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from axiom.features.build import BuildJob
    from axiom.features.plan import Plan

    Compute = Callable[[Plan, Mapping[str, pa.Table], Sequence[int]], pa.Table]

CUSTOMERS_EACH = 200
_CUTS = 3
_POPULATION = "population"


@dataclass(frozen=True)
class Leak:
    """One value that changed although only the future did.

    Attributes:
        feature: name of the column, or `population` where the set of customers changed.
        future: what was done to the future.
        as_of: the cut-off in microseconds.
        customer_id: whose value; "" for the population.
        before: the value.
        after: the value in the other future.
    """

    feature: str
    future: str
    as_of: int
    customer_id: str
    before: Any
    after: Any


@dataclass(frozen=True)
class BucketAudit:
    """What the audit saw in one bucket; adds up over buckets with `+`.

    Attributes:
        customers: sampled customers.
        rows: feature rows looked at.
        nulls: column -> rows in which it is null.
        leaks: first leak of each column.
        attribute_rows: rows of `customers`.
        undated_rows: those of which nobody knows since when they hold.
        cuts: cut-offs at which the proof was tried.
    """

    customers: int = 0
    rows: int = 0
    nulls: Mapping[str, int] = field(default_factory=dict)
    leaks: tuple[Leak, ...] = ()
    attribute_rows: int = 0
    undated_rows: int = 0
    cuts: tuple[int, ...] = ()

    def __add__(self, other: BucketAudit) -> BucketAudit:
        names = dict.fromkeys([*self.nulls, *other.nulls])
        known = {leak.feature for leak in self.leaks}
        return BucketAudit(
            self.customers + other.customers,
            self.rows + other.rows,
            {name: self.nulls.get(name, 0) + other.nulls.get(name, 0) for name in names},
            (*self.leaks, *(leak for leak in other.leaks if leak.feature not in known)),
            self.attribute_rows + other.attribute_rows,
            self.undated_rows + other.undated_rows,
            tuple(sorted({*self.cuts, *other.cuts})),
        )


def audited_buckets(job: BuildJob, count: int = 2) -> list[int]:
    """Which buckets to audit: the fullest ones, so that the sample is never empty by chance."""
    rows = np.zeros(job.lake.buckets, dtype=np.int64)
    for snapshot in job.snapshots.values():
        for bucket in range(job.lake.buckets):
            rows[bucket] += sum(file.rows for file in snapshot.files(bucket))
    fullest = np.argsort(-rows, kind="stable")[:count]
    return sorted(int(bucket) for bucket in fullest)


def audit_bucket(job: BuildJob, bucket: int) -> BucketAudit:
    """Audit a sample of one bucket of a build; see `audit_tables`."""
    tables = {entity: job.snapshots[entity].read(bucket, columns) for entity, columns in job.plan.reads.items()}
    return audit_tables(job.plan, tables, job.as_ofs)


def audit_tables(
    plan: Plan, tables: Mapping[str, pa.Table], as_ofs: Sequence[int], compute: Compute = compute
) -> BucketAudit:
    """Compute a sample of customers, then again in every other future, at up to three cut-offs.

    Args:
        plan: the compiled feature set.
        tables: entity -> rows of one bucket, as `kernel.compute` takes them.
        as_ofs: cut-offs of the build; the first, the middle and the last are tried.
        compute: what computes the features; anything but the kernel is for tests of the audit itself.
    """
    sample, customers = _sampled(tables)
    cuts = sorted({as_ofs[0], as_ofs[len(as_ofs) // 2], as_ofs[-1]})[:_CUTS]
    leaks: dict[str, Leak] = {}
    nulls: dict[str, int] = {}
    rows = 0
    for cut in cuts:
        true = compute(plan, sample, [cut])
        rows += true.num_rows
        for name in true.column_names:
            nulls[name] = nulls.get(name, 0) + true[name].null_count
        for future in FUTURES:
            for leak in _differences(true, compute(plan, perturbed(future, sample, cut), [cut]), future, cut):
                leaks.setdefault(leak.feature, leak)
    attributes = sample.get("customers")
    undated = 0 if attributes is None else _undated(attributes)
    held = 0 if attributes is None else attributes.num_rows
    return BucketAudit(customers, rows, nulls, tuple(leaks.values()), held, undated, tuple(cuts))


def _sampled(tables: Mapping[str, pa.Table]) -> tuple[dict[str, pa.Table], int]:
    """The rows of the customers whose ids hash lowest."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ids: set[str] = set()
    for table in tables.values():
        ids.update(table["customer_id"].cast(pa.string()).unique().to_pylist())
    # Not the hash that chose the bucket: all ids of a bucket share its remainder.
    chosen = sorted(ids, key=lambda name: (zlib.adler32(name.encode()), name))[:CUSTOMERS_EACH]
    wanted = pa.array(chosen, pa.string())
    kept = {
        entity: table.filter(pc.is_in(table["customer_id"].cast(pa.string()), wanted))
        for entity, table in tables.items()
    }
    return kept, len(chosen)


def _differences(true: pa.Table, other: pa.Table, future: str, cut: int) -> list[Leak]:
    if not true["customer_id"].equals(other["customer_id"]):
        return [Leak(_POPULATION, future, cut, "", true.num_rows, other.num_rows)]
    leaks = []
    for name in true.column_names:
        if true[name].equals(other[name]):
            continue
        pairs = zip(true[name].to_pylist(), other[name].to_pylist(), strict=True)
        place, (before, after) = next((i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1])
        leaks.append(Leak(name, future, cut, true["customer_id"][place].as_py(), before, after))
    return leaks


def _undated(attributes: pa.Table) -> int:
    """Rows that say nothing of when they became true: no date, or no other than the sign-up."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def times(name: str) -> Any:
        if name not in attributes.column_names:
            return np.full(len(attributes), DAWN)
        return pc.fill_null(attributes[name].cast(pa.int64()), DAWN).to_numpy()

    since, signup = times("valid_from"), times("signup_ts")
    known = times("known_at") if "known_at" in attributes.column_names else since
    return int((((since <= DAWN) | (since == signup)) & (known == since)).sum())
