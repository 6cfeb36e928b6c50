"""Ours against scikit-learn (ROC AUC) and lifelines (Cox regression), turn by turn in one process.

    python benchmarks/metrics_and_cox.py [--quick]

Each side takes its turn in every round, so that a busy machine slows both; the best round of each is compared. The
largest Cox fits run once.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter
from sklearn.metrics import roc_auc_score

from axiom.maths.metrics import roc_auc
from axiom.maths.survival import CoxPH

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, one round")
    quick = parser.parse_args().quick
    n, rounds = (10_000, 1) if quick else (100_000, 3)
    print(f"{'task':44}{'ours s':>10}{'theirs s':>10}{'ratio':>8}  {'difference':>10}")
    compare_auc(n, rounds=5 * rounds)
    compare_cox("Cox, continuous times", n, rounds, days=False)
    compare_cox("Cox, times rounded to days", n, rounds, days=True)
    compare_cox("Cox, continuous times", 10 * n, 1, days=False)
    compare_cox("Cox, times rounded to days", 10 * n, 1, days=True)


def compare_auc(n: int, rounds: int) -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(2, 3, n)
    y = (rng.random(n) < p).astype(np.int64)
    report(f"ROC AUC, {n:,} rows", lambda: roc_auc(y, p), lambda: roc_auc_score(y, p), rounds)


def compare_cox(name: str, n: int, rounds: int, *, days: bool) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((n, 20))
    churn = rng.exponential(300 * np.exp(-x @ rng.normal(0, 0.2, 20)))
    end = rng.uniform(0, 600, n)
    t, e = np.minimum(churn, end), churn <= end
    if days:
        t = np.ceil(t)
    frame = pd.DataFrame(x).assign(t=t, e=e)

    def theirs() -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return CoxPHFitter().fit(frame, "t", "e").params_.to_numpy()

    report(f"{name}, {n:,} x 20", lambda: CoxPH().fit(x, t, e).coefficients_, theirs, rounds)


def report(name: str, ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> None:
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    results = {}
    for _ in range(rounds):
        for side, call in (("ours", ours), ("theirs", theirs)):
            start = time.perf_counter()
            results[side] = call()
            times[side].append(time.perf_counter() - start)
    first, second = min(times["ours"]), min(times["theirs"])
    difference = np.abs(np.asarray(results["ours"]) - np.asarray(results["theirs"])).max()
    print(f"{name:44}{first:10.4f}{second:10.4f}{second / first:7.1f}x  {difference:10.1e}", flush=True)


if __name__ == "__main__":
    main()
