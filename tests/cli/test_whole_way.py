"""A user's first hour: init, ingest, build, train, backtest, score, look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ingested(axiom: Any, shop_csv: Path) -> Any:
    assert axiom("init").code == 0
    assert axiom("ingest", str(shop_csv), "--entity", "transactions").code == 0
    return axiom


def test_from_a_file_to_scores_and_back_by_sql(ingested: Any, home: Path) -> None:
    built = ingested("build", "--every", "30d", "--back", "2", "--json").json
    assert built["rows"] > 0
    assert len(built["as_ofs"]) == 3
    assert "no value changed" in built["audit"][0]

    churn = ingested("train", "churn", "--horizon", "45", "--model", "logistic", "--json").json
    assert {line["name"] for line in churn["report"]["models"]} == {"logistic", "bg_nbd", "base_rate"}
    auc = churn["report"]["models"][0]["metrics"]["auc"]
    assert auc["low"] < auc["value"] < auc["high"]

    clv = ingested("train", "clv", "--horizon", "45", "--model", "bg_nbd", "--json").json
    assert clv["model"] == "clv@1"

    scored = ingested("score", "--json").json
    assert scored["rows"] == 150
    assert scored["models"] == {"churn": "churn@1", "clv": "clv@1"}
    rows = ingested("sql", "select * from scores", "--json").json
    assert rows["columns"] == [
        *("customer_id", "as_of", "churn_model", "clv_model", "p_churn", "p_alive", "expected_purchases"),
        *("clv_mean", "clv_p05", "clv_p50", "clv_p95", "expected_loss", "scored_at"),
    ]
    assert len({row["customer_id"] for row in rows["rows"]}) == 150
    for row in rows["rows"]:
        assert 0 <= row["p_churn"] <= 1
        assert 0 <= row["clv_p05"] <= row["clv_p50"] <= row["clv_p95"]
        assert row["expected_loss"] == pytest.approx(row["p_churn"] * row["clv_mean"])

    listed = ingested("models", "list", "--json").json["models"]
    assert {(m["name"], m["version"], m["stage"]) for m in listed} == {
        ("churn", 1, "candidate"),
        ("clv", 1, "candidate"),
    }
    assert ingested("models", "show", "churn@1").code == 0
    report = home / "lake" / churn["report_path"]
    assert {"report.json", "report.md", "roc.png"} <= {path.name for path in report.iterdir()}


def test_scoring_again_adds_nothing(ingested: Any, home: Path, lake_files: Any) -> None:
    ingested("train", "clv", "--horizon", "45", "--model", "bg_nbd")
    first = ingested("score", "--churn", "", "--json").json
    before = lake_files()
    again = ingested("score", "--churn", "", "--json").json
    assert again["already"] is True
    assert again["score_set"] == first["score_set"]
    assert lake_files() == before


def test_a_scoring_run_that_was_killed_goes_on_without_a_hole_or_a_double(ingested: Any, home: Path) -> None:
    from axiom.pipelines.build import BuildRequest, build
    from axiom.pipelines.workspace import opened
    from axiom.scoring.batch import ScorePlan, score_bucket
    from axiom.scoring.loading import model_files
    from axiom.settings import load_settings

    ingested("train", "clv", "--horizon", "45", "--model", "bg_nbd")
    with opened(load_settings()) as ws:
        features = build(ws, BuildRequest(labels=False))
        files = model_files(ws.registry, "clv", "latest")
        plan = ScorePlan(ws.lake, features.features_id, features.as_ofs[-1], None, files)
        finished = score_bucket(plan, 0)  # bucket 0 was finished, bucket 1 was being written, then the power went
        torn = home / "lake" / plan.writer.folder / "bucket-0001.parquet"
        torn.write_bytes(b"PAR1 half a file")
        assert ws.lake.datasets("scores") == []
    scored = ingested("score", "--churn", "", "--json").json
    assert scored["already"] is False
    ids = ingested("sql", "select customer_id from scores", "--json").json["rows"]
    assert len(ids) == 150
    assert len({row["customer_id"] for row in ids}) == 150
    kept = home / "lake" / finished.path
    assert pq.read_table(kept).num_rows == finished.rows
    assert finished.sha256 in (kept.parent / "_manifest.json").read_text()


def test_the_same_build_twice_is_made_once(ingested: Any) -> None:
    first = ingested("build", "--json").json
    second = ingested("build", "--json").json
    assert (first["already"], second["already"]) == (False, True)
    assert first["features_id"] == second["features_id"]


def test_a_damaged_model_is_refused_by_name(ingested: Any, home: Path) -> None:
    ingested("train", "clv", "--horizon", "45", "--model", "bg_nbd")
    artefact = next((home / "lake" / "models" / "clv").iterdir())
    content = bytearray(artefact.read_bytes())
    content[len(content) // 2] ^= 1
    artefact.write_bytes(bytes(content))
    outcome = ingested("score", "--churn", "")
    assert outcome.code == 1
    assert "clv" in outcome.err
    assert "checksum" in outcome.err


def test_promotion_is_audited_and_decides_what_scores(ingested: Any) -> None:
    for _ in range(2):
        ingested("train", "clv", "--horizon", "45", "--model", "bg_nbd")
    assert ingested("models", "promote", "clv@1", "--reason", "steadier").code == 0
    assert ingested("score", "--churn", "", "--json").json["models"]["clv"] == "clv@1"
    events = ingested("models", "history", "clv", "--json").json["events"]
    assert events[-1]["reason"] == "steadier"


def test_user_features_in_yaml_reach_the_model(ingested: Any, home: Path) -> None:
    (home / "features.yaml").write_text(
        "name: mine\nextends: default\nfeatures:\n"
        "  - {kind: sum, entity: transactions, column: amount, windows: [45], name: spend}\n"
        "  - kind: sql\n    name: big\n"
        "    query: select customer_id, count(*) as big_orders from transactions where amount > 30 group by 1\n"
    )
    ingested("build")
    names = ingested("sql", "select * from features limit 1", "--json").json["columns"]
    assert {"spend_45d", "big_orders"} <= set(names)
