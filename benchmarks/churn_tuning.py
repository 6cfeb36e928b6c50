"""Throughput of the hyper-parameter search: trials a minute on Ray at one and two workers, and in this process.

    python benchmarks/churn_tuning.py [--quick]

Every search proposes from the same seed and judges each trial on the same folds. Ray is started, and its workers are
warm, before the clock runs; a trial is a fit of logistic regression or LightGBM in each fold until ASHA stops it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from axiom.engine import open_engine
from axiom.settings import load_settings
from axiom.training.options import ChurnOptions
from axiom.training.table import ChurnTable
from axiom.training.tuning.on_ray import RaySearch
from axiom.training.tuning.search import SearchOptions, search_inline
from axiom.training.tuning.work import plan_work

if TYPE_CHECKING:
    from axiom.training.tuning.search import Search
    from axiom.training.tuning.work import TuneWork

HORIZON = timedelta(days=30)
COLUMNS = 25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="half the customers, few trials")
    quick = parser.parse_args().quick
    customers, trials = (500, 6) if quick else (1000, 16)
    work = plan_work(table(customers, cutoffs=8), HORIZON, ChurnOptions(models=("logistic", "lightgbm")))
    print(f"{customers:,} customers, {len(work.folds)} folds, {COLUMNS} columns, {trials} trials")
    print(f"{'search':24}{'seconds':>9}{'trials/min':>12}{'ratio':>8}")
    alone = report("in this process", search_inline, work, SearchOptions(trials=trials))
    with open_engine(load_settings()), tempfile.TemporaryDirectory() as folder:
        RaySearch(Path(folder) / "warm", {})(work, SearchOptions(trials=2, concurrency=2), nobody)
        for workers in (1, 2):
            search = RaySearch(Path(folder) / f"workers-{workers}", {})
            options = SearchOptions(trials=trials, concurrency=workers)
            report(f"Ray, {workers} at a time", search, work, options, alone)


def report(name: str, search: Search, work: TuneWork, options: SearchOptions, alone: float = 0.0) -> float:
    start = time.perf_counter()
    search(work, options, nobody)
    seconds = time.perf_counter() - start
    ratio = f"{alone / seconds:7.2f}x" if alone else ""
    print(f"{name:24}{seconds:9.1f}{60 * options.trials / seconds:12.1f}{ratio:>8}", flush=True)
    return seconds


def nobody() -> None:
    """Nobody is told that a trial has ended."""


def table(customers: int, cutoffs: int) -> ChurnTable:
    rng = np.random.default_rng(0)
    n = customers * cutoffs
    Z = rng.standard_normal((n, COLUMNS))
    churned = rng.random(n) < 1 / (1 + np.exp(1 - Z[:, :4].sum(axis=1) * 0.5 - Z[:, 4] * Z[:, 5]))
    start = np.datetime64("2024-01-01", "us")
    as_of = np.repeat(start + np.arange(cutoffs) * np.timedelta64(30, "D"), customers)
    ids = np.tile(np.array([f"c{i}" for i in range(customers)], dtype=object), cutoffs)
    return ChurnTable(as_of, ids, pa.table({f"f{j}": Z[:, j] for j in range(COLUMNS)}), churned)


if __name__ == "__main__":
    main()
