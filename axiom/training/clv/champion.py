"""The declared rule of the champion, as code; `ChampionRule` says it in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.training.clv.metrics import Linear
from axiom.training.clv.series import PURCHASES, SPEND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from axiom.training.clv.metrics import Found
    from axiom.training.clv.options import ChampionRule


@dataclass(frozen=True, eq=False)
class Entry:
    """A candidate that was judged at every compared origin.

    Attributes:
        name: its key.
        rank: simplicity, lower is simpler.
        converged: at every compared origin.
        log_score: over all compared origins.
        by_origin: mean log score of each compared origin.
        bias: `purchases`, `spend` -> relative bias of the total over all compared origins, where it is defined.
    """

    name: str
    rank: int
    converged: bool
    log_score: Linear
    by_origin: tuple[float, ...]
    bias: Mapping[str, float]

    @classmethod
    def of(
        cls, name: str, rank: int, *, converged: bool, metrics: Mapping[str, Found], by_origin: Sequence[float]
    ) -> Entry:
        """From the metrics over all compared origins."""
        score = metrics["log_score"]
        if isinstance(score, str):
            raise TypeError(f"the log score of {name} is defined wherever it was judged, not: {score}")
        found = {what: metrics.get(f"bias_{what}", "") for what in (PURCHASES, SPEND)}
        bias = {what: metric.value for what, metric in found.items() if isinstance(metric, Linear)}
        return cls(name, rank, converged, score, tuple(by_origin), bias)


@dataclass(frozen=True)
class Choice:
    """The champion, why others were refused, and what had to be given up."""

    champion: str
    refused: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def choose(entries: Sequence[Entry], rule: ChampionRule) -> Choice:
    """Apply the rule to at least one entry."""
    unsound = {entry.name: "its fit did not converge" for entry in entries if not entry.converged}
    biased = {entry.name: why for entry in entries if (why := _biased(entry, rule))}
    allowed = [entry for entry in entries if entry.name not in unsound and entry.name not in biased]
    if allowed:
        return Choice(_best(allowed, rule), {**biased, **unsound})
    sound = [entry for entry in entries if entry.name not in unsound]
    if sound:
        return Choice(_best(sound, rule), unsound, (_ALL_BIASED + _told(biased),))
    return Choice(_best(entries, rule), {}, (_NONE_CONVERGED,))


_ALL_BIASED = (
    "every candidate's total is biased beyond the bound of the rule, so the bound was dropped; the market may have "
    "moved between the origins: "
)
_NONE_CONVERGED = "no candidate's fit converged at every origin: do not use this model before that is understood"


def _best(entries: Sequence[Entry], rule: ChampionRule) -> str:
    lowest = min(entries, key=lambda entry: (entry.log_score.value, entry.rank))
    near = [entry for entry in entries if _excess(entry, lowest) <= rule.tolerance * _error(entry, lowest)]
    return min(near, key=lambda entry: (entry.rank, entry.log_score.value)).name


def _excess(entry: Entry, lowest: Entry) -> float:
    return entry.log_score.value - lowest.log_score.value


def _error(entry: Entry, lowest: Entry) -> float:
    """Standard error of the paired difference: from customers, or from origins among each other if that is larger."""
    gap = entry.log_score.minus(lowest.log_score)
    within = gap.error if np.unique(gap.customer).size > 1 else 0.0
    gaps = np.subtract(entry.by_origin, lowest.by_origin)
    between = float(gaps.std(ddof=1)) / len(gaps) ** 0.5 if len(gaps) > 1 else 0.0
    return max(within, between)


def _biased(entry: Entry, rule: ChampionRule) -> str:
    for what, bound in ((PURCHASES, rule.max_bias), (SPEND, rule.max_bias_spend)):
        bias = entry.bias.get(what, 0.0)
        if abs(bias) > bound:
            return f"the total of its {what} is off by {bias:+.1%}, beyond ±{bound:.0%}"
    return ""


def _told(reasons: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {why}" for name, why in reasons.items())
