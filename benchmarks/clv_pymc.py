"""BG/NBD fit against the MAP fit of `pymc-marketing`, turn by turn in one process.

    python benchmarks/clv_pymc.py [--quick]

`pymc-marketing` is no dependency of ours: install it into an environment that also holds numpy, scipy and `lifetimes`
(for the CDNOW files) and put this project on PYTHONPATH; without it this says so and ends. Its first fit compiles,
which is reported apart; the best of the later ones is compared. Times hold each side's own preparation of the data.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from axiom.clv import BetaGeo, rfm_summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the sample alone, one round")
    quick = parser.parse_args().quick
    if importlib.util.find_spec("pymc_marketing") is None:
        print("pymc-marketing is not installed here: nothing to compare with")
        return
    print(f"{'data':32}{'ours s':>10}{'MAP s':>10}{'first MAP s':>13}{'ratio':>9}  parameters, ours and theirs")
    compare("CDNOW sample, 2,357 customers", *cdnow("CDNOW_sample.txt", (1, 2)), rounds=1 if quick else 3)
    if not quick:
        compare("CDNOW full, 23,570 customers", *cdnow("CDNOW_master.txt", (0, 1), skip=1), rounds=2)


def cdnow(name: str, columns: tuple[int, int], skip: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = importlib.util.find_spec("lifetimes")
    if found is None or found.origin is None:
        raise SystemExit("install lifetimes: it carries the CDNOW files")
    path = Path(found.origin).with_name("datasets") / name
    rows = pd.read_csv(path, sep=r"\s+", header=None, usecols=list(columns), skiprows=skip, dtype=str)
    summary = rfm_summary(
        rows[columns[0]].to_numpy(),
        pd.to_datetime(rows[columns[1]]).to_numpy(),
        as_of=np.datetime64("1997-09-30"),
        unit="W",
    )
    return summary.x, summary.t_x, summary.T


def compare(name: str, x: np.ndarray, t_x: np.ndarray, age: np.ndarray, *, rounds: int) -> None:
    from pymc_marketing.clv import BetaGeoModel

    data = pd.DataFrame({"customer_id": np.arange(len(x)), "frequency": x, "recency": t_x, "T": age})

    def theirs() -> dict[str, float]:
        model = BetaGeoModel(data)
        model.fit(method="map", progressbar=False)
        return {key: float(model.fit_result[key].to_numpy().ravel()[0]) for key in ("r", "alpha", "a", "b")}

    def ours() -> dict[str, float]:
        return BetaGeo().fit(x, t_x, age).params_

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        started = time.perf_counter()
        theirs()
        first = time.perf_counter() - started
        best = {"ours": np.inf, "theirs": np.inf}
        found = {}
        for _ in range(rounds):
            for side, fit in (("ours", ours), ("theirs", theirs)):
                started = time.perf_counter()
                found[side] = fit()
                best[side] = min(best[side], time.perf_counter() - started)
    told = " | ".join(", ".join(f"{key} {value:.3f}" for key, value in params.items()) for params in found.values())
    ratio = best["theirs"] / best["ours"]
    print(f"{name:32}{best['ours']:>10.4f}{best['theirs']:>10.3f}{first:>13.1f}{ratio:>8.0f}x  {told}")


if __name__ == "__main__":
    main()
