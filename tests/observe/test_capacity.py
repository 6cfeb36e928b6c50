"""Sizing by arithmetic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiom.errors import MisuseError
from axiom.observe.capacity import Measured, Wanted, plan

# Round numbers to calculate with, measured nowhere.
MEASURED = Measured(
    requests_per_core=1000, replica_bytes=300e6, vector_bytes=1000, store_bytes=400, scored_per_core=50_000
)


def test_the_plan_is_the_arithmetic_of_its_docstring() -> None:
    found = plan(MEASURED, Wanted(customers=100_000_000, requests=50_000))
    assert found.replicas == 100 + 1
    assert found.replica_bytes == 300e6 + 10_000_000 * 1000
    assert found.store_bytes == 2 * 100_000_000 * 400
    assert found.scoring_cores == 1  # 180 million an hour


def test_an_installation_without_load_still_has_a_replica() -> None:
    assert plan(MEASURED, Wanted(customers=0, requests=0)).replicas == 1


@given(st.integers(0, 10**9), st.floats(0, 1e6), st.floats(0, 1))
def test_more_never_needs_less(customers: int, requests: float, hot: float) -> None:
    small = plan(MEASURED, Wanted(customers, requests, hot))
    large = plan(MEASURED, Wanted(2 * customers, 2 * requests, hot))
    assert large.replicas >= small.replicas
    assert large.replica_bytes >= small.replica_bytes
    assert large.scoring_cores >= small.scoring_cores


@given(st.floats(1, 1e6))
def test_one_replica_may_be_lost_at_the_peak(requests: float) -> None:
    wanted = Wanted(customers=1, requests=requests)
    assert (plan(MEASURED, wanted).replicas - 1) * MEASURED.requests_per_core * wanted.busy >= requests * (1 - 1e-12)


@pytest.mark.parametrize(
    "wrong",
    [
        {"customers": -1},
        {"requests": float("nan")},
        {"requests": float("inf")},
        {"busy": 0.0},
        {"busy": 1.5},
        {"hot_share": 1.1},
        {"scoring_hours": 0.0},
    ],
)
def test_what_is_no_size_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(MisuseError):
        plan(MEASURED, replace(Wanted(customers=1, requests=1.0), **wrong))


def test_a_machine_that_does_nothing_is_refused() -> None:
    with pytest.raises(MisuseError, match="must not be 0"):
        plan(replace(MEASURED, requests_per_core=0), Wanted(customers=1, requests=1.0))
