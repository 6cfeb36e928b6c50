"""From the catalogue's search spaces to what Optuna chooses from."""

from __future__ import annotations

from typing import Any

import optuna
import pytest

from axiom.training.catalogue import CATALOGUE, estimator
from axiom.training.tuning.search import quiet_optuna
from axiom.training.tuning.space import Space, chosen


class Recorder:
    """Remembers what it was asked, and chooses the lower end or the first value."""

    def __init__(self, model: str) -> None:
        self.model, self.asked = model, {}  # type: ignore[var-annotated]

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        self.asked[name] = ("choice", choices)
        return self.model if name == "model" else choices[0]

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        self.asked[name] = ("int", low, high, log)
        return low

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        self.asked[name] = ("float", low, high, log)
        return low


def test_a_model_is_chosen_and_then_only_its_own_parameters() -> None:
    trial = Recorder("lightgbm")
    Space(("logistic", "lightgbm"))(trial)
    assert trial.asked["model"] == ("choice", ["logistic", "lightgbm"])
    assert {name for name in trial.asked if name != "model"} == {
        f"lightgbm.{name}" for name in CATALOGUE["lightgbm"].space
    }
    assert trial.asked["lightgbm.num_leaves"] == ("int", 4, 63, True)
    assert trial.asked["lightgbm.columns"] == ("float", 0.3, 1.0, False)


def test_a_choice_becomes_model_and_parameters() -> None:
    config = {"model": "logistic", "logistic.penalty": "l1", "logistic.C": 0.5}
    assert chosen(config) == ("logistic", {"penalty": "l1", "C": 0.5})


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_entry_can_be_chosen_and_its_defaults_lie_in_its_space(name: str) -> None:
    space = Space((name,))
    with quiet_optuna():
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1))
        study.enqueue_trial(space.defaults[0])
        first, second = study.ask(), study.ask()
        space(first)  # a default outside of its space would warn, and a warning fails the test
        space(second)
    assert chosen(first.params)[1].items() <= dict(CATALOGUE[name].defaults).items()
    for trial in (first, second):
        model, params = chosen(trial.params)
        assert estimator(model, **params).name == name


def test_defaults_come_simplest_model_first() -> None:
    points = Space(("lightgbm", "logistic")).defaults
    assert [point["model"] for point in points] == ["logistic", "lightgbm"]
    assert points[0]["logistic.C"] == CATALOGUE["logistic"].defaults["C"]
