from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from axiom.errors import BadInputError, MisuseError
from axiom.training.clv import Origin, RfmArrays, origins_from_tables, snapshots_from_table
from axiom.training.clv.rows import whole_days

JUNE, JULY = datetime(2024, 6, 1, tzinfo=UTC), datetime(2024, 7, 1, tzinfo=UTC)
MONTH = timedelta(days=30)


def origin(**changes: object) -> Origin:
    rfm = RfmArrays(*(np.array(column) for column in ([0.0, 2.0], [0.0, 9.0], [30.0, 40.0], [np.nan, 8.0])))
    parts = {
        "as_of": JUNE,
        "customer_id": np.array(["a", "b"], dtype=object),
        "rfm": rfm,
        "purchases": np.array([0.0, 3.0]),
        "spend": np.array([0.0, 21.0]),
    }
    return Origin(**{**parts, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"purchases": np.array([0.0, np.nan])}, "1 of 2 customers at the origin 2024-06-01 have no outcome.*'b'"),
        ({"purchases": np.array([-1.0, 0.0]), "spend": None}, "negative number of purchases, first: 'a'"),
        ({"purchases": np.array([0.5, 0.0]), "spend": None}, "fractional"),
        ({"spend": np.array([0.0, -2.0])}, "negative or infinite spend"),
        ({"spend": np.array([5.0, 2.0])}, "spent money without a purchase, first: 'a'"),
        ({"purchases": np.array([1.0])}, "2 customers at 2024-06-01, but rows of purchases 1"),
    ],
)
def test_an_impossible_outcome_is_refused_with_the_customer(changes: dict[str, object], told: str) -> None:
    with pytest.raises(BadInputError, match=told):
        origin(**changes)


def test_a_label_window_has_ended_only_when_all_of_it_has() -> None:
    assert origin().ended_by(JULY, MONTH)
    assert not origin().ended_by(JULY - timedelta(seconds=1), MONTH)


@pytest.mark.parametrize("horizon", [timedelta(0), timedelta(days=-1), timedelta(hours=36)])
def test_a_horizon_that_is_no_whole_number_of_days_is_refused(horizon: timedelta) -> None:
    with pytest.raises(MisuseError, match="whole days"):
        whole_days(horizon)


def tables() -> tuple[pa.Table, pa.Table]:
    features = pa.table(
        {
            "as_of": [JULY, JULY, JUNE, JUNE, JUNE],
            "customer_id": ["b", "a", "b", "a", "never"],
            "x": [2.0, 1.0, 1.0, 0.0, None],
            "t_x": [30.0, 12.0, 9.0, 0.0, None],
            "T": [50.0, 40.0, 20.0, 10.0, None],
            "mean_spend": [5.0, 7.0, 5.0, None, None],
            "logins": [3, 1, 2, 0, 0],
        }
    )
    labels = pa.table(
        {
            "as_of": [JUNE, JUNE, JUNE, JULY, JULY],
            "customer_id": ["a", "b", "never", "a", "b"],
            "purchases_30d": [1.0, 1.0, 0.0, None, None],
            "spend_30d": [7.0, 5.0, 0.0, None, None],
        }
    )
    return features, labels


def test_origins_come_from_the_tables_without_those_who_had_not_bought() -> None:
    (june,) = origins_from_tables(*tables(), MONTH)
    assert june.as_of == JUNE
    assert june.customer_id.tolist() == ["a", "b"]
    assert june.rfm.x.tolist() == [0.0, 1.0]
    assert june.purchases.tolist() == [1.0, 1.0]
    assert june.spend is not None
    assert june.spend.tolist() == [7.0, 5.0]
    assert june.features is not None
    assert june.features["logins"].to_pylist() == [0, 2]


def test_snapshots_come_from_the_features_alone() -> None:
    june, july = snapshots_from_table(tables()[0])
    assert (june.as_of, july.as_of) == (JUNE, JULY)
    assert july.customer_id.tolist() == ["a", "b"]


def test_labels_without_any_money_give_origins_without_spend() -> None:
    features, labels = tables()
    poor = labels.set_column(3, "spend_30d", pa.array([None] * 5, pa.float64()))
    (june,) = origins_from_tables(features, poor, MONTH)
    assert june.spend is None


def test_a_missing_horizon_names_the_column() -> None:
    with pytest.raises(BadInputError, match="labels have no column purchases_60d, spend_60d"):
        origins_from_tables(*tables(), timedelta(days=60))


def test_a_customer_without_a_label_row_is_refused() -> None:
    features, labels = tables()
    with pytest.raises(BadInputError, match="no outcome"):
        origins_from_tables(features, labels.slice(1), MONTH)
