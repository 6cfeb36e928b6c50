"""Sizing by arithmetic."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiom.errors import MisuseError
from axiom.observe.capacity import Measured, Wanted, plan, size, steps, table

# Round numbers to calculate with, measured nowhere.
MEASURED = Measured(
    requests_per_core=1000,
    requests_per_ingress=4000,
    replica_bytes=300e6,
    vector_bytes=1000,
    store_bytes=400,
    scored_per_core=50_000,
)


def test_the_plan_is_the_arithmetic_of_its_docstring() -> None:
    found = plan(MEASURED, Wanted(customers=100_000_000, requests=50_000))
    assert found.replicas == 100 + 1
    assert found.ingresses == 25 + 1
    assert found.replica_bytes == 300e6 + 10_000_000 * 1000
    assert found.store_bytes == 2 * 100_000_000 * 400
    assert found.scoring_cores == 1  # 180 million an hour


def test_an_installation_without_load_still_has_a_replica() -> None:
    found = plan(MEASURED, Wanted(customers=0, requests=0))
    assert (found.replicas, found.ingresses) == (1, 1)


@given(st.integers(0, 10**9), st.floats(0, 1e6), st.floats(0, 1))
def test_more_never_needs_less(customers: int, requests: float, hot: float) -> None:
    small = plan(MEASURED, Wanted(customers, requests, hot))
    large = plan(MEASURED, Wanted(2 * customers, 2 * requests, hot))
    assert large.replicas >= small.replicas
    assert large.ingresses >= small.ingresses
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


@pytest.mark.parametrize("name", ["requests_per_core", "requests_per_ingress", "scored_per_core"])
def test_a_machine_that_does_nothing_is_refused(name: str) -> None:
    with pytest.raises(MisuseError, match=f"{name} must not be 0"):
        plan(replace(MEASURED, **{name: 0}), Wanted(customers=1, requests=1.0))


@pytest.mark.parametrize(
    ("n", "told"), [(300e6, "300 MB"), (12.3e6, "12.3 MB"), (1e9, "1.0 GB"), (80e9, "80.0 GB"), (1.5e12, "1,500 GB")]
)
def test_sizes_are_told_in_the_unit_that_suits_them(n: float, told: str) -> None:
    assert size(n) == told


ROWS = [
    Wanted(customers=20_000, requests=500),
    Wanted(customers=1_000_000, requests=1_000),
    Wanted(customers=10_000_000, requests=5_000),
    Wanted(customers=100_000_000, requests=50_000),
]


def test_the_table_of_the_run_book_is_calculated_from_the_figures_above_it() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    told = dict(re.findall(r"^\| `(\w+)` \| ([\d,.]+)", page, re.MULTILINE))
    measured = Measured(**{one.name: float(told[one.name].replace(",", "")) for one in fields(Measured)})
    for text in ("\n".join(table(measured, ROWS)), steps(measured, ROWS[2])):
        assert text in page, f"the page lacks:\n{text}"
