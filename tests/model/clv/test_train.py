from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from axiom.errors import BadInputError
from axiom.registry.cards import ModelCard
from axiom.training.clv import ClvOptions, ClvResult, Origin, PurchaseDays, RfmArrays, Snapshot, train_clv
from axiom.training.clv.markdown import backtest_markdown, training_markdown
from axiom.training.clv.model import NOMINAL
from axiom.training.clv.plots import decile_plot, tracking_plot, training_plots
from axiom.training.clv.series import IDENTITY, covered, levels_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HORIZON = timedelta(days=60)
FAST = ClvOptions(candidates=("bg_nbd", "mbg_nbd"))


@pytest.fixture(scope="module")
def current(shop: Any) -> Snapshot:
    return shop.now(300)


@pytest.fixture(scope="module")
def result(origins: list[Origin], current: Snapshot) -> ClvResult:
    return train_clv(origins, current, HORIZON, FAST)


def card_of(result: ClvResult) -> ModelCard:
    """The card as the registry reads it: complete, or refused."""
    more = {
        "name": "clv",
        "feature_set": {"name": "default", "version": "abc"},
        "created_at": datetime(2025, 1, 1, tzinfo=UTC).isoformat(),
        "code_version": "0.1.0",
    }
    return ModelCard.from_json(json.dumps({**result.card, **more}, allow_nan=False))


def test_the_champion_is_fitted_to_the_customers_of_today(result: ClvResult, current: Snapshot) -> None:
    assert result.backtest is not None
    assert result.model.family == result.backtest.champion
    assert result.model.fitted.summary["purchases"]["customers"] == (current.rfm.T > 0).sum()
    assert result.model.horizon_days == 60


def test_the_scored_model_carries_the_levels_of_the_latest_origin(result: ClvResult) -> None:
    assert result.backtest is not None
    rows = result.backtest.judged[result.model.family, result.backtest.as_ofs[-1]]
    assert result.model.purchase_levels == levels_of(rows.purchases)
    assert rows.spend is not None
    assert result.model.spend_levels == levels_of(rows.spend)
    # What the levels were learnt from they cover exactly, up to the rank of one customer.
    assert covered(rows.spend.pit, 0.9, result.model.spend_levels).mean() == pytest.approx(
        0.9, abs=2 / rows.spend.pit.size
    )


def test_the_prediction_asks_for_the_recalibrated_levels(result: ClvResult, current: Snapshot) -> None:
    few = current.rfm[np.arange(50)]
    asked = result.model.spend_levels.level(NOMINAL).tolist()
    expected = result.model.fitted.forecast(few, None, 60).spend_quantiles(asked)
    np.testing.assert_array_equal(result.model.predict(few).clv_quantiles, expected)
    nominal = replace(result.model, spend_levels=IDENTITY).predict(few).clv_quantiles
    assert not np.array_equal(nominal, expected)


def test_the_card_is_complete(result: ClvResult) -> None:
    card = card_of(result)
    assert card.model_type == result.model.family
    assert card.metrics["log_score"].low is not None
    assert {"naive"} < set(card.baselines)
    assert card.calibration["method"] == "quantile levels of the previous origin"
    assert [f"{time:%Y-%m-%d}" for time in card.training_window.holdout_as_ofs] == [
        "2024-04-30",
        "2024-06-29",
        "2024-08-28",
    ]


def test_training_is_deterministic(result: ClvResult, origins: list[Origin], current: Snapshot) -> None:
    again = train_clv(origins[::-1], current, HORIZON, FAST)
    assert again.files == result.files
    assert again.card == result.card
    assert again.report == result.report


def test_outcomes_that_are_not_known_yet_are_left_out_with_a_warning(
    shop: Any, origins: list[Origin], current: Snapshot, result: ClvResult
) -> None:
    late = shop.at(260, 60)
    found = train_clv([*origins, late], current, HORIZON, FAST)
    assert found.files == result.files
    assert found.warnings[0].endswith("ends after the latest cut-off 2024-10-27: 2024-09-17")


def test_with_one_origin_the_recalibration_is_unchecked_and_says_so(origins: list[Origin], current: Snapshot) -> None:
    found = train_clv(origins[-1:], current, HORIZON, FAST)
    assert found.warnings[0].startswith("one labelled origin, 2024-08-28")
    assert found.model.purchase_levels != IDENTITY
    assert card_of(found).metrics["recalibrated_90_purchases"].value is None


def test_with_no_origin_the_simplest_model_keeps_nominal_intervals_and_says_so(current: Snapshot) -> None:
    found = train_clv([], current, HORIZON, replace(FAST, candidates=("mbg_nbd", "bg_nbd")))
    assert (found.model.family, found.backtest, found.report["backtest"]) == ("bg_nbd", None, None)
    assert found.model.spend_levels == found.model.purchase_levels == IDENTITY
    assert "could be backtested" in found.warnings[0]
    card = card_of(found)
    assert card.calibration["method"] == "none"
    assert card.metrics["log_score"].value is None
    assert "Read this first" in training_markdown(found.report)
    assert set(training_plots(found.report)) == {"frequency_recency"}


def test_a_population_that_could_not_be_backtested_is_still_fitted_with_a_warning(
    origins: list[Origin], current: Snapshot
) -> None:
    n = 40
    early = RfmArrays(np.zeros(n), np.zeros(n), np.full(n, 9.0), np.full(n, np.nan))
    quiet = Origin(origins[0].as_of, origins[0].customer_id[:n], early, np.zeros(n), np.zeros(n))
    found = train_clv([quiet], current, HORIZON, FAST)
    assert found.backtest is None
    assert any("not backtested" in told and "nobody repeats" in told for told in found.warnings)


def test_nobody_repeating_today_is_refused_with_the_reason(current: Snapshot) -> None:
    n = 30
    rfm = RfmArrays(np.zeros(n), np.zeros(n), np.full(n, 9.0), np.full(n, np.nan))
    with pytest.raises(BadInputError, match="no CLV model can be fitted at 2024-10-27: bg_nbd: nobody repeats"):
        train_clv([], Snapshot(current.as_of, current.customer_id[:n], rfm), HORIZON, FAST)


def test_without_amounts_the_model_forecasts_purchases_only(open_shop: Callable[..., Any]) -> None:
    shop = open_shop(500)
    found = train_clv(
        [shop.at(day, 60, money=False) for day in (120, 180)], shop.at(240, 1, money=False).snapshot, HORIZON, FAST
    )
    prediction = found.model.predict(shop.at(240, 1, money=False).rfm)
    assert np.isnan(prediction.clv_mean).all()
    assert np.isfinite(prediction.expected_purchases).all()
    assert found.report["model"]["levels"]["spend"] is None
    assert card_of(found).metrics["mae_spend"].value is None
    assert set(found.report["backtest"]["latest"]["deciles"]) == {"purchases"}
    assert decile_plot(found.report["backtest"]).startswith(b"\x89PNG")


def test_strong_correlation_of_spend_and_frequency_is_told(origins: list[Origin], current: Snapshot) -> None:
    rich = replace(current.rfm, mean_spend=np.where(current.rfm.x > 0, 5.0 * current.rfm.x, np.nan))
    found = train_clv([], replace(current, rfm=rich), HORIZON, FAST)
    assert any("correlate with 1.00" in told for told in found.warnings)
    assert found.model.fitted.summary["spend_frequency_correlation"] == pytest.approx(1.0)


def test_the_report_is_json_and_reads_as_markdown(result: ClvResult) -> None:
    report = json.loads(json.dumps(result.report, allow_nan=False))
    text = training_markdown(report)
    assert f"**{result.model.family}**" in text
    assert "| past rate x horizon (purchases) | – |" in text
    assert all(line.count("|") > 2 for line in text.splitlines() if line.startswith("|"))
    assert "nan" not in text.lower().replace("dominant", "")
    assert backtest_markdown(report["backtest"]).startswith("# Backtest of lifetime value\n\nChampion")


def test_the_plots_are_drawn_from_the_stored_report(result: ClvResult, tmp_path: Path) -> None:
    plots = training_plots(json.loads(json.dumps(result.report)))
    assert set(plots) == {"deciles", "counts", "pit", "tracking", "frequency_recency"}
    for name, png in plots.items():
        assert png.startswith(b"\x89PNG"), name
        width, height = (int.from_bytes(png[start : start + 4], "big") for start in (16, 20))
        assert width > 900 > height > 500, name
    assert tracking_plot(result.report["tracking"]) == plots["tracking"]


def test_weekly_tracking_follows_the_purchases(
    shop: Any, origins: list[Origin], current: Snapshot, result: ClvResult
) -> None:
    start = np.datetime64("2024-01-01")
    bought = shop.times[shop.times[:, 0] < 300]
    repeats = bought[:, 1:]
    days = PurchaseDays(
        start + np.floor(bought[:, 0]).astype(int), start + np.floor(repeats[repeats < 300]).astype(int)
    )
    tracking = train_clv(origins, current, HORIZON, FAST, purchases=days).report["tracking"]
    assert (tracking["every"], tracking["fitted_at"]) == ("week", "2024-08-28")
    assert len(tracking["until"]) == 42
    assert tracking["actual"][-1] == (np.floor(repeats) < 294).sum()
    assert tracking["expected"][-1] == pytest.approx(tracking["actual"][-1], rel=0.05)
    assert np.all(np.diff(tracking["expected"]) >= 0)


def test_tracking_by_cut_offs_needs_the_summaries_only(result: ClvResult, origins: list[Origin]) -> None:
    tracking = result.report["tracking"]
    assert tracking["every"] == "cut-off"
    assert list(tracking["actual"][:3]) == [origin.rfm.x.sum() for origin in origins]
    assert tracking["expected"] == pytest.approx(tracking["actual"], rel=0.08)


def test_missing_purchase_days_are_refused() -> None:
    days = np.array(["2024-01-01", "NaT"], dtype="datetime64[D]")
    with pytest.raises(BadInputError, match="1 repeats purchase days are missing"):
        PurchaseDays(days[:1], days)


def test_the_matrix_grows_with_recency_and_is_a_probability(result: ClvResult) -> None:
    matrix = result.report["matrix"]
    alive = np.array(matrix["p_alive"])
    assert alive.shape == (len(matrix["t_x"]), len(matrix["x"]))
    assert ((alive >= 0) & (alive <= 1)).all()
    assert (np.diff(alive, axis=0) > 0).all()
