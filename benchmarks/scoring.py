"""Batch scoring of a whole base, churn and CLV with quantiles: from gold Parquet to committed Parquet.

Against the same two models called once on the same arrays in memory, in the same process run: what the lake, the engine
and the commit cost on top of the bare computation. The start of the engine is reported apart.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axiom.engine import open_engine
from axiom.pipelines.build import BuildRequest, build
from axiom.pipelines.ingest import ingest_source
from axiom.pipelines.train import TrainRequest, train_churn, train_clv
from axiom.pipelines.workspace import create, opened
from axiom.scoring.batch import ScorePlan, score_bucket
from axiom.scoring.loading import model_files, scorer_from
from axiom.settings import load_settings
from axiom.sources.request import FileSource, IngestRequest
from axiom.sources.synthetic import iter_chunks, write
from axiom.training.clv.options import ClvOptions
from axiom.training.options import ChurnOptions

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from axiom.pipelines.workspace import Workspace

SAMPLE = 5_000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="50,000 customers instead of a million")
    customers = 50_000 if arguments.parse_args().quick else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder, "models")
        with workspace(models, SAMPLE) as ws:  # models learnt from a sample: training is not what is timed
            train_churn(ws, TrainRequest(90), options=ChurnOptions(models=("lightgbm",)))
            train_clv(ws, TrainRequest(90), options=ClvOptions(candidates=("bg_nbd",)))
            files = {name: model_files(ws.registry, name, "latest") for name in ("churn", "clv")}
            definitions = ws.lake.datasets("features")[-1].properties["definitions"]
        with workspace(Path(folder, "base"), customers) as ws:
            run(ws, files, definitions)


def workspace(home: Path, customers: int) -> AbstractContextManager[Workspace]:
    settings = load_settings(home=home, log_level="WARNING")
    create(settings)
    paths = write(iter_chunks("shop", seed=1, customers=customers, events_per_week=0), home / "files")
    (path,) = [path for path in paths if path.name == "transactions.parquet"]
    with opened(settings) as ws:
        ingest_source(ws, IngestRequest("transactions", FileSource((str(path),))), source_name="shop.transactions")
    return opened(settings)


def run(ws: Workspace, files: dict[str, Any], definitions: dict[str, Any]) -> None:
    from axiom.features.definitions import FeatureSet

    request = BuildRequest(labels=False, definitions=FeatureSet.from_dict(definitions), audit=False)
    built = build(ws, request)
    print(f"features of {built.rows:,} customers: {built.seconds:.1f} s (engine start {built.engine_seconds:.1f} s)")
    plan = ScorePlan(ws.lake, built.features_id, built.as_ofs[-1], files["churn"], files["clv"])
    with open_engine(ws.settings) as engine:
        started = time.perf_counter()
        plan.writer.commit(engine.map_buckets(partial(score_bucket, plan), range(ws.lake.buckets)))
        ours = time.perf_counter() - started
    scorer = scorer_from(plan.churn, plan.clv)
    table = ws.lake.dataset("features", built.features_id).read(scorer.columns).combine_chunks()
    started = time.perf_counter()
    bare = scorer.score(table, as_of=plan.as_of, scored_at=datetime.now(UTC))
    theirs = time.perf_counter() - started
    assert bare.num_rows == built.rows
    print(
        f"score {built.rows:,} customers, gold to committed Parquet, {engine.workers} workers: {ours:.2f} s, "
        f"{built.rows / ours:,.0f} rows/s; bare calls on the same arrays, one process: {theirs:.2f} s; "
        f"ratio {theirs / ours:.2f}"
    )


if __name__ == "__main__":
    main()
