"""From gold to the labelled table: who counts, who churned, and what the purchase baseline is fitted to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from axiom.errors import BadInputError, CorruptError, MisuseError
from axiom.lake import Lake, Storage
from axiom.training.baselines import purchase_baseline
from axiom.training.definition import LABEL_COLUMNS, ChurnDefinition
from axiom.training.tables import load_churn_rows

if TYPE_CHECKING:
    from pathlib import Path

    from axiom.lake import Dataset

ROWS = 40
HORIZON = 30


def features() -> pa.Table:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 5, ROWS).astype(float)
    x[0] = np.nan  # has not bought yet
    T = rng.uniform(20, 100, ROWS)
    return pa.table(
        {
            "customer_id": [f"c{i}" for i in range(ROWS)],
            "as_of": pa.array(np.full(ROWS, "2024-01-01", "datetime64[us]"), pa.timestamp("us", "UTC")),
            "lifecycle": np.where(T > 50, "established", "new").astype(object),
            "x": x,
            "t_x": np.where(x > 0, T / 2, np.where(np.isnan(x), np.nan, 0.0)),
            "T": np.where(np.isnan(x), np.nan, T),
            "mean_spend": np.where(x > 0, 10.0, np.nan),
            "visits": rng.normal(size=ROWS),
        }
    )


def labels(**changes: Any) -> pa.Table:
    """Everybody active 10 days ago; odd customers buy again after 5 days, the others never."""
    columns = {name: np.full(ROWS, np.nan) for name in LABEL_COLUMNS}
    columns["days_to_next_purchase"] = np.where(np.arange(ROWS) % 2 == 1, 5.0, np.nan)
    columns["days_since_purchase"] = np.full(ROWS, 10.0)
    columns["observed_days"] = np.full(ROWS, 60.0)
    rows = features().select(["customer_id", "as_of"])
    for name, values in {**columns, **changes}.items():
        rows = rows.append_column(name, pa.array(values, from_pandas=True))
    return rows


@pytest.fixture
def gold(tmp_path: Path) -> Any:
    lake = Lake.create(Storage(str(tmp_path / "lake")), buckets=1, currency="EUR")

    def commit(kind: str, rows: pa.Table) -> Dataset:
        writer = lake.writer(kind, "one")
        writer.commit([writer.write("bucket-0000.parquet", rows, bucket=0)])
        return lake.dataset(kind, "one")

    return commit


def test_labels_follow_the_definition_and_every_column_but_the_keys_is_a_feature(gold: Any) -> None:
    rows = load_churn_rows(gold("features", features()), gold("labels", labels()), HORIZON)
    assert str(rows.definition) == "no purchase within the horizon"
    np.testing.assert_array_equal(rows.table.churned, np.arange(ROWS) % 2 == 0)
    assert rows.table.features == ("lifecycle", "x", "t_x", "T", "mean_spend", "visits")
    assert rows.left_out == {}
    assert rows.table.cohort is not None
    assert set(rows.table.cohort) == {"new", "established"}


def test_the_baseline_is_fitted_to_everybody_also_to_those_who_are_not_at_risk(gold: Any) -> None:
    since = np.where(np.arange(ROWS) < 10, 50.0, 10.0)
    definition = ChurnDefinition("inactivity", "transactions", active_within=20)
    datasets = gold("features", features()), gold("labels", labels(days_since_purchase=since))
    rows = load_churn_rows(*datasets, HORIZON, definition)
    assert len(rows.table) == ROWS - 10
    assert rows.left_out == {f"not at risk ({definition})": 10}
    everybody = [features()[name].to_numpy() for name in ("x", "t_x", "T")]
    assert rows.table.baseline is not None
    np.testing.assert_allclose(rows.table.baseline, purchase_baseline(*everybody, HORIZON)[10:])


def test_a_label_window_that_is_not_over_is_left_out_and_counted(gold: Any) -> None:
    observed = np.where(np.arange(ROWS) < 7, 29.0, 30.0)
    rows = load_churn_rows(gold("features", features()), gold("labels", labels(observed_days=observed)), HORIZON)
    assert len(rows.table) == ROWS - 7
    assert rows.left_out == {"their label window of 30 days is not over": 7}


def test_a_cancellation_has_no_purchase_baseline(gold: Any) -> None:
    cancelled = np.where(np.arange(ROWS) % 4 == 0, 3.0, np.nan)
    before = np.where(np.arange(ROWS) == 1, 100.0, np.nan)
    changes = {"days_to_cancel": cancelled, "days_since_cancel": before, "observed_event_days": np.full(ROWS, 60.0)}
    rows = load_churn_rows(gold("features", features()), gold("labels", labels(**changes)), HORIZON)
    assert rows.definition == ChurnDefinition("cancellation")
    assert len(rows.table) == ROWS - 1
    assert rows.table.churned.sum() == 10
    assert rows.table.baseline is None
    assert rows.table.x is None


def test_activity_of_any_kind_is_activity() -> None:
    seen = np.where(np.arange(ROWS) == 0, 2.0, np.nan)
    definition = ChurnDefinition("inactivity", "any")
    churned = definition.churned(labels(days_to_next_event=seen), HORIZON)
    assert not churned[0]
    assert churned[2]
    assert not definition.about_purchases


def test_an_activity_on_the_last_day_of_the_horizon_comes_too_late() -> None:
    edge = np.where(np.arange(ROWS) == 0, 30.0, 29.99)
    churned = ChurnDefinition().churned(labels(days_to_next_purchase=edge), HORIZON)
    assert churned[0]
    assert not churned[1:].any()


def test_nobody_at_risk_is_refused_with_the_counts(gold: Any) -> None:
    datasets = gold("features", features()), gold("labels", labels(observed_days=np.zeros(ROWS)))
    with pytest.raises(BadInputError, match="no customer has a known label") as error:
        load_churn_rows(*datasets, HORIZON)
    assert "40 rows: their label window of 30 days is not over" in error.value.hint


def test_datasets_of_different_customers_are_refused(gold: Any) -> None:
    other = labels().set_column(0, "customer_id", pa.array([f"d{i}" for i in range(ROWS)]))
    with pytest.raises(CorruptError, match="hold different customers"):
        load_churn_rows(gold("features", features()), gold("labels", other), HORIZON)


def test_labels_without_any_activity_suggest_nothing() -> None:
    with pytest.raises(BadInputError, match="nobody was active"):
        ChurnDefinition.guess(labels(days_since_purchase=np.full(ROWS, np.nan)))


@pytest.mark.parametrize("bad", [{"kind": "silence"}, {"activity": "mail"}, {"active_within": 0}])
def test_a_definition_that_makes_no_sense_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(MisuseError):
        ChurnDefinition(**bad)
