"""The table challengers read: formulas of its own columns, and how those of several origins come together."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from axiom.training.clv.rows import RfmArrays
from axiom.training.clv_challengers.design import design, pooled


@pytest.fixture
def rfm():
    return RfmArrays(
        x=np.array([0.0, 3.0, 3.0]),
        t_x=np.array([0.0, 30.0, 90.0]),
        T=np.array([0.0, 90.0, 90.0]),
        mean_spend=np.array([np.nan, 20.0, 0.0]),
    )


def test_rfm_columns_follow_their_formulas_and_a_new_customer_is_no_exception(rfm):
    columns = design(rfm, None, 30.0).to_pydict()
    assert columns["rfm_silence"] == [0.0, 60.0, 0.0]
    assert columns["rfm_pace"] == pytest.approx([0.0, 0.75, 0.75])
    assert columns["rfm_freshness"] == pytest.approx([1.0, 1 / 3, 1.0])
    assert columns["rfm_youth"] == pytest.approx([1.0, 0.25, 0.25])
    assert columns["rfm_money"] == pytest.approx([0.0, 15.0, 0.0])
    # A mean of 0 is no known spend.
    np.testing.assert_array_equal(columns["mean_spend"], [np.nan, 20.0, np.nan])


def test_the_rfm_summary_wins_over_features_of_the_same_name(rfm):
    table = design(rfm, pa.table({"x": [9.0, 9.0, 9.0], "age": [20, 30, 40]}), 30.0)
    assert table["x"].to_pylist() == [0.0, 3.0, 3.0]
    assert table["age"].to_pylist() == [20, 30, 40]


def test_origins_with_other_categories_and_other_columns_come_together(rfm):
    one = pa.table({"plan": pa.array(["a", "b", "a"]).dictionary_encode()})
    other = pa.table({"plan": pa.array(["c", "b", "c"]).dictionary_encode(), "age": [1.0, 2.0, 3.0]})
    table = pooled([design(rfm, one, 30.0), design(rfm, other, 30.0)])
    assert table["plan"].to_pylist() == ["a", "b", "a", "c", "b", "c"]
    assert table["age"].to_pylist() == [None, None, None, 1.0, 2.0, 3.0]
