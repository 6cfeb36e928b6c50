"""The whole training, at cut-offs and on a table: what it learns from, how it judges, what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from axiom.errors import BadInputError, MisuseError, NotFoundError
from axiom.registry.cards import ModelCard
from axiom.training.survival import train_survival
from axiom.training.survival_fit import SurvivalOptions
from axiom.training.survival_model import SurvivalModel
from axiom.training.survival_plots import survival_plots
from axiom.training.survival_report import to_json, to_markdown
from axiom.training.survival_static import train_survival_static
from axiom.training.survival_table import read_survival_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from pathlib import Path

    from axiom.training.survival_report import SurvivalResult
    from axiom.training.survival_table import SurvivalRows, SurvivalTable

FAST = SurvivalOptions(draws=100)


@pytest.fixture(scope="module")
def result(at_cutoffs: Callable[..., SurvivalRows], horizon: timedelta) -> SurvivalResult:
    return train_survival(at_cutoffs(), horizon, FAST, feature_set="v1")


def test_the_truth_is_recovered_and_calibrated(at_cutoffs: Callable[..., SurvivalRows], horizon: timedelta) -> None:
    rows = at_cutoffs(customers=1500)
    found = train_survival(rows, horizon, replace(FAST, scale=False))
    usage = next(term for term in found.report.terms if term.name == "usage")
    assert usage.hazard_ratio.low < np.exp(0.8) < usage.hazard_ratio.high
    for name in ("calibration_slope", "observed_over_expected"):
        metric = found.report.metrics[name]
        assert metric is not None
        assert metric.low < 1 < metric.high
    truth = -np.expm1(-30 * 0.02 * np.exp(0.8 * rows.table.X["usage"].to_numpy()))
    assert np.abs(found.model.predict_proba(rows.table.X) - truth).mean() < 0.02


def test_what_happened_after_the_holdout_teaches_nothing(
    at_cutoffs: Callable[..., SurvivalRows], horizon: timedelta, result: SurvivalResult
) -> None:
    rows = at_cutoffs()
    table = rows.table
    until = (np.datetime64("2024-07-01", "us") - table.as_of) / np.timedelta64(1, "D")
    later = (table.as_of < table.as_of.max()) & (table.duration >= until)
    other = replace(table, event=table.event ^ later)  # another future for everybody in training
    again = train_survival(replace(rows, table=other), horizon, FAST, feature_set="v1")
    np.testing.assert_array_equal(again.model.coefficients, result.model.coefficients)
    np.testing.assert_array_equal(again.model.hazard, result.model.hazard)


def test_training_rows_end_a_horizon_before_the_holdout(result: SurvivalResult) -> None:
    windows = result.report.windows
    assert windows["holdout"][0][:10] == "2024-07-01"
    assert windows["calibration"] == []
    assert [time[:10] for time in windows["training"]] == ["2024-03-03", "2024-04-02", "2024-05-02", "2024-06-01"]
    assert result.report.rows == {"training": 1200, "holdout": 300}


def test_the_report_judges_beside_the_baselines(result: SurvivalResult) -> None:
    report = result.report
    assert "cox_ph beat the baseline churn rate alone" in report.verdict
    assert report.baselines.keys() == {"base_rate"}
    for name in ("concordance", "auc", "brier", "ipcw_brier", "integrated_brier", "observed_over_expected"):
        metric = report.metrics[name]
        assert metric is not None
        assert metric.low < metric.value < metric.high
    brier, plain = report.metrics["integrated_brier"], report.baselines["base_rate"]["integrated_brier"]
    assert brier is not None
    assert plain is not None
    assert brier.value < plain.value
    assert report.metrics["ipcw_brier"].value == pytest.approx(report.metrics["brier"].value, abs=1e-9)  # type: ignore[union-attr]
    assert sum(one.rows for one in report.calibration) == 300
    assert [group.name for group in report.groups][-1] == "highest risk"
    ends = [group.predicted[-1] for group in report.groups]
    assert ends == sorted(ends, reverse=True)


def test_the_report_is_written_for_people_and_machines(result: SurvivalResult) -> None:
    body = json.loads(to_json(result.report))
    assert body["proportionality"]["global"]["p_value"] > 0.001
    text = to_markdown(result.report)
    assert text.index("beat the baseline") < text.index("## Metrics") < text.index("| usage |")
    pictures = survival_plots(result.report)
    assert pictures.keys() == {"survival", "hazard_ratios", "calibration"}
    assert all(png.startswith(b"\x89PNG") for png in pictures.values())


def test_the_card_is_complete_and_keeps_the_test_of_proportionality(result: SurvivalResult) -> None:
    facts = {
        **result.card,
        "name": "survival",
        "feature_set": {"name": "default", "version": "v1"},
        "created_at": "2026-01-01T00:00:00Z",
        "code_version": "0",
    }
    card = ModelCard.from_json(json.dumps(facts))
    assert (card.kind, card.model_type, card.training_window.horizon_days) == ("churn", "cox_ph", 30)
    assert card.calibration["proportionality"]["degrees_of_freedom"] == 3
    assert card.metrics["concordance"].value is not None


def test_the_model_knows_how_sure_its_probabilities_are(result: SurvivalResult) -> None:
    band = SurvivalModel.from_files(result.model.to_files()).band
    assert band is not None
    assert band.rows.sum() == result.report.rows["holdout"]
    assert (band.p05 < band.p95).all()


def test_without_room_for_training_the_arithmetic_is_told(
    at_cutoffs: Callable[..., SurvivalRows], horizon: timedelta
) -> None:
    with pytest.raises(BadInputError, match="no cut-off to train on"):
        train_survival(at_cutoffs(cutoffs=1), horizon, FAST)


def test_nobody_churning_before_the_holdout_is_refused(
    at_cutoffs: Callable[..., SurvivalRows], horizon: timedelta
) -> None:
    rows = at_cutoffs()
    never = replace(rows.table, event=rows.table.event & (rows.table.as_of == rows.table.as_of.max()))
    with pytest.raises(BadInputError, match=r"nobody in the training slice .* had the event"):
        train_survival(replace(rows, table=never), horizon, FAST)


def test_a_static_table_is_judged_out_of_fold(months: Callable[..., SurvivalTable]) -> None:
    table = months(600)
    result = train_survival_static(table, 6.0, replace(FAST, scale=False))
    assert "beat Kaplan-Meier alone out of fold" in result.report.verdict
    assert result.card == {}
    plain = result.report.baselines["base_rate"]["concordance"]
    assert plain is not None
    assert plain.value == 0.5
    knows = replace(table, X=pa.table({"noise": np.random.default_rng(1).normal(size=600)}))
    assert "did not beat" in train_survival_static(knows, 6.0, replace(FAST, scale=False)).report.verdict


def test_the_default_horizon_of_a_table_is_its_median_event_time(months: Callable[..., SurvivalTable]) -> None:
    table = months()
    report = train_survival_static(table, None, replace(FAST, scale=False)).report
    assert report.horizon == np.median(table.duration[table.event])


@pytest.mark.parametrize("horizon", [0.0, -1.0, 1e6])
def test_an_impossible_horizon_of_a_table_is_refused(horizon: float, months: Callable[..., SurvivalTable]) -> None:
    with pytest.raises(BadInputError, match="must lie between 0 and the longest duration"):
        train_survival_static(months(), horizon, FAST)


def test_a_covariate_that_grows_with_the_duration_is_pointed_out(months: Callable[..., SurvivalTable]) -> None:
    table = months()
    table = replace(table, X=table.X.append_column("total_paid", pa.array(30 * table.duration)))
    warnings = train_survival_static(table, 6.0, replace(FAST, scale=False)).report.warnings
    assert any("'total_paid' moves with the duration itself" in warning for warning in warnings)
    assert not any("'tickets' moves" in warning for warning in warnings)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_file_says_which_column_it_lacks(rossi: Path) -> None:
    with pytest.raises(MisuseError, match="no column 'weeks'"):
        read_survival_table(rossi, "weeks", "arrest")
    with pytest.raises(MisuseError, match="no column 'caught'"):
        read_survival_table(rossi, "week", "caught")
    with pytest.raises(MisuseError, match="no column 'x'"):
        read_survival_table(rossi, "week", "arrest", drop=["x"])
    with pytest.raises(NotFoundError):
        read_survival_table(rossi.with_name("none.csv"), "week", "arrest")


def test_a_file_of_one_outcome_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "t,e,x\n" + "".join(f"{k},0,{k % 7}\n" for k in range(60)))
    with pytest.raises(BadInputError, match="'e' must have two values"):
        read_survival_table(path, "t", "e")


def test_negative_and_missing_durations_of_a_file(tmp_path: Path) -> None:
    body = "".join(f"{k},{k % 2},{k % 7}\n" for k in range(60))
    with pytest.raises(BadInputError, match="1 durations are negative"):
        read_survival_table(write(tmp_path / "t.csv", f"t,e,x\n-3,1,2\n{body}"), "t", "e")
    table, notes = read_survival_table(write(tmp_path / "t.csv", f"t,e,x\n,1,2\n{body}"), "t", "e")
    assert len(table) == 60
    assert "1 rows without a value of 't' were left out" in notes


def test_a_duration_that_is_text_is_refused(tmp_path: Path) -> None:
    body = "".join(f"long {k % 9},{k % 2},{k % 7}\n" for k in range(60))
    with pytest.raises(BadInputError, match="'t' has type string"):
        read_survival_table(write(tmp_path / "t.csv", f"t,e,x\n{body}"), "t", "e")


def test_a_column_that_is_the_label_in_disguise_is_pointed_out(
    at_cutoffs: Callable[..., SurvivalRows], horizon: timedelta
) -> None:
    rows = at_cutoffs()
    X = rows.table.X.append_column("account_closed", pa.array(rows.churn.table.churned.astype(float)))
    leaking = replace(
        rows,
        table=replace(rows.table, X=X),
        churn=replace(rows.churn, table=rows.churn.table.with_X(X)),
    )
    warnings = train_survival(leaking, horizon, FAST).report.warnings
    assert any("possible leakage: feature 'account_closed'" in warning for warning in warnings)


def test_a_table_too_small_for_folds_is_refused(months: Callable[..., SurvivalTable]) -> None:
    table = months(40)
    few = replace(table, event=table.event & (np.cumsum(table.event) <= 12))
    with pytest.raises(BadInputError, match="40 rows with 12 events; at least 25 rows with 13 events are needed"):
        train_survival_static(few, 3.0, replace(FAST, scale=False))
