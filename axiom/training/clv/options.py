"""What a CLV training can be asked for, and the declared rule of the champion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from axiom.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class ChampionRule:
    """How the champion is chosen. The same rows and origins count for every candidate.

    1. A candidate is refused when a fit did not converge, when it could not be judged at the latest origin, or when the
       bias of its total is out of bounds.
    2. The lowest mean log score of the purchase counts wins.
    3. A simpler candidate is kept instead while its excess is within `tolerance` standard errors of the paired
       difference (errors by customer, so that a customer at several origins counts as one).

    Where every candidate is refused for its bias alone, the bound is dropped with a warning: a market that moved moves
    every forecast, and no model is worse than none.

    Attributes:
        max_bias: largest |forecast total / actual total - 1| of the purchases over all compared origins.
        max_bias_spend: likewise of the money; wider, because few customers make most of the money.
        tolerance: standard errors.
    """

    max_bias: float = 0.25
    max_bias_spend: float = 0.40
    tolerance: float = 1.0

    def __post_init__(self) -> None:
        if not (self.max_bias > 0 and self.max_bias_spend > 0 and self.tolerance >= 0):
            raise MisuseError(
                f"champion rule with max_bias {self.max_bias}, max_bias_spend {self.max_bias_spend}, "
                f"tolerance {self.tolerance}",
                hint="the bounds are positive, the tolerance is not negative",
            )

    def __str__(self) -> str:
        return (
            f"lowest mean log score of purchase counts over the compared origins; a simpler candidate is kept while "
            f"its paired excess is within {self.tolerance:g} standard error(s); refused: not converged, or bias of the "
            f"total beyond ±{self.max_bias:.0%} (purchases) or ±{self.max_bias_spend:.0%} (spend)"
        )


@dataclass(frozen=True)
class ClvOptions:
    """How to train and judge, with defaults that are meant to be kept.

    Attributes:
        candidates: names of the candidates to compare.
        params: hyper-parameters that differ from the defaults: candidate -> parameter -> value.
        rule: how the champion is chosen.
        levels: quantile levels of the pinball loss.
        coverages: nominal coverages of the central intervals that are checked.
        level: confidence level of every interval.
        judge_at_most: customers an origin is judged on; above it a sample by the hash of the customer, the same at
            every origin. Fits always use everybody.
        seed: of everything random.
    """

    candidates: tuple[str, ...] = ("bg_nbd", "mbg_nbd", "pareto_nbd")
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    rule: ChampionRule = field(default_factory=ChampionRule)
    levels: tuple[float, ...] = (0.05, 0.5, 0.95)
    coverages: tuple[float, ...] = (0.8, 0.9, 0.95)
    level: float = 0.95
    judge_at_most: int = 50_000
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.candidates:
            raise MisuseError("no candidate was named", hint="for example --model bg_nbd --model pareto_nbd")
        twice = sorted({name for name in self.candidates if self.candidates.count(name) > 1})
        if twice:
            raise MisuseError(f"candidate {', '.join(twice)} is named twice")
        strangers = sorted(set(self.params) - set(self.candidates))
        if strangers:
            raise MisuseError(f"hyper-parameters for {', '.join(strangers)}, which is not among the candidates")
        for name in ("levels", "coverages"):
            if not getattr(self, name) or not all(0 < value < 1 for value in getattr(self, name)):
                raise MisuseError(f"{name} must lie between 0 and 1, not {getattr(self, name)}")
        if not 0 < self.level < 1 or self.judge_at_most < 100:
            raise MisuseError(
                f"level {self.level}, judge_at_most {self.judge_at_most}",
                hint="level lies between 0 and 1, judge_at_most is at least 100",
            )
