"""What a churn training can be asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from axiom.errors import MisuseError
from axiom.training.catalogue import estimator, resolve
from axiom.training.splits import check_scheme

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.maths.profit import RetentionCosts

Calibration = Literal["auto", "none", "platt", "isotonic"]
ClassWeight = Literal["none", "balanced"]


@dataclass(frozen=True)
class ChurnOptions:
    """How to train, with defaults that are meant to be kept.

    Attributes:
        models: entries of the catalogue to compare; `auto` stands for logistic, random forest and LightGBM.
        params: hyper-parameters that differ from the defaults: model -> parameter -> value.
        scheme: `expanding` or `sliding` folds.
        window: cut-offs of a sliding fold.
        max_folds: at most so many folds, the latest ones.
        calibration: `auto` chooses between none, Platt and isotonic on the calibration slice.
        class_weight: `balanced` gives both classes the same total weight; the odds are then shifted back by that ratio.
        value_weight: rows count as much as the customer is worth.
        purchase_column: models see, as one more column, what a BG/NBD model says of the row; only where churn is about
            purchases.
        costs: cost/benefit table for the threshold; None: the threshold that maximises F1.
        level: confidence level of every interval.
        draws: bootstrap resamples.
        seed: of everything random.
    """

    models: tuple[str, ...] = ("logistic", "lightgbm")
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scheme: str = "expanding"
    window: int | None = None
    max_folds: int = 5
    calibration: Calibration = "auto"
    class_weight: ClassWeight = "none"
    value_weight: bool = False
    purchase_column: bool = True
    costs: RetentionCosts | None = None
    level: float = 0.95
    draws: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        check_scheme(self.scheme, self.window)
        if not self.models:
            raise MisuseError("no model was named", hint="for example --model logistic --model lightgbm")
        _one_of("calibration", self.calibration, ("auto", "none", "platt", "isotonic"))
        _one_of("class_weight", self.class_weight, ("none", "balanced"))
        models = resolve(self.models)
        strangers = sorted(set(self.params) - set(models))
        if strangers:
            raise MisuseError(f"hyper-parameters for {', '.join(strangers)}, which is not among the models")
        for model in models:
            estimator(model, **self.params.get(model, {}))
        if not 0 < self.level < 1 or self.draws < 100 or self.max_folds < 1:
            raise MisuseError(
                f"level {self.level}, draws {self.draws}, max_folds {self.max_folds}",
                hint="level lies between 0 and 1, draws is at least 100, max_folds at least 1",
            )


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise MisuseError(f"unknown {name} {value!r}", hint=f"one of {', '.join(known)}")
