from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from axiom.errors import BadInputError, ConflictError, MisuseError, NotFoundError
from axiom.training.clv import ChampionRule, Choices, ClvOptions, Origin, RfmArrays, Span
from axiom.training.clv.candidates import candidate, candidate_names
from axiom.training.clv.on_ray import Space, tune_clv
from axiom.training.clv.tuning import Search, Step, Trial, plan_search, report_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from axiom.engine import Engine

HORIZON = timedelta(days=60)
RULE = ChampionRule()
FAST = ClvOptions(candidates=("bg_nbd", "mbg_nbd"))


@pytest.fixture(scope="module")
def search(origins: list[Origin]) -> Search:
    return plan_search(origins, HORIZON, FAST)


def trial(name: str, excess: float, *, origins: int = 2, bias: float = 0.0, converged: bool = True) -> Trial:
    step = Step(origins, excess, 1.0 + excess, bias, converged)
    return Trial(name, {"prior_sd": 4.0}, step, finished=origins == 2)


def test_the_steps_are_the_origins_that_every_candidate_can_be_judged_at(search: Search) -> None:
    assert search.steps == (1, 2)


def test_with_no_earlier_outcome_every_origin_is_a_step(origins: list[Origin]) -> None:
    assert plan_search(origins, timedelta(days=61), FAST).steps == (2,)
    assert plan_search(origins, timedelta(days=121), FAST).steps == (0, 1, 2)


def test_the_reference_itself_has_no_excess(search: Search) -> None:
    steps = list(search.trial("bg_nbd", {}))
    assert [step.excess for step in steps] == [0.0, 0.0]
    assert [step.origins for step in steps] == [1, 2]
    assert all(step.converged for step in steps)


def test_a_trial_reports_the_mean_so_far(search: Search) -> None:
    first, second = search.trial("mbg_nbd", {"prior_sd": 2.0})
    assert first.log_score - first.excess == pytest.approx(search.reference[0])
    assert second.log_score - second.excess == pytest.approx(np.mean(search.reference))
    assert abs(second.bias_purchases) < 0.2


def test_a_trial_that_cannot_be_judged_ends_with_the_reason(search: Search, origins: list[Origin]) -> None:
    n = len(origins[1])
    quiet = RfmArrays(np.zeros(n), np.zeros(n), np.full(n, 9.0), np.full(n, np.nan))
    work = replace(search.work, origins=(origins[0], replace(origins[1], rfm=quiet), origins[2]))
    (step,) = replace(search, work=work).trial("bg_nbd", {})
    assert "nobody repeats" in step.failed
    assert not step.converged


def test_origins_where_nothing_can_be_fitted_are_no_search(origins: list[Origin]) -> None:
    n = len(origins[0])
    quiet = RfmArrays(np.zeros(n), np.zeros(n), np.full(n, 9.0), np.full(n, np.nan))
    with pytest.raises(BadInputError, match="bg_nbd could not be fitted at any origin: 2024-04-30: nobody repeats"):
        plan_search([replace(origins[0], rfm=quiet)], HORIZON, FAST)


def test_the_fingerprint_names_the_data(search: Search, origins: list[Origin]) -> None:
    assert plan_search(origins[::-1], HORIZON, FAST).fingerprint == search.fingerprint
    assert plan_search(origins[1:], HORIZON, FAST).fingerprint != search.fingerprint
    assert plan_search(origins, HORIZON, replace(FAST, seed=1)).fingerprint != search.fingerprint


def test_the_best_trial_is_finished_converged_unbiased_and_lowest() -> None:
    trials = [
        trial("stopped", -0.9, origins=1),
        trial("biased", -0.8, bias=0.5),
        trial("unsound", -0.7, converged=False),
        trial("good", -0.1),
        trial("better", -0.2),
        Trial("broken", {}, None, finished=False),
    ]
    report = report_of(trials, 2, "there", RULE)
    assert [t.candidate for t in report.trials] == ["better", "good", "biased", "unsound", "stopped", "broken"]
    assert report.warnings == ("2 of 6 trials were stopped before the last of 2 origins",)
    assert "Best: **better** with prior_sd 4." in report.to_markdown()
    assert json.loads(json.dumps(report.to_dict()))["best"]["candidate"] == "better"


def test_a_best_trial_outside_the_rule_is_told() -> None:
    assert "bias within the bounds" in report_of([trial("biased", 0.0, bias=0.5)], 2, "", RULE).warnings[0]


def test_no_judged_trial_is_refused_with_the_reasons() -> None:
    failed = Trial("a", {}, Step(1, 1e6, 1e6, 0.0, converged=False, failed="nobody repeats"), finished=False)
    with pytest.raises(BadInputError, match="no trial of 2 could be judged: nobody repeats"):
        report_of([failed, Trial("b", {}, None, finished=False)], 2, "", RULE)


class Recorder:
    """Stands where an Optuna trial stands, and takes the lowest or first value."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: dict[str, Any] = {}

    def suggest_categorical(self, name: str, choices: list[Any]) -> Any:
        self.asked[name] = choices
        return self.name if name == "candidate" else choices[0]

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        self.asked[name] = (low, high, log)
        return low

    def suggest_int(self, name: str, low: int, high: int, *, log: bool) -> int:
        self.asked[name] = (low, high, log)
        return low


def test_the_space_is_that_of_the_chosen_candidate() -> None:
    recorder = Recorder("mbg_nbd")
    Space(("bg_nbd", "mbg_nbd"))(recorder)
    assert recorder.asked == {"candidate": ["bg_nbd", "mbg_nbd"], "mbg_nbd.prior_sd": (0.5, 16.0, True)}


def test_the_defaults_of_every_candidate_are_tried_first() -> None:
    assert Space(("bg_nbd", "mbg_nbd")).defaults == [
        {"candidate": "bg_nbd", "bg_nbd.prior_sd": 4.0},
        {"candidate": "mbg_nbd", "mbg_nbd.prior_sd": 4.0},
    ]


@pytest.mark.parametrize("name", candidate_names())
def test_every_range_holds_the_default(name: str) -> None:
    one = candidate(name)
    for param, allowed in one.space.items():
        default = one.params[param]
        assert isinstance(allowed, Span | Choices)
        inside = allowed.low <= default <= allowed.high if isinstance(allowed, Span) else default in allowed.values
        assert inside, param


def test_without_ray_the_search_says_what_to_do() -> None:
    # A process of its own: this one may be connected to Ray.
    code = (
        "from datetime import timedelta\n"
        "from axiom.training.clv.on_ray import tune_clv\n"
        "tune_clv([], timedelta(days=60), 'nowhere')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MisuseError: the search runs on Ray and none is connected (set AXIOM_ENGINE=ray)" in ended.stderr


@pytest.mark.ray
def test_a_search_on_ray_finds_the_better_candidate_and_is_resumed_not_repeated(
    open_shop: Callable[..., Any], ray_engine: Engine, tmp_path: Path
) -> None:
    shop = open_shop(500)
    origins = [shop.at(day, 60) for day in (120, 180, 240)]
    ended: list[int] = []
    report = tune_clv(origins, HORIZON, str(tmp_path), FAST, trials=3, on_done=lambda: ended.append(1))
    assert (len(report.trials), len(ended)) == (3, 3)
    assert {t.candidate for t in report.trials} == {"bg_nbd", "mbg_nbd"}
    assert report.best.finished
    with pytest.raises(ConflictError, match="--resume"):
        tune_clv(origins, HORIZON, str(tmp_path), FAST, trials=3)
    again = tune_clv(origins, HORIZON, str(tmp_path), FAST, trials=3, resume=True)
    assert again == report
    with pytest.raises(NotFoundError, match="no search of these data"):
        tune_clv(origins[1:], HORIZON, str(tmp_path), FAST, trials=3, resume=True)
    with pytest.raises(MisuseError, match="at least one trial"):
        tune_clv(origins, HORIZON, str(tmp_path), FAST, trials=0)
