"""The search space: a model of the catalogue, then its own hyper-parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from axiom.training.catalogue import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MODEL = "model"


class Chooser(Protocol):
    """What an Optuna trial offers."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""
        ...

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """A whole number in [low, high]."""
        ...

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """A number in [low, high]."""
        ...


@dataclass(frozen=True)
class Space:
    """Define-by-run: called with an Optuna trial, it chooses a model and then what that model has to choose.

    A choice is a flat mapping: `model`, and `<model>.<parameter>` for each parameter of that model.

    Attributes:
        models: entries of the catalogue.
    """

    models: tuple[str, ...]

    def __call__(self, trial: Chooser) -> None:
        """Let the trial choose; it remembers what it chose."""
        model = trial.suggest_categorical(_MODEL, list(self.models))
        for param, allowed in CATALOGUE[model].space.items():
            _suggest(trial, f"{model}.{param}", allowed)

    @property
    def defaults(self) -> list[dict[str, Any]]:
        """The default settings of every model as choices, the simplest model first: a search never ends below them."""
        ranked = sorted(self.models, key=lambda model: CATALOGUE[model].rank)
        return [
            {
                _MODEL: model,
                **{f"{model}.{param}": CATALOGUE[model].defaults[param] for param in CATALOGUE[model].space},
            }
            for model in ranked
        ]


def chosen(config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A choice as model and hyper-parameters."""
    model = str(config[_MODEL])
    start = f"{model}."
    return model, {key.removeprefix(start): value for key, value in config.items() if key.startswith(start)}


def _suggest(trial: Chooser, name: str, allowed: Mapping[str, Any]) -> None:
    if allowed["type"] == "choice":
        trial.suggest_categorical(name, list(allowed["values"]))
    elif allowed["type"] == "int":
        trial.suggest_int(name, int(allowed["low"]), int(allowed["high"]), log=allowed.get("log", False))
    else:
        trial.suggest_float(name, float(allowed["low"]), float(allowed["high"]), log=allowed.get("log", False))
