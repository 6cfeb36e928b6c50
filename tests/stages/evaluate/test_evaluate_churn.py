from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from axiom.errors import AxiomError, BadInputError, CorruptError, MisuseError, NotFoundError
from axiom.maths.calibration import Platt
from axiom.maths.profit import RetentionCosts
from axiom.pipelines.evaluate import evaluate
from axiom.registry.cards import FeatureSet
from axiom.training.churn_model import ChurnModel
from axiom.training.evaluate import ChurnEvaluation, Contestant, EvaluationOptions, EvaluationRows
from axiom.training.evaluate_churn import evaluate_churn

if TYPE_CHECKING:
    from pathlib import Path

    from axiom.pipelines.workspace import Workspace

BOTH = [("churn", "1"), ("churn", "2")]
QUICK = EvaluationOptions(draws=200)


@pytest.fixture(scope="module")
def both(trained_company: Workspace) -> ChurnEvaluation:
    """churn@1 and churn@2 on their holdout."""
    return judged(trained_company, BOTH)


def judged(ws: Workspace, models: list[tuple[str, str]], **asked: Any) -> ChurnEvaluation:
    found = evaluate(ws, models, **{"options": QUICK, **asked}).evaluation
    assert isinstance(found, ChurnEvaluation)
    return found


def register_again(ws: Workspace, leave_out: str = "", **changes: Any) -> str:
    """churn@1 as another version, changed."""
    version = ws.registry.get("churn", 1)
    files = {name: content for name, content in ws.registry.load_files(version).items() if name != leave_out}
    files |= {name: changes.pop(name) for name in [*changes] if name.endswith(".json")}
    return str(ws.registry.register(replace(version.card, **changes), files).version)


def test_on_its_own_holdout_a_version_has_the_numbers_of_its_card(
    trained_company: Workspace, both: ChurnEvaluation
) -> None:
    # Not to the last bit: a sum over a window is put together from pieces between all cut-offs that are built together,
    # which were others when the version was trained.
    for version in both.versions[:2]:
        card = trained_company.registry.get("churn", version.name.rpartition("@")[2]).card
        assert both.as_ofs == tuple(moment.isoformat() for moment in card.training_window.holdout_as_ofs)
        for name, metric in card.metrics.items():
            value = version.metrics[name]
            assert (metric.value, metric.low, metric.high) == (
                pytest.approx((value.value, value.low, value.high), rel=1e-12) if value else (None, None, None)
            ), name


def test_the_baseline_is_judged_beside_the_versions_with_the_numbers_of_the_card(
    trained_company: Workspace, both: ChurnEvaluation
) -> None:
    card = trained_company.registry.get("churn", 1).card
    metric = both.version("bg_nbd").metrics["auc"]
    assert metric is not None
    assert metric.value == card.baselines["bg_nbd"]["auc"].value


def test_a_comparison_turns_around_with_the_order(trained_company: Workspace, both: ChurnEvaluation) -> None:
    one, other = both, judged(trained_company, BOTH[::-1])
    for name, test in one.comparisons[0].tests.items():
        back = other.comparisons[0].tests[name]
        assert test is not None
        assert back is not None
        assert test.difference.value == pytest.approx(-back.difference.value, abs=1e-12)
        assert test.p_value == pytest.approx(back.p_value)
    auc = [version.metrics["auc"] for version in one.versions[:2]]
    difference = one.comparisons[0].tests["auc"]
    assert difference is not None
    assert auc[0] is not None
    assert auc[1] is not None
    assert difference.difference.value == pytest.approx(auc[1].value - auc[0].value)


def test_cohorts_hold_all_rows_and_their_own_metrics(both: ChurnEvaluation) -> None:
    found = both
    version = found.versions[0]
    assert sum(version.rows[name] for name in version.cohorts) == found.rows
    for name, metrics in version.cohorts.items():
        assert {"auc", "pr_auc", "brier", "calibration_slope", "ece", "lift_at_10"} <= set(metrics), name
    rate = sum(version.rows[name] * metrics["churn_rate"].value for name, metrics in version.cohorts.items())  # type: ignore[union-attr]
    assert rate / found.rows == pytest.approx(found.churn_rate)


def test_new_data_move_the_default_cutoff_and_nothing_is_trained_for_it(grown_company: Workspace) -> None:
    before = len(grown_company.registry.list())
    found = judged(grown_company, BOTH)
    assert found.as_ofs[0][:10] > "2023-10-01"
    assert len(grown_company.registry.list()) == before


def test_several_cutoffs_count_each_customer_once(grown_company: Workspace) -> None:
    times = [datetime(2023, 9, 15, tzinfo=UTC), datetime(2023, 10, 15, tzinfo=UTC)]
    both = judged(grown_company, BOTH, as_ofs=times)
    assert both.customers < both.rows
    assert any("several cut-offs" in warning for warning in both.warnings)
    version = both.versions[0]
    assert set(version.by_cutoff) == {"2023-09-15", "2023-10-15"}
    alone = judged(grown_company, BOTH, as_ofs=times[:1]).versions[0]
    assert version.by_cutoff["2023-09-15"]["auc"] == alone.metrics["auc"]
    single, pooled = alone.metrics["log_loss"], version.metrics["log_loss"]
    assert single is not None
    assert pooled is not None
    assert pooled.low < pooled.value < pooled.high
    independent = (single.high - single.low) / np.sqrt(2)
    assert pooled.high - pooled.low > independent  # the same customers say less than twice as much


def test_the_threshold_follows_from_the_costs_and_the_profit_is_their_sum(trained_company: Workspace) -> None:
    costs = RetentionCosts(contact_cost=0.5, offer_cost=2.0, save_rate=0.4)
    found = judged(trained_company, BOTH[:1], options=replace(QUICK, costs=costs), value_at_risk=30.0)
    version = found.versions[0]
    assert version.threshold == pytest.approx((0.5 + 2.0) / (0.4 * (30.0 - 2.0) + 2.0))
    recall, precision = version.metrics["recall"], version.metrics["precision"]
    assert recall is not None
    assert precision is not None
    hits = recall.value * found.churn_rate * found.rows
    misses = hits / precision.value - hits
    expected = hits * (0.4 * 28.0 - 0.5) - misses * (2.0 + 0.5)
    profit = version.metrics["profit_per_customer"]
    assert profit is not None
    assert version.campaign is not None
    assert version.campaign.profit == pytest.approx(expected)
    assert profit.value == pytest.approx(expected / found.rows)
    assert version.campaign.best_profit >= version.campaign.profit


def test_a_threshold_can_be_asked_for(trained_company: Workspace) -> None:
    version = judged(trained_company, BOTH[:1], options=replace(QUICK, threshold=0.0)).versions[0]
    assert version.metrics["recall"] is not None
    assert version.metrics["recall"].value == 1.0


def test_a_spoilt_version_loses_although_it_is_named_first(own_company: Workspace) -> None:
    ws = own_company
    version = ws.registry.get("churn", 1)
    model = ChurnModel.from_files(ws.registry.load_files(version))
    spoilt = replace(model, calibrator=Platt(slope=0.2, intercept=-2.0))
    files = {**ws.registry.load_files(version), **spoilt.to_files()}
    worse = str(ws.registry.register(version.card, files).version)
    found = judged(ws, [("churn", worse), ("churn", "1")])
    assert found.comparisons[0].better == "churn@1"
    losses = {one.name: one.metrics["log_loss"] for one in found.versions}
    assert found.best == min(losses, key=lambda name: losses[name].value)  # type: ignore[union-attr]  # the declared rule
    assert found.best != f"churn@{worse}"
    auc = found.comparisons[0].tests["auc"]
    assert auc is not None
    assert (auc.difference.value, auc.p_value) == (0.0, 1.0)  # calibration keeps the order


@pytest.mark.parametrize(
    ("as_of", "why"),
    [
        ("train", "was trained on the rows of"),
        ("calibration", "was calibrated on the rows of"),
        ("between", "learnt from outcomes up to"),
    ],
)
def test_rows_that_a_version_learnt_from_are_refused_with_the_way_out(
    trained_company: Workspace, as_of: str, why: str
) -> None:
    window = trained_company.registry.get("churn", 1).card.training_window
    moment = {
        "train": window.train_as_ofs[0],
        "calibration": window.calibration_as_ofs[0],
        "between": window.holdout_as_ofs[0].replace(day=window.holdout_as_ofs[0].day - 1),
    }[as_of]
    runs = _runs(trained_company)
    with pytest.raises(BadInputError, match=why) as refused:
        judged(trained_company, BOTH, as_ofs=[moment])
    assert f"--as-of {window.holdout_as_ofs[0]:%Y-%m-%d} or later" in refused.value.hint
    assert _runs(trained_company) == runs


def test_outcomes_that_are_not_known_yet_are_refused(trained_company: Workspace) -> None:
    with pytest.raises(BadInputError, match="is not known yet: its label window of 30 days ends") as refused:
        judged(trained_company, BOTH, as_ofs=[datetime(2023, 9, 20, tzinfo=UTC)])
    assert "or earlier" in refused.value.hint


@pytest.mark.parametrize(
    ("models", "error", "line"),
    [
        ([("churn", "9")], NotFoundError, "no model churn@9"),
        ([("ghost", "latest")], NotFoundError, "'ghost' has no latest version"),
        ([("churn", "champion")], NotFoundError, "no champion version"),
        ([("churn", "1"), ("churn", "1")], MisuseError, "churn@1 is named twice"),
        ([("churn", "2"), ("clv", "1")], MisuseError, "churn@2 is a churn model, clv@1 is a clv model"),
        ([], MisuseError, "no model is named"),
    ],
)
def test_versions_that_cannot_be_judged_are_named(
    trained_company: Workspace, models: list[tuple[str, str]], error: type[AxiomError], line: str
) -> None:
    with pytest.raises(error, match=line):
        judged(trained_company, models)


def test_versions_with_other_labels_are_not_compared(own_company: Workspace) -> None:
    version = own_company.registry.get("churn", 1)
    longer = register_again(own_company, training_window=replace(version.card.training_window, horizon_days=60))
    with pytest.raises(MisuseError, match="churn@1 looks 30 days ahead, churn@3 looks 60 days ahead"):
        judged(own_company, [("churn", "1"), ("churn", longer)])
    origin = json.loads(own_company.registry.load_files(version)["trained_on.json"])
    origin["definition"]["active_within"] = 90
    other = register_again(own_company, **{"trained_on.json": json.dumps(origin).encode()})
    with pytest.raises(MisuseError, match=r"to churn@4 churn is no purchase .* active in the last 90 days"):
        judged(own_company, [("churn", "1"), ("churn", other)])


def test_a_stale_feature_set_is_refused_by_name(own_company: Workspace) -> None:
    stale = register_again(own_company, leave_out="feature_set.json", feature_set=FeatureSet("default", "0ld"))
    with pytest.raises(BadInputError, match="churn@3 was trained on '0ld'"):
        judged(own_company, [("churn", stale)])


def test_a_corrupted_artefact_is_never_judged(own_company: Workspace) -> None:
    _spoil(own_company.settings.home / "lake" / own_company.registry.get("churn", 1).artefact_path)
    with pytest.raises(CorruptError, match="checksum"):
        judged(own_company, BOTH)


def test_costs_without_values_ask_for_one() -> None:
    rng = np.random.default_rng(0)
    rows = EvaluationRows(
        as_of=np.full(60, np.datetime64("2023-01-01", "us")),
        customer_id=np.array([f"c{i}" for i in range(60)], dtype=object),
        churned=rng.random(60) < 0.5,
        p={"m": rng.random(60)},
        lead=np.full(60, np.nan),
    )
    options = EvaluationOptions(costs=RetentionCosts(1, 1, 0.5))
    with pytest.raises(MisuseError, match="costs need a value for each customer") as refused:
        evaluate_churn(rows, [Contestant("m", "M", 0.5, "")], horizon_days=30, definition="", options=options)
    assert "--value-at-risk" in refused.value.hint
    everybody = replace(rows, churned=np.ones(60, dtype=bool))
    with pytest.raises(BadInputError, match="all 60 rows of the evaluation at 2023-01-01 churned"):
        evaluate_churn(everybody, [Contestant("m", "M", 0.5, "")], horizon_days=30, definition="")


@pytest.mark.parametrize(("wrong", "line"), [({"threshold": 2.0}, "threshold 2 is"), ({"draws": 5}, "draws 5")])
def test_impossible_options_are_refused(wrong: dict[str, Any], line: str) -> None:
    with pytest.raises(MisuseError, match=line):
        EvaluationOptions(**wrong)


def test_the_verb_prints_a_table(trained_company: Workspace, axiom: Any) -> None:
    outcome = axiom(trained_company, "evaluate", "churn@2", "--draws", "100")
    assert outcome.code == 0
    assert "bg_nbd" in outcome.out
    assert "report and plots:" in outcome.out


def test_the_report_is_written_as_json_markdown_and_pictures(trained_company: Workspace, axiom: Any) -> None:
    costs = ("--contact-cost", "0.1", "--offer-cost", "1", "--save-rate", "0.3", "--value-at-risk", "20")
    answer = axiom(trained_company, "evaluate", "churn@1", "churn@2", "--draws", "100", *costs, "--json").json
    storage, folder = trained_company.lake.storage, answer["report_path"]
    body = json.loads(storage.read(f"{folder}/report.json"))
    assert [version["name"] for version in body["versions"]] == ["churn@1", "churn@2", "bg_nbd"]
    assert body["versions"] == answer["versions"]
    text = storage.read(f"{folder}/report.md").decode()
    assert "| AUC |" in text
    assert "churn@2 - churn@1, paired" in text
    assert "## Campaign" in text
    for name in ("roc", "precision_recall", "reliability", "gains", "lift", "profit"):
        assert storage.read(f"{folder}/{name}.png").startswith(b"\x89PNG"), name


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("churn@1", "--save-rate", "0.3"), "the costs lack --contact-cost, --offer-cost"),
        (("churn@1", "--contact-cost", "1", "--offer-cost", "1", "--save-rate", "2"), "save_rate must lie in [0, 1]"),
        (("churn@1", "--value-at-risk", "5"), "needs the costs"),
        (("clv@1", "--threshold", "0.5", "--as-of", "2024-01-01"), "costs and thresholds belong to churn models"),
        (("churn@",), "names no model"),
        (("churn@1", "--as-of", "soon"), "is not a date"),
    ],
)
def test_misuse_of_the_verb_is_told(trained_company: Workspace, axiom: Any, words: tuple[str, ...], line: str) -> None:
    outcome = axiom(trained_company, "evaluate", *words)
    assert outcome.code == 2
    assert line in outcome.err


def _spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _runs(ws: Workspace) -> int:
    with ws.db.reading() as tx:
        return len(tx.runs.list(limit=1000))
