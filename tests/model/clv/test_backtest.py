from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from axiom.errors import BadInputError, MisuseError
from axiom.training.clv import ClvOptions, Known, Origin, RfmArrays, backtest_clv
from axiom.training.clv.candidates import candidate, candidate_names
from axiom.training.clv.mean_forecast import MeanForecast

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from axiom.engine import Engine
    from axiom.training.clv.result import ClvBacktest

HORIZON = timedelta(days=60)
FAST = ClvOptions(candidates=("bg_nbd", "mbg_nbd"))


@dataclass(frozen=True)
class Fixed:
    """A hand-written candidate: the same mean for everybody, negative binomial of a given size."""

    name: str = "fixed"
    mean: float = 2.0
    size: float = 1e5
    rank: int = 40
    needs_past: bool = False

    title = "fixed mean"
    converged = True
    has_spend = False
    features = ()
    warnings = ()

    @property
    def space(self) -> dict[str, Any]:
        return {}

    @property
    def params(self) -> dict[str, Any]:
        return {"mean": self.mean, "size": self.size}

    @property
    def summary(self) -> dict[str, Any]:
        return {}

    def fit(self, known: Known) -> Fixed:
        if self.needs_past and not known.past:
            raise ValueError("no origin's outcomes are known yet")
        return self

    def forecast(self, rfm: RfmArrays, features: pa.Table | None, days: float) -> MeanForecast:
        return MeanForecast(np.full(len(rfm), self.mean), self.size, np.ones(len(rfm)), rfm)


def counts(seed: int, n: int = 3000, size: float = 0.7) -> list[Origin]:
    """Two origins a horizon apart whose counts are negative binomial with mean 2: wider than `Fixed` believes."""
    rng = np.random.default_rng(seed)
    rfm = RfmArrays(np.zeros(n), np.zeros(n), np.full(n, 30.0), np.full(n, np.nan))
    names = np.array([f"c{i}" for i in range(n)], dtype=object)
    times = np.array(["2024-03-01", "2024-06-01"], dtype="datetime64[s]").tolist()
    return [Origin(t, names, rfm, rng.negative_binomial(size, size / (size + 2.0), n).astype(float)) for t in times]


@pytest.fixture(scope="module")
def backtest(origins: list[Origin]) -> ClvBacktest:
    return backtest_clv(origins, HORIZON, options=FAST)


def values(backtest: ClvBacktest, name: str = "bg_nbd") -> dict[str, float | None]:
    scores = backtest.contender(name).scores
    return {metric: None if score.value is None else score.value.value for metric, score in scores.items()}


def test_a_true_model_is_calibrated_unbiased_and_beats_the_past_rate(backtest: ClvBacktest) -> None:
    found = backtest.contender("bg_nbd").scores
    for name, nominal in (("80", 0.8), ("90", 0.9), ("95", 0.95)):
        for what in ("purchases", "spend"):
            interval = found[f"coverage_{name}_{what}"].value
            assert interval is not None
            assert interval.value == pytest.approx(nominal, abs=0.02)
    bias, mase = found["bias_purchases"].value, found["mase_purchases"].value
    assert bias is not None
    assert mase is not None
    assert bias.low < 0 < bias.high or abs(bias.value) < 0.05
    assert mase.value < 0.95


def test_every_candidate_is_judged_at_every_origin(backtest: ClvBacktest) -> None:
    assert len(backtest.judgements) == 6
    assert {judged.failed for judged in backtest.judgements} == {""}
    assert backtest.compared == backtest.as_ofs
    assert backtest.champion in ("bg_nbd", "mbg_nbd")
    assert backtest.contenders[0].name == backtest.champion


def test_the_first_origin_has_no_recalibrated_coverage_and_the_second_has(backtest: ClvBacktest) -> None:
    first, second, _ = backtest.as_ofs
    missing = backtest.judgement("bg_nbd", first).scores["recalibrated_90_purchases"]
    assert (missing.value, "earlier origin" in missing.why) == (None, True)
    assert backtest.judgement("bg_nbd", second).scores["recalibrated_90_purchases"].value is not None


def test_origins_that_overlap_teach_each_other_nothing(open_shop: Callable[..., Any]) -> None:
    shop = open_shop(400)
    found = backtest_clv([shop.at(200, 60), shop.at(230, 60)], HORIZON, options=ClvOptions(candidates=("bg_nbd",)))
    assert values(found)["recalibrated_90_purchases"] is None
    assert "build cut-offs at least 60 days apart" in found.warnings[0]


def test_what_happens_after_a_label_window_changes_nothing_before_it(
    origins: list[Origin], backtest: ClvBacktest
) -> None:
    later = replace(origins[2], purchases=origins[2].purchases + 5, spend=None)
    again = backtest_clv([*origins[:2], later], HORIZON, options=FAST)
    for as_of in backtest.as_ofs[:2]:
        for name in ("bg_nbd", "mbg_nbd"):
            assert again.judgement(name, as_of) == backtest.judgement(name, as_of)
    assert again.judgement("bg_nbd", backtest.as_ofs[2]) != backtest.judgement("bg_nbd", backtest.as_ofs[2])


def test_outcomes_of_an_origin_change_no_forecast_made_there(origins: list[Origin], backtest: ClvBacktest) -> None:
    first = origins[0]
    again = backtest_clv([replace(first, purchases=first.purchases * 2, spend=None)], HORIZON, options=FAST)
    as_of = backtest.as_ofs[0]
    np.testing.assert_array_equal(
        again.judged["bg_nbd", as_of].purchases.expected, backtest.judged["bg_nbd", as_of].purchases.expected
    )


def test_a_candidate_sees_only_origins_whose_outcomes_were_known() -> None:
    seen: list[tuple[str, list[str]]] = []

    class Spy(Fixed):
        def fit(self, known: Known) -> Fixed:
            seen.append((known.now.as_of.isoformat()[:10], [o.as_of.isoformat()[:10] for o in known.past]))
            return self

    march, june = counts(1, 50)
    backtest_clv([june, march], timedelta(days=92), [Spy()])
    assert seen == [("2024-03-01", []), ("2024-06-01", ["2024-03-01"])]
    seen.clear()
    backtest_clv([june, march], timedelta(days=93), [Spy()])
    assert seen == [("2024-03-01", []), ("2024-06-01", [])]


def test_the_same_seed_gives_the_same_backtest_whatever_the_order(origins: list[Origin], backtest: ClvBacktest) -> None:
    assert backtest_clv(origins[::-1], HORIZON, options=FAST).to_dict() == backtest.to_dict()


def test_another_seed_draws_another_pit_and_nothing_else(origins: list[Origin], backtest: ClvBacktest) -> None:
    other = backtest_clv(origins, HORIZON, options=replace(FAST, seed=1))
    assert values(other)["log_score"] == values(backtest)["log_score"]
    assert values(other)["coverage_80_purchases"] != values(backtest)["coverage_80_purchases"]


def test_a_further_origin_leaves_the_pit_of_the_others_alone(origins: list[Origin], backtest: ClvBacktest) -> None:
    two = backtest_clv(origins[1:], HORIZON, options=FAST)
    as_of = backtest.as_ofs[1]
    np.testing.assert_array_equal(
        two.judged["bg_nbd", as_of].purchases.pit, backtest.judged["bg_nbd", as_of].purchases.pit
    )


def test_recalibration_restores_the_coverage_of_intervals_that_are_far_too_narrow() -> None:
    own, again = [], []
    for seed in range(12):
        found = values(backtest_clv(counts(seed), HORIZON, [Fixed()], ClvOptions(seed=seed)), "fixed")
        own.append([found[f"coverage_{nominal}_purchases"] for nominal in (80, 90, 95)])
        again.append([found[f"recalibrated_{nominal}_purchases"] for nominal in (80, 90, 95)])
    assert np.mean(own, axis=0)[1] < 0.8
    assert np.mean(again, axis=0) == pytest.approx([0.8, 0.9, 0.95], abs=0.01)


def test_the_better_distribution_wins_and_the_difference_is_paired() -> None:
    found = backtest_clv(counts(3), HORIZON, [Fixed(), Fixed("wide", size=0.7, rank=50)])
    assert found.champion == "wide"
    gap = found.contender("fixed").against_champion["log_score"]
    assert gap is not None
    assert gap.difference.low > 0
    assert found.contender("wide").against_champion == {}
    assert found.contender("fixed").against_champion["bias_purchases"] is not None


def test_candidates_are_compared_where_all_of_them_could_be_judged() -> None:
    found = backtest_clv(counts(4, 500), HORIZON, [Fixed(), Fixed("learner", needs_past=True)])
    assert found.compared == found.as_ofs[1:]
    assert found.judgement("learner", found.as_ofs[0]).failed == "no origin's outcomes are known yet"
    assert "compared at 1 of 2 origins" in found.warnings[0]


def test_a_candidate_that_fails_at_the_latest_origin_is_out_of_the_contest_with_the_reason(
    open_shop: Callable[..., Any],
) -> None:
    origin = open_shop(400).at(200, 60)
    found = backtest_clv([origin], HORIZON, [candidate("bg_nbd"), Fixed("learner", rank=1, needs_past=True)])
    assert found.champion == "bg_nbd"
    assert found.contender("learner").refused == "not judged: no origin's outcomes are known yet"


def test_without_amounts_money_is_not_defined_and_purchases_are(open_shop: Callable[..., Any]) -> None:
    shop = open_shop(400)
    found = backtest_clv([shop.at(200, 60, money=False)], HORIZON, options=FAST)
    scores = found.contender("bg_nbd").scores
    assert {score.why for name, score in scores.items() if name.endswith("_spend")} == {"there are no amounts"}
    assert scores["mae_purchases"].value is not None


def test_unknown_money_of_some_customers_leaves_the_others(origins: list[Origin]) -> None:
    origin = origins[1]
    assert origin.spend is not None
    spend = np.where(np.arange(len(origin)) % 3 == 0, np.nan, origin.spend)
    found = backtest_clv([replace(origin, spend=spend)], HORIZON, options=FAST)
    part = found.judged["bg_nbd", found.as_ofs[0]].spend
    assert part is not None
    assert part.rows.size == np.isfinite(spend).sum()
    assert found.contender("bg_nbd").scores["mae_spend"].value is not None


def test_nobody_buying_in_the_window_says_what_is_not_defined(origins: list[Origin]) -> None:
    nothing = np.zeros(len(origins[0]))
    found = backtest_clv([replace(origins[0], purchases=nothing, spend=nothing)], HORIZON, options=FAST)
    scores = found.contender("bg_nbd").scores
    assert scores["bias_purchases"].why == scores["mape_spend"].why == "nobody bought in the label window"
    assert scores["log_score"].value is not None


@pytest.mark.parametrize(
    ("x", "t_x", "told"),
    [([0.0] * 30, [0.0] * 30, "nobody repeats"), ([2.0], [4.0], "one customer is not a population")],
)
def test_populations_that_teach_nothing_are_refused_with_the_reason(
    x: list[float], t_x: list[float], told: str
) -> None:
    n = len(x)
    rfm = RfmArrays(np.array(x), np.array(t_x), np.full(n, 30.0), np.where(np.array(x) > 0, 5.0, np.nan))
    origin = Origin(counts(1, 2)[0].as_of, np.array([f"c{i}" for i in range(n)], dtype=object), rfm, np.zeros(n))
    with pytest.raises(BadInputError, match=f"no candidate could be fitted at the latest origin 2024-03-01: {told}"):
        backtest_clv([origin], HORIZON, options=FAST)


def test_no_origin_at_all_is_refused() -> None:
    with pytest.raises(BadInputError, match="no labelled cut-off"):
        backtest_clv([], HORIZON)


def test_an_origin_before_the_first_purchase_is_refused(open_shop: Callable[..., Any]) -> None:
    with pytest.raises(BadInputError, match="nobody had bought by 2024-01-01"):
        backtest_clv([open_shop(50).at(0, 60)], HORIZON)


def test_two_origins_at_one_time_are_refused(origins: list[Origin]) -> None:
    with pytest.raises(BadInputError, match="two origins at 2024-04-30"):
        backtest_clv([origins[0], origins[0]], HORIZON)


def test_an_unknown_candidate_or_parameter_is_refused(origins: list[Origin]) -> None:
    with pytest.raises(MisuseError, match=r"unknown CLV model 'bgnbd' \(one of bg_nbd, mbg_nbd, pareto_nbd"):
        backtest_clv(origins, HORIZON, options=ClvOptions(candidates=("bgnbd",)))
    with pytest.raises(MisuseError, match="bg_nbd does not take"):
        candidate("bg_nbd", leaves=3)


def test_probabilistic_candidates_come_first_by_name() -> None:
    assert candidate_names()[:3] == ("bg_nbd", "mbg_nbd", "pareto_nbd")


def test_a_sample_judges_the_same_customers_at_every_origin(origins: list[Origin], backtest: ClvBacktest) -> None:
    found = backtest_clv(origins, HORIZON, options=replace(FAST, judge_at_most=400))
    customers = [set(found.judged["bg_nbd", as_of].customer) for as_of in found.as_ofs]
    everybody = [set(backtest.judged["bg_nbd", as_of].customer) for as_of in found.as_ofs]
    assert customers[1] == customers[2] & everybody[1]
    assert 300 < len(customers[2]) < 500
    assert "judged on a sample" in found.warnings[0]
    assert found.judgement("bg_nbd", found.as_ofs[2]).summary == backtest.judgement("bg_nbd", found.as_ofs[2]).summary


def test_the_backtest_is_json(backtest: ClvBacktest) -> None:
    assert json.loads(json.dumps(backtest.to_dict(), allow_nan=False))["champion"] == backtest.champion


@pytest.mark.ray
def test_ray_judges_as_one_process_does(origins: list[Origin], backtest: ClvBacktest, ray_engine: Engine) -> None:
    assert backtest_clv(origins, HORIZON, options=FAST, engine=ray_engine).to_dict() == backtest.to_dict()


def test_progress_is_told(origins: list[Origin]) -> None:
    planned, done = [], []
    backtest_clv(origins[:1], HORIZON, [Fixed()], on_plan=planned.append, on_done=lambda: done.append(1))
    assert (planned, len(done)) == ([1], 1)
