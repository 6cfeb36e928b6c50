"""From features to covariates: references, strata, penalties; and what cannot be fitted."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from axiom.errors import BadInputError, MisuseError
from axiom.training.survival_fit import RIDGE, SurvivalOptions, fit_cox

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.training.survival_table import SurvivalTable

PLAIN = SurvivalOptions(scale=False, draws=100)


def with_column(table: SurvivalTable, name: str, values: Any) -> SurvivalTable:
    return replace(table, X=table.X.append_column(name, pa.array(values)))


def test_true_hazard_ratios_lie_in_the_intervals(months: Callable[..., SurvivalTable]) -> None:
    fit = fit_cox(months(3000, seed=3), PLAIN, horizon=6.0)
    terms = {term.name: term.hazard_ratio for term in fit.terms}
    assert terms["tickets"].low < np.exp(0.7) < terms["tickets"].high
    assert terms["plan = gold"].low < np.exp(-0.5) < terms["plan = gold"].high
    assert terms["noise"].low < 1 < terms["noise"].high
    assert fit.proportionality is not None
    assert fit.proportionality.global_p_value > 0.01
    assert fit.warnings == ()
    assert fit.converged


def test_the_commonest_category_is_the_reference(months: Callable[..., SurvivalTable]) -> None:
    fit = fit_cox(months(), PLAIN, horizon=6.0)
    assert [term.name for term in fit.terms] == ["tickets", "noise", "plan = free", "plan = gold"]


def test_hazard_ratios_per_standard_deviation(months: Callable[..., SurvivalTable]) -> None:
    table = months()
    big = replace(table, X=table.X.set_column(0, "tickets", pa.array(1000 * table.X["tickets"].to_numpy())))
    scaled = SurvivalOptions(scale=True, ridge=0.0)
    first, second = (fit_cox(t, scaled, horizon=6.0).terms[0] for t in (table, big))
    assert first.coefficient == pytest.approx(second.coefficient, abs=1e-9)


def test_a_constant_column_is_dropped_by_name(months: Callable[..., SurvivalTable]) -> None:
    fit = fit_cox(with_column(months(), "planet", np.ones(400)), PLAIN, horizon=6.0)
    assert "dropped 1 column with a single value over the training rows: planet" in fit.warnings
    assert "planet" not in fit.model.names


def test_a_column_that_follows_from_others_is_left_out_by_name(months: Callable[..., SurvivalTable]) -> None:
    table = months()
    table = with_column(table, "total", table.X["tickets"].to_numpy() + 2 * table.X["noise"].to_numpy())
    fit = fit_cox(table, PLAIN, horizon=6.0)
    assert "left out, because they follow from the others: total" in fit.warnings
    assert fit.ridge == 0.0


def test_a_column_that_never_varies_at_risk_is_left_out_by_name(months: Callable[..., SurvivalTable]) -> None:
    table = months()
    # Rows that were censored before anybody left are the only ones with another value.
    early = replace(table, duration=np.r_[np.zeros(5), table.duration[5:]], event=np.r_[[False] * 5, table.event[5:]])
    fit = fit_cox(with_column(early, "newcomer", np.r_[np.ones(5), np.zeros(395)]), PLAIN, horizon=6.0)
    assert "left out, because they never vary among the rows at risk: newcomer" in fit.warnings


def test_perfect_separation_is_named_and_held_by_a_ridge(months: Callable[..., SurvivalTable]) -> None:
    table = months()
    fit = fit_cox(with_column(table, "knows", table.event.astype(float)), PLAIN, horizon=6.0)
    assert fit.ridge == RIDGE
    assert any(
        "held by a ridge" in warning and "coefficient of knows undetermined" in warning for warning in fit.warnings
    )
    assert np.isfinite(fit.model.coefficients).all()


def test_few_events_for_many_covariates_are_held_by_a_ridge(months: Callable[..., SurvivalTable]) -> None:
    table = months(60)
    rng = np.random.default_rng(0)
    for k in range(10):
        table = with_column(table, f"f{k}", rng.normal(size=60))
    fit = fit_cox(table, PLAIN, horizon=6.0)
    assert fit.ridge == RIDGE
    assert any(re.search(r"\d+ events for \d+ covariates are few", warning) for warning in fit.warnings), fit.warnings


def test_a_ridge_of_ones_own_is_kept(months: Callable[..., SurvivalTable]) -> None:
    table = months()
    none, strong = (fit_cox(table, replace(PLAIN, ridge=ridge), horizon=6.0) for ridge in (0.0, 5.0))
    assert np.abs(strong.model.coefficients).max() < 0.3 * np.abs(none.model.coefficients).max()


def test_strata_have_baselines_and_no_hazard_ratios(months: Callable[..., SurvivalTable]) -> None:
    table = months(900)
    fit = fit_cox(table, replace(PLAIN, strata=("plan",)), horizon=6.0)
    assert fit.model.strata.names == ("plan = basic", "plan = free", "plan = gold")
    assert [term.name for term in fit.terms] == ["tickets", "noise"]
    alone = table.rows(np.array([value == "gold" for value in table.X["plan"].to_pylist()]))
    curve = fit.model.survival(alone.X, np.array([6.0])).mean()
    assert curve > fit.model.survival(table.X, np.array([6.0])).mean()  # gold stays longer


def test_thin_strata_share_the_biggest_baseline_and_so_do_unseen_ones(months: Callable[..., SurvivalTable]) -> None:
    table = months()
    plan = table.X["plan"].to_pylist()
    rare = ["rare" if k < 3 else one for k, one in enumerate(plan)]
    table = replace(table, X=table.X.set_column(1, "plan", pa.array(rare)))
    fit = fit_cox(table, replace(PLAIN, strata=("plan",)), horizon=6.0)
    assert any(
        "strata with fewer than 10 events share the baseline of 'plan = basic': plan = rare" in w for w in fit.warnings
    )
    row = table.X.slice(0, 1)
    new, basic = (row.set_column(1, "plan", pa.array([name])) for name in ("never seen", "basic"))
    assert fit.model.p_churn(new, 6.0, 0.0) == fit.model.p_churn(basic, 6.0, 0.0)


def test_a_numeric_stratum_and_a_missing_one(months: Callable[..., SurvivalTable]) -> None:
    table = months(900)
    level = np.where(np.arange(900) % 3 == 0, np.nan, np.arange(900) % 2 + 1.0)
    fit = fit_cox(with_column(table, "level", level), replace(PLAIN, strata=("level",)), horizon=6.0)
    assert fit.model.strata.names == ("level is missing", "level = 1", "level = 2")


def test_too_many_strata_are_refused(months: Callable[..., SurvivalTable]) -> None:
    with pytest.raises(BadInputError, match="noise make 400 strata"):
        fit_cox(months(), replace(PLAIN, strata=("noise",)), horizon=6.0)


def test_an_unknown_stratum_is_refused_by_name(months: Callable[..., SurvivalTable]) -> None:
    with pytest.raises(MisuseError, match="no feature 'colour' to stratify by"):
        fit_cox(months(), replace(PLAIN, strata=("colour",)), horizon=6.0)


def test_nothing_but_strata_is_refused(months: Callable[..., SurvivalTable]) -> None:
    table = months()
    with pytest.raises(BadInputError, match="no covariate is left"):
        fit_cox(replace(table, X=table.X.select(["plan"])), replace(PLAIN, strata=("plan",)), horizon=6.0)


def test_all_censored_is_refused(months: Callable[..., SurvivalTable]) -> None:
    with pytest.raises(BadInputError, match="nobody in the table had the event: all 400 rows are censored"):
        fit_cox(replace(months(), event=np.zeros(400, dtype=bool)), PLAIN, horizon=6.0)


def test_ten_customers_are_refused_with_the_counts(months: Callable[..., SurvivalTable]) -> None:
    with pytest.raises(BadInputError, match=r"the table has 10 rows with \d events; at least 20 rows with 10 events"):
        fit_cox(months(10), PLAIN, horizon=6.0)


def test_negative_durations_are_refused_with_the_customer(months: Callable[..., SurvivalTable]) -> None:
    table = months()
    with pytest.raises(BadInputError, match="1 durations are negative, the first of customer 'c7'"):
        replace(table, duration=np.where(np.arange(400) == 7, -1.0, table.duration))


def test_all_events_at_one_time_leave_proportionality_untested(months: Callable[..., SurvivalTable]) -> None:
    table = months()
    fit = fit_cox(replace(table, duration=np.where(table.event, 5.0, 6.0)), PLAIN, horizon=6.0)
    assert fit.proportionality is None
    assert any("proportionality could not be tested" in warning for warning in fit.warnings)


def test_several_rows_of_a_customer_widen_the_intervals(months: Callable[..., SurvivalTable]) -> None:
    table = months()
    twice = table.rows(np.r_[np.arange(400), np.arange(400)])
    once, doubled = fit_cox(table, replace(PLAIN, ridge=0.0), horizon=6.0), fit_cox(twice, PLAIN, horizon=6.0)
    # The same rows twice say no more than once: without grouping the errors would shrink by √2.
    for one, two in zip(once.terms, doubled.terms, strict=True):
        assert two.standard_error == pytest.approx(one.standard_error, rel=0.15)


@pytest.mark.parametrize("wrong", [{"ridge": -1.0}, {"ridge": float("nan")}, {"level": 1.0}, {"draws": 10}])
def test_impossible_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(MisuseError):
        SurvivalOptions(**wrong)  # type: ignore[arg-type]
