"""Every entry of the catalogue: the same numbers as the library, stored without pickle, fast one row at a time."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from axiom.errors import BadInputError, CorruptError, MisuseError
from axiom.training.catalogue import AUTO, CATALOGUE, FittedModel, estimator, resolve
from axiom.training.catalogue.encoder import learn_encoder
from axiom.training.catalogue.model import FitData
from axiom.training.catalogue.sparse_logistic import fit_sparse_logistic
from axiom.training.catalogue.store import dump

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.training.table import ChurnTable

SMALL: dict[str, dict[str, Any]] = {
    "random_forest": {"trees": 20},
    "rf_pca": {"trees": 20},
    "gradient_boosting": {"trees": 20},
    "lightgbm": {"trees": 30},
    "xgboost": {"trees": 20},
    "rbf_svm": {"max_rows": 300},
    "svm_pca": {"max_rows": 300},
    "agglomerative": {"max_rows": 300},
    "mlp": {"units": 4, "max_iter": 400, "learning_rate": 0.01},
}


@pytest.fixture(scope="module")
def training(company: Callable[..., ChurnTable]) -> ChurnTable:
    return company(customers=500, cutoffs=1, seed=2)


@pytest.fixture(scope="module")
def fresh(company: Callable[..., ChurnTable]) -> ChurnTable:
    """Rows that were not trained on, with a category nobody has seen."""
    table = company(customers=120, cutoffs=1, seed=3)
    region = ["east" if i % 10 == 0 else value for i, value in enumerate(table.X.column("region").to_pylist())]
    return table.with_X(table.X.set_column(table.X.column_names.index("region"), "region", pa.array(region)))


@pytest.fixture(scope="module")
def fitted(training: ChurnTable) -> dict[str, FittedModel]:
    return {name: estimator(name, **SMALL.get(name, {})).fit(training) for name in CATALOGUE}


def library_model(name: str, model: FittedModel, Z: np.ndarray, table: ChurnTable) -> Any:  # noqa: C901 - a table
    """The library's own model with the same settings, fitted to the same matrix."""
    import xgboost
    from sklearn import ensemble, linear_model, naive_bayes, neural_network, svm, tree
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.decomposition import PCA
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline

    p, y = model.params, table.churned
    groups = np.unique(table.customer_id.astype(str), return_inverse=True)[1]

    def sigmoid(machine: Any, Z: np.ndarray, y: np.ndarray, groups: np.ndarray) -> Any:
        folds = list(StratifiedGroupKFold(n_splits=3).split(Z, y, groups))
        return CalibratedClassifierCV(machine, cv=folds, ensemble=False).fit(Z, y)

    def forest() -> Any:
        return ensemble.RandomForestClassifier(
            p["trees"],
            min_samples_leaf=p["min_rows"],
            max_features=p["columns"],
            max_leaf_nodes=p["max_leaves"],
            random_state=0,
        )

    match name:
        case "logistic":
            return linear_model.LogisticRegression(C=p["C"], max_iter=p["max_iter"], tol=1e-6).fit(Z, y)
        case "naive_bayes":
            return naive_bayes.GaussianNB(var_smoothing=p["smoothing"]).fit(Z, y)
        case "decision_tree":
            own = tree.DecisionTreeClassifier(max_depth=p["max_depth"], min_samples_leaf=p["min_rows"], random_state=0)
            return own.fit(Z, y)
        case "random_forest":
            return forest().fit(Z, y, sample_weight=np.ones(len(y)))
        case "rf_pca":
            behind = make_pipeline(PCA(p["variance"], svd_solver="full"), forest())
            return behind.fit(Z, y, randomforestclassifier__sample_weight=np.ones(len(y)))
        case "gradient_boosting":
            return ensemble.HistGradientBoostingClassifier(
                max_iter=p["trees"],
                learning_rate=p["learning_rate"],
                max_leaf_nodes=p["max_leaves"],
                min_samples_leaf=p["min_rows"],
                l2_regularization=p["l2"],
                early_stopping=False,
                random_state=0,
            ).fit(Z, y)
        case "linear_svm":
            return sigmoid(svm.LinearSVC(C=p["C"], max_iter=p["max_iter"], random_state=0), Z, y, groups)
        case "perceptron":
            machine = linear_model.SGDClassifier(
                loss="perceptron",
                learning_rate="constant",
                eta0=1.0,
                average=True,
                alpha=p["alpha"],
                max_iter=p["max_iter"],
                random_state=0,
            )
            return sigmoid(machine, Z, y, groups)
        case "mlp":
            return neural_network.MLPClassifier(
                (p["units"],),
                alpha=p["alpha"],
                learning_rate_init=p["learning_rate"],
                max_iter=p["max_iter"],
                random_state=0,
            ).fit(Z, y)
        case "xgboost":
            return xgboost.XGBClassifier(
                n_estimators=p["trees"],
                learning_rate=p["learning_rate"],
                max_depth=p["max_depth"],
                min_child_weight=p["min_weight"],
                reg_lambda=p["l2"],
                subsample=p["rows"],
                colsample_bytree=p["columns"],
                base_score=float(y.mean()),
                tree_method="hist",
                n_jobs=1,
                random_state=0,
            ).fit(Z, y)
    raise AssertionError(name)


EXPORTED = [
    *("logistic", "naive_bayes", "decision_tree", "random_forest", "rf_pca", "gradient_boosting"),
    *("linear_svm", "perceptron", "mlp"),
]


@pytest.mark.parametrize("name", EXPORTED)
def test_the_exported_model_gives_what_the_library_gives(
    name: str, fitted: dict[str, FittedModel], training: ChurnTable, fresh: ChurnTable
) -> None:
    model = fitted[name]
    library = library_model(name, model, model.encode(training.X), training)
    expected = library.predict_proba(model.encode(fresh.X))[:, 1]
    np.testing.assert_allclose(model.predict_proba(fresh.X), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["rbf_svm", "svm_pca"])
def test_an_exported_svm_gives_what_the_library_gives(
    name: str, company: Callable[..., ChurnTable], fresh: ChurnTable
) -> None:
    from sklearn import svm
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.decomposition import PCA
    from sklearn.model_selection import StratifiedGroupKFold

    table = company(customers=250, cutoffs=1, seed=5)
    model = estimator(name).fit(table)
    Z, new = model.encode(table.X), model.encode(fresh.X)
    if name == "svm_pca":
        pca = PCA(model.params["variance"], svd_solver="full").fit(Z)
        Z, new = pca.transform(Z), pca.transform(new)
    groups = np.unique(table.customer_id.astype(str), return_inverse=True)[1]
    folds = list(StratifiedGroupKFold(n_splits=3).split(Z, table.churned, groups))
    gamma = model.params["gamma"] / (Z.shape[1] * Z.var())
    machine = svm.SVC(C=model.params["C"], gamma=gamma)
    library = CalibratedClassifierCV(machine, cv=folds, ensemble=False).fit(Z, table.churned)
    np.testing.assert_allclose(model.predict_proba(fresh.X), library.predict_proba(new)[:, 1], rtol=0, atol=1e-9)


def test_lightgbm_arrays_give_what_lightgbm_gives(fitted: dict[str, FittedModel], fresh: ChurnTable) -> None:
    model = fitted["lightgbm"]
    Z = model.encode(fresh.X)
    np.testing.assert_allclose(model.scorer.trees.probability(Z), model.predict_proba(fresh.X), rtol=0, atol=1e-12)  # type: ignore[attr-defined]


def test_xgboost_arrays_give_what_xgboost_gives_in_32_bits(
    fitted: dict[str, FittedModel], training: ChurnTable, fresh: ChurnTable
) -> None:
    model = fitted["xgboost"]
    library = library_model("xgboost", model, model.encode(training.X), training)
    expected = library.predict_proba(model.encode(fresh.X))[:, 1]
    np.testing.assert_allclose(model.predict_proba(fresh.X), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["decision_tree", "random_forest", "gradient_boosting", "xgboost"])
def test_many_rows_go_through_compiled_trees_with_the_same_result(
    name: str, fitted: dict[str, FittedModel], company: Callable[..., ChurnTable]
) -> None:
    scorer = fitted[name].scorer
    Z = fitted[name].encode(company(customers=2500, cutoffs=1, seed=9).X)
    assert np.isnan(Z).any() == (name in {"gradient_boosting", "xgboost"})
    np.testing.assert_allclose(scorer.margin(Z), scorer.margin_of_arrays(Z), rtol=0, atol=1e-12)  # type: ignore[attr-defined]


def test_a_tree_that_is_one_leaf_scores_many_rows(training: ChurnTable) -> None:
    rate = training.churned.mean()
    model = estimator("decision_tree", min_rows=len(training)).fit(training)
    many = training.rows(np.arange(3000) % len(training))
    np.testing.assert_allclose(model.predict_proba(many.X), rate)
    assert model.compile()(model.encoder.layout.matrix(training.X)[0]) == pytest.approx(rate)


def test_a_scorer_travels_without_what_it_derived(fitted: dict[str, FittedModel], fresh: ChurnTable) -> None:
    import pickle

    model = fitted["lightgbm"]
    expected = model.predict_proba(fresh.X)
    assert "booster" in vars(model.scorer)
    again = pickle.loads(pickle.dumps(model))
    assert "booster" not in vars(again.scorer)
    np.testing.assert_array_equal(again.predict_proba(fresh.X), expected)


def test_a_risk_group_has_the_rate_that_was_observed_in_it(
    fitted: dict[str, FittedModel], training: ChurnTable
) -> None:
    from sklearn.cluster import KMeans

    model = fitted["kmeans"]
    Z = model.encode(training.X)
    group = model.scorer.group(Z)  # type: ignore[attr-defined]
    library = KMeans(model.params["groups"], n_init=4, random_state=0).fit(Z)
    assert len({(a, b) for a, b in zip(group, library.predict(Z), strict=True)}) == model.params["groups"]
    for g, observed in enumerate(model.scorer.observed):  # type: ignore[attr-defined]
        assert observed == pytest.approx(training.churned[group == g].mean())
    assert (np.diff(model.scorer.rates) >= 0).all()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_stored_model_says_the_same_and_holds_no_pickle(
    name: str, fitted: dict[str, FittedModel], fresh: ChurnTable
) -> None:
    model = fitted[name]
    files = model.to_files()
    assert set(files) <= {"model.json", "arrays.npz", "scorer.text.txt"}
    json.loads(files["model.json"])
    with np.load(io.BytesIO(files["arrays.npz"]), allow_pickle=False) as arrays:
        assert not any(array.dtype.hasobject for array in arrays.values())
    if "scorer.text.txt" in files:
        assert files["scorer.text.txt"].startswith(b"tree\n")
    again = FittedModel.from_files(files)
    np.testing.assert_array_equal(again.predict_proba(fresh.X), model.predict_proba(fresh.X))
    assert again.to_files() == files
    assert (again.name, again.params, again.features) == (name, model.params, model.features)


@pytest.mark.parametrize("name", CATALOGUE)
def test_one_row_scores_as_the_batch_does(name: str, fitted: dict[str, FittedModel], fresh: ChurnTable) -> None:
    model = fitted[name]
    score, layout = model.compile(), model.encoder.layout
    one_by_one = [score(layout.vector(row)) for row in fresh.X.to_pylist()]
    np.testing.assert_allclose(one_by_one, model.predict_proba(fresh.X), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", sorted(set(CATALOGUE) - {"kmeans", "agglomerative"}))
def test_more_idle_days_mean_more_risk(name: str, fitted: dict[str, FittedModel], fresh: ChurnTable) -> None:
    def idle(days: float) -> float:
        X = fresh.X.set_column(0, "days_idle", pa.array(np.full(len(fresh), days)))
        return float(fitted[name].predict_proba(X).mean())

    assert idle(5.0) < idle(50.0)


@pytest.mark.parametrize("name", ["logistic", "lightgbm", "random_forest", "mlp"])
def test_the_order_and_the_names_of_customers_do_not_matter(
    name: str, fitted: dict[str, FittedModel], fresh: ChurnTable
) -> None:
    order = np.random.default_rng(0).permutation(len(fresh))
    shuffled = fitted[name].predict_proba(fresh.X.take(pa.array(order)).select(fresh.X.column_names[::-1]))
    np.testing.assert_allclose(shuffled, fitted[name].predict_proba(fresh.X)[order], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["logistic", "lightgbm", "naive_bayes"])
def test_the_currency_of_money_does_not_matter(name: str, training: ChurnTable, fresh: ChurnTable) -> None:
    def in_cents(table: ChurnTable) -> ChurnTable:
        place = table.X.column_names.index("spend")
        return table.with_X(table.X.set_column(place, "spend", pa.array(table.X.column("spend").to_numpy() * 100)))

    plain = estimator(name, **SMALL.get(name, {})).fit(training).predict_proba(fresh.X)
    cents = estimator(name, **SMALL.get(name, {})).fit(in_cents(training)).predict_proba(in_cents(fresh).X)
    np.testing.assert_allclose(cents, plain, rtol=0, atol=1e-6)


def test_the_penalties_of_logistic_regression_differ(training: ChurnTable) -> None:
    def zeros(penalty: str) -> int:
        scorer = estimator("logistic", penalty=penalty, C=0.01).fit(training).scorer
        return int((scorer.coefficients == 0).sum())  # type: ignore[attr-defined]

    assert zeros("l2") == 0 < zeros("elasticnet") <= zeros("l1")


@pytest.mark.parametrize("name", ["logistic", "naive_bayes", "decision_tree"])
def test_a_row_of_weight_two_counts_as_two_rows(name: str, training: ChurnTable) -> None:
    encoder, M, Z, _ = learn_encoder(training.X, impute=True, scale=True)
    np.testing.assert_array_equal(Z, encoder.transform(M))
    y, groups = training.churned, np.arange(len(training))
    twice = np.concatenate([groups, groups[:100]])
    weights = np.where(groups < 100, 2.0, 1.0)
    entry, params = CATALOGUE[name], {**CATALOGUE[name].defaults, "min_rows": 1, "max_depth": 2, "smoothing": 1e-12}
    weighted = entry.fit(FitData(Z, y, weights, groups, encoder.names, seed=0), params)
    repeated = entry.fit(FitData(Z[twice], y[twice], np.ones(len(twice)), twice, encoder.names, seed=0), params)
    np.testing.assert_allclose(weighted.probability(Z), repeated.probability(Z), rtol=0, atol=1e-5)


def test_a_window_that_the_data_did_not_fill_yet_sets_no_coefficient(training: ChurnTable) -> None:
    almost = np.ones(len(training))
    almost[:4] = 0.0  # four rows would carry a coefficient for every later row
    model = estimator("logistic").fit(training.with_X(training.X.append_column("change", pa.array(almost))))
    assert "change" not in model.encoder.names
    assert any("fewer than 5 rows differ from a single value" in told and "change" in told for told in model.warnings)
    almost[:5] = 0.0
    model = estimator("logistic").fit(training.with_X(training.X.append_column("change", pa.array(almost))))
    assert "change" in model.encoder.names


def correlated(rows: int = 1500) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    Z = rng.standard_normal((rows, 12))
    Z[:, 6:] = Z[:, :6] + 0.1 * rng.standard_normal((rows, 6))
    return Z, rng.random(rows) < expit(Z[:, :3].sum(axis=1) - 1)


@pytest.mark.parametrize("C", [0.003, 0.1, 10.0])
@pytest.mark.parametrize("ratio", [1.0, 0.4])
def test_the_sparse_fit_is_scikit_learns(C: float, ratio: float) -> None:
    Z, y = correlated()
    w = np.random.default_rng(4).uniform(0.5, 1.5, len(y))
    w /= w.mean()
    coefficients, intercept, converged = fit_sparse_logistic(Z, y, w, C=C, l1_ratio=ratio)
    slow = LogisticRegression(C=C, l1_ratio=ratio, solver="saga", tol=1e-8, max_iter=20_000)
    slow.fit(Z, y, sample_weight=w)
    assert converged
    np.testing.assert_allclose(coefficients, slow.coef_[0], atol=2e-5)
    np.testing.assert_array_equal(coefficients == 0, np.abs(slow.coef_[0]) < 1e-9)

    def lost(b: np.ndarray, a: float) -> float:
        penalty = ratio * np.abs(b).sum() + (1 - ratio) / 2 * b @ b
        return float(penalty + C * w @ np.logaddexp(0.0, (1 - 2 * y) * (Z @ b + a)))

    assert lost(coefficients, intercept) <= lost(slow.coef_[0], slow.intercept_[0]) + 1e-4 * C


def test_the_strongest_penalty_leaves_the_base_rate() -> None:
    Z, y = correlated()
    coefficients, intercept, converged = fit_sparse_logistic(Z, y, np.ones(len(y)), C=1e-6, l1_ratio=1.0)
    assert converged
    assert not coefficients.any()
    assert expit(intercept) == pytest.approx(y.mean())


def test_a_sparse_fit_that_stops_early_says_so(training: ChurnTable) -> None:
    model = estimator("logistic", penalty="l1", C=10.0, max_iter=1).fit(training)
    assert "logistic: the fit did not converge; raise max_iter, or lower C" in model.warnings


def test_useless_columns_are_dropped_and_named(training: ChurnTable) -> None:
    rows = len(training)
    X = training.X.append_column("always_one", pa.array(np.ones(rows)))
    X = X.append_column("never_there", pa.array(np.full(rows, np.nan)))
    X = X.append_column("one_plan", pa.array(["basic"] * rows))
    model = estimator("logistic").fit(training.with_X(X))
    told = " ".join(model.warnings)
    assert "missing throughout over the training rows: never_there" in told
    assert "with a single value over the training rows: always_one, one_plan" in told
    assert not {"always_one", "never_there", "one_plan"} & set(model.encoder.names)


def test_a_value_that_is_always_the_same_where_it_is_there_counts_by_its_absence(training: ChurnTable) -> None:
    flag = np.where(training.churned, np.nan, 1.0)
    model = estimator("lightgbm", **SMALL["lightgbm"]).fit(training.with_X(training.X.append_column("flag", [flag])))
    assert "flag is missing" in model.encoder.names
    assert "flag" not in model.encoder.names


def test_a_value_far_beyond_the_training_range_counts_as_half_a_range_beyond(training: ChurnTable) -> None:
    model = estimator("logistic").fit(training)
    row = {name: values[0] for name, values in training.X.to_pydict().items()}
    known = training.X.column("days_idle").to_numpy()
    longest = float(known.max() + 0.5 * (known.max() - known.min()))
    score, vector = model.compile(), model.encoder.layout.vector
    assert score(vector({**row, "days_idle": 50 * longest})) == score(vector({**row, "days_idle": longest}))
    assert score(vector({**row, "days_idle": longest})) > score(vector({**row, "days_idle": longest / 2}))


def test_rare_and_unseen_categories_share_one_column(training: ChurnTable) -> None:
    plan = np.array(["basic", "pro"])[np.arange(len(training)) % 2].astype(object)
    plan[:3] = "relic"
    table = training.with_X(training.X.append_column("plan", pa.array(plan)))
    model = estimator("logistic").fit(table)
    assert "plan = relic" not in model.encoder.names
    row = {name: values[0] for name, values in table.X.to_pydict().items()}
    score, vector = model.compile(), model.encoder.layout.vector
    assert score(vector({**row, "plan": "relic"})) == score(vector({**row, "plan": "never heard of"}))
    assert score(vector({**row, "plan": "basic"})) != score(vector({**row, "plan": "relic"}))


def test_a_missing_value_is_filled_with_the_median_and_noted(training: ChurnTable) -> None:
    model = estimator("logistic").fit(training)
    assert "nps is missing" in model.encoder.names
    row = {name: values[0] for name, values in training.X.to_pydict().items()}
    known = training.X.column("nps").to_numpy()
    score, vector = model.compile(), model.encoder.layout.vector
    at_median = {**row, "nps": float(np.median(known[~np.isnan(known)]))}
    weight = model.scorer.coefficients[model.encoder.names.index("nps is missing")]  # type: ignore[attr-defined]
    there, away = score(vector(at_median)), score(vector({**row, "nps": None}))
    assert np.log(away / (1 - away)) - np.log(there / (1 - there)) == pytest.approx(weight)


def test_a_missing_feature_is_a_stale_feature_set(fitted: dict[str, FittedModel], fresh: ChurnTable) -> None:
    with pytest.raises(BadInputError, match=r"1 of the 5 features .* not in the table: tickets") as error:
        fitted["logistic"].predict_proba(fresh.X.drop_columns(["tickets"]))
    assert "stale" in error.value.hint


@pytest.mark.parametrize(
    ("column", "told"),
    [
        (pa.array(np.array(["2024-01-01"] * 120, dtype="datetime64[us]")), "'days_idle' has type timestamp"),
        (pa.array(np.full(120, np.inf)), "'days_idle' is infinite in 120 rows"),
    ],
)
def test_a_feature_that_is_no_finite_number_is_refused_by_name(
    column: pa.Array, told: str, fitted: dict[str, FittedModel], fresh: ChurnTable
) -> None:
    with pytest.raises(BadInputError, match=told):
        fitted["logistic"].predict_proba(fresh.X.set_column(0, "days_idle", column))


def test_a_category_that_became_a_number_is_refused(fitted: dict[str, FittedModel], fresh: ChurnTable) -> None:
    place = fresh.X.column_names.index("region")
    with pytest.raises(BadInputError, match="'region' was text in training"):
        fitted["logistic"].predict_proba(fresh.X.set_column(place, "region", pa.array(np.ones(len(fresh)))))


def test_a_single_class_is_refused(training: ChurnTable) -> None:
    with pytest.raises(BadInputError, match="training rows stayed"):
        estimator("logistic").fit(training.rows(~training.churned))


def test_features_that_never_vary_are_refused(training: ChurnTable) -> None:
    with pytest.raises(BadInputError, match="none of the 1 features varies"):
        estimator("logistic").fit(training.with_X(pa.table({"one": np.ones(len(training))})))


@pytest.mark.parametrize("bad", [np.ones(3), np.full(500, -1.0), np.zeros(500), np.full(500, np.nan)])
def test_weights_that_are_no_weights_are_refused(bad: np.ndarray, training: ChurnTable) -> None:
    with pytest.raises(BadInputError, match="weights must be"):
        estimator("logistic").fit(training, bad)


def test_perfect_separation_is_told(training: ChurnTable) -> None:
    leak = training.churned * 2.0 - 1.0
    model = estimator("logistic", C=10.0).fit(training.with_X(training.X.append_column("leak", pa.array(leak))))
    assert any("separated perfectly (largest coefficient: 'leak')" in warning for warning in model.warnings)
    assert np.isfinite(model.scorer.coefficients).all()  # type: ignore[attr-defined]


def test_a_fit_that_does_not_converge_says_so(training: ChurnTable) -> None:
    assert any("did not converge" in warning for warning in estimator("mlp", max_iter=2).fit(training).warnings)


def test_a_sampled_fit_says_so(fitted: dict[str, FittedModel]) -> None:
    assert any("sample of 300 of 500 rows" in warning for warning in fitted["rbf_svm"].warnings)


def test_an_unknown_model_or_parameter_is_refused_with_the_known_ones() -> None:
    with pytest.raises(MisuseError, match="unknown model 'oracle'") as error:
        estimator("oracle")
    assert "logistic, naive_bayes" in error.value.hint
    with pytest.raises(MisuseError, match="logistic has no hyper-parameter depth"):
        estimator("logistic", depth=3)


def test_auto_is_spelt_out_and_names_are_kept_once() -> None:
    assert resolve(("auto", "logistic", "mlp")) == (*AUTO, "mlp")


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_search_space_names_parameters_that_exist(name: str) -> None:
    entry = CATALOGUE[name]
    assert set(entry.space) <= set(entry.defaults)
    for parameter, space in entry.space.items():
        default = entry.defaults[parameter]
        inside = default in space["values"] if space["type"] == "choice" else space["low"] <= default <= space["high"]
        assert inside, parameter


def test_ranks_order_the_catalogue_without_ties() -> None:
    assert [entry.rank for entry in CATALOGUE.values()] == list(range(len(CATALOGUE)))


def test_a_damaged_file_is_corrupt(fitted: dict[str, FittedModel]) -> None:
    files = fitted["lightgbm"].to_files()
    for name in files:
        with pytest.raises(CorruptError):
            FittedModel.from_files({key: content for key, content in files.items() if key != name})
    with pytest.raises(CorruptError):
        FittedModel.from_files({**files, "arrays.npz": files["arrays.npz"][:100]})
    with pytest.raises(CorruptError):
        FittedModel.from_files({**files, "model.json": b"{}"})
    with pytest.raises(CorruptError, match="format 99"):
        FittedModel.from_files({**files, "model.json": b'{"format": 99, "model": {}}'})


def test_a_stored_object_array_is_never_unpickled(fitted: dict[str, FittedModel]) -> None:
    files = fitted["logistic"].to_files()
    with np.load(io.BytesIO(files["arrays.npz"])) as stored:
        arrays = dict(stored)
    arrays["scorer.coefficients"] = np.array([print, 1], dtype=object)
    poisoned = io.BytesIO()
    np.savez(poisoned, **arrays)
    with pytest.raises(CorruptError):
        FittedModel.from_files({**files, "arrays.npz": poisoned.getvalue()})


def test_a_class_that_is_no_part_of_a_model_is_refused() -> None:
    body = {"format": 1, "model": {"class": "Popen", "fields": {}}}
    with pytest.raises(CorruptError, match="'Popen'"):
        FittedModel.from_files({"model.json": json.dumps(body).encode()})


def test_object_arrays_cannot_be_stored() -> None:
    with pytest.raises(TypeError, match="would need pickle"):
        dump(np.array([object()], dtype=object))
