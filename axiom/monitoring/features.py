"""Readings of features: values that are missing, and values that are spread otherwise than in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.maths.drift import (
    Bins,
    homogeneity_p_value,
    jensen_shannon_divergence,
    ks_statistic,
    population_stability_index,
    population_stability_noise,
    two_proportions_p_value,
    welch_t_test,
)
from axiom.monitoring.judging import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from axiom.maths.arrays import FloatArray

NOISE = 0.005
"""Share of missing values that counts as none: a multiple of less says nothing."""
FEWEST = 30
"""Known values of either side below which the spread of a feature is not judged."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Values of one feature.

    Attributes:
        known: those that are there; categories as codes that both sides share.
        rows: all, the missing ones included.
    """

    known: FloatArray
    rows: int

    @property
    def missing(self) -> float:
        """Share of missing values."""
        return 1 - self.known.size / self.rows


def feature_readings(baseline: pa.Table, current: pa.Table, customers: int) -> Iterator[Reading]:
    """Missing values and drift of every column of both tables.

    Args:
        baseline: rows that the champion learnt from, n rows.
        current: rows of the newest cut-off, m rows, with the same columns.
        customers: different ones among the baseline's rows: one at several cut-offs is not several.
    """
    independent = customers / baseline.num_rows
    for name in current.column_names:
        then, now, numeric = _samples(baseline[name], current[name])
        yield from _missing(name, then, now, independent)
        yield _drift(name, then, now, independent, numeric=numeric)


def _missing(name: str, then: Sample, now: Sample, independent: float) -> Iterator[Reading]:
    evidence = {
        "missing": now.missing,
        "rows": now.rows,
        "baseline_missing": then.missing,
        "baseline_rows": then.rows,
    }
    effective = then.rows * independent
    p = two_proportions_p_value(now.missing * now.rows, now.rows, then.missing * effective, effective)
    excess = now.missing - then.missing
    # A floor under the baseline: of a feature that never was missing every trace would be an infinite multiple.
    ratio = now.missing / max(then.missing, NOISE)
    yield Reading("missing_excess", name, excess, p_value=p, evidence=evidence)
    yield Reading("missing_ratio", name, ratio, p_value=p, evidence=evidence)


def _drift(name: str, then: Sample, now: Sample, independent: float, *, numeric: bool) -> Reading:
    few = min(then.known.size, now.known.size)
    if few < FEWEST:
        return Reading("feature_psi", name, reason=f"{few} known values; at least {FEWEST} are needed")
    bins = Bins.fit(then.known)
    before, after = bins.count(then.known), bins.count(now.known)
    evidence: dict[str, Any] = {
        "rows": int(now.known.size),
        "baseline_rows": int(then.known.size),
        "noise": population_stability_noise(before, after, independent=independent),
        "jensen_shannon": jensen_shannon_divergence(before, after),
    }
    if numeric:
        evidence |= {
            "ks": ks_statistic(then.known, now.known),
            "welch_p_value": welch_t_test(now.known, then.known).p_value,
            "mean": float(now.known.mean()),
            "baseline_mean": float(then.known.mean()),
        }
    value = population_stability_index(before, after)
    p = homogeneity_p_value(before, after, independent=independent)
    return Reading("feature_psi", name, value, p_value=p, evidence=evidence)


def _samples(baseline: pa.ChunkedArray, current: pa.ChunkedArray) -> tuple[Sample, Sample, bool]:
    import pyarrow as pa

    kind = baseline.type.value_type if pa.types.is_dictionary(baseline.type) else baseline.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        then, now = _codes(baseline, current)
        return then, now, False
    return _numbers(baseline), _numbers(current), not pa.types.is_boolean(kind)


def _numbers(column: pa.ChunkedArray) -> Sample:
    import pyarrow as pa

    values = column.cast(pa.float64()).to_numpy()
    return Sample(values[np.isfinite(values)], len(values))


def _codes(baseline: pa.ChunkedArray, current: pa.ChunkedArray) -> tuple[Sample, Sample]:
    """Categories as numbers. The rarer ones of many share a code: a bin for each would be empty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    then, now = (column.cast(pa.string()) for column in (baseline, current))
    counts = sorted(pc.value_counts(then.drop_null()).to_pylist(), key=lambda one: (-one["counts"], one["values"]))
    common = pa.array([one["values"] for one in counts[:_CATEGORIES]], pa.string())
    return _coded(then, common), _coded(now, common)


def _coded(column: pa.ChunkedArray, common: pa.Array) -> Sample:
    import pyarrow.compute as pc

    known = column.drop_null()
    codes = pc.fill_null(pc.index_in(known, common), len(common)).to_numpy()
    return Sample(codes.astype(np.float64), len(column))


_CATEGORIES = 9  # and one for all others: as many as there are bins for numbers
