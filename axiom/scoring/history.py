"""Customers whose features or history come with the request, as one vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from axiom.features.definitions import FeatureSet
    from axiom.maths.arrays import FloatArray
    from axiom.scoring.online.vectors import VectorLayout

MOST_ROWS = 10_000
"""Rows of a posted history, over all entities."""


def features_of_history(
    feature_set: FeatureSet,
    layout: VectorLayout,
    history: Mapping[str, Sequence[Mapping[str, Any]]],
    as_of: datetime,
    *,
    schema: Mapping[str, Mapping[str, str]] | None = None,
) -> FloatArray:
    """Compute one customer's features from the rows that describe it.

    Args:
        feature_set: the definitions, as `CompiledChurn.definitions`.
        layout: of the vector; `posted_layout` of the models that will score it.
        history: `transactions`, `events`, `customers` -> rows.
        as_of: the cut-off, with a time zone.
        schema: entity -> column -> Arrow type of the lake, which `sql` features need; default: what the definitions ask
            for.

    Raises:
        BadInputError: the rows are no history; the message names entity, row and field.
    """
    raise NotImplementedError


def vector_of_features(layout: VectorLayout, features: Mapping[str, Any]) -> FloatArray:
    """A vector from features by name; None stands for a missing value.

    Raises:
        BadInputError: a name is unknown or lacking, a value is of the wrong type, NaN or infinite.
    """
    raise NotImplementedError
