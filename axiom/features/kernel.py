"""Features and labels of one bucket: a pure function from tables to tables."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.errors import MisuseError
from axiom.features.frame import Frame
from axiom.features.labels import LabelSpec, label_columns, label_names
from axiom.features.measures import measure, text_attribute
from axiom.features.rfm import rfm
from axiom.features.rows import Bucket, Codes, load_bucket
from axiom.features.user_sql import run_query, tables_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from axiom.features.plan import Plan
    from axiom.maths.arrays import BoolArray

_ROWS_AT_ONCE = 1_000_000
_CELLS_AT_ONCE = 1_000_000

Values = Any  # a (K, C) float array, or Codes of that shape


def compute(plan: Plan, tables: Mapping[str, pa.Table], as_ofs: Sequence[int]) -> pa.Table:
    """Feature rows of one bucket.

    Args:
        plan: what to compute.
        tables: entity -> rows with the columns of `plan.reads`, sorted by (customer_id, event time).
        as_ofs: cut-offs in microseconds since 1970, ascending.

    Returns:
        rows sorted by (as_of, customer_id), with the base columns and then the plan's; null where unknown.

    Raises:
        MisuseError: cut-offs are not ascending, or a query fails.
        BadInputError: a query gives a customer twice.
    """
    return compute_both(plan, tables, as_ofs, None)[0]


def compute_both(
    plan: Plan, tables: Mapping[str, pa.Table], as_ofs: Sequence[int], spec: LabelSpec | None
) -> tuple[pa.Table, pa.Table | None]:
    """Feature rows, and label rows of the same customers and cut-offs if `spec` says which; see `compute`."""
    cuts = tuple(as_ofs)
    if not cuts or list(cuts) != sorted(set(cuts)):
        raise MisuseError(f"as-of times {list(cuts)} are not ascending", hint="give each once, earliest first")
    bucket = load_bucket(tables)
    features: dict[str, list[Values]] = {}
    labels: dict[str, list[Values]] = {}
    members: list[BoolArray] = [np.zeros((len(cuts), 0), dtype=np.bool_)]
    for part in _parts(bucket, len(cuts) * (len(plan.distances) + 1)):
        frame = Frame(plan, part, cuts)
        members.append(frame.member)
        _append(features, _feature_values(frame))
        if spec is not None:
            stage = Codes(frame.stage.astype(np.int32), _stages(plan))
            _append(labels, {"lifecycle": stage, **label_columns(frame, spec)})
    member = np.concatenate(members, axis=1)
    declared = {column.name: column.type for column in plan.columns}
    base: dict[str, str] = {"x": "number", "t_x": "number", "T": "number", "mean_spend": "number", "lifecycle": "text"}
    table = _table(bucket, cuts, member, {**base, **declared}, features)
    table = _with_queries(plan, tables, bucket, cuts, table)
    if spec is None:
        return table, None
    kinds: dict[str, str] = {"lifecycle": "text", **dict.fromkeys(label_names(spec), "number")}
    return table, _table(bucket, cuts, member, kinds, labels)


def _stages(plan: Plan) -> tuple[str, ...]:
    return tuple(cohort.name for cohort in plan.feature_set.lifecycle)


def _feature_values(frame: Frame) -> dict[str, Values]:
    summary = rfm(frame.selection("transactions"))
    values: dict[str, Values] = {
        "x": summary.x,
        "t_x": summary.t_x,
        "T": summary.T,
        "mean_spend": summary.mean_spend,
        "lifecycle": Codes(frame.stage.astype(np.int32), _stages(frame.plan)),
    }
    for column in frame.plan.columns:
        if column.feature.kind != "sql":
            values[column.name] = text_attribute(frame, column) if column.type == "text" else measure(frame, column)
    return values


def _append(collected: dict[str, list[Values]], values: Mapping[str, Values]) -> None:
    for name, value in values.items():
        collected.setdefault(name, []).append(value)


def _parts(bucket: Bucket, cells_each: int) -> Iterator[Bucket]:
    """Cut a bucket into pieces of consecutive customers that fit into memory with all their intermediate arrays."""
    customers = len(bucket.ids)
    rows = np.zeros(customers, dtype=np.int64)
    for entity in (bucket.transactions, bucket.events, bucket.customers):
        rows += np.diff(np.searchsorted(entity.customer, np.arange(customers + 1, dtype=np.int32)))
    piece = np.maximum(np.cumsum(rows) // _ROWS_AT_ONCE, np.arange(1, customers + 1) * cells_each // _CELLS_AT_ONCE)
    starts = np.flatnonzero(np.diff(piece, prepend=-1))
    for first, last in pairwise([*starts.tolist(), customers]):
        yield bucket.part(first, last)


def _table(
    bucket: Bucket,
    cuts: tuple[int, ...],
    member: BoolArray,
    kinds: Mapping[str, str],
    values: Mapping[str, list[Values]],
) -> pa.Table:
    import pyarrow as pa

    cut, customer = np.nonzero(member)
    as_of = pa.array(np.array(cuts, dtype=np.int64)[cut]).cast(pa.timestamp("us", "UTC"))
    columns = {"customer_id": bucket.ids.take(pa.array(customer)), "as_of": as_of}
    for name, kind in kinds.items():
        columns[name] = _column(values.get(name, []), member, kind)
    return pa.table(columns)


def _column(parts: list[Values], member: BoolArray, kind: str) -> pa.Array:
    import pyarrow as pa

    if not parts:
        return pa.nulls(int(member.sum()), pa.string() if kind == "text" else pa.float64())
    if kind == "number":
        return pa.array(np.concatenate(parts, axis=1)[member], from_pandas=True)
    codes = np.concatenate([part.codes for part in parts], axis=1)[member]
    words = pa.array(parts[0].values, pa.string())
    return words.take(pa.array(codes, mask=codes < 0))


def _with_queries(
    plan: Plan, tables: Mapping[str, pa.Table], bucket: Bucket, cuts: tuple[int, ...], table: pa.Table
) -> pa.Table:
    """Fill the columns of `sql` features: each query runs once per cut-off over the rows visible there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    queries = [feature for feature in plan.feature_set.features if feature.kind == "sql"]
    for feature in queries:
        names = [column.name for column in plan.columns if column.feature == feature]
        wanted = tables_of(feature, {entity: {} for entity in plan.reads})
        pieces: dict[str, list[pa.ChunkedArray]] = {name: [] for name in names}
        for cut in cuts:
            visible = {entity: _visible(tables[entity], bucket, entity, cut) for entity in wanted}
            result = run_query(feature, visible, cut)
            here = table.filter(pc.equal(table["as_of"], pa.scalar(cut, pa.int64()).cast(pa.timestamp("us", "UTC"))))
            place = pc.index_in(here["customer_id"], result["customer_id"].combine_chunks())
            for name in names:
                pieces[name].append(result[name].combine_chunks().take(place))
        for name in names:
            index = table.schema.get_field_index(name)
            kind = table.schema.field(name).type
            filled = pa.chunked_array([_clean(piece, kind) for piece in pieces[name]], kind)
            table = table.set_column(index, name, filled.combine_chunks())
    return table


def _clean(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """The result of a query in the type of its column; not-a-number is unknown like everywhere."""
    import pyarrow as pa

    if pa.types.is_string(kind):
        return values.cast(kind)
    return pa.array(values.cast(kind).to_numpy(zero_copy_only=False), from_pandas=True)


def _visible(table: pa.Table, bucket: Bucket, entity: str, cut: int) -> pa.Table:
    import pyarrow as pa

    return table.filter(pa.array(bucket.rows(entity).visible(cut)))
