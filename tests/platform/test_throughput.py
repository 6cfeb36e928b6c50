from __future__ import annotations

import asyncio
import json
import warnings
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from axiom.errors import UnavailableError
from axiom.pipelines.workspace import create

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray Serve defines its schemas in a way that newer pydantic warns about
    from axiom.serve.asked_inside import Inside, Outcome
    from axiom.serve.platform.throughput import Meter, Throughput

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = {"answered": 0, "predictions": 0, "rejected": 0}


class Cluster:
    """Replicas that take turns to answer, and the clock that they are looked at by."""

    def __init__(self, *names: str) -> None:
        self.counts = {name: dict(NOTHING) for name in names}
        self.now = 100.0
        self.away = False
        self.asked = 0

    async def __call__(self, request: Inside) -> Outcome:
        assert (request.method, request.path) == ("GET", "/health")
        if self.away:
            raise UnavailableError("the application 'predict' does not answer")
        name = sorted(self.counts)[self.asked % len(self.counts)]
        self.asked += 1
        return Outcome(200, (), orjson.dumps({"replica": name, "requests": self.counts[name]}))

    def work(self, name: str, answered: int, predictions: int = 0, rejected: int = 0) -> None:
        for field, more in zip(NOTHING, (answered, predictions, rejected), strict=True):
            self.counts[name][field] += more


def look(meter: Meter, cluster: Cluster, after: float = 0.0) -> Throughput:
    cluster.now += after
    return asyncio.run(meter.look())


def test_rates_are_what_was_counted_between_two_looks() -> None:
    cluster = Cluster("a")
    meter = Meter(cluster, monotonic=lambda: cluster.now)
    cluster.work("a", 1_000_000)
    assert look(meter, cluster) == Throughput(1), "what was before the first look is no rate"
    cluster.work("a", 100, 500, 10)
    assert look(meter, cluster, after=4) == Throughput(1, 25.0, 125.0, 2.5)
    assert look(meter, cluster, after=4) == Throughput(1)


def test_every_replica_is_found_and_their_rates_add_up() -> None:
    cluster = Cluster("a", "b", "c")
    meter = Meter(cluster, monotonic=lambda: cluster.now)
    for _ in range(3):
        look(meter, cluster, after=1)
    for name in cluster.counts:
        cluster.work(name, 10, 20)
    assert look(meter, cluster, after=2) == Throughput(3, 15.0, 30.0)


def test_a_replica_that_is_gone_stops_counting_and_a_new_one_begins_at_nothing() -> None:
    cluster = Cluster("a", "b")
    meter = Meter(cluster, monotonic=lambda: cluster.now)
    look(meter, cluster)
    look(meter, cluster, after=1)
    del cluster.counts["b"]
    cluster.counts["c"] = {"answered": 900, "predictions": 0, "rejected": 0}
    look(meter, cluster, after=14)
    cluster.work("a", 30)
    assert look(meter, cluster, after=15) == Throughput(2, 2.0)


def test_counts_that_fall_are_no_negative_rate() -> None:
    cluster = Cluster("a")
    meter = Meter(cluster, monotonic=lambda: cluster.now)
    cluster.work("a", 50)
    look(meter, cluster)
    cluster.counts["a"] = dict(NOTHING)
    assert look(meter, cluster, after=1) == Throughput(1)


def test_while_nobody_answers_nothing_goes_through() -> None:
    cluster = Cluster("a")
    meter = Meter(cluster, monotonic=lambda: cluster.now)
    look(meter, cluster)
    cluster.away = True
    assert look(meter, cluster, after=16) == Throughput(0)
    cluster.away = False
    assert look(meter, cluster, after=1) == Throughput(1)


@pytest.mark.parametrize("wrong", ["every=0.1", "every=61", "every=x", "seconds=0", "seconds=301"])
def test_a_stream_of_throughput_has_its_bounds(local: Any, wrong: str) -> None:
    assert local.logged_in("the-analyst").get(f"/api/events/throughput?{wrong}").status_code == 422


def test_throughput_is_sent_as_it_is_looked_at(tmp_path: Path, serving: Any, settings_for: Any) -> None:
    cluster = Cluster("a")
    settings = settings_for(tmp_path / "home")
    create(settings)
    with serving(settings, ask=cluster) as client:
        analyst = client.logged_in("the-analyst")
        reply = analyst.get("/api/events/throughput?every=0.5&seconds=1")
        assert reply.headers["content-type"].startswith("text/event-stream")
        told = [json.loads(line[6:]) for line in reply.text.splitlines() if line.startswith("data: ")]
        assert len(told) >= 2
        assert {(one["topic"], one["subject"], one["data"]["replicas"]) for one in told} == {
            ("throughput", "predict", 1)
        }
        assert told[0]["id"] < told[1]["id"]
        once = analyst.get("/api/events/throughput?follow=false")
        assert once.text.count("data: ") == 1
        cluster.away = True
        assert '"replicas":0' in analyst.get("/api/events/throughput?follow=false").text
        assert client.get("/api/events/throughput").status_code == 401
        assert client.with_key("jobs.read").get("/api/events/throughput").status_code == 403
