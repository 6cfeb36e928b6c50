from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axiom.training.definition import ChurnDefinition
from axiom.training.evaluate import EvaluationRows, LeadTime
from axiom.training.evaluate_lead import days_to_churn, lead_time, median_interval


def lead_of(early: float = 30, **columns: Any) -> LeadTime | None:
    """Of a version that warns from 0.5 on."""
    return lead_time(rows(**columns), np.asarray(columns["p"], dtype=float), 0.5, 0.95, early)


def rows(**columns: Any) -> EvaluationRows:
    p = np.asarray(columns["p"], dtype=float)
    return EvaluationRows(
        as_of=np.array(columns.get("as_of", [date(2023, 1, 1)] * len(p)), dtype="datetime64[us]"),
        customer_id=np.array(columns["customer"], dtype=object),
        churned=~np.isnan(np.array(columns["lead"], dtype=float)),
        p={"m": p},
        lead=np.array(columns["lead"], dtype=float),
    )


def test_the_warning_counts_from_the_threshold_on_and_lasts_until_the_churn() -> None:
    found = lead_of(customer=["a", "b", "c", "d"], p=[0.9, 0.5, 0.4, 0.9], lead=[20, 40, 60, np.nan])
    assert found is not None
    assert (found.churns, found.late, found.warned.value, found.early.value) == (3, 0, 2 / 3, 1 / 3)
    assert found.days is not None
    assert found.days.value == 30


def test_of_several_cutoffs_the_earliest_that_warned_counts_and_a_churn_counts_once() -> None:
    times = [date(2023, 1, 1), date(2023, 1, 31), date(2023, 3, 2)]
    for p, days in (([0.9, 0.1, 0.9], 90.0), ([0.1, 0.9, 0.9], 60.0), ([0.1, 0.1, 0.9], 30.0)):
        found = lead_of(customer=["a"] * 3, as_of=times, p=p, lead=[90, 60, 30])
        assert found is not None
        assert found.days is not None
        assert (found.churns, found.days.value) == (1, days)


def test_two_churns_of_one_customer_are_two() -> None:
    times = [date(2023, 1, 1), date(2023, 7, 1)]
    found = lead_of(customer=["a", "a"], as_of=times, p=[0.9, 0.1], lead=[20, 25])
    assert found is not None
    assert (found.churns, found.warned.value) == (2, 0.5)


def test_who_was_silent_for_longer_than_the_horizon_already_is_late() -> None:
    found = lead_of(customer=["a", "b"], p=[0.9, 0.9], lead=[-10, 5])
    assert found is not None
    assert (found.churns, found.late) == (1, 1)
    assert lead_of(customer=["a", "b"], p=[0.9, 0.9], lead=[-10, np.nan]) is None


def test_nobody_warned_leaves_the_median_undefined() -> None:
    found = lead_of(customer=["a"], p=[0.1], lead=[10])
    assert found is not None
    assert (found.days, found.warned.value) == (None, 0.0)


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        (ChurnDefinition(), [80.0, -10.0, np.nan]),
        (ChurnDefinition("inactivity", "events"), [85.0, np.nan, np.nan]),
        (ChurnDefinition("inactivity", "any"), [85.0, -10.0, np.nan]),
        (ChurnDefinition("cancellation"), [7.0, np.nan, np.nan]),
    ],
)
def test_the_moment_of_churn_follows_from_its_definition(definition: ChurnDefinition, expected: list[float]) -> None:
    labels = pa.table(
        {
            "days_since_purchase": pa.array([10.0, 100.0, 1.0]),
            "days_since_event": pa.array([5.0, None, 1.0]),
            "days_to_cancel": pa.array([7.0, None, 3.0]),
        }
    )
    found = days_to_churn(labels, definition, 90, np.array([True, True, False]))
    np.testing.assert_array_equal(found, expected)


# Conover 1999, table A.3: for n = 9 the 2nd and 8th, for n = 20 the 6th and 15th of the ordered values.
@pytest.mark.parametrize(("n", "low", "high"), [(1, 1, 1), (5, 1, 5), (9, 2, 8), (20, 6, 15), (100, 40, 61)])
def test_the_limits_of_a_median_are_order_statistics(n: int, low: int, high: int) -> None:
    found = median_interval(np.arange(1.0, n + 1), 0.95)
    assert (found.low, found.high) == (low, high)


@settings(max_examples=50)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.sampled_from([0.5, 0.9, 0.99]))
def test_the_limits_enclose_the_median_and_are_values_of_the_sample(values: list[float], level: float) -> None:
    found = median_interval(np.array(values), level)
    assert found.value == np.median(values)
    assert {found.low, found.high} <= {*values, found.value}
