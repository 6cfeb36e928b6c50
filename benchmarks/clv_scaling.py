"""BG/NBD with Gamma-Gamma on Ray at 1, 5 and 20 million customers: time, memory, rows after compression.

    python benchmarks/clv_scaling.py [--quick] [--customers N]

Customers are drawn from BG/NBD (CDNOW's parameters) bucket by bucket, by the day, inside the tasks that read them, so
nothing of their size ever exists in one place. `read` is what drawing them alone costs on the same workers; `fit` is
the distributed fit with that reading in it. Memory is the largest resident size of any worker and of the driver.
"""

from __future__ import annotations

import argparse
import resource
import time
from dataclasses import dataclass

import numpy as np

from axiom.engine import open_engine
from axiom.settings import load_settings
from axiom.training.clv.candidates import candidate
from axiom.training.clv.distributed import fit_distributed, purchase_table
from axiom.training.clv.rows import RfmArrays

R, ALPHA, A, B = 0.2426, 4.4135 * 7, 0.7929, 2.4258  # days
P, Q, GAMMA = 6.2488, 3.7446, 15.4477
DAYS = 546
BUCKETS = 32


@dataclass(frozen=True)
class Drawn:
    """Draws the customers of one bucket: the same ones at every call."""

    customers: int

    def __call__(self, bucket: int) -> RfmArrays:
        rng = np.random.default_rng([42, bucket])
        n = self.customers // BUCKETS
        rate, dropout = rng.gamma(R, 1 / ALPHA, n), rng.beta(A, B, n)
        age = rng.integers(DAYS - 90, DAYS, n).astype(np.float64)
        x, last, clock, alive = np.zeros(n), np.zeros(n), np.zeros(n), np.ones(n, dtype=bool)
        while alive.any():
            rows = np.flatnonzero(alive)
            clock[rows] += rng.exponential(1 / np.maximum(rate[rows], 1e-12))
            bought = clock[rows] <= age[rows]
            day = np.ceil(clock[rows])
            new = bought & (day > last[rows]) & (day <= age[rows])  # purchases on one day count once
            x[rows[new]] += 1
            last[rows[new]] = day[new]
            alive[rows] = bought & (rng.random(rows.size) >= dropout[rows])
        mean = np.where(
            x > 0, rng.gamma(P * np.maximum(x, 1), 1 / rng.gamma(Q, 1 / GAMMA, n)) / np.maximum(x, 1), np.nan
        )
        return RfmArrays(x, last, age, mean)


@dataclass(frozen=True)
class Weighed:
    """Draws a bucket, compresses it, and tells how many rows are left and how large the worker has grown."""

    read: Drawn

    def __call__(self, bucket: int) -> tuple[int, float]:
        table = purchase_table(self.read(bucket))
        return (0 if table is None else table.x.size), resident()


def resident() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100,000 and 500,000 customers")
    parser.add_argument("--customers", type=int, action="append", help="this size instead; repeatable")
    asked = parser.parse_args()
    sizes = asked.customers or ((100_000, 500_000) if asked.quick else (1_000_000, 5_000_000, 20_000_000))
    with open_engine(load_settings(log_level="WARNING")) as engine:
        engine.map_buckets(resident_of, range(BUCKETS))  # workers up, libraries loaded
        print(f"{'customers':>12}{'read s':>10}{'fit s':>10}{'rows':>12}{'worker MB':>12}{'driver MB':>12}  parameters")
        for customers in sizes:
            report(engine, customers)


def resident_of(_bucket: int) -> float:
    return resident()


def report(engine, customers: int) -> None:  # type: ignore[no-untyped-def]
    started = time.perf_counter()
    weighed = engine.map_buckets(Weighed(Drawn(customers)), range(BUCKETS))
    read = time.perf_counter() - started
    started = time.perf_counter()
    fitted = fit_distributed(candidate("bg_nbd"), Drawn(customers), range(BUCKETS), engine)
    seconds = time.perf_counter() - started
    rows, worker = sum(rows for rows, _ in weighed), max(size for _, size in weighed)
    told = ", ".join(f"{name} {value:.4g}" for name, value in fitted.purchases.params_.items())
    print(f"{customers:>12,}{read:>10.1f}{seconds:>10.1f}{rows:>12,}{worker:>12,.0f}{resident():>12,.0f}  {told}")


if __name__ == "__main__":
    main()
