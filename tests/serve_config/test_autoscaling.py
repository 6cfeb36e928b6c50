"""The number of replicas follows the CPU they use, and holds still when the load does."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axiom.serve.predict.autoscaling import RELIEF, TARGET, BusyMeter, BusyPolicy, policy, wanted

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Ctx:
    target_num_replicas: int
    aggregated_metrics: dict[str, dict[str, float]] | None
    running_replicas: list[str] = field(default_factory=list)
    capacity_adjusted_min_replicas: int = 1
    capacity_adjusted_max_replicas: int = 3


@dataclass
class Cluster:
    """Replicas of one core each under a load given in cores, with the delays that Ray applies to a decision."""

    load: Callable[[int], float]
    upscale_delay: int = 10
    downscale_delay: int = 300
    look_back: int = 30
    noise: float = 0.05

    def run(self, seconds: int) -> list[int]:
        dice = random.Random(7)
        replicas, history, since, direction = 1, [], 0, 0
        recent: list[float] = []
        for second in range(seconds):
            each = min(1.0, self.load(second) / replicas)
            recent = [*recent, each][-self.look_back :]
            mean = sum(recent) / len(recent)
            names = [f"r{n}" for n in range(replicas)]
            busy = {name: max(0.0, mean + dice.uniform(-self.noise, self.noise)) for name in names}
            want, _ = policy(Ctx(replicas, {"busy": busy}, names))
            asked = (want > replicas) - (want < replicas)
            if asked != direction:
                direction, since = asked, second
            delay = self.upscale_delay if asked > 0 else self.downscale_delay
            if asked and second - since >= delay:
                replicas, direction = want, 0
                recent = []
            history.append(replicas)
        return history


def changes(history: list[int]) -> int:
    return sum(before != after for before, after in pairwise(history))


def test_a_busy_hour_brings_three_replicas_and_the_quiet_after_it_one() -> None:
    history = Cluster(lambda second: 1.3 if 100 <= second < 1000 else 0.1).run(2000)
    assert (history[99], history[999], history[-1]) == (1, 3, 1)
    assert changes(history) <= 4
    assert history.index(3) < 160


@pytest.mark.parametrize("load", [0.1, 0.4, 0.49, 0.51, 0.75, 0.99, 1.01, 1.2])
def test_a_steady_load_is_answered_once_and_then_nothing_moves(load: float) -> None:
    history = Cluster(lambda second: load).run(3000)
    assert changes(history) <= 2
    assert changes(history[600:]) == 0


def test_a_load_that_swings_around_the_edge_does_not_flap() -> None:
    history = Cluster(lambda second: 0.5 + 0.08 * (-1) ** (second // 60)).run(3600)
    assert changes(history) <= 1


def test_a_saturated_replica_doubles_the_number_at_most() -> None:
    assert policy(Ctx(1, {"busy": {"r0": 1.0}}, ["r0"]))[0] == 2


@pytest.mark.parametrize("metrics", [None, {}, {"busy": {}}, {"other": {"r0": 1.0}}, {"busy": {"r0": float("nan")}}])
def test_with_no_report_nothing_moves(metrics: Any) -> None:
    assert policy(Ctx(2, metrics, ["r0", "r1"]))[0] == 2


def test_replicas_are_not_given_up_while_one_of_them_is_silent() -> None:
    assert policy(Ctx(3, {"busy": {"r0": 0.05, "r1": 0.05}}, ["r0", "r1", "r2"]))[0] == 3
    assert policy(Ctx(3, {"busy": {"r0": 0.05, "r1": 0.05, "r2": 0.0}}, ["r0", "r1", "r2"]))[0] == 1


@settings(max_examples=200)
@given(
    shares=st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=8),
    now=st.integers(0, 10),
    least=st.integers(0, 3),
    more=st.integers(0, 5),
)
def test_the_answer_is_always_within_the_bounds(shares: list[float], now: int, least: int, more: int) -> None:
    found = wanted(shares, now=now, running=len(shares), least=least, most=least + more, target=TARGET, relief=RELIEF)
    assert least <= found <= least + more


@settings(max_examples=100)
@given(shares=st.lists(st.floats(0, 1), min_size=1, max_size=6), now=st.integers(1, 6))
def test_deciding_again_after_following_the_decision_changes_nothing(shares: list[float], now: int) -> None:
    def decide(given: list[float], at: int) -> int:
        return wanted(given, now=at, running=len(given), least=1, most=50, target=TARGET, relief=RELIEF)

    first = decide(shares, now)
    assert decide([sum(shares) / first] * first, first) == first


@pytest.mark.parametrize("wrong", [{"target": 0.0}, {"target": 1.5}, {"relief": 0.0}, {"relief": float("nan")}])
def test_shares_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        BusyPolicy(**wrong)


def test_ray_accepts_the_policy_and_applies_its_own_bounds_and_delays() -> None:
    from ray import cloudpickle
    from ray.serve.autoscaling_policy import _apply_autoscaling_config
    from ray.serve.config import AutoscalingConfig, AutoscalingContext, AutoscalingPolicy

    for path in ("policy", "BusyPolicy"):
        named = AutoscalingPolicy(policy_function=f"axiom.serve.predict.autoscaling:{path}")
        loaded = cloudpickle.loads(named.get_serialized_policy_def())
        decide = _apply_autoscaling_config(loaded() if path == "BusyPolicy" else loaded)
        config = AutoscalingConfig(min_replicas=1, max_replicas=3, upscale_delay_s=0, policy=named)
        context = AutoscalingContext(
            deployment_id=None,
            deployment_name="Predict",
            app_name="predict",
            current_num_replicas=1,
            target_num_replicas=1,
            running_replicas=["r0"],
            total_num_requests=0.0,
            total_queued_requests=0.0,
            aggregated_metrics=lambda: {"busy": {"r0": 0.9}},
            raw_metrics=None,
            capacity_adjusted_min_replicas=1,
            capacity_adjusted_max_replicas=3,
            policy_state={},
            last_scale_up_time=None,
            last_scale_down_time=None,
            current_time=None,
            config=config,
        )
        assert decide(context)[0] == 2


def test_the_meter_gives_cpu_seconds_per_second_over_its_window() -> None:
    now, used = [0.0], [10.0]
    meter = BusyMeter(1.0, clock=lambda: now[0], used=lambda: used[0])
    assert meter.share() == 0.0
    now[0], used[0] = 2.0, 11.0
    assert meter.share() == pytest.approx(0.5)
    now[0], used[0] = 2.5, 11.5
    assert meter.share() == pytest.approx(0.5)  # within the window: as before
    now[0], used[0] = 3.0, 12.5
    assert meter.share() == pytest.approx(1.5)


def test_the_meter_sees_a_process_that_works() -> None:
    meter = BusyMeter(1e-6)
    sum(number * number for number in range(300_000))
    assert meter.share() > 0.05
