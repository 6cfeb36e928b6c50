"""From a vector of the online store to the vector of one model: places and codes, worked out once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.errors import BadInputError
from axiom.training.catalogue.layout import UNSEEN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.scoring.online.vectors import VectorLayout

_AMBIGUOUS = -2.0
UNSEEN_NAME = "(unseen)"
"""What a category is called that the layout does not know."""


@dataclass(frozen=True, eq=False)
class Binding:
    """Where a model's features are in another layout, and what their categories are called there.

    Attributes:
        names: the model's features in its own order, length p.
        width: length of the vectors it reads.
        place: of each feature in them, shape (p,).
        recode: place in `names` of a category -> the model's code of each code, shifted by one: `UNSEEN` comes first.
        levels: categories that a code may stand for, by feature, as the vectors it reads count them.
    """

    names: tuple[str, ...]
    width: int
    place: IntArray
    recode: Mapping[int, FloatArray]
    levels: Mapping[str, tuple[str, ...]]

    def row(self, vector: FloatArray) -> FloatArray:
        """One vector, shape (width,), as the model's own raw row, shape (p,); errors as `own`."""
        self.check(len(vector))
        out = vector.take(self.place)
        for j, table in self.recode.items():
            code = out.item(j)
            if not math.isnan(code):
                place = int(code) + 1
                if not 0 <= place < len(table):
                    raise self._unknown_code(j)
                out[j] = table[place]
                if out[j] == _AMBIGUOUS:
                    raise self._ambiguous(j)
        return out

    def own(self, matrix: FloatArray) -> FloatArray:
        """Rows, shape (n, width), as the model's own raw rows, shape (n, p).

        Raises:
            BadInputError: the rows have another width, a code that no category has, or a category that the layout
                does not know and the model may.
        """
        self.check(matrix.shape[-1])
        out = matrix[:, self.place]
        for j, table in self.recode.items():
            known = ~np.isnan(out[:, j])
            codes = out[known, j].astype(np.int64) + 1
            if len(codes) and (codes.min() < 0 or codes.max() >= len(table)):
                raise self._unknown_code(j)
            out[known, j] = table[codes]
            if (out[known, j] == _AMBIGUOUS).any():
                raise self._ambiguous(j)
        return out

    def check(self, width: int) -> None:
        """Refuse a vector of another length.

        Raises:
            BadInputError: it is not `width`.
        """
        if width != self.width:
            raise BadInputError(
                f"a vector of {width} features, the layout has {self.width}",
                hint="publish the features again: axiom features publish",
            )

    def values(self, vector: FloatArray) -> list[float | str | None]:
        """The model's features of one vector, shape (width,), as people know them: names of categories, None."""
        return [self._plain(name, value) for name, value in zip(self.names, vector[self.place].tolist(), strict=True)]

    def table(self, matrix: FloatArray) -> pa.Table:
        """The model's features of rows, shape (n, width), as a table: null where missing; errors as `own`."""
        import pyarrow as pa

        self.own(matrix)  # refuses codes that would become another category's name
        columns = {}
        for name, j in zip(self.names, self.place.tolist(), strict=True):
            column = matrix[:, j]
            if name in self.levels:
                words = [self._plain(name, code) for code in column.tolist()]
                columns[name] = pa.array(words, pa.string())
            else:
                columns[name] = pa.array(column, pa.float64(), from_pandas=True)
        return pa.table(columns)

    def _plain(self, name: str, value: float) -> float | str | None:
        if math.isnan(value):
            return None
        if name not in self.levels:
            return value
        return UNSEEN_NAME if value == UNSEEN else self.levels[name][int(value)]

    def _unknown_code(self, j: int) -> BadInputError:
        known = len(self.levels[self.names[j]])
        return BadInputError(
            f"feature {self.names[j]!r} has a code that none of its {known} categories has",
            hint="publish the features again: axiom features publish",
        )

    def _ambiguous(self, j: int) -> BadInputError:
        return BadInputError(
            f"feature {self.names[j]!r} is of a category that the layout does not know, and the model knows more",
            hint="use `posted_layout` for features that come with a request",
        )


def bind(
    names: Sequence[str], levels: Mapping[str, tuple[str, ...]], feature_set: str, layout: VectorLayout, who: str
) -> Binding:
    """Find a model's features in a layout.

    Args:
        names: the model's features in its own order.
        levels: its categories.
        feature_set: version that it reads; "" where any will do.
        layout: of the vectors.
        who: the model, for messages.

    Raises:
        BadInputError: the layout is of another feature set, a feature is not in it, or is text here and a number there.
    """
    if feature_set and layout.feature_set != feature_set:
        raise BadInputError(
            f"the vectors are of feature-set version {layout.feature_set!r}, {who} was trained on {feature_set!r}",
            hint="score and publish with the model's features, or train a model on the new ones",
        )
    there = {name: place for place, name in enumerate(layout.layout.names)}
    missing = [name for name in names if name not in there]
    if missing:
        raise BadInputError(
            f"{len(missing)} of the {len(names)} features of {who} are not in the vectors: "
            f"{', '.join(missing[:5])}{', …' if len(missing) > 5 else ''}",
            hint="publish the features again: axiom features publish",
        )
    recode = {}
    for j, name in enumerate(names):
        stored, own = layout.layout.levels.get(name), levels.get(name)
        if (stored is None) != (own is None):
            kinds = ("a number", "text") if stored is None else ("text", "a number")
            raise BadInputError(f"feature {name!r} is {kinds[0]} in the vectors and {kinds[1]} in {who}")
        if stored is not None and own is not None:
            recode[j] = _codes(stored, own)
    return Binding(
        tuple(names),
        len(layout.layout.names),
        np.array([there[name] for name in names], dtype=np.int64),
        recode,
        {name: layout.layout.levels[name] for name in names if name in layout.layout.levels},
    )


def _codes(stored: tuple[str, ...], own: tuple[str, ...]) -> FloatArray:
    known = {level: float(code) for code, level in enumerate(own)}
    unseen = UNSEEN if set(own) <= set(stored) else _AMBIGUOUS
    return np.array([unseen, *(known.get(level, UNSEEN) for level in stored)])
