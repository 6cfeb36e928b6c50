"""CLV models and RFM summaries against `lifetimes`, turn by turn in one process.

    python benchmarks/clv_fit.py [--quick]

Each side takes its turn in every round, so that a busy machine slows both; the best round of each is compared.
`lifetimes` has no predictive quantiles: mean and quantiles are compared with its mean alone, and money with nothing.
Peak memory is what was allocated on top of the inputs (tracemalloc), in a round of its own.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

warnings.simplefilter("ignore")  # lifetimes warns about its own dependencies

import lifetimes  # noqa: E402
from lifetimes.utils import summary_data_from_transaction_data  # noqa: E402

from axiom.clv import BetaGeo, GammaGamma, ModifiedBetaGeo, ParetoNBD, rfm_summary  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

History = tuple[np.ndarray, np.ndarray, np.ndarray]
LEVELS = [0.05, 0.5, 0.95]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the simulated rows, one round")
    quick = parser.parse_args().quick
    n, rounds = (50_000, 1) if quick else (1_000_000, 3)
    print(f"{'task':58}{'ours s':>10}{'theirs s':>10}{'ratio':>9}  note")
    sample, full = cdnow("CDNOW_sample.txt", (1, 2), 0), cdnow("CDNOW_master.txt", (0, 1), 1)
    many = simulated(n)
    for name, history, again in (("CDNOW sample", sample, 10), ("CDNOW full", full, 5), ("simulated", many, 1)):
        compare_fits(name, history, rounds * again)
    compare_summary(2 * n, rounds)
    compare_predictions(many, rounds)


def compare_fits(name: str, history: History, rounds: int) -> None:
    rows = f"{name}, {history[0].size:,} customers"
    report(
        f"BG/NBD fit, {rows}",
        lambda: BetaGeo().fit(*history),
        lambda: lifetimes.BetaGeoFitter().fit(*history),
        rounds,
        memory=history[0].size > 100_000,
    )
    report(
        f"MBG/NBD fit, {rows}",
        lambda: ModifiedBetaGeo().fit(*history),
        lambda: lifetimes.ModifiedBetaGeoFitter().fit(*history),
        min(rounds, 3),
    )
    if history[0].size <= 100_000:
        report(
            f"Pareto/NBD fit, {rows}",
            lambda: ParetoNBD().fit(*history),
            lambda: lifetimes.ParetoNBDFitter().fit(*history),
            1,
        )


def compare_summary(n: int, rounds: int) -> None:
    rng = np.random.default_rng(2)
    ids, amounts = rng.integers(0, n // 2, n), rng.gamma(4.0, 10.0, n)
    times = np.datetime64("2024-01-01", "s") + rng.integers(0, 366 * 86_400, n).astype("timedelta64[s]")
    frame = pd.DataFrame({"id": ids, "time": times, "amount": amounts})
    report(
        f"RFM summary, {n:,} transactions",
        lambda: rfm_summary(ids, times, amounts, unit="W"),
        lambda: summary_data_from_transaction_data(frame, "id", "time", "amount", freq="D", freq_multiplier=7),
        rounds,
        memory=True,
    )


def compare_predictions(history: History, rounds: int) -> None:
    x = history[0]
    rng = np.random.default_rng(3)
    buys = np.maximum(x, 1.0)
    mean_spend = rng.gamma(6.25 * buys) / rng.gamma(3.74, 1 / 15.4, x.size) / buys
    model, spend = BetaGeo().fit(*history), GammaGamma().fit(x, mean_spend)
    theirs = lifetimes.BetaGeoFitter()
    theirs.params_ = pd.Series(model.params_)
    t, rows = 270.0, f"{x.size:,} customers"

    def counts() -> object:
        return model.expected_purchases(t, *history), model.purchase_quantile(LEVELS, t, *history)

    def money() -> object:
        return (
            spend.expected_value(model, t, *history, mean_spend),
            spend.value_quantile(LEVELS, model, t, *history, mean_spend),
        )

    mean = lambda: theirs.conditional_expected_number_of_purchases_up_to_time(t, *history)  # noqa: E731
    report(f"expected purchases, {rows}", lambda: model.expected_purchases(t, *history), mean, rounds)
    report(f"mean + 3 quantiles of purchases, {rows}", counts, mean, rounds, memory=True)
    report(f"mean + 3 quantiles of money, {rows}", money, None, rounds, memory=True)
    report(f"the two above together, {rows}", lambda: (counts(), money()), None, rounds, memory=True)
    report(f"DERT, {rows}", lambda: model.discounted_purchases(0.0004, *history), None, rounds, memory=True)


def report(
    name: str,
    ours: Callable[[], object],
    theirs: Callable[[], object] | None,
    rounds: int,
    *,
    memory: bool = False,
) -> None:
    best, note = {}, ""
    sides = {"ours": ours} if theirs is None else {"ours": ours, "theirs": theirs}
    for _ in range(rounds):
        for side, call in sides.items():
            start = time.perf_counter()
            try:
                call()
            except Exception as error:  # noqa: BLE001 - that a peer does not converge is a result
                note = f"{side}: {type(error).__name__}"
            best[side] = min(best.get(side, np.inf), time.perf_counter() - start)
    if memory:
        note = ", ".join([note] * bool(note) + [f"{side} {peak(call):.0f} MB" for side, call in sides.items()])
    second = f"{best['theirs']:10.4f}{best['theirs'] / best['ours']:8.1f}x" if theirs else f"{'-':>10}{'-':>9}"
    print(f"{name:58}{best['ours']:10.4f}{second}  {note}", flush=True)


def peak(call: Callable[[], object]) -> float:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def cdnow(name: str, columns: tuple[int, int], skip: int) -> History:
    """CDNOW, weeks 1-39, from the data files of `lifetimes`."""
    table = np.loadtxt(
        Path(lifetimes.__file__).parent / "datasets" / name, skiprows=skip, usecols=columns, dtype=np.int64
    )
    days = pd.to_datetime(table[:, 1].astype(str), format="%Y%m%d").to_numpy()
    summary = rfm_summary(table[:, 0], days, as_of="1997-09-30", unit="W")
    return summary.x, summary.t_x, summary.T


def simulated(n: int) -> History:
    """CDNOW-like customers observed for 180 to 270 days, purchases dated to the day."""
    rng = np.random.default_rng(1)
    rate, dropout = rng.gamma(0.2426, 1 / (7 * 4.4135), n), rng.beta(0.7929, 2.4258, n)
    T = np.floor(rng.uniform(180, 271, n))
    x, t_x, now = np.zeros(n), np.zeros(n), np.zeros(n)
    buying = np.arange(n)
    while buying.size:
        now[buying] += rng.exponential(size=buying.size) / rate[buying]
        buying = buying[now[buying] <= T[buying]]
        day = np.ceil(now[buying])
        fresh = buying[day > t_x[buying]]
        x[fresh] += 1
        t_x[fresh] = np.ceil(now[fresh])
        buying = buying[rng.random(buying.size) >= dropout[buying]]
    return x, t_x, T


if __name__ == "__main__":
    main()
