from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from axiom.clv import BetaGeo
from axiom.errors import BadInputError, CorruptError
from axiom.pipelines.evaluate import Evaluated, evaluate
from axiom.training.evaluate_clv import ClvEvaluation

if TYPE_CHECKING:
    from axiom.pipelines.workspace import Workspace

CLV = ("clv", "1")


def spoilt(ws: Workspace) -> str:
    """clv@1 again, with customers who buy three times as often."""
    version = ws.registry.get(*CLV)
    files = ws.registry.load_files(version)
    params = json.loads(files["purchases.json"])["params"]
    busier = BetaGeo.from_params({**params, "r": 3 * params["r"]}).to_json()
    return str(ws.registry.register(version.card, {**files, "purchases.json": busier.encode()}).version)


@pytest.fixture(scope="module")
def later(grown_company: Workspace) -> Evaluated:
    """clv@1 judged by data that came after it."""
    return evaluate(grown_company, [CLV])


def judged(ws: Workspace, *versions: str, **asked: Any) -> ClvEvaluation:
    found = evaluate(ws, [("clv", version) for version in versions], **asked).evaluation
    assert isinstance(found, ClvEvaluation)
    return found


def test_a_model_fitted_to_all_purchases_has_no_rows_yet(trained_company: Workspace) -> None:
    with pytest.raises(BadInputError, match="clv@1 was fitted to all purchases up to 2023-09-30") as refused:
        judged(trained_company, "1")
    assert "`axiom backtest clv`" in refused.value.hint
    assert "--as-of 2023-09-30 or later" in refused.value.hint


def test_later_data_judge_it_and_every_metric_has_its_interval(later: Evaluated) -> None:
    found = later.evaluation
    assert isinstance(found, ClvEvaluation)
    version = found.versions[0]
    for name, score in version.metrics.items():
        assert score.value is not None or score.why, name
    log_score, mae, bias = (version.metrics[name].value for name in ("log_score", "mae_purchases", "bias_spend"))
    assert log_score is not None
    assert mae is not None
    assert bias is not None
    assert log_score.low < log_score.value < log_score.high
    assert set(found.naive) >= {"mae_purchases", "bias_spend"}
    assert sum(version.rows.values()) == found.rows == version.latest["rows"]
    assert sum(row["observed"] for row in version.latest["counts"]) == found.rows
    assert np.mean(version.latest["pit"]["spend"]["recalibrated"]["heights"]) == pytest.approx(1.0)


def test_a_model_with_spoilt_parameters_loses_although_it_is_named_first(own_grown_company: Workspace) -> None:
    worse = spoilt(own_grown_company)
    found = judged(own_grown_company, worse, "1")
    assert found.best == found.comparisons[0].better == "clv@1"
    bias = {version.name: version.metrics["bias_purchases"].value for version in found.versions}
    assert bias[f"clv@{worse}"].value > bias["clv@1"].value  # type: ignore[union-attr]


def test_several_cutoffs_count_each_customer_once(grown_company: Workspace) -> None:
    times = [datetime(2023, 10, 5, tzinfo=UTC), datetime(2023, 10, 20, tzinfo=UTC)]
    both, alone = judged(grown_company, "1", as_ofs=times), judged(grown_company, "1", as_ofs=times[:1])
    assert set(both.versions[0].by_cutoff) == {"2023-10-05", "2023-10-20"}
    assert both.versions[0].by_cutoff["2023-10-05"]["log_score"] == alone.versions[0].metrics["log_score"]
    one, pooled = alone.versions[0].metrics["log_score"].value, both.versions[0].metrics["log_score"].value
    assert one is not None
    assert pooled is not None
    assert pooled.high - pooled.low > (one.high - one.low) / np.sqrt(2)


def test_the_report_is_written_as_json_markdown_and_pictures(grown_company: Workspace, later: Evaluated) -> None:
    storage = grown_company.lake.storage
    assert json.loads(storage.read(f"{later.report_path}/report.json"))["versions"][0]["name"] == "clv@1"
    assert "recalibrated_90_spend" in storage.read(f"{later.report_path}/report.md").decode()
    for name in ("deciles", "counts", "pit"):
        assert storage.read(f"{later.report_path}/{name}-clv@1.png").startswith(b"\x89PNG")


def test_files_that_are_no_clv_model_are_corrupt(own_grown_company: Workspace) -> None:
    registry = own_grown_company.registry
    version = registry.get(*CLV)
    files = {**registry.load_files(version), "clv.json": b"{}"}
    broken = registry.register(replace(version.card), files).version
    with pytest.raises(CorruptError, match="cannot be read"):
        judged(own_grown_company, str(broken))


def test_the_verb_prints_a_table(grown_company: Workspace, axiom: Any) -> None:
    outcome = axiom(grown_company, "evaluate", "clv@1")
    assert outcome.code == 0
    assert "log score" in outcome.out
    assert "bg_nbd" in outcome.out
