"""The Ray engine gives what the one-process engine gives."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from axiom.engine import InlineEngine
from axiom.errors import BadInputError
from axiom.features.build import BuildJob, build_bucket
from axiom.features.defaults import default_feature_set
from axiom.features.labels import LabelSpec
from axiom.features.plan import compile_plan
from axiom.lake import Lake, Storage
from axiom.pipelines.build import data_range, microseconds, midnight, schema_of
from axiom.sources.ingest import ingest
from axiom.sources.request import FileSource, IngestRequest
from axiom.sources.synthetic import generate, write

if TYPE_CHECKING:
    from pathlib import Path

    from axiom.engine import Engine

pytestmark = pytest.mark.ray


def job_in(folder: Path) -> BuildJob:
    lake = Lake.create(Storage(str(folder / "lake")), buckets=4, currency="USD")
    for path in write(generate("shop", seed=3, customers=200, days=300), folder / "files"):
        if path.stem == "transactions":
            ingest(lake, IngestRequest("transactions", FileSource((str(path),))))
    snapshots = {entity: found for entity, found in lake.snapshots().items() if found.rows}
    end = microseconds(midnight(data_range(snapshots)[1]))
    plan = compile_plan(default_feature_set(schema_of(snapshots)), schema_of(snapshots))
    month = 30 * 86_400_000_000
    return BuildJob(lake, plan, snapshots, (end - month, end), LabelSpec(transactions_end=end))


def test_features_on_ray_are_the_same_bytes_as_in_one_process(ray_engine: Engine, tmp_path: Path) -> None:
    one, many = (job_in(tmp_path / name) for name in ("one", "many"))
    alone = InlineEngine().map_buckets(partial(build_bucket, one), range(4))
    ticks: list[None] = []
    spread = ray_engine.map_buckets(partial(build_bucket, many), range(4), on_done=lambda: ticks.append(None))
    assert [part.features.sha256 for part in spread] == [part.features.sha256 for part in alone]
    assert [part.labels and part.labels.sha256 for part in spread] == [p.labels and p.labels.sha256 for p in alone]
    assert len(ticks) == 4


def fail_at_two(item: int) -> int:
    if item == 2:
        raise BadInputError("item 2 is bad", hint="leave it out")
    return item * 10


def test_an_error_in_a_worker_arrives_as_itself(ray_engine: Engine) -> None:
    for spread in (ray_engine.map_buckets, ray_engine.map_tasks):
        with pytest.raises(BadInputError, match="item 2 is bad") as caught:
            spread(fail_at_two, [0, 1, 2, 3])
        assert caught.value.hint == "leave it out"


def test_results_come_back_in_the_order_of_the_items(ray_engine: Engine) -> None:
    assert ray_engine.map_tasks(fail_at_two, [5, 3, 9, 1]) == [50, 30, 90, 10]
    assert ray_engine.map_buckets(fail_at_two, [7, 0, 3]) == [70, 0, 30]
    assert ray_engine.map_buckets(fail_at_two, []) == []


def test_no_engine_leaves_ray_alone() -> None:
    done: list[Any] = []
    assert InlineEngine().map_tasks(fail_at_two, [1, 0], on_done=lambda: done.append(1)) == [10, 0]
    assert done == [1, 1]
