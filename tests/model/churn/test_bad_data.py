"""Data that cannot be learnt from, or look too good to be true: one sentence that names the column or the fold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from axiom.errors import BadInputError, MisuseError
from axiom.training.churn import train_churn
from axiom.training.options import ChurnOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from axiom.training.table import ChurnTable

FAST = ChurnOptions(models=("logistic",), draws=100)


def with_column(table: ChurnTable, name: str, values: Any) -> ChurnTable:
    return table.with_X(table.X.append_column(name, pa.array(values)))


def test_ten_customers_are_refused_with_the_counts(company: Callable[..., ChurnTable], horizon: timedelta) -> None:
    with pytest.raises(BadInputError, match=r"the training slice \(2024-03-03, .*\) has 30 rows, \d+ churned"):
        train_churn(company(customers=10), horizon, FAST)


def test_a_holdout_of_one_class_is_refused_by_name(table: ChurnTable, horizon: timedelta) -> None:
    churned = table.churned & (table.as_of < table.as_of.max())
    with pytest.raises(BadInputError, match="all 300 rows of the holdout 2024-07-01 stayed"):
        train_churn(replace(table, churned=churned), horizon, FAST)


def test_a_fold_of_one_class_is_left_out_and_named(company: Callable[..., ChurnTable], horizon: timedelta) -> None:
    table = company(cutoffs=6)
    churned = table.churned & (table.as_of > table.as_of.min())
    report = train_churn(replace(table, churned=churned), horizon, FAST).report
    assert report.warnings == ("fold 2024-03-03 is left out: all 300 rows to learn from stayed",)
    assert set(report.model("logistic").fold_losses) == {"2024-04-02", "2024-05-02"}


def test_a_calibration_slice_of_one_class_leaves_the_probabilities_and_says_so(
    table: ChurnTable, horizon: timedelta
) -> None:
    slot = np.unique(table.as_of)[-2]
    report = train_churn(replace(table, churned=table.churned & (table.as_of != slot)), horizon, FAST).report
    assert report.model("logistic").calibration == "identity"
    assert any("every outcome is 0" in warning for warning in report.warnings)


def test_a_column_that_is_the_label_in_disguise_is_named(table: ChurnTable, horizon: timedelta) -> None:
    rng = np.random.default_rng(3)
    report = train_churn(
        with_column(table, "cancel_form", table.churned + rng.normal(0, 0.1, len(table))), horizon, FAST
    ).report
    told = [warning for warning in report.warnings if "possible leakage" in warning]
    assert any("feature 'cancel_form' alone" in warning for warning in told)
    assert any("AUC above 0.98 on rows the model never saw (logistic 1.000)" in warning for warning in told)


def test_a_value_whose_absence_is_the_label_is_named(table: ChurnTable, horizon: timedelta) -> None:
    values = np.where(table.churned, np.nan, np.random.default_rng(0).normal(size=len(table)))
    report = train_churn(with_column(table, "next_order_value", values), horizon, FAST).report
    assert any("feature 'next_order_value' alone" in warning for warning in report.warnings)


def test_a_category_that_is_the_label_is_named(table: ChurnTable, horizon: timedelta) -> None:
    state = np.where(table.churned, "closed", "open").astype(object)
    report = train_churn(with_column(table, "account_state", state), horizon, FAST).report
    assert any("feature 'account_state' alone" in warning for warning in report.warnings)


def test_honest_features_raise_no_leakage_warning(table: ChurnTable, horizon: timedelta) -> None:
    assert not any("leakage" in warning for warning in train_churn(table, horizon, FAST).report.warnings)


def test_perfect_separation_ends_in_a_warning_not_in_a_crash(table: ChurnTable, horizon: timedelta) -> None:
    report = train_churn(with_column(table, "leak", table.churned * 1.0), horizon, FAST).report
    assert any("separated perfectly (largest coefficient: 'leak')" in warning for warning in report.warnings)
    assert report.model("logistic").metrics["calibration_slope"] is None
    auc = report.model("logistic").metrics["auc"]
    assert auc is not None
    assert auc.value == 1.0


def test_two_thousand_columns_are_learnt_from(company: Callable[..., ChurnTable], horizon: timedelta) -> None:
    table = company(customers=100)
    noise = np.random.default_rng(0).normal(size=(len(table), 2000))
    X = table.X
    wide = pa.table(
        {**{name: X.column(name) for name in X.column_names}, **{f"n{j}": noise[:, j] for j in range(2000)}}
    )
    result = train_churn(table.with_X(wide), horizon, FAST)
    assert len(result.model.features) == 2005
    assert not any("leakage" in warning for warning in result.report.warnings)


def test_an_unusable_column_is_named_with_its_model_and_fold(table: ChurnTable, horizon: timedelta) -> None:
    bad = with_column(table, "ratio", np.where(np.arange(len(table)) == 5, np.inf, 1.0))
    with pytest.raises(BadInputError, match="'ratio' is infinite in 1 rows"):
        train_churn(bad, horizon, FAST)


def test_purchases_that_no_purchase_model_can_learn_from_leave_the_base_rate(
    table: ChurnTable, horizon: timedelta
) -> None:
    nobody = replace(table, x=np.zeros(len(table)), t_x=np.zeros(len(table)))
    report = train_churn(nobody, horizon, FAST).report
    assert any("no BG/NBD baseline: the histories at 2024-03-03" in warning for warning in report.warnings)
    comparison = report.model("logistic").baseline
    assert comparison is not None
    assert comparison.against == "base_rate"


def test_without_purchases_the_base_rate_is_the_baseline(table: ChurnTable, horizon: timedelta) -> None:
    report = train_churn(replace(table, x=None), horizon, FAST).report
    assert any("there are no purchase histories" in warning for warning in report.warnings)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"models": ()}, "no model was named"),
        ({"models": ("oracle",)}, "unknown model 'oracle'"),
        ({"scheme": "random"}, "split is refused"),
        ({"calibration": "magic"}, "unknown calibration 'magic'"),
        ({"class_weight": "heavy"}, "unknown class_weight 'heavy'"),
        ({"params": {"mlp": {}}}, "hyper-parameters for mlp, which is not among the models"),
        ({"params": {"logistic": {"depth": 3}}}, "logistic has no hyper-parameter depth"),
        ({"draws": 5}, "draws is at least 100"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    change: dict[str, Any], told: str, table: ChurnTable, horizon: timedelta
) -> None:
    with pytest.raises(MisuseError, match=told):
        train_churn(table, horizon, replace(FAST, **change))


def test_parts_of_a_table_must_have_the_same_length(table: ChurnTable) -> None:
    with pytest.raises(BadInputError, match="1500 labels but 3 rows of customer_id"):
        replace(table, customer_id=table.customer_id[:3])


def test_a_feature_name_that_occurs_twice_is_refused(table: ChurnTable) -> None:
    with pytest.raises(BadInputError, match="feature names occur twice: tickets"):
        table.with_X(table.X.append_column("tickets", pa.array(np.zeros(len(table)))))
