"""The whole training on a simulated company: folds, choice, calibration, judgement, artefact, card."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axiom.engine import InlineEngine
from axiom.errors import BadInputError, CorruptError, MisuseError
from axiom.maths.profit import RetentionCosts
from axiom.training.catalogue import CATALOGUE, estimator
from axiom.training.churn import train_churn
from axiom.training.churn_model import ChurnModel
from axiom.training.fits import FINAL, Fitted, Job
from axiom.training.options import ChurnOptions
from axiom.training.selection import NO_RULE, RULE, model_loss, select, settled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from axiom.training.churn_report import ChurnResult
    from axiom.training.table import ChurnTable

FAST = ChurnOptions(params={"lightgbm": {"trees": 30}}, draws=100)


class RecordingEngine(InlineEngine):
    """Runs the jobs here and remembers them."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def map_tasks(self, function: Any, items: Sequence[Any], *, on_done: Callable[[], None] | None = None) -> list[Any]:
        self.jobs += items
        return super().map_tasks(function, items, on_done=on_done)


@pytest.fixture(scope="module")
def result(table: ChurnTable, horizon: timedelta) -> ChurnResult:
    return train_churn(table, horizon, FAST, feature_set="v1")


def test_the_folds_are_the_same_for_every_model(table: ChurnTable, horizon: timedelta) -> None:
    engine = RecordingEngine()
    report = train_churn(table, horizon, FAST, engine=engine).report
    fits: dict[str, list[Any]] = {}
    for job in engine.jobs:
        rows = {name: index.tolist() for name, index in job.predict.items()}
        fits.setdefault(f"{job.model} {job.params}", []).append((job.fold, job.train.tolist(), rows))
    assert set(fits) == {"lightgbm {}", *(f"logistic {{'C': {C}}}" for C in CATALOGUE["logistic"].ladder[1])}
    assert all(jobs == fits["lightgbm {}"] for jobs in fits.values())
    assert {tuple(score.fold_losses) for score in report.models} == {("2024-04-02", "2024-05-02")}


@settings(max_examples=12, deadline=None)
@given(
    days=st.lists(st.integers(0, 200), min_size=4, max_size=9, unique=True),
    scheme=st.sampled_from(["expanding", "sliding"]),
    calibration=st.sampled_from(["none", "auto"]),
)
def test_no_label_period_that_is_learnt_from_reaches_what_is_predicted(
    days: list[int], scheme: str, calibration: Any, company: Callable[..., ChurnTable], horizon: timedelta
) -> None:
    table = company(customers=60, cutoffs=len(days), seed=7)
    offsets = np.repeat(np.array(days, dtype="timedelta64[D]"), 60)
    table = replace(table, as_of=(np.datetime64("2024-01-01", "us") + offsets).astype("datetime64[us]"), x=None)
    engine = RecordingEngine()
    options = replace(FAST, models=("naive_bayes",), params={}, scheme=scheme, window=2, calibration=calibration)
    if max(days) - min(days) < horizon.days:
        with pytest.raises(BadInputError, match="no cut-off to train on"):
            train_churn(table, horizon, options, engine=engine)
        return
    train_churn(table, horizon, options, engine=engine)
    for job in engine.jobs:
        ends = table.as_of[job.train].max() + np.timedelta64(horizon)
        assert all((table.as_of[rows] >= ends).all() for rows in job.predict.values())
    (final,) = (job for job in engine.jobs if job.fold == "final fit")
    calibrated, holdout = final.predict["calibration"], final.predict["holdout"]
    assert (table.as_of[holdout] == table.as_of.max()).all()
    if len(calibrated):
        assert table.as_of[calibrated].max() + np.timedelta64(horizon) <= table.as_of.max()


def test_the_truth_is_recovered_and_calibrated(
    company: Callable[..., ChurnTable], horizon: timedelta, truth: Callable[[pa.Table], np.ndarray]
) -> None:
    table = company(customers=1500, cutoffs=4, seed=11)
    result = train_churn(table, horizon, replace(FAST, models=("logistic",), params={}))
    slope = result.report.model("logistic").metrics["calibration_slope"]
    large = result.report.model("logistic").metrics["calibration_in_the_large"]
    assert slope is not None
    assert large is not None
    assert slope.low < 1.0 < slope.high
    assert large.low < 0.0 < large.high
    assert np.abs(result.model.predict_proba(table.X) - truth(table.X)).mean() < 0.04


def test_class_weights_do_not_distort_the_probabilities(company: Callable[..., ChurnTable], horizon: timedelta) -> None:
    table = company(customers=1500, cutoffs=3, seed=12)
    table = replace(table, churned=table.churned & (np.arange(len(table)) % 3 == 0))
    options = replace(FAST, models=("logistic",), params={}, class_weight="balanced", calibration="none")
    result = train_churn(table, horizon, options)
    assert result.model.model.shift != 0.0
    assert result.holdout.p["logistic"].mean() == pytest.approx(table.churned.mean(), abs=0.03)
    vector = result.model.model.encoder.layout.matrix(table.X)[0]
    assert result.model.compile()(vector) == pytest.approx(result.model.predict_proba(table.X)[0])


def test_value_weights_pull_the_model_towards_valuable_customers(
    company: Callable[..., ChurnTable], horizon: timedelta
) -> None:
    table = company(customers=800, cutoffs=3, seed=13)
    rich = np.arange(len(table)) % 2 == 0
    churned = np.where(rich, table.churned, ~table.churned)  # the poor behave the other way round
    table = replace(table, churned=churned, value=np.where(rich, 1000.0, 1.0))
    options = replace(FAST, models=("logistic",), params={"logistic": {"C": 0.1}}, value_weight=True)
    model = train_churn(table, horizon, options).model.model
    idle = model.scorer.coefficients[model.encoder.names.index("days_idle")]  # type: ignore[attr-defined]
    assert idle > 0.3


def test_every_model_is_compared_with_the_purchase_model(result: ChurnResult) -> None:
    names = [score.name for score in result.report.models]
    assert names == ["logistic", "lightgbm", "bg_nbd", "base_rate"]
    for name in ("logistic", "lightgbm"):
        comparison = result.report.model(name).baseline
        assert comparison is not None
        assert comparison.against == "bg_nbd"
        assert comparison.beaten
    assert result.report.model("bg_nbd").baseline is None
    assert "beat the baseline BG/NBD" in result.report.verdict


def test_the_baseline_is_the_purchase_models_own_probability(table: ChurnTable, result: ChurnResult) -> None:
    from axiom.clv.beta_geo import BetaGeo

    assert table.x is not None
    assert table.t_x is not None
    assert table.T is not None
    last = table.as_of == table.as_of.max()
    x, t_x, T = table.x[last], table.t_x[last], table.T[last]
    expected = BetaGeo().fit(x, t_x, T).purchase_pmf(0, 30.0, x, t_x, T)
    np.testing.assert_allclose(result.holdout.p["bg_nbd"], expected, atol=1e-9)


def test_who_has_not_bought_yet_is_a_new_customer_to_the_baseline() -> None:
    from axiom.training.baselines import purchase_baseline

    x, t_x, T = (
        np.array([2.0, 0.0, 1.0, np.nan]),
        np.array([30.0, 0.0, 5.0, np.nan]),
        np.array([60.0, 50.0, 40.0, np.nan]),
    )
    p = purchase_baseline(x, t_x, T, 30.0)
    assert np.isfinite(p).all()
    assert ((p > 0) & (p < 1)).all()


def test_a_model_that_knows_nothing_did_not_beat_the_baseline(table: ChurnTable, horizon: timedelta) -> None:
    noise = pa.table({"noise": np.random.default_rng(5).normal(size=len(table))})
    report = train_churn(table.with_X(noise), horizon, replace(FAST, models=("logistic",), params={})).report
    assert "did not beat the baseline" in report.verdict


def test_metrics_come_with_intervals_that_hold_them(result: ChurnResult) -> None:
    metrics = result.report.model("logistic").metrics
    expected = {"auc", "pr_auc", "brier", "log_loss", "calibration_slope", "calibration_intercept", "ece"}
    assert expected <= set(metrics)
    for name in expected:
        value = metrics[name]
        assert value is not None
        assert value.low <= value.value <= value.high
        assert value.low < value.high
    base = result.report.model("base_rate").metrics
    assert base["calibration_slope"] is None


def test_cohorts_are_judged_apart(result: ChurnResult) -> None:
    cohorts = result.report.model("logistic").cohorts
    assert set(cohorts) == {"established", "new"}
    assert all(metrics["auc"] is not None for metrics in cohorts.values())


def test_the_stored_model_says_the_same(result: ChurnResult, table: ChurnTable) -> None:
    again = ChurnModel.from_files(result.files)
    np.testing.assert_array_equal(again.predict_proba(table.X), result.model.predict_proba(table.X))
    assert (again.threshold, again.horizon_days, again.feature_set) == (result.model.threshold, 30.0, "v1")
    assert again.to_files() == result.files
    score, M = again.compile(), again.model.encoder.layout.matrix(table.X)
    one_by_one = [score(row) for row in M[:50]]
    np.testing.assert_allclose(one_by_one, again.predict_proba(table.X)[:50], rtol=0, atol=1e-12)


def test_the_model_knows_how_sure_its_probabilities_are(result: ChurnResult, table: ChurnTable) -> None:
    again = ChurnModel.from_files(result.files)
    assert again.band is not None
    assert again.band.rows.sum() == result.report.rows["holdout"]
    p = again.predict_proba(table.X)
    low, middle, high = again.band.interval(p)
    assert ((low <= middle) & (middle <= high)).all()
    assert ((low <= p) & (p <= high)).mean() > 0.5


def test_a_model_stored_before_there_were_bands_has_none(result: ChurnResult, table: ChurnTable) -> None:
    files = dict(result.files)
    body = json.loads(files["model.json"])
    del body["model"]["fields"]["band"]
    old = ChurnModel.from_files({**files, "model.json": json.dumps(body).encode()})
    assert old.band is None
    np.testing.assert_array_equal(old.predict_proba(table.X), result.model.predict_proba(table.X))


def test_a_fitted_model_alone_is_no_churn_model(result: ChurnResult) -> None:
    with pytest.raises(CorruptError, match="no churn model"):
        ChurnModel.from_files(result.model.model.to_files())


def test_features_of_another_version_are_refused(result: ChurnResult) -> None:
    result.model.check_feature_set("v1")
    with pytest.raises(BadInputError, match="of feature-set version 'v2', the model was trained on 'v1'"):
        result.model.check_feature_set("v2")


def test_the_same_table_gives_the_same_artefact(result: ChurnResult, table: ChurnTable, horizon: timedelta) -> None:
    again = train_churn(table, horizon, FAST, feature_set="v1")
    assert again.files == result.files
    assert again.report == result.report
    assert again.card == result.card


def test_the_card_is_complete_and_json(result: ChurnResult, table: ChurnTable) -> None:
    card = json.loads(json.dumps(result.card, allow_nan=False))
    assert card["training_window"]["horizon_days"] == 30
    assert card["training_window"]["holdout_as_ofs"] == ["2024-07-01T00:00:00+00:00"]
    assert len(card["training_window"]["train_as_ofs"]) == 3
    assert card["rows"] == {"training": 900, "calibration": 300, "holdout": 300}
    assert card["data_hash"] == table.data_hash()
    assert set(card["baselines"]) >= {"bg_nbd", "base_rate"}
    assert card["metrics"]["auc"]["low"] < card["metrics"]["auc"]["value"] < card["metrics"]["auc"]["high"]
    assert "scikit-learn" in card["environment"]["packages"]


def test_the_data_hash_changes_with_the_data_alone(table: ChurnTable) -> None:
    place = table.X.column_names.index("region")
    plain = table.X.set_column(place, "region", table.X.column("region").cast(pa.string()))
    assert table.with_X(plain).data_hash() == table.data_hash()
    assert replace(table, churned=~table.churned).data_hash() != table.data_hash()
    assert table.with_X(table.X.drop_columns(["nps"])).data_hash() != table.data_hash()


def test_auto_takes_hyper_parameters_of_what_it_stands_for(table: ChurnTable, horizon: timedelta) -> None:
    params = {"random_forest": {"trees": 10}, "lightgbm": {"trees": 10}}
    report = train_churn(table, horizon, ChurnOptions(models=("auto",), params=params, draws=100)).report
    assert [score.name for score in report.models][:3] == ["logistic", "random_forest", "lightgbm"]


def test_progress_is_told(table: ChurnTable, horizon: timedelta) -> None:
    planned: list[int] = []
    done: list[int] = []
    train_churn(
        table,
        horizon,
        replace(FAST, params={"logistic": {"C": 0.1}}),
        on_plan=planned.append,
        on_done=lambda: done.append(1),
    )
    assert planned == [6]
    assert len(done) == 6


def test_a_threshold_from_costs_is_where_contacts_pay(company: Callable[..., ChurnTable], horizon: timedelta) -> None:
    table = replace(company(customers=600, seed=14), value=np.full(3000, 100.0))
    options = replace(FAST, models=("logistic",), params={}, draws=100)
    cheap = RetentionCosts(contact_cost=1.0, offer_cost=5.0, save_rate=0.5)
    dear = RetentionCosts(contact_cost=20.0, offer_cost=30.0, save_rate=0.5)
    low = train_churn(table, horizon, replace(options, costs=cheap))
    high = train_churn(table, horizon, replace(options, costs=dear))
    assert low.model.threshold < high.model.threshold
    assert "highest profit on the calibration slice" in low.report.threshold_rule
    earned = low.report.model("logistic").metrics["profit_per_customer"]
    assert earned is not None
    contacted = low.holdout.p["logistic"] >= low.model.threshold
    by_hand = np.where(low.holdout.y, 0.5 * (100.0 - 5.0), -5.0) - 1.0
    assert earned.value == pytest.approx(np.where(contacted, by_hand, 0.0).mean())


def test_where_values_differ_contacting_by_own_odds_is_told_to_be_better(
    company: Callable[..., ChurnTable], horizon: timedelta
) -> None:
    rng = np.random.default_rng(2)
    table = replace(company(customers=600, seed=14), value=rng.choice([1.0, 300.0], 3000))
    costs = RetentionCosts(contact_cost=2.0, offer_cost=10.0, save_rate=0.4)
    report = train_churn(table, horizon, replace(FAST, models=("logistic",), params={}, costs=costs)).report
    assert "contact whose own expected profit is positive" in report.threshold_rule
    metrics = report.model("logistic").metrics
    one, own = metrics["profit_per_customer"], metrics["profit_by_customer"]
    assert one is not None
    assert own is not None
    assert own.value > one.value


def test_costs_without_values_are_refused(table: ChurnTable, horizon: timedelta) -> None:
    costs = RetentionCosts(contact_cost=1.0, offer_cost=5.0, save_rate=0.5)
    with pytest.raises(MisuseError, match="need a value for each customer"):
        train_churn(replace(table, value=None), horizon, replace(FAST, costs=costs))
    with pytest.raises(MisuseError, match="need a value for each customer"):
        train_churn(replace(table, value=None), horizon, replace(FAST, value_weight=True))


def test_without_a_calibration_slice_the_card_says_identity_and_why(
    company: Callable[..., ChurnTable], horizon: timedelta
) -> None:
    result = train_churn(company(cutoffs=2), horizon, FAST)
    assert result.model.calibrator.kind == "identity"
    assert any("no room for a calibration slice" in warning for warning in result.report.warnings)
    assert "no room for a calibration slice" in result.card["notes"]
    assert result.report.champion == "logistic"
    assert result.report.rule == NO_RULE
    assert "churn rate of the training rows" in result.report.threshold_rule


def test_each_calibration_can_be_asked_for(table: ChurnTable, horizon: timedelta) -> None:
    for asked, given_kind in (("platt", "platt"), ("isotonic", "isotonic"), ("none", "identity")):
        options = replace(FAST, models=("naive_bayes",), params={}, calibration=asked)  # type: ignore[arg-type]
        model = train_churn(table, horizon, options).model
        assert model.calibrator.kind == given_kind
        assert ChurnModel.from_files(model.to_files()).calibrator == model.calibrator


def test_a_model_is_compared_as_it_would_be_used(company: Callable[..., ChurnTable]) -> None:
    table = company(customers=2000, cutoffs=1, seed=15)
    sharp = estimator("logistic").fit(table).predict_proba(table.X)
    odds = (sharp / (1 - sharp)) ** 4  # ranks as well, but is far too sure
    overconfident = odds / (1 + odds)
    raw = model_loss(table.churned, overconfident, "none").mean()
    honest = model_loss(table.churned, overconfident, "auto").mean()
    assert raw > honest + 0.2
    assert honest == pytest.approx(model_loss(table.churned, sharp, "auto").mean(), abs=0.005)


def test_the_penalty_is_the_strongest_that_the_folds_do_not_speak_against(
    company: Callable[..., ChurnTable], horizon: timedelta
) -> None:
    options = replace(FAST, models=("logistic",), params={})
    small = train_churn(company(customers=60, cutoffs=5), horizon, options).model.model.params["C"]
    plenty = train_churn(company(customers=4000, cutoffs=5), horizon, options).model.model.params["C"]
    assert small < plenty
    asked = replace(options, params={"logistic": {"C": 7.0}})
    assert train_churn(company(), horizon, asked).model.model.params["C"] == 7.0


def test_of_settings_that_differ_by_chance_the_first_is_kept() -> None:
    rows = np.random.default_rng(0).random(100)

    def fit(C: float, fold: str) -> Fitted:
        job = Job("logistic", fold, np.arange(3), {"validate": np.arange(100)}, {"C": C})
        return Fitted(job, {"validate": rows + {0.1: 0.5, 1.0: 1e-4 * (rows - rows.mean()), 10.0: 0.0}[C]}, None, ())

    fits = [fit(C, fold) for C in (0.1, 1.0, 10.0) for fold in ("fold a", FINAL)]
    kept = settled(fits, lambda done: done.p["validate"])
    assert [(done.job.params["C"], done.job.fold, loss is None) for done, loss in kept] == [
        (1.0, "fold a", False),
        (1.0, FINAL, True),
    ]


def test_a_near_tie_goes_to_the_simpler_model_and_a_clear_gap_does_not() -> None:
    rng = np.random.default_rng(0)
    losses = rng.exponential(0.5, 400)
    noise = rng.normal(0.0, 0.2, 400)
    near = {"logistic": {"f": losses + noise - noise.mean() + 0.005}, "lightgbm": {"f": losses}}
    far = {"logistic": {"f": losses + 0.1}, "lightgbm": {"f": losses}}
    assert select(("lightgbm", "logistic"), near, 0.95).champion == "logistic"
    assert select(("lightgbm", "logistic"), far, 0.95).champion == "lightgbm"
    assert select(("lightgbm", "logistic"), far, 0.95).rule == RULE


def test_a_table_with_repeated_rows_is_refused(table: ChurnTable, horizon: timedelta) -> None:
    twice = table.rows(np.concatenate([np.arange(len(table)), [0]]))
    with pytest.raises(BadInputError, match="customer 'c0000' stands 2 times at 2024-07-01"):
        train_churn(twice, horizon, FAST)


def test_a_table_without_times_is_refused_with_the_way_out(table: ChurnTable, horizon: timedelta) -> None:
    static = replace(table, as_of=np.full(len(table), "NaT", dtype="datetime64[us]"))
    with pytest.raises(MisuseError) as error:
        train_churn(static, horizon, FAST)
    assert "--table" in error.value.hint
