"""Machine-learned challengers of the probabilistic CLV models: regressions and boosted trees, on past origins."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from axiom.training.clv_challengers.boosting import LIGHTGBM_OFFSET, LIGHTGBM_POISSON, LIGHTGBM_TWEEDIE
from axiom.training.clv_challengers.boosting_xgboost import XGBOOST
from axiom.training.clv_challengers.challenger import Challenger
from axiom.training.clv_challengers.linear import LINEAR, MULTIPLE, POLYNOMIAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.training.clv_challengers.family import Family

_FAMILIES: tuple[Family, ...] = (
    *(LINEAR, MULTIPLE, POLYNOMIAL),
    *(LIGHTGBM_POISSON, LIGHTGBM_TWEEDIE, LIGHTGBM_OFFSET, XGBOOST),
)

CHALLENGERS: dict[str, Callable[..., Challenger]] = {
    family.name: partial(Challenger.of, family) for family in _FAMILIES
}
"""Name -> maker of a candidate from its hyper-parameters."""

__all__ = ["CHALLENGERS", "Challenger"]
