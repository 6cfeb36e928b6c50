"""Registered models made ready for one customer at a time: read once, bound to the vectors of a store, then asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from axiom.errors import BadInputError, CorruptError
from axiom.features.definitions import FeatureSet
from axiom.scoring.compiled_answers import ChurnAnswer, ChurnReasons, ClvAnswer, Term
from axiom.scoring.compiled_binding import bind
from axiom.scoring.compiled_churn import BoundChurn
from axiom.scoring.compiled_clv import BoundClv
from axiom.scoring.compiled_explain import explainable
from axiom.training.actions import load_actions
from axiom.training.clv.model import ClvModel
from axiom.training.clv.rows import RFM_COLUMNS
from axiom.training.survival_model import SurvivalModel, load_churn_predictor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from axiom.scoring.loading import ModelFiles
    from axiom.scoring.online.vectors import VectorLayout
    from axiom.training.actions import ActionMap
    from axiom.training.churn_model import ChurnModel

__all__ = [
    "BoundChurn",
    "BoundClv",
    "ChurnAnswer",
    "ChurnReasons",
    "ClvAnswer",
    "CompiledChurn",
    "CompiledClv",
    "Term",
    "posted_layout",
]

_FEATURES_FILE = "feature_set.json"


@dataclass(frozen=True, eq=False)
class CompiledChurn:
    """A churn or Cox model.

    Attributes:
        version: `name@version`.
        model: as it is registered.
        definitions: the features it was trained on; None where its artefact does not say.
    """

    version: str
    model: ChurnModel | SurvivalModel
    definitions: FeatureSet | None = None

    @classmethod
    def of(cls, files: ModelFiles) -> CompiledChurn:
        """Read a registered version.

        Raises:
            CorruptError: the files are damaged or are no churn model.
        """
        return cls(files.version, load_churn_predictor(files.files), _definitions(files.files))

    @property
    def horizon_days(self) -> float:
        """What the probability is about."""
        return self.model.horizon_days

    @property
    def threshold(self) -> float:
        """Contact from this probability on."""
        return self.model.threshold

    @property
    def feature_set(self) -> str:
        """Version of the feature set that it reads."""
        return self.model.feature_set

    @property
    def features(self) -> tuple[str, ...]:
        """Features that it reads."""
        return self.model.features

    @property
    def levels(self) -> Mapping[str, tuple[str, ...]]:
        """Categories that it knows, by feature."""
        model = self.model
        encoder = model.encoder if isinstance(model, SurvivalModel) else model.model.encoder
        return encoder.layout.levels

    @property
    def explainable(self) -> bool:
        """Whether `explain` can be asked: linear, tree and Cox models."""
        return explainable(self.model)

    def bind(self, layout: VectorLayout, actions: ActionMap | None = None) -> BoundChurn:
        """Get ready for vectors of a layout.

        Args:
            layout: of the vectors.
            actions: what drives the reasons of `explain`, and what to do about it; default: the map that Axiom ships.

        Raises:
            BadInputError: the layout is of another feature set, or a feature is not in it: never a wrong score.
        """
        binding = bind(self.features, self.levels, self.feature_set, layout, self.version)
        return BoundChurn(self.model, binding, load_actions() if actions is None else actions)


@dataclass(frozen=True, eq=False)
class CompiledClv:
    """A CLV model.

    Attributes:
        version: `name@version`.
        model: as it is registered.
        definitions: the features it was trained on; None where its artefact does not say.
    """

    version: str
    model: ClvModel
    definitions: FeatureSet | None = None

    @classmethod
    def of(cls, files: ModelFiles) -> CompiledClv:
        """Read a registered version.

        Raises:
            CorruptError: the files are damaged or are no CLV model.
        """
        return cls(files.version, ClvModel.from_files(files.files), _definitions(files.files))

    @property
    def horizon_days(self) -> int:
        """What the forecast is about."""
        return self.model.horizon_days

    @property
    def feature_set(self) -> str:
        """Version of the feature set that it reads; "" where the RFM summary, which all have, is enough."""
        return self.definitions.version if self.model.features and self.definitions is not None else ""

    @property
    def features(self) -> tuple[str, ...]:
        """Features that it reads, the RFM summary first."""
        return tuple(dict.fromkeys((*RFM_COLUMNS, *self.model.features)))

    @property
    def levels(self) -> Mapping[str, tuple[str, ...]]:
        """Categories that it knows, by feature."""
        encoder = getattr(getattr(self.model.fitted, "reader", None), "encoder", None)
        return {} if encoder is None else encoder.layout.levels

    def bind(self, layout: VectorLayout) -> BoundClv:
        """Get ready for vectors of a layout.

        Raises:
            BadInputError: the layout is of another feature set, or a feature is not in it.
        """
        if self.model.features and self.definitions is None:
            raise BadInputError(f"the artefact of {self.version} does not hold its feature set", hint="train it again")
        return BoundClv(self.model, bind(self.features, self.levels, self.feature_set, layout, self.version))


AnyCompiled: TypeAlias = CompiledChurn | CompiledClv


def posted_layout(models: Sequence[AnyCompiled]) -> VectorLayout:
    """The layout for customers whose features or history come with the request: what some models read, no more.

    A store's layout knows the categories that its customers have, and a model may know others; this one has them all.

    Raises:
        BadInputError: the models read different feature sets, or one takes for text what another takes for a number.
    """
    from axiom.scoring.online.vectors import VectorLayout
    from axiom.training.catalogue.layout import Layout

    versions = {model.version: model.feature_set for model in models if model.feature_set}
    if len(set(versions.values())) > 1:
        told = ", ".join(f"{version} reads {found}" for version, found in versions.items())
        raise BadInputError(f"the models were trained on different feature sets: {told}", hint="ask them one at a time")
    names = tuple(dict.fromkeys(name for model in models for name in model.features))
    levels: dict[str, dict[str, None]] = {}
    for model in models:
        for name in model.features:
            if name in model.levels:
                levels.setdefault(name, {}).update(dict.fromkeys(model.levels[name]))
    return VectorLayout(
        Layout(names, {name: tuple(found) for name, found in levels.items()}), next(iter(versions.values()), "")
    )


def _definitions(files: Mapping[str, bytes]) -> FeatureSet | None:
    stored = files.get(_FEATURES_FILE)
    try:
        return None if stored is None else FeatureSet.from_dict(json.loads(stored))
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptError(f"{_FEATURES_FILE} cannot be read: {error}") from error
