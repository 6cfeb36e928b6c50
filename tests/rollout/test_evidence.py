from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from axiom.registry.evidence import Evidence, PairedScores, SplitOutcomes, judge_agreement, judge_pairs, judge_split
from axiom.registry.trials import Rule

RULE = Rule("outcome", min_sample=100, alpha=0.1)
SAME = Rule("agreement", min_sample=100, max_difference=0.02, min_rank=0.8)


def customers(rng: np.random.Generator, n: int, noise: float, share: float = 0.3) -> SplitOutcomes:
    """Customers whose churn the champion knows exactly, and the canary up to `noise`."""
    truth = rng.beta(1, 2, n)
    canary = rng.random(n) < share
    p = np.where(canary, np.clip(truth + noise * rng.choice([-1, 1], n), 0, 1), truth)
    return SplitOutcomes(rng.random(n) < truth, p, canary, np.full(n, share), min(share, 1 - share))


def first(rows: SplitOutcomes, n: int) -> SplitOutcomes:
    return replace(rows, churned=rows.churned[:n], p=rows.p[:n], canary=rows.canary[:n], share=rows.share[:n])


def paired(rng: np.random.Generator, n: int, noise: float) -> PairedScores:
    truth = rng.beta(1, 2, n)
    other = np.clip(truth + noise * rng.choice([-1, 1], n), 0, 1)
    return PairedScores(truth, other, rng.random(n) < truth)


def watch(rule: Rule, rows: SplitOutcomes) -> Evidence:
    """Judged after every 50 customers, until there is a verdict."""
    for n in range(50, len(rows.p) + 1, 50):
        found = judge_split(rule, first(rows, n), {}, expired=False)
        if found.verdict != "waiting":
            return found
    return found


@pytest.mark.parametrize("metric", ["brier", "log_loss"])
def test_an_equal_canary_is_seldom_judged_either_way_however_often_one_looks(
    metric: Literal["brier", "log_loss"],
) -> None:
    rng = np.random.default_rng(1)
    rule = replace(RULE, metric=metric)
    verdicts = [watch(rule, customers(rng, 1500, 0.0)).verdict for _ in range(60)]
    assert sum(verdict != "waiting" for verdict in verdicts) <= 60 * 0.1 + 3 * (60 * 0.1 * 0.9) ** 0.5


def test_a_bad_canary_is_found_out() -> None:
    rng = np.random.default_rng(2)
    assert [watch(RULE, customers(rng, 6000, 0.5)).verdict for _ in range(10)] == ["failed"] * 10


def test_a_better_canary_passes() -> None:
    rng = np.random.default_rng(3)
    rows = customers(rng, 6000, 0.5, share=0.7)
    turned = replace(rows, canary=~rows.canary, share=1 - rows.share)
    found = watch(RULE, turned)
    assert found.verdict == "passed"
    assert found.estimates["brier_difference"].high < 0


def test_a_shadow_needs_far_fewer_customers_than_a_canary() -> None:
    rng = np.random.default_rng(4)
    assert judge_pairs(RULE, paired(rng, 1500, 0.15), {}, expired=False).verdict == "failed"
    assert judge_split(RULE, customers(rng, 1500, 0.15), {}, expired=False).verdict == "waiting"


def test_a_margin_lets_an_equal_model_pass() -> None:
    rows = paired(np.random.default_rng(5), 3000, 0.01)
    assert judge_pairs(RULE, rows, {}, expired=False).verdict == "waiting"
    assert judge_pairs(replace(RULE, margin=0.02), rows, {}, expired=False).verdict == "passed"


def test_nothing_is_decided_before_the_minimum_sample_of_the_smaller_side() -> None:
    rows = first(customers(np.random.default_rng(2), 6000, 0.5), 300)
    found = judge_split(RULE, rows, {"rows": 5}, expired=False)
    assert found.verdict == "waiting"
    assert found.why == f"{rows.canary.sum()} of 100 customers of the smaller side whose outcome is known"
    assert found.counts == {
        "rows": 5,
        "canary": rows.canary.sum(),
        "champion": 300 - rows.canary.sum(),
        "churned": rows.churned.sum(),
    }


def test_nobody_at_all_is_waited_for() -> None:
    nobody = customers(np.random.default_rng(1), 0, 0.0)
    none = np.zeros(0)
    assert judge_split(RULE, nobody, {}, expired=False).verdict == "waiting"
    assert judge_pairs(RULE, PairedScores(none, none, none.astype(bool)), {}, expired=False).verdict == "waiting"
    assert judge_agreement(SAME, "churn", PairedScores(none, none), {}, expired=False).verdict == "waiting"


@pytest.mark.parametrize(("churned", "word"), [(True, "churned"), (False, "stayed")])
def test_outcomes_of_one_class_decide_nothing(churned: bool, word: str) -> None:
    rows = customers(np.random.default_rng(1), 4000, 0.5)
    found = judge_split(RULE, replace(rows, churned=np.full(4000, churned)), {}, expired=False)
    assert (found.verdict, found.why) == ("waiting", f"all of 4000 customers {word}: that tells nothing apart")


def test_when_time_is_over_without_a_verdict_it_is_inconclusive() -> None:
    rng = np.random.default_rng(6)
    rows = customers(rng, 1000, 0.0)
    assert judge_split(RULE, rows, {}, expired=True).verdict == "inconclusive"
    assert judge_split(RULE, first(rows, 50), {}, expired=True).why.startswith("time is over: ")
    assert judge_pairs(RULE, paired(rng, 5000, 0.5), {}, expired=True).verdict == "failed"


def test_scores_that_agree_pass_and_others_fail() -> None:
    rng = np.random.default_rng(7)
    said = rng.random(4000)
    close = np.clip(said + rng.normal(0, 0.005, 4000), 0, 1)
    assert judge_agreement(SAME, "churn", PairedScores(said, close), {}, expired=False).verdict == "passed"
    far = judge_agreement(SAME, "churn", PairedScores(said, np.clip(said + 0.1, 0, 1)), {}, expired=False)
    assert far.verdict == "failed"
    shuffled = 0.5 + 0.01 * rng.random(4000)  # close to each other in value, but in no order
    other = judge_agreement(SAME, "churn", PairedScores(shuffled, shuffled[::-1]), {}, expired=False)
    assert other.verdict == "failed"
    assert other.estimates["mean_difference"].high < 0.02
    assert other.estimates["rank_correlation"].high < 0.8


def test_scores_near_the_bound_are_waited_for() -> None:
    rng = np.random.default_rng(8)
    said = rng.uniform(0.1, 0.9, 300)
    assert judge_agreement(SAME, "churn", PairedScores(said, said + 0.019), {}, expired=False).verdict == "waiting"


def test_money_is_compared_relatively() -> None:
    money = np.random.default_rng(9).gamma(2, 1000, 4000)
    money[:10] = 0.0
    close = judge_agreement(SAME, "clv", PairedScores(money, money * 1.001), {}, expired=False)
    assert close.verdict == "passed"
    assert close.estimates["mean_difference"].mean == pytest.approx(0.001, rel=0.02)
    assert judge_agreement(SAME, "clv", PairedScores(money, money * 1.5), {}, expired=False).verdict == "failed"
