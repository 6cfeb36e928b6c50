"""Customers who come with the request: features by name, or the rows of their history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axiom.errors import BadInputError
from axiom.scoring.compiled import posted_layout
from axiom.scoring.history import HistoryReader, vector_of_features

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from axiom.features.definitions import FeatureSet
    from axiom.maths.arrays import FloatArray
    from axiom.scoring.compiled import BoundChurn, BoundClv, CompiledChurn, CompiledClv
    from axiom.scoring.online.vectors import VectorLayout


@dataclass(frozen=True, eq=False)
class Posted:
    """One model, bound to the vector of exactly the features that it reads.

    Attributes:
        bound: the model.
        layout: of its vectors.
        reader: of histories; None where the model's artefact does not say how its features are made.
    """

    bound: BoundChurn | BoundClv
    layout: VectorLayout
    reader: HistoryReader | None

    @classmethod
    def of(
        cls,
        model: CompiledChurn | CompiledClv,
        definitions: FeatureSet | None,
        schema: Mapping[str, Mapping[str, str]],
    ) -> Posted:
        """Bind a model to its own features.

        Args:
            model: the model.
            definitions: of its features.
            schema: entity -> column -> type in the lake, for features in SQL.
        """
        layout = posted_layout([model])
        reader = None if definitions is None else HistoryReader(definitions, layout, schema=schema)
        return cls(model.bind(layout), layout, reader)

    def of_features(self, features: Mapping[str, Any]) -> FloatArray:
        """The vector of features by name.

        Raises:
            BadInputError: a name is unknown or lacking, or a value is no value.
        """
        return vector_of_features(self.layout, features)

    def of_history(self, history: Mapping[str, Any], as_of: datetime) -> FloatArray:
        """The vector of a history, by the very definitions that the model was trained on.

        Raises:
            BadInputError: the rows are no history, or the model does not say how its features are made.
        """
        if self.reader is None:
            raise BadInputError(
                "the model's artefact does not hold its feature definitions, so a history cannot become features",
                hint="send features, or train the model again",
            )
        return self.reader.vector(history, as_of)
