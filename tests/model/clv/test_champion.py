from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from axiom.errors import MisuseError
from axiom.training.clv import ChampionRule, ClvOptions
from axiom.training.clv.champion import Entry, choose
from axiom.training.clv.metrics import mean

N = 1000
NOISE = np.random.default_rng(5).normal(0, 0.1, N)
BASE = np.random.default_rng(6).gamma(1.0, 1.0, N)
RULE = ChampionRule()


def entry(
    name: str, rank: int, excess: float = 0.0, *, noise: float = 0.0, converged: bool = True, **bias: float
) -> Entry:
    """A candidate whose log scores exceed those of the best by `excess`, with paired noise of that size."""
    rows = BASE + excess + noise * (NOISE - NOISE.mean())
    return Entry(name, rank, converged, mean(rows, np.arange(N)), (1.0 + excess,), bias)


def test_the_lowest_log_score_wins_when_the_simpler_one_is_clearly_worse() -> None:
    assert choose([entry("simple", 10, 0.05, noise=1.0), entry("complex", 30)], RULE).champion == "complex"


def test_the_simpler_one_is_kept_within_one_standard_error() -> None:
    error = 0.1 / np.sqrt(N)
    assert choose([entry("simple", 10, 0.8 * error, noise=1.0), entry("complex", 30)], RULE).champion == "simple"
    assert choose([entry("simple", 10, 1.3 * error, noise=1.0), entry("complex", 30)], RULE).champion == "complex"


def test_the_simplest_of_several_near_ties_is_kept_whatever_their_order() -> None:
    ties = [entry("c", 30), entry("a", 10, 1e-4, noise=1.0), entry("b", 20, 1e-5, noise=1.0)]
    assert {choose(order, RULE).champion for order in (ties, ties[::-1], ties[1:] + ties[:1])} == {"a"}


def test_equal_ranks_go_to_the_lower_score() -> None:
    assert choose([entry("a", 10, 1e-5, noise=1.0), entry("b", 10)], RULE).champion == "b"


def test_disagreement_between_origins_makes_the_error_larger() -> None:
    sure, unsure = entry("simple", 10, 0.02, noise=1.0), entry("complex", 30)
    assert choose([sure, unsure], RULE).champion == "complex"
    swinging = Entry("simple", 10, converged=True, log_score=sure.log_score, by_origin=(0.9, 1.14), bias={})
    steady = Entry("complex", 30, converged=True, log_score=unsure.log_score, by_origin=(1.0, 1.0), bias={})
    assert choose([swinging, steady], RULE).champion == "simple"


@pytest.mark.parametrize("bias", [0.3, -0.3])
def test_a_biased_total_of_purchases_is_refused(bias: float) -> None:
    choice = choose([entry("best", 10, purchases=bias), entry("next", 30, 0.1)], RULE)
    assert choice.champion == "next"
    assert choice.refused == {"best": f"the total of its purchases is off by {bias:+.1%}, beyond ±25%"}


def test_money_has_a_bound_of_its_own() -> None:
    assert choose([entry("best", 10, spend=0.3), entry("next", 30, 0.1)], RULE).champion == "best"
    assert choose([entry("best", 10, spend=-0.5), entry("next", 30, 0.1)], RULE).champion == "next"


def test_a_fit_that_did_not_converge_is_refused() -> None:
    choice = choose([entry("best", 10, converged=False), entry("next", 30, 0.1)], RULE)
    assert (choice.champion, choice.refused) == ("next", {"best": "its fit did not converge"})


def test_the_bound_is_dropped_with_a_warning_when_it_refuses_everybody() -> None:
    choice = choose([entry("a", 10, 0.1, purchases=-0.4), entry("b", 30, purchases=-0.3)], RULE)
    assert (choice.champion, choice.refused) == ("b", {})
    assert "a: the total of its purchases is off by -40.0%" in choice.warnings[0]


def test_an_unconverged_fit_is_not_excused_by_the_bias_of_the_others() -> None:
    choice = choose([entry("a", 10, converged=False), entry("b", 30, 0.1, purchases=0.9)], RULE)
    assert (choice.champion, choice.refused) == ("b", {"a": "its fit did not converge"})


def test_when_nothing_converged_the_choice_says_so() -> None:
    choice = choose([entry("a", 10, converged=False)], RULE)
    assert choice.champion == "a"
    assert "do not use this model" in choice.warnings[0]


def test_a_larger_tolerance_never_makes_the_champion_more_complex() -> None:
    entries = [entry("a", 10, 0.02, noise=2.0), entry("b", 20, 0.004, noise=1.0), entry("c", 30)]
    ranks = [
        next(e.rank for e in entries if e.name == choose(entries, ChampionRule(tolerance=tolerance)).champion)
        for tolerance in (0.0, 1.0, 2.0, 5.0, 20.0)
    ]
    assert all(later <= earlier for earlier, later in pairwise(ranks))
    assert (ranks[0], ranks[-1]) == (30, 10)


@pytest.mark.parametrize("bounds", [{"max_bias": 0.0}, {"max_bias_spend": -1.0}, {"tolerance": -0.1}])
def test_a_rule_that_cannot_hold_is_refused(bounds: dict[str, float]) -> None:
    with pytest.raises(MisuseError, match="champion rule"):
        ChampionRule(**bounds)


@pytest.mark.parametrize(
    "options",
    [
        {"candidates": ()},
        {"candidates": ("bg_nbd", "bg_nbd")},
        {"params": {"lightgbm": {}}},
        {"levels": (0.5, 1.0)},
        {"coverages": ()},
        {"level": 1.0},
        {"judge_at_most": 5},
    ],
)
def test_options_that_cannot_be_met_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(MisuseError):
        ClvOptions(**options)  # type: ignore[arg-type]
