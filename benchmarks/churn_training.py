"""One fit of a churn model against the library alone, turn by turn in one process.

    python benchmarks/churn_training.py [--quick]

Rows with heavy tails and gaps. Ours is `Estimator.fit`: checks, preprocessing, fit, warnings. Theirs, twice: the
library's pipeline (median imputation, indicators and scaling where the model needs them) on the same raw matrix, and
its bare fit on the matrix that our preprocessing made. One thread each and its CPU time, so that other work on the
machine counts for neither; the best round of each is compared.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from lightgbm import LGBMClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from axiom.training.catalogue import CATALOGUE, estimator
from axiom.training.table import ChurnTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, one round")
    quick = parser.parse_args().quick
    n, rounds = (10_000, 1) if quick else (100_000, 5)
    M, table = rows(n, 40)
    print(f"{n:,} rows x 40")
    print(f"{'model':26}{'ours s':>9}{'pipeline s':>12}{'ours/theirs':>13}{'bare fit s':>12}{'ours/theirs':>13}")
    steps = (SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    compare("logistic", logistic(penalty="l2"), steps, M, table, rounds)
    compare("logistic l1", logistic(penalty="l1"), steps, M, table, 1)
    compare("lightgbm", lightgbm(), (), M, table, rounds)
    few = np.arange(n // 10)
    compare("random_forest, a tenth", forest(), steps[:1], M[few], table.rows(few), 1)


def rows(n: int, k: int) -> tuple[np.ndarray, ChurnTable]:
    rng = np.random.default_rng(0)
    M = rng.standard_normal((n, k))
    logits = M[:, :5].sum(axis=1) * 0.4 + M[:, 25:30].sum(axis=1) * 0.3 - 1
    M[:, : k // 2] = np.exp(M[:, : k // 2])
    M[rng.random((n, k)) < np.linspace(0, 0.1, k)] = np.nan
    churned = rng.random(n) < 1 / (1 + np.exp(-logits))
    ids = np.array([f"c{i}" for i in range(n)], dtype=object)
    X = pa.table({f"f{j}": M[:, j] for j in range(k)})
    return M, ChurnTable(np.full(n, "2024-01-01", dtype="datetime64[us]"), ids, X, churned)


def compare(name: str, model: Any, steps: Sequence[Any], M: np.ndarray, table: ChurnTable, rounds: int) -> None:
    words = name.split(",", maxsplit=1)[0].split()
    ours = estimator(words[0], **({"penalty": words[1]} if words[1:] else {}))
    pipeline = make_pipeline(*steps, model)
    Z = ours.fit(table).encode(table.X)
    sides: dict[str, Callable[[], object]] = {
        "ours": lambda: ours.fit(table),
        "pipeline": lambda: pipeline.fit(M, table.churned),
        "bare": lambda: model.fit(Z, table.churned),
    }
    best = dict.fromkeys(sides, np.inf)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        for _ in range(rounds):
            for side, call in sides.items():
                start = time.process_time()
                call()
                best[side] = min(best[side], time.process_time() - start)
    mine, full, bare = best["ours"], best["pipeline"], best["bare"]
    print(f"{name:26}{mine:9.3f}{full:12.3f}{mine / full:12.2f}x{bare:12.3f}{mine / bare:12.2f}x", flush=True)


def logistic(penalty: str) -> LogisticRegression:
    defaults = CATALOGUE["logistic"].defaults
    solver, ratio = ("lbfgs", 0.0) if penalty == "l2" else ("saga", 1.0)
    # At saga's own tolerance: at ours it would take minutes.
    tol = 1e-6 if penalty == "l2" else 1e-4
    return LogisticRegression(C=defaults["C"], l1_ratio=ratio, solver=solver, tol=tol, max_iter=2000)


def lightgbm() -> LGBMClassifier:
    p = CATALOGUE["lightgbm"].defaults
    return LGBMClassifier(
        n_estimators=p["trees"],
        learning_rate=p["learning_rate"],
        num_leaves=p["num_leaves"],
        min_child_samples=p["min_rows"],
        reg_lambda=p["l2"],
        colsample_bytree=p["columns"],
        subsample=p["rows"],
        subsample_freq=1,
        n_jobs=1,
        random_state=0,
        deterministic=True,
        force_row_wise=True,
        verbosity=-1,
    )


def forest() -> RandomForestClassifier:
    p = CATALOGUE["random_forest"].defaults
    return RandomForestClassifier(
        n_estimators=p["trees"],
        max_leaf_nodes=p["max_leaves"],
        min_samples_leaf=p["min_rows"],
        max_features=p["columns"],
        random_state=0,
    )


if __name__ == "__main__":
    main()
