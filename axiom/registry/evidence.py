"""From losses or pairs of scores to a verdict about a version on trial. Pure: reads nothing, changes nothing."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from axiom.maths.metrics import log_losses, squared_errors
from axiom.maths.sequential import SequentialMean, concordance, running_mean, sequential_mean, split_differences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.db.models import Kind
    from axiom.maths.arrays import BoolArray, FloatArray
    from axiom.registry.trials import Rule

Verdict = Literal["waiting", "passed", "failed", "inconclusive"]
CLIP = 0.01
"""Probabilities are kept within [CLIP, 1 − CLIP] for the log loss, which has to be bounded."""
_MOST = {"brier": 1.0, "log_loss": -math.log(CLIP)}
_TYPICAL = {"brier": 0.05, "log_loss": 0.3}  # variance of one loss; a wrong guess costs width, never validity
_RELATED = 0.1  # share of that variance left in the difference of two models on the same customer


@dataclass(frozen=True)
class Evidence:
    """What is known about a version on trial.

    Attributes:
        verdict: `waiting`: not enough yet.
        why: in a sentence.
        customers: that count: the canary's and the champion's, or those scored by both.
        estimates: name -> mean with an interval that holds at all looks together.
        counts: what else was counted: customers of each side, churned, what was left out and why.
    """

    verdict: Verdict
    why: str
    customers: int = 0
    estimates: Mapping[str, SequentialMean] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class SplitOutcomes:
    """Customers that either version answered, each once, in the order of their first answer.

    Attributes:
        churned: what became of them, shape (n,).
        p: the probability that they were given, shape (n,).
        canary: whether the canary gave it, shape (n,).
        share: probability with which each could get the canary, shape (n,); none nearer to 0 or 1 than `floor`.
        floor: fixed when the trial began, so that nothing seen since can widen the bound of a term.
    """

    churned: BoolArray
    p: FloatArray
    canary: BoolArray
    share: FloatArray
    floor: float


@dataclass(frozen=True, eq=False)
class PairedScores:
    """Customers that both versions scored in the same request, each once, in the order of their first such request.

    Attributes:
        champion: what the champion said, shape (n,): a probability, or money.
        other: what the version on trial said, shape (n,).
        churned: what became of them, shape (n,); None where that is not asked.
    """

    champion: FloatArray
    other: FloatArray
    churned: BoolArray | None = None


def judge_split(rule: Rule, rows: SplitOutcomes, counts: Mapping[str, int], *, expired: bool) -> Evidence:
    """A canary by outcome: the loss of its customers against the loss of the champion's, as the salt split them.

    Args:
        rule: of kind `outcome`.
        rows: matured ones only.
        counts: what else was counted.
        expired: whether the time for a verdict is over.
    """
    sizes = int(rows.canary.sum()), int((~rows.canary).sum())
    facts = {**counts, "canary": sizes[0], "champion": sizes[1], "churned": int(rows.churned.sum())}
    if reason := _too_little(rule, min(sizes), rows.churned, "of the smaller side"):
        return _undecided(reason, len(rows.p), {}, facts, expired=expired)
    most = _MOST[rule.metric]
    differences = split_differences(_loss(rule, rows.churned, rows.p), rows.canary, rows.share, most=most)
    mean = sequential_mean(
        differences,
        scale=most / rows.floor,
        alpha=rule.alpha,
        tuned_to=2 * rule.min_sample * _TYPICAL[rule.metric] / rows.floor**2,
        predicted=np.zeros(len(differences)),
    )
    return _by_loss(rule, mean, len(rows.p), facts, expired=expired)


def judge_pairs(rule: Rule, rows: PairedScores, counts: Mapping[str, int], *, expired: bool) -> Evidence:
    """A shadow by outcome: the difference of both losses on the same customers, which needs far fewer of them."""
    churned = np.zeros(0, dtype=np.bool_) if rows.churned is None else rows.churned
    facts = {**counts, "both": len(churned), "churned": int(churned.sum())}
    if reason := _too_little(rule, len(churned), churned, "scored by both"):
        return _undecided(reason, len(churned), {}, facts, expired=expired)
    differences = _loss(rule, churned, rows.other) - _loss(rule, churned, rows.champion)
    mean = sequential_mean(
        differences,
        scale=_MOST[rule.metric],
        alpha=rule.alpha,
        tuned_to=2 * rule.min_sample * _RELATED * _TYPICAL[rule.metric],
        predicted=np.zeros(len(differences)),
    )
    return _by_loss(rule, mean, len(churned), facts, expired=expired)


def judge_agreement(
    rule: Rule, kind: Kind, rows: PairedScores, counts: Mapping[str, int], *, expired: bool
) -> Evidence:
    """A shadow by its scores: how far from the champion's on average, and whether they order customers alike.

    Probabilities differ by |a − b|, money by |a − b| / max(|a|, |b|): both within [0, 1] for scores that are not
    negative. Each of the two questions gets half of alpha; it passes when both bounds hold for sure, and fails when one
    is broken for sure.
    """
    n = len(rows.champion)
    facts = {**counts, "both": n}
    if n < rule.min_sample:
        return _undecided(f"{n} of {rule.min_sample} customers scored by both", n, {}, facts, expired=expired)
    apart = np.abs(rows.champion - rows.other)
    if kind == "clv":
        largest = np.maximum(np.abs(rows.champion), np.abs(rows.other))
        apart = np.divide(apart, largest, out=np.zeros_like(apart), where=largest > 0).clip(0.0, 1.0)
    alike = concordance(rows.champion, rows.other)
    # Tuned to what it looks like at the bounds that were declared, at the sample that was declared.
    difference = sequential_mean(
        apart, scale=1.0, alpha=rule.alpha / 2, tuned_to=2 * rule.min_sample * rule.max_difference**2 + 1
    )
    rank = sequential_mean(
        alike,
        scale=2.0,
        alpha=rule.alpha / 2,
        tuned_to=rule.min_sample * max(1 - rule.min_rank**2, 0.05),
        predicted=running_mean(alike, first=1.0),
    )
    found = {"mean_difference": difference, "rank_correlation": rank}
    if difference.high <= rule.max_difference and rank.low >= rule.min_rank:
        return Evidence("passed", f"{_says(found)}: within the declared bounds", n, found, facts)
    if difference.low > rule.max_difference or rank.high < rule.min_rank:
        return Evidence("failed", f"{_says(found)}: outside of the declared bounds", n, found, facts)
    return _undecided(f"{_says(found)}: not sure yet", n, found, facts, expired=expired)


def _loss(rule: Rule, churned: BoolArray, p: FloatArray) -> FloatArray:
    return squared_errors(churned, p) if rule.metric == "brier" else log_losses(churned, p.clip(CLIP, 1 - CLIP))


def _too_little(rule: Rule, n: int, churned: BoolArray, which: str) -> str:
    if n < rule.min_sample:
        return f"{n} of {rule.min_sample} customers {which} whose outcome is known"
    if churned.all() or not churned.any():
        return f"all of {len(churned)} customers {'churned' if churned.any() else 'stayed'}: that tells nothing apart"
    return ""


def _by_loss(rule: Rule, mean: SequentialMean, n: int, facts: Mapping[str, int], *, expired: bool) -> Evidence:
    found = {f"{rule.metric}_difference": mean}
    wanted = f"margin {rule.margin:g}"
    if mean.high < rule.margin:
        return Evidence("passed", f"{_says(found)}: below the {wanted}", n, found, facts)
    if mean.low > rule.margin:
        return Evidence("failed", f"{_says(found)}: above the {wanted}", n, found, facts)
    return _undecided(f"{_says(found)}: on both sides of the {wanted}", n, found, facts, expired=expired)


def _undecided(
    why: str, n: int, found: Mapping[str, SequentialMean], facts: Mapping[str, int], *, expired: bool
) -> Evidence:
    if expired:
        return Evidence("inconclusive", f"time is over: {why}", n, found, facts)
    return Evidence("waiting", why, n, found, facts)


def _says(found: Mapping[str, SequentialMean]) -> str:
    return ", ".join(f"{name} {mean.mean:.4g} [{mean.low:.4g}, {mean.high:.4g}]" for name, mean in found.items())
