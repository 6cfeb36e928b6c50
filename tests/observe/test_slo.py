"""The arithmetic of the burn-rate alerts, evaluated from the rules themselves."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axiom.observe.slo import AVAILABILITY, FAST, HOURS, LATENCY, OBJECTIVES, PERIOD_HOURS, SLOW, Burn, Objective

STEP = 1 / 60  # hours


def thresholds(objective: Objective, burns: tuple[Burn, ...]) -> list[tuple[str, float, str, float]]:
    """(long window, threshold, short window, threshold) of each pair, read out of the expression of the alert."""
    word = rf"axiom:{objective.name}_bad:ratio_rate(\w+) > ([0-9.e-]+)"
    found = re.findall(rf"\({word} and {word}\)", objective.alarm(burns))
    return [(long, float(one), short, float(other)) for long, one, short, other in found]


def rings(objective: Objective, burns: tuple[Burn, ...], bad: np.ndarray) -> np.ndarray:
    """Whether the alert is true after each minute, where `bad` is the share of bad requests of each minute, at a
    constant load, after weeks without trouble."""
    ringing = np.zeros(len(bad), dtype=bool)
    for long, over, short, still_over in thresholds(objective, burns):
        ringing |= (_mean(bad, long) > over) & (_mean(bad, short) > still_over)
    return ringing


def _mean(bad: np.ndarray, window: str) -> np.ndarray:
    size = round(HOURS[window] / STEP)
    summed = np.concatenate([np.zeros(size), np.cumsum(bad)])
    return (summed[size:] - summed[:-size]) / size


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda one: one.name)
def test_the_thresholds_in_the_rules_are_factor_times_budget(objective: Objective) -> None:
    for burns in (FAST, SLOW):
        assert len(thresholds(objective, burns)) == len(burns)
        for burn, (long, over, short, still_over) in zip(burns, thresholds(objective, burns), strict=True):
            assert (long, short) == (burn.long, burn.short)
            assert over == still_over == pytest.approx(burn.factor * (1 - objective.target), rel=1e-9)
            assert over < 1, "no share of bad requests could ever ring"


@pytest.mark.parametrize(("burn", "spent"), list(zip((*FAST, *SLOW), (0.02, 0.05, 0.10, 0.10), strict=True)))
def test_the_shares_of_the_budget_are_those_of_the_source(burn: Burn, spent: float) -> None:
    assert burn.spent == pytest.approx(spent)
    assert HOURS[burn.short] < HOURS[burn.long]


def test_an_outage_rings_within_a_minute_and_a_half_and_stops_five_minutes_after_it() -> None:
    bad = np.zeros(600)
    bad[100:130] = 1.0
    ringing = np.flatnonzero(rings(AVAILABILITY, FAST, bad))
    assert ringing[0] == 100  # the first minute: 1/60 of the hour is above 0.0144
    assert 130 < ringing[-1] <= 130 + 30  # the pair of 6 h and 30 min goes on for its short window
    only_the_hour = np.flatnonzero(rings(AVAILABILITY, FAST[:1], bad))
    assert only_the_hour[-1] <= 130 + 5


def test_half_a_percent_of_errors_is_no_page_but_a_ticket_within_a_day() -> None:
    bad = np.full(3 * 24 * 60, 0.005)
    assert not rings(AVAILABILITY, FAST, bad).any()
    first = np.flatnonzero(rings(AVAILABILITY, SLOW, bad))[0] * STEP
    assert first == pytest.approx(14.4, abs=0.1)


def test_what_the_objective_allows_never_rings() -> None:
    for objective in OBJECTIVES:
        bad = np.full(7 * 24 * 60, objective.budget * 0.999)
        assert not rings(objective, (*FAST, *SLOW), bad).any()


def test_half_the_requests_of_one_minute_do_not_ring() -> None:
    bad = np.zeros(2000)
    bad[500] = 0.5
    assert not rings(AVAILABILITY, FAST, bad).any()


@settings(max_examples=25, deadline=None)
@given(bad=st.floats(0.0002, 1.0), burn=st.sampled_from([*FAST, *SLOW]))
def test_the_time_to_notice_is_what_the_rules_need(bad: float, burn: Burn) -> None:
    expected = burn.hours_to_notice(bad, AVAILABILITY.target)
    ringing = np.flatnonzero(rings(AVAILABILITY, (burn,), np.full(round(HOURS["3d"] / STEP) + 60, bad)))
    if expected is None:
        assert not len(ringing)
    else:
        assert (ringing[0] + 1) * STEP == pytest.approx(expected, abs=2 * STEP)


def test_the_budget_is_gone_in_the_period_divided_by_the_factor() -> None:
    for burn in (*FAST, *SLOW):
        assert burn.spent * PERIOD_HOURS / HOURS[burn.long] == pytest.approx(burn.factor)


def test_the_promised_latency_is_a_bound_of_the_histogram_that_the_objective_reads() -> None:
    assert 'le="50.0"' in LATENCY.over("5m")
    assert "[5m]" in LATENCY.over("5m")
    assert "WINDOW" not in LATENCY.over("5m") + AVAILABILITY.over("3d")
