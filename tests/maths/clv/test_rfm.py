"""The RFM summary against a plain loop, its conventions, and what it refuses."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axiom.clv import BetaGeo, rfm_summary

DAY = np.timedelta64(1, "D")


def by_loop(ids, times, amounts, as_of):
    """The definition: per customer, the days with purchases up to as_of and what was spent on each."""
    spent = defaultdict(lambda: defaultdict(float))
    for customer, time, amount in zip(ids, times, amounts, strict=True):
        day = time.astype("datetime64[D]")
        if day <= as_of:
            spent[customer][day] += amount
    rows = []
    for customer in sorted(spent):
        days = sorted(spent[customer])
        repeat = [spent[customer][day] for day in days[1:]]
        mean = sum(repeat) / len(repeat) if repeat else 0.0
        rows.append((customer, len(repeat), (days[-1] - days[0]) / DAY, (as_of - days[0]) / DAY, mean))
    return rows


transactions = st.lists(
    st.tuples(st.integers(-3, 9), st.integers(-40 * 24, 60 * 24), st.floats(-5, 100)), min_size=1, max_size=60
)


@settings(max_examples=150, deadline=None)
@given(rows=transactions, spread=st.sampled_from([1, 10**12]), text=st.booleans())
def test_it_is_the_definition(rows, spread, text) -> None:
    numbers, hours, amounts = (list(column) for column in zip(*rows, strict=True))
    ids = np.array([str(n) if text else n * spread for n in numbers])
    times = np.datetime64("1970-01-10T00", "h") + np.array(hours, dtype="timedelta64[h]")
    as_of = np.datetime64("1970-02-20", "D")
    expected = by_loop(ids.tolist(), times, amounts, as_of)
    if not expected:
        with pytest.raises(ValueError, match="no transaction up to"):
            rfm_summary(ids, times, amounts, as_of=as_of)
        return
    found = rfm_summary(ids, times, amounts, as_of=as_of)
    customers, x, t_x, T, mean = (list(column) for column in zip(*expected, strict=True))
    assert found.customer_id.tolist() == customers
    np.testing.assert_array_equal(found.x, x)
    np.testing.assert_array_equal(found.t_x, t_x)
    np.testing.assert_array_equal(found.T, T)
    np.testing.assert_allclose(found.mean_spend, mean, atol=1e-12)


def test_the_order_of_transactions_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    ids, days = rng.integers(0, 50, 600), np.datetime64("2024-01-01") + rng.integers(0, 90, 600)
    amounts, shuffled = rng.gamma(2.0, 10.0, 600), rng.permutation(600)
    one, other = rfm_summary(ids, days, amounts), rfm_summary(ids[shuffled], days[shuffled], amounts[shuffled])
    np.testing.assert_array_equal(one.x, other.x)
    np.testing.assert_array_equal(one.t_x, other.t_x)
    np.testing.assert_allclose(one.mean_spend, other.mean_spend)


def test_a_date_counts_to_the_end_of_its_day_and_a_moment_does_not() -> None:
    times = ["2024-03-01T10:00", "2024-03-05T18:00"]
    assert rfm_summary([1, 1], times, as_of="2024-03-05").x.tolist() == [1.0]
    assert rfm_summary([1, 1], times, as_of=date(2024, 3, 5)).x.tolist() == [1.0]
    early = rfm_summary([1, 1], times, as_of="2024-03-05T12:00")
    assert early.x.tolist() == [0.0]
    assert early.T.tolist() == [4.0]


def test_later_transactions_and_later_customers_are_unknown() -> None:
    summary = rfm_summary([1, 2, 1], ["2024-01-01", "2024-02-01", "2024-03-01"], [5.0, 6.0, 7.0], as_of="2024-01-31")
    assert summary.customer_id.tolist() == [1]
    assert (summary.x[0], summary.t_x[0], summary.T[0], summary.mean_spend[0]) == (0.0, 0.0, 30.0, 0.0)


def test_without_a_date_the_last_transaction_ends_the_observation() -> None:
    assert rfm_summary([1, 2], ["2024-01-01", "2024-01-11"]).T.tolist() == [10.0, 0.0]


@pytest.mark.parametrize(("unit", "days"), [("W", 7.0), ("D", 1.0), ("h", 1 / 24), ("m", 1 / 1_440), ("s", 1 / 86_400)])
def test_units_are_fractions_of_whole_days(unit, days) -> None:
    summary = rfm_summary([1, 1], ["2024-01-01T23:59", "2024-01-15T00:01"], as_of="2024-01-29", unit=unit)
    assert summary.t_x[0] == pytest.approx(14.0 / days)
    assert summary.T[0] == pytest.approx(28.0 / days)


def test_periods_may_be_hours() -> None:
    times = ["2024-01-01T01:10", "2024-01-01T01:50", "2024-01-01T05:00"]
    summary = rfm_summary([1, 1, 1], times, [1.0, 2.0, 4.0], as_of="2024-01-01", unit="h", merge="h")
    assert (summary.x[0], summary.t_x[0], summary.T[0], summary.mean_spend[0]) == (1.0, 4.0, 22.0, 4.0)


def test_datetime_objects_and_object_strings_are_understood() -> None:
    ids = np.array(["b", "a"], dtype=object)
    summary = rfm_summary(ids, [datetime(2024, 1, 1), datetime(2024, 1, 3)])  # noqa: DTZ001 - naive by contract
    assert summary.customer_id.tolist() == ["a", "b"]
    assert summary.mean_spend is None


def test_the_summary_goes_straight_into_a_model(cdnow_sample) -> None:
    summary = rfm_summary(cdnow_sample.customer, cdnow_sample.day, as_of="1998-06-30", unit="W")
    assert BetaGeo().fit(summary.x, summary.t_x, summary.T).converged_


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"customer_ids": [], "times": [], "amounts": []}, "there are no transactions"),
        ({"customer_ids": [1, 2, 3]}, "must have one dimension and one length"),
        ({"customer_ids": [[1, 2]]}, "must have one dimension and one length"),
        ({"customer_ids": [1.5, 2.0]}, "customer_ids must be whole numbers or strings"),
        ({"customer_ids": ["a", None]}, r"customer_ids must be strings.*index 1"),
        ({"times": ["2024-01-01", "NaT"]}, r"times must not be missing.*index 1"),
        ({"times": ["2024-01-01", "soon"]}, "times must be dates or moments"),
        ({"times": [1.0, 2.0]}, "times must be dates or moments"),
        ({"amounts": [1.0, np.nan]}, r"amounts must be finite.*index 1"),
        ({"as_of": "yesterday"}, "as_of must be a date or a moment"),
        ({"as_of": "2024"}, "as_of must be a day or a finer moment"),
        ({"as_of": "2023-12-31"}, "no transaction up to as_of = 2023-12-31"),
        ({"unit": "Y"}, "unit must be one of"),
        ({"merge": "W"}, "merge must be one of"),
    ],
)
def test_bad_transactions_are_refused(change, message) -> None:
    good = {"customer_ids": [1, 2], "times": ["2024-01-01", "2024-01-02"], "amounts": [1.0, 2.0]}
    with pytest.raises(ValueError, match=message):
        rfm_summary(**(good | change))
