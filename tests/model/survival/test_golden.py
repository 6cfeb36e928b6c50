"""Published numbers through the functions that the commands call, and lifelines as the oracle."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from axiom.maths.survival import CoxPH, concordance_index
from axiom.pipelines.survival import TableRequest, train_survival_table
from axiom.pipelines.survival_curves import km_table
from axiom.training.survival_fit import SurvivalOptions, clustered_covariance, fit_cox
from axiom.training.survival_table import read_survival_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from axiom.training.survival_table import SurvivalTable

# lifelines' documentation, CoxPHFitter on Rossi with Efron ties
ROSSI = {
    "fin": -0.379422,
    "age": -0.057438,
    "race": 0.313900,
    "wexp": -0.149796,
    "mar": -0.433704,
    "paro": -0.084871,
    "prio": 0.091497,
}
PLAIN = SurvivalOptions(scale=False, draws=100)


def test_rossi_has_the_published_coefficients_likelihood_and_concordance(rossi: Path, tmp_path: Path) -> None:
    result = train_survival_table(TableRequest(rossi, "week", "arrest"), tmp_path, options=PLAIN)
    found = {term.name: term.coefficient for term in result.report.terms}
    assert found == pytest.approx(ROSSI, abs=1e-6)
    assert result.report.log_likelihood == pytest.approx(-658.747659, abs=1e-6)
    table, _ = read_survival_table(rossi, "week", "arrest")
    in_sample = concordance_index(table.duration, table.event, result.model.relative_hazard(table.X))
    assert in_sample == pytest.approx(0.640329, abs=1e-6)


def test_a_table_leaves_report_pictures_and_model_behind(rossi: Path, tmp_path: Path) -> None:
    train_survival_table(TableRequest(rossi, "week", "arrest"), tmp_path, options=PLAIN)
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    pictures = {"survival.png", "hazard_ratios.png", "calibration.png"}
    assert written == {"report.json", "report.md", "model/model.json", "model/arrays.npz"} | pictures
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in pictures)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["proportionality"]["covariates"]["age"]["p_value"] < 0.01  # known to violate it
    assert "hazards are not proportional" in (tmp_path / "report.md").read_text()


def test_waltons_has_the_published_curves_and_log_rank(waltons: Path, tmp_path: Path) -> None:
    request = TableRequest(waltons, "T", "E")
    (everybody,) = km_table(request, tmp_path, at=(33, 56)).curves
    assert everybody.median[0] == 56
    assert everybody.at["33"] is not None
    assert everybody.at["56"] is not None
    assert everybody.at["33"].value == pytest.approx(0.802531, abs=1e-6)
    assert everybody.at["56"].value == pytest.approx(0.429903, abs=1e-6)
    report = km_table(request, tmp_path, by="group")
    assert report.log_rank is not None
    assert report.log_rank.statistic == pytest.approx(122.24913, abs=1e-4)
    assert [curve.segment for curve in report.curves] == ["control", "miR-137"]
    assert (tmp_path / "kaplan_meier.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "report.json").read_text())["log_rank"]["degrees_of_freedom"] == 1


def test_conditional_churn_and_medians_equal_those_of_lifelines(rossi: Path) -> None:
    from lifelines import CoxPHFitter
    from lifelines.datasets import load_rossi

    frame = load_rossi()
    oracle = CoxPHFitter().fit(frame, "week", "arrest", fit_options={"precision": 1e-12})
    table, _ = read_survival_table(rossi, "week", "arrest")
    model = fit_cox(table, PLAIN, horizon=10.0).model
    some = np.flatnonzero(table.duration < 30)[:20]
    few = table.rows(some)
    expected = oracle.predict_survival_function(
        frame.iloc[some], times=[10.0], conditional_after=table.duration[some]
    ).to_numpy()[0]
    np.testing.assert_allclose(model.p_churn(few.X, 10.0, elapsed=few.duration), 1 - expected, atol=1e-6)
    np.testing.assert_allclose(
        model.survival(few.X, np.array([5.0, 20.0])),
        oracle.predict_survival_function(frame.iloc[some], times=[5.0, 20.0]).to_numpy().T,
        atol=1e-6,
    )
    risky = np.argsort(-model.relative_hazard(table.X))[:10]
    theirs = oracle.predict_percentile(frame.iloc[risky], p=0.75).to_numpy()
    np.testing.assert_array_equal(model.time_to_event(table.rows(risky).X, share=0.25, elapsed=0.0), theirs)


def test_standard_errors_grouped_by_customer_equal_those_of_lifelines(months: Callable[..., SurvivalTable]) -> None:
    import pandas as pd
    from lifelines import CoxPHFitter

    table = months(300, seed=4)
    x = np.column_stack([table.X["tickets"].to_numpy(), table.X["noise"].to_numpy()])
    clusters = np.arange(300) // 3
    frame = pd.DataFrame(x, columns=["a", "b"]).assign(t=table.duration, e=table.event, who=clusters)
    oracle = CoxPHFitter().fit(frame, "t", "e", cluster_col="who", robust=True)
    cox = CoxPH().fit(x, table.duration, table.event)
    found = clustered_covariance(cox, x, table.duration, table.event, np.zeros(300, dtype=np.int64), clusters)
    np.testing.assert_allclose(np.sqrt(np.diag(found)), oracle.standard_errors_.to_numpy(), rtol=1e-4)
