"""How the values of two feature datasets differ, column by column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.errors import MisuseError

if TYPE_CHECKING:
    import pyarrow as pa

    from axiom.lake import Dataset

_KEY = ("as_of", "customer_id")


@dataclass
class _Column:
    """What adds up over buckets for one column."""

    compared: int = 0
    changed: int = 0
    largest: float = 0.0
    known: list[int] = field(default_factory=lambda: [0, 0])
    total: list[float] = field(default_factory=lambda: [0.0, 0.0])


def diff_features(first: Dataset, second: Dataset) -> pa.Table:
    """Compare two feature datasets on the rows (cut-off and customer) that both have.

    Args:
        first: a features dataset.
        second: another one of the same lake, of this or another feature-set version.

    Returns:
        one row per column, in order of the first dataset, then what only the second has: `feature`, `where` (`both`,
        `first`, `second`), `rows` (compared), `changed` (rows with another value; null equals null), `largest`
        (largest absolute difference where both are known; null for text), `mean_first`, `mean_second`.

    Raises:
        MisuseError: they share no row.
    """
    import pyarrow as pa

    names = list(dict.fromkeys([*first.manifest.schema, *second.manifest.schema]))
    shared = [name for name in names if name in first.manifest.schema and name in second.manifest.schema]
    columns = {name: _Column() for name in names}
    rows = 0
    for bucket in sorted({file.bucket for file in first.manifest.files}):
        one, other = _aligned(first.read(shared, bucket=bucket), second.read(shared, bucket=bucket))
        rows += one.num_rows
        for name in shared:
            _compare(columns[name], one[name].combine_chunks(), other[name].combine_chunks())
    if not rows:
        raise MisuseError(
            f"features {first.manifest.id} and {second.manifest.id} have no customer at a common cut-off",
            hint="build both with the same --as-of",
        )
    lines = [_line(name, columns[name], first, second) for name in names if name not in _KEY]
    return pa.Table.from_pylist(lines, schema=_schema())


def _aligned(one: pa.Table, other: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows that both have, in the same order."""
    import pyarrow as pa

    def placed(table: pa.Table, name: str) -> pa.Table:
        return table.select(list(_KEY)).append_column(name, pa.array(np.arange(table.num_rows)))

    both = placed(one, "one").join(placed(other, "other"), keys=list(_KEY), join_type="inner").sort_by("one")
    return one.take(both["one"]), other.take(both["other"])


def _compare(column: _Column, one: pa.Array, other: pa.Array) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    column.compared += len(one)
    if not pa.types.is_floating(one.type) or one.type != other.type:
        one, other = one.cast(pa.string()), other.cast(pa.string())
    same = pc.or_(pc.fill_null(pc.equal(one, other), False), pc.and_(one.is_null(), other.is_null()))  # noqa: FBT003
    column.changed += len(one) - int(pc.sum(same).as_py() or 0)
    if not pa.types.is_floating(one.type):
        return
    gap = pc.max(pc.abs(pc.subtract(one, other))).as_py()
    column.largest = max(column.largest, gap or 0.0)
    for place, values in enumerate((one, other)):
        column.known[place] += len(values) - values.null_count
        column.total[place] += pc.sum(values).as_py() or 0.0


def _line(name: str, column: _Column, first: Dataset, second: Dataset) -> dict[str, Any]:
    sides = [name in dataset.manifest.schema for dataset in (first, second)]
    number = all(sides) and "double" in (first.manifest.schema[name], second.manifest.schema[name])
    means = [total / known if known else None for total, known in zip(column.total, column.known, strict=True)]
    return {
        "feature": name,
        "where": "both" if all(sides) else "first" if sides[0] else "second",
        "rows": column.compared,
        "changed": column.changed,
        "largest": column.largest if number else None,
        "mean_first": means[0],
        "mean_second": means[1],
    }


def _schema() -> pa.Schema:
    import pyarrow as pa

    counts = [(name, pa.int64()) for name in ("rows", "changed")]
    numbers = [(name, pa.float64()) for name in ("largest", "mean_first", "mean_second")]
    return pa.schema([("feature", pa.string()), ("where", pa.string()), *counts, *numbers])
