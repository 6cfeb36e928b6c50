"""How a row of features becomes one vector of floats: the form in which rows are stored online and scored."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from axiom.maths.arrays import FloatArray

UNSEEN = -1.0
"""The code of a category that was not there in training. A missing one is NaN."""


@dataclass(frozen=True)
class Layout:
    """Order of the features and the codes of their categories.

    Attributes:
        names: features in the order of the vector, length p.
        levels: for each categorical feature its known categories; a category's code is its place in the list.
    """

    names: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]

    @classmethod
    def learn(cls, X: pa.Table) -> Layout:
        """Names from the columns, levels from the text columns in order of the alphabet.

        Raises:
            BadInputError: a column is neither numbers nor text; it is named.
        """
        texts = [name for name in X.column_names if _is_text(X.column(name).type)]
        levels = {
            name: tuple(sorted(str(value) for value in X.column(name).unique().to_pylist() if value is not None))
            for name in texts
        }
        return cls(tuple(X.column_names), levels)

    def matrix(self, X: pa.Table) -> FloatArray:
        """The columns as a float matrix, shape (n, p): categories by code, missing values as NaN.

        Raises:
            BadInputError: a feature is not there (a stale feature set), changed its type, or is infinite.
        """
        there = set(X.column_names)
        missing = [name for name in self.names if name not in there]
        if missing:
            raise BadInputError(
                f"{len(missing)} of the {len(self.names)} features that the model was trained on are not in the table: "
                f"{', '.join(missing[:5])}{', …' if len(missing) > 5 else ''}",
                hint="the feature set is stale: build with the feature-set version on the model's card, or train again",
            )
        out = np.empty((X.num_rows, len(self.names)), order="F")
        for j, name in enumerate(self.names):
            column = X.column(name)
            out[:, j] = self._codes(name, column) if name in self.levels else numbers(name, column)
        return out

    def vector(self, row: Mapping[str, float | str | None]) -> FloatArray:
        """One row as a vector, shape (p,). A feature that the row lacks is missing."""
        out = np.empty(len(self.names))
        for j, name in enumerate(self.names):
            value = row.get(name)
            if value is None:
                out[j] = math.nan
            elif name in self.levels:
                out[j] = self.code(name, str(value))
            else:
                out[j] = float(value)
        return out

    def code(self, name: str, level: str) -> float:
        """The code of one category; `UNSEEN` where training did not know it."""
        levels = self.levels[name]
        return float(levels.index(level)) if level in levels else UNSEEN

    def _codes(self, name: str, column: pa.ChunkedArray) -> FloatArray:
        import pyarrow as pa
        import pyarrow.compute as pc

        if not _is_text(column.type):
            raise BadInputError(f"feature {name!r} was text in training and is {column.type} now")
        plain = column.cast(pa.string())
        index = pc.index_in(plain, value_set=pa.array(self.levels[name], pa.string()))
        codes: FloatArray = pc.fill_null(index.cast(pa.float64()), UNSEEN).to_numpy(zero_copy_only=False).copy()
        codes[plain.is_null().to_numpy(zero_copy_only=False)] = math.nan
        return codes


def numbers(name: str, column: pa.ChunkedArray) -> FloatArray:
    """A numeric column as float64, shape (n,), nulls as NaN.

    Raises:
        BadInputError: it is not numeric, or holds an infinite value.
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_boolean(kind) or pa.types.is_null(kind):
        column = column.cast(pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise BadInputError(
            f"feature {name!r} has type {kind}; features are numbers or text",
            hint="turn a time into a number, for example days before the as-of",
        )
    values: FloatArray = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    if np.isinf(values).any():
        raise BadInputError(
            f"feature {name!r} is infinite in {int(np.isinf(values).sum())} rows",
            hint="a division by zero? Give null where there is no value",
        )
    return values


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
