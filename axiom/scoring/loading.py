"""From registered artefacts to a scorer that computes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from axiom.scoring.scorer import Scorer
from axiom.training.clv.model import ClvModel
from axiom.training.survival_model import load_churn_predictor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.registry.registry import Registry


@dataclass(frozen=True)
class ModelFiles:
    """One registered model version, checksum-verified, as it travels to workers.

    Attributes:
        version: `name@version`.
        sha256: checksum of the artefact.
        files: its files by name.
    """

    version: str
    sha256: str
    files: Mapping[str, bytes] = field(repr=False)


def model_files(registry: Registry, name: str, version: str) -> ModelFiles:
    """Read one version of a model from the registry.

    Args:
        registry: where models are kept.
        name: `churn` or `clv`, or the name it was registered under.
        version: a number, a stage, or `latest`.

    Raises:
        NotFoundError: there is no such model or version.
        CorruptError: the artefact does not match its checksum.
    """
    found = registry.get(name, version)
    return ModelFiles(f"{found.name}@{found.version}", found.artefact_sha256, registry.load_files(found))


def scorer_from(churn: ModelFiles | None, clv: ModelFiles | None) -> Scorer:
    """A scorer from the files of a churn model, a CLV model, or both."""
    return Scorer(
        None if churn is None else load_churn_predictor(churn.files),
        None if clv is None else ClvModel.from_files(clv.files),
        "" if churn is None else churn.version,
        "" if clv is None else clv.version,
    )
