"""Read models from the registry and bind them to the store's vectors: the next picture from the one before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from axiom.errors import AxiomError, BadInputError, NotFoundError
from axiom.pipelines.build import schema_of
from axiom.scoring.compiled import CompiledChurn, CompiledClv
from axiom.scoring.loading import ModelFiles
from axiom.serve.predict.lines import KINDS, Line, Lines, Served
from axiom.serve.predict.posted import Posted
from axiom.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.features.definitions import FeatureSet
    from axiom.pipelines.workspace import Workspace
    from axiom.registry.registry import ModelVersion
    from axiom.scoring.online.cache import CacheView
    from axiom.scoring.online.store import StoreInfo
    from axiom.serve.predict.lines import Kind, Role
    from axiom.training.actions import ActionMap

_log = get_logger(__name__)


@dataclass
class LineLoader:
    """Makes pictures; keeps compiled models from one to the next, so that only new versions are read.

    Attributes:
        ws: where registry and lake are.
        names: kind -> name of the model line that answers.
        actions: drivers and actions of explanations.
    """

    ws: Workspace
    names: Mapping[Kind, str]
    actions: ActionMap
    _compiled: dict[tuple[str, str], CompiledChurn | CompiledClv] = field(default_factory=dict)

    def revision(self) -> str:
        """Of the registry; one cheap statement.

        Raises:
            UnavailableError: the database does not answer.
        """
        return self.ws.registry.revision(sorted(set(self.names.values())))

    def load(self, view: CacheView | None, before: Lines) -> Lines:
        """The next picture. A kind whose new models cannot answer keeps those of the picture before, where they can.

        Args:
            view: vectors of the visible generation; None while the store is empty.
            before: the present picture.

        Raises:
            UnavailableError: the database does not answer.
        """
        revision = self.revision()
        store = None if view is None else view.info
        found: dict[Kind, Line[Any] | None] = {}
        problems: dict[str, str] = {}
        for kind in KINDS:
            try:
                found[kind] = self._line(kind, store, problems)
            except AxiomError as error:
                problems[kind] = str(error)
                found[kind] = _kept(kind, store, before)
                _log.warning("models_not_loaded", kind=kind, error=str(error), kept=found[kind] is not None)
        used = {(one.version, one.sha256) for line in found.values() if line is not None for one in _all(line)}
        self._compiled = {key: model for key, model in self._compiled.items() if key in used}
        return Lines(revision, view, found["churn"], found["clv"], problems)

    def _line(self, kind: Kind, store: StoreInfo | None, problems: dict[str, str]) -> Line[Any]:
        rollout = self.ws.registry.rollout(self.names[kind])
        champion = rollout.champion or self._newest(kind)
        served = self._served(kind, champion, "champion", store)
        canary = None
        if rollout.canary is not None and rollout.canary_share > 0:
            canary = self._trial(kind, rollout.canary, "canary", store, problems)
        trials = [self._trial(kind, version, "shadow", store, problems) for version in rollout.shadows]
        return Line(served, canary, tuple(one for one in trials if one is not None), rollout)

    def _trial(
        self, kind: Kind, version: ModelVersion, role: Role, store: StoreInfo | None, problems: dict[str, str]
    ) -> Served[Any] | None:
        """A version on trial; one that cannot answer leaves its customers to the champion."""
        try:
            return self._served(kind, version, role, store)
        except AxiomError as error:
            problems[f"{kind} {role} {version.ref}"] = str(error)
            _log.warning("trial_not_loaded", model=version.ref, role=role, error=str(error))
            return None

    def _newest(self, kind: Kind) -> ModelVersion:
        for version in self.ws.registry.list(self.names[kind]):
            if version.stage == "candidate":
                return version
        raise NotFoundError(
            f"model {self.names[kind]!r} has neither a champion nor a candidate",
            hint=f"run `axiom train {kind}`, or `axiom models promote`",
        )

    def _served(self, kind: Kind, version: ModelVersion, role: Role, store: StoreInfo | None) -> Served[Any]:
        if version.kind != kind:
            raise BadInputError(f"{version.ref} is a {version.kind} model, not a {kind} model")
        model = self._model(kind, version)
        posted = Posted.of(model, model.definitions or self._other_definitions(), schema_of(self.ws.lake.snapshots()))
        if isinstance(model, CompiledChurn):
            bound: Any = posted.bound if store is None else model.bind(store.layout, self.actions)
            extra: dict[str, Any] = {"threshold": model.threshold, "explainable": model.explainable}
        else:
            bound, extra = posted.bound if store is None else model.bind(store.layout), {}
        return Served(
            version.ref, version.artefact_sha256, role, version.stage, model.horizon_days, bound, posted, **extra
        )

    def _model(self, kind: Kind, version: ModelVersion) -> CompiledChurn | CompiledClv:
        key = (version.ref, version.artefact_sha256)
        if key not in self._compiled:
            files = ModelFiles(version.ref, version.artefact_sha256, self.ws.registry.load_files(version))
            self._compiled[key] = CompiledChurn.of(files) if kind == "churn" else CompiledClv.of(files)
        return self._compiled[key]

    def _other_definitions(self) -> FeatureSet | None:
        """The RFM summary is the same in every feature set: a CLV model that holds none borrows the churn model's."""
        return next((model.definitions for model in self._compiled.values() if model.definitions is not None), None)


def _kept(kind: Kind, store: StoreInfo | None, before: Lines) -> Line[Any] | None:
    """The line before, where its vectors are still those of the store."""
    line = before.churn if kind == "churn" else before.clv
    same = (before.store is None) == (store is None) and (
        store is None or before.store is None or store.layout.fingerprint == before.store.layout.fingerprint
    )
    return line if same else None


def _all(line: Line[Any]) -> list[Served[Any]]:
    return [line.champion, *([line.canary] if line.canary else []), *line.shadows]
