"""One customer at a time, as the serving replica scores: compiled models against the batch path asked for one row.

Medians over customers; every line of one run on the same rows. Next to LightGBM stands its own `Booster.predict` of one
encoded row, which does less: no encoding, no calibration, no band.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from axiom.pipelines.build import BuildRequest, build, moment_of, schema_of
from axiom.pipelines.ingest import ingest_source
from axiom.pipelines.train import TrainRequest, train_churn, train_clv
from axiom.pipelines.workspace import create, opened
from axiom.scoring.compiled import CompiledChurn, CompiledClv
from axiom.scoring.history import HistoryReader
from axiom.scoring.loading import model_files
from axiom.scoring.online.vectors import VectorLayout
from axiom.scoring.scorer import rfm_of
from axiom.settings import load_settings
from axiom.sources.request import FileSource, IngestRequest
from axiom.sources.synthetic import iter_chunks, write
from axiom.training.catalogue.layout import Layout
from axiom.training.clv.options import ClvOptions
from axiom.training.options import ChurnOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from axiom.pipelines.workspace import Workspace

CHURN = ("logistic", "lightgbm", "random_forest")
CLV = ("bg_nbd", "mbg_nbd", "pareto_nbd")
HORIZON = 90


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument(
        "--quick", action="store_true", help="1,000 customers and 200 rows instead of 5,000 and 1,000"
    )
    quick = arguments.parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(home=Path(folder), log_level="WARNING", engine="inline")
        create(settings)
        with opened(settings) as ws:
            filled(ws, Path(folder, "files"), 1_000 if quick else 5_000)
            run(ws, 200 if quick else 1_000)


def filled(ws: Workspace, folder: Path, customers: int) -> None:
    for path in write(iter_chunks("shop", seed=1, customers=customers, events_per_week=1.0), folder):
        if path.stem in ("transactions", "events"):
            ingest_source(ws, IngestRequest(path.stem, FileSource((str(path),))), source_name=path.stem)
    for name in CHURN:
        train_churn(ws, TrainRequest(HORIZON, name=f"churn_{name}"), options=ChurnOptions(models=(name,)))
    for name in CLV:
        train_clv(ws, TrainRequest(HORIZON, name=f"clv_{name}"), options=ClvOptions(candidates=(name,)))


def run(ws: Workspace, most: int) -> None:
    churn = {name: CompiledChurn.of(model_files(ws.registry, f"churn_{name}", "latest")) for name in CHURN}
    clv = {name: CompiledClv.of(model_files(ws.registry, f"clv_{name}", "latest")) for name in CLV}
    definitions = churn["logistic"].definitions
    assert definitions is not None
    built = build(ws, BuildRequest(labels=False, definitions=definitions, audit=False))
    table = ws.lake.dataset("features", built.features_id).read()
    table = table.filter(pc.is_finite(table["x"])).slice(0, most).combine_chunks()
    X = table.drop_columns(["customer_id", "as_of"])
    layout = VectorLayout(Layout.learn(X), definitions.version)
    vectors = layout.layout.matrix(X)
    print(f"{len(vectors):,} customers, {vectors.shape[1]} features; microseconds a row, median [95 %]")
    for name, model in churn.items():
        bound = model.bind(layout)
        told(f"churn {name}: score", bound.score, vectors)
        rows = [X.slice(i, 1) for i in range(min(len(X), 200))]
        told(f"churn {name}: batch path, one row", model.model.predict_proba, rows)
        told(f"churn {name}: explain", bound.explain, vectors[:200])
        many(f"churn {name}: score_many of 100", bound.score_many, vectors)
        if name == "lightgbm":
            fitted: Any = model.model
            encoded = fitted.model.encode(X)
            told(
                "bare lightgbm Booster.predict, one row", fitted.model.scorer.booster.predict, np.split(encoded, len(X))
            )
    for name, value in clv.items():
        forecast = value.bind(layout)
        told(f"clv {name}: score", forecast.score, vectors)
        told(f"clv {name}: batch path, one row", value.model.predict, [rfm_of(X.slice(i, 1)) for i in range(100)])
        many(f"clv {name}: score_many of 100", forecast.score_many, vectors)
    posted(ws, definitions, layout, built.as_ofs[-1])


def posted(ws: Workspace, definitions: Any, layout: VectorLayout, as_of: Any) -> None:
    snapshots = ws.lake.snapshots()
    histories: dict[str, dict[str, list[Any]]] = {}
    for entity, snapshot in snapshots.items():
        if snapshot.rows:
            for row in snapshot.read(0).to_pylist():
                histories.setdefault(row["customer_id"], {}).setdefault(entity, []).append(row)
    before = moment_of(int(as_of.timestamp() * 1e6))
    kept = [one for one in histories.values() if all(_past(row, before) for rows in one.values() for row in rows)][:100]
    reader = HistoryReader(definitions, layout, schema=schema_of(snapshots))
    told(
        f"history of {np.mean([sum(map(len, one.values())) for one in kept]):.0f} rows to a vector",
        partial(reader.vector, as_of=as_of),
        kept,
    )


def _past(row: Any, before: Any) -> bool:
    return all(value < before for value in row.values() if hasattr(value, "tzinfo"))


def told(what: str, ask: Callable[[Any], Any], rows: Iterable[Any]) -> None:
    costs = []
    ready = list(rows)
    ask(ready[0])
    for row in ready:
        started = time.perf_counter()
        ask(row)
        costs.append(time.perf_counter() - started)
    middle, high = np.percentile(costs, [50, 95]) * 1e6
    print(f"{what:<48} {middle:9.1f} [{high:9.1f}]")


def many(what: str, ask: Callable[[Any], Any], vectors: Any) -> None:
    blocks = [vectors[i : i + 100] for i in range(0, len(vectors) - 99, 100)]
    costs = []
    for block in blocks:
        started = time.perf_counter()
        ask(block)
        costs.append((time.perf_counter() - started) / len(block))
    print(f"{what:<48} {np.median(costs) * 1e6:9.1f}")


if __name__ == "__main__":
    main()
