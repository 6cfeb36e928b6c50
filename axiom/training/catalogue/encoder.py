"""Preprocessing: from the vector of raw features to the columns that a model learns from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from axiom.errors import BadInputError
from axiom.training.catalogue.layout import Layout
from axiom.training.catalogue.purchases import NAME, RFM

if TYPE_CHECKING:
    import pyarrow as pa

    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.training.catalogue.purchases import PurchaseColumn

_MAX_LEVELS = 30
_MIN_LEVEL_ROWS = 5
_SKEWED = 1.0
_SAMPLE = 20_000  # rows that tell whether a column has a heavy tail
_FEW = 1000  # rows that mostly suffice to see that a column varies
_BEYOND = 0.5  # company data grow older between training and use, so some extrapolation has to be allowed


@dataclass(frozen=True, eq=False)
class Encoder:
    """A learnt preprocessing.

    Output columns: numbers, then that of the purchase model where there is one, then missing indicators, then one-hot
    categories. The purchase model's column counts with the raw feature t_x: it says how long the silence is for the
    customer's own rhythm. Of the arrays below, those of shape (a,) have its entry last.

    Attributes:
        layout: order and categories of the raw features (p of them).
        names: the output columns' names, length k.
        source: raw feature of each output column, shape (k,).
        numeric: raw feature of each number, shape (a,) or, with a purchase model, (a - 1,).
        fill: what stands for a missing value, shape (a,); NaN where the model takes missing values itself.
        low: smaller values count as this one, shape (a,).
        high: larger values count as this one, shape (a,).
        squash: scale c of asinh(v / c) for heavy-tailed features, shape (a,); 0 leaves the value as it is.
        centre: subtracted from each numeric output, shape (a,).
        scale: divides each numeric output, shape (a,).
        indicator: raw feature of each missing indicator, shape (b,).
        categorical: raw feature of each one-hot block, shape (c,).
        slots: output column of each code of each block, shape (c, 2 + most levels): missing, unseen, level 0, 1, …;
            -1 for none.
        purchases: the purchase model; None for none.
    """

    layout: Layout
    names: tuple[str, ...]
    source: IntArray
    numeric: IntArray
    fill: FloatArray
    low: FloatArray
    high: FloatArray
    squash: FloatArray
    centre: FloatArray
    scale: FloatArray
    indicator: IntArray
    categorical: IntArray
    slots: IntArray
    purchases: PurchaseColumn | None = None

    def transform(self, M: FloatArray) -> FloatArray:
        """Raw rows, shape (n, p), to model columns, shape (n, k)."""
        a, b = len(self.fill), len(self.indicator)
        out = np.zeros((len(M), len(self.names)))
        values = _numbers(M, self.numeric, self.purchases)
        missing = np.isnan(values)
        if missing.any():
            values = np.where(missing, self.fill, values)
        np.clip(values, self.low, self.high, out=values)
        if self.squash.any():
            heavy = np.flatnonzero(self.squash)
            values[:, heavy] = np.arcsinh(values[:, heavy] / self.squash[heavy])
        values -= self.centre
        values /= self.scale
        out[:, :a] = values
        out[:, a : a + b] = np.isnan(M[:, self.indicator])
        if len(self.categorical):
            codes = M[:, self.categorical]
            slot = self.slots[np.arange(len(self.slots)), np.where(np.isnan(codes), 0, codes + 2).astype(np.int64)]
            rows, block = np.nonzero(slot >= 0)
            out[rows, slot[rows, block]] = 1.0
        return out


class Learnt(NamedTuple):
    """What `learn_encoder` gives: the encoder, the training rows raw (n, p) and encoded (n, k), and the warnings."""

    encoder: Encoder
    M: FloatArray
    Z: FloatArray
    warnings: tuple[str, ...]


def learn_encoder(X: pa.Table, *, impute: bool, scale: bool, purchases: PurchaseColumn | None = None) -> Learnt:
    """Learn the preprocessing from training rows.

    A column that is missing throughout, holds one value, or holds another one in fewer than 5 rows, is dropped with a
    warning that names it: a window that the data did not fill yet looks like that, and the few rows that differ would
    set a coefficient for the whole future. A category with fewer than 5 rows, or beyond the 30 commonest, goes to
    `other`, where unseen ones go too.

    Args:
        X: features of the training rows.
        impute: fill a missing value with the median; else the model gets NaN where training had missing values too.
        scale: centre on the mean, divide by the standard deviation, asinh for heavy tails, and hold values within one
            and a half ranges of the training rows: far beyond, what a linear model or a network says is invention.
        purchases: purchase model whose column is added.

    Raises:
        BadInputError: no column is left.
    """
    layout = Layout.learn(X)
    M = layout.matrix(X)
    plan = _Plan(layout, M, indicators=impute, purchases=purchases is not None)
    if not plan.names:
        raise BadInputError(
            f"none of the {len(layout.names)} features varies over the {len(M)} training rows",
            hint="build other features, or train on more cut-offs",
        )
    numeric = np.array(plan.numeric, dtype=np.int64)
    values = _numbers(M, numeric, purchases)
    a = values.shape[1]
    fill = np.array([_fill(values[:, j], impute=impute) for j in range(a)])
    squash = _squashes(values) if scale else np.zeros(a)
    low, high = np.full(a, -np.inf), np.full(a, np.inf)
    if scale and a:
        low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        low, high = low - _BEYOND * (high - low), high + _BEYOND * (high - low)
    encoder = Encoder(
        layout,
        tuple(plan.names),
        np.array(plan.source, dtype=np.int64),
        numeric,
        fill,
        low,
        high,
        squash,
        np.zeros(a),
        np.ones(a),
        np.array(plan.indicator, dtype=np.int64),
        np.array(plan.categorical, dtype=np.int64),
        plan.slot_table(),
        purchases,
    )
    Z = encoder.transform(M)
    if scale:
        numbers = Z[:, :a]
        centre, sd = numbers.mean(axis=0), numbers.std(axis=0)
        sd[sd == 0] = 1.0
        numbers -= centre
        numbers /= sd
        encoder = replace(encoder, centre=centre, scale=sd)
    return Learnt(encoder, M, Z, plan.warnings())


def _numbers(M: FloatArray, numeric: IntArray, purchases: PurchaseColumn | None) -> FloatArray:
    """The numeric outputs before anything is done to them, shape (n, a); a copy."""
    if purchases is None:
        return M[:, numeric]
    out = np.empty((len(M), len(numeric) + 1))
    out[:, :-1] = M[:, numeric]
    out[:, -1] = purchases(M)
    return out


class _Plan:
    """Which output columns there will be."""

    def __init__(self, layout: Layout, M: FloatArray, *, indicators: bool, purchases: bool) -> None:
        self._indicators = indicators
        self.numeric: list[int] = []
        self.indicator: list[int] = []
        self.categorical: list[int] = []
        self.names: list[str] = []
        self.source: list[int] = []
        self._slots: list[list[int]] = []
        self._empty: list[str] = []
        self._constant: list[str] = []
        self._nearly: list[str] = []
        wide = [j for j, name in enumerate(layout.names) if name not in layout.levels]
        for j in wide:
            self._number(j, layout.names[j], M[:, j])
        for j in self.numeric:
            self._add(j, layout.names[j])
        if purchases:
            self._add(layout.names.index(RFM[1]), NAME)
        for j in self.indicator:
            self._add(j, f"{layout.names[j]} is missing")
        for j, name in enumerate(layout.names):
            if name in layout.levels:
                self._category(j, name, layout.levels[name], M[:, j])

    def _add(self, j: int, name: str) -> int:
        self.names.append(name)
        self.source.append(j)
        return len(self.names) - 1

    def _number(self, j: int, name: str, values: FloatArray) -> None:
        missing = np.isnan(values)
        if missing.all():
            self._empty.append(name)
            return
        known = values[~missing] if missing.any() else values
        others = _others(known[:: max(1, len(known) // _FEW)])
        if others < _MIN_LEVEL_ROWS:
            others = _others(known)
        varies = others >= min(_MIN_LEVEL_ROWS, len(values) // 2)
        if varies:
            self.numeric.append(j)
        if missing.any() and (self._indicators or not varies):
            self.indicator.append(j)
        if not varies and others:
            self._nearly.append(name)
        elif not varies and not missing.any():
            self._constant.append(name)

    def _category(self, j: int, name: str, levels: tuple[str, ...], codes: FloatArray) -> None:
        missing = np.isnan(codes)
        if missing.all():
            self._empty.append(name)
            return
        counts = np.bincount(codes[~missing].astype(np.int64), minlength=len(levels))
        if len(levels) == 1 and not missing.any():
            self._constant.append(name)
            return
        common = np.argsort(-counts, kind="stable")[:_MAX_LEVELS]
        kept = {int(k) for k in common if counts[k] >= _MIN_LEVEL_ROWS}
        other = self._add(j, f"{name} = other") if len(kept) < len(levels) else -1
        slots = [self._add(j, f"{name} is missing") if missing.any() else -1, other]
        slots += [self._add(j, f"{name} = {level}") if k in kept else other for k, level in enumerate(levels)]
        self.categorical.append(j)
        self._slots.append(slots)

    def slot_table(self) -> IntArray:
        width = max((len(row) for row in self._slots), default=2)
        table = np.full((len(self._slots), width), -1, dtype=np.int64)
        for block, row in enumerate(self._slots):
            table[block, : len(row)] = row
        return table

    def warnings(self) -> tuple[str, ...]:
        return tuple(
            f"dropped {len(names)} column{'s' if len(names) > 1 else ''} {what} over the training rows: "
            f"{', '.join(names[:10])}{', …' if len(names) > 10 else ''}"
            for names, what in (
                (self._empty, "missing throughout"),
                (self._constant, "with a single value"),
                (self._nearly, f"in which fewer than {_MIN_LEVEL_ROWS} rows differ from a single value"),
            )
            if names
        )


def _fill(column: FloatArray, *, impute: bool) -> float:
    """What stands for a missing value: the median, or NaN where the model knows missing values itself.

    A column without any gets a value all the same, the median of a sample: later rows may lack it.
    """
    if np.isnan(column).any():
        return float(np.nanmedian(column)) if impute else np.nan
    return float(np.median(column[:: max(1, len(column) // _SAMPLE)]))


def _others(values: FloatArray) -> int:
    """How many values differ from the one in the middle, which is the commonest wherever nearly all share one."""
    middle = np.partition(values, len(values) // 2)[len(values) // 2]
    return int(np.count_nonzero(values != middle))


def _squashes(values: FloatArray) -> FloatArray:
    """The typical size of each heavy-tailed column; 0 for the others.

    Counts and money grow by factors: on their raw scale a handful of rows would carry a linear model.
    """
    out = np.zeros(values.shape[1])
    sample = values[:: max(1, len(values) // _SAMPLE)]
    for j in range(sample.shape[1]):
        column = sample[~np.isnan(sample[:, j]), j]
        if not len(column) or ((column == column.min()) | (column == column.max())).all():
            continue  # two values differ by a factor and a shift only, whatever is done to them
        size = float(np.median(np.abs(column[column != 0])))
        skewness = abs(_skewness(column))
        if skewness > _SKEWED and abs(_skewness(np.arcsinh(column / size))) < skewness:
            out[j] = size
    return out


def _skewness(column: FloatArray) -> float:
    z = column - column.mean()
    squares = z * z
    return float((squares * z).mean() / squares.mean() ** 1.5)
