"""What a replica counts, as Prometheus and Ray see it."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from axiom.errors import MisuseError
from axiom.serve.predict.metrics import BUCKETS, METRICS, PredictMetrics
from axiom.serve.ray_push import RayPush


def read(metrics: PredictMetrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_every_recorded_number_is_in_the_exposition_and_documented() -> None:
    metrics = PredictMetrics()
    metrics.begin()
    metrics.request("churn", 200, 0.0012, "churn@1", "champion")
    metrics.request("churn", 200, 0.0012, "churn@1", "champion")
    metrics.request("clv", 404, 0.3)
    metrics.predicted("churn", "churn@1", "champion", 100)
    metrics.rejected("limit")
    for name in ("axiom_predict_cache_hits_total", "axiom_predict_store_staleness_seconds"):
        metrics.watch(name, lambda: 7.5)
    found = read(metrics)
    of_model = (("model", "churn@1"), ("role", "champion"), ("route", "churn"), ("status", "200"))
    assert found["axiom_predict_requests_total", of_model] == 2
    nobody = (("model", ""), ("role", ""), ("route", "clv"), ("status", "404"))
    assert found["axiom_predict_requests_total", nobody] == 1
    predicted = (("kind", "churn"), ("model", "churn@1"), ("role", "champion"))
    assert found["axiom_predict_predictions_total", predicted] == 100
    assert found["axiom_predict_rejected_total", (("reason", "limit"),)] == 1
    assert found["axiom_predict_in_flight", ()] == 1
    assert found["axiom_predict_cache_hits_total", ()] == 7.5
    assert found["axiom_predict_latency_seconds_count", (("route", "churn"),)] == 2
    assert found["axiom_predict_latency_seconds_sum", (("route", "churn"),)] == pytest.approx(0.0024)
    known = {metric.name: set(metric.labels) for metric in METRICS}
    for name, labels in found:
        family = name if name in known else name.rpartition("_")[0]
        assert {label for label, _ in labels} - {"le"} == known[family]


def test_the_histogram_counts_up_to_each_bound_inclusive_and_never_loses_a_slow_one() -> None:
    metrics = PredictMetrics()
    for seconds in (0.0, BUCKETS[0], BUCKETS[0] * 1.01, 5.0, 60.0):
        metrics.request("churn", 200, seconds)
    found = {
        dict(labels)["le"]: value
        for (name, labels), value in read(metrics).items()
        if name == "axiom_predict_latency_seconds_bucket"
    }
    assert [float(bound) for bound in found] == [*BUCKETS, float("inf")]
    assert list(found.values()) == sorted(found.values())
    assert (found["0.0005"], found["0.001"], found["2.5"], found["5.0"], found["+Inf"]) == (2, 3, 3, 4, 5)


def test_a_source_that_raises_or_knows_nothing_hides_only_itself() -> None:
    metrics = PredictMetrics()
    metrics.watch("axiom_predict_cache_entries", lambda: 1 / 0)
    metrics.watch("axiom_predict_degraded", lambda: None)
    metrics.watch("axiom_predict_busy_ratio", lambda: 0.25)
    assert set(read(metrics)) == {("axiom_predict_in_flight", ()), ("axiom_predict_busy_ratio", ())}


@pytest.mark.parametrize("name", ["axiom_predict_cache_hit_total", "axiom_predict_requests_total", ""])
def test_watching_what_is_no_metric_without_labels_is_refused(name: str) -> None:
    with pytest.raises(MisuseError, match="no metric"):
        PredictMetrics().watch(name, lambda: 0.0)


def test_the_table_names_each_metric_once_as_prometheus_wants_it() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"axiom_predict_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.help.endswith(".")


def test_reading_while_others_record_loses_and_invents_nothing() -> None:
    metrics = PredictMetrics()
    done = threading.Event()

    def record() -> None:
        for number in range(20_000):
            metrics.request(f"route{number % 50}", 200 + number % 7, 0.001, f"churn@{number % 90}")
        done.set()

    thread = threading.Thread(target=record)
    thread.start()
    while not done.is_set():
        read(metrics)
    thread.join()
    counts = [value for (name, _), value in read(metrics).items() if name == "axiom_predict_requests_total"]
    assert sum(counts) == 20_000


class Series:
    def __init__(self) -> None:
        self.values: dict[tuple[tuple[str, str], ...], list[float]] = {}

    def inc(self, value: float, tags: dict[str, str]) -> None:
        self.values.setdefault(tuple(sorted(tags.items())), []).append(value)

    set = inc


class ToFakes(RayPush):
    def __init__(self, metrics: PredictMetrics) -> None:
        super().__init__(metrics, replica="r1")
        self.series: dict[str, Series] = {}

    def _make(self, sample: Any) -> Any:
        return self.series.setdefault(sample.name, Series())


def test_a_push_hands_over_increments_of_counters_and_gauges_as_they_stand() -> None:
    metrics = PredictMetrics()
    push = ToFakes(metrics)
    metrics.rejected("limit")
    metrics.rejected("limit")
    metrics.begin()
    push.push()
    metrics.rejected("limit")
    push.push()
    push.push()
    tags = (("reason", "limit"), ("replica", "r1"))
    assert push.series["axiom_predict_rejected_total"].values == {tags: [2, 1]}
    assert push.series["axiom_predict_in_flight"].values == {(("replica", "r1"),): [1, 1, 1]}


def test_a_histogram_is_pushed_as_buckets_that_add_up() -> None:
    metrics = PredictMetrics()
    push = ToFakes(metrics)
    for seconds in (0.0001, 0.003, 9.0):
        metrics.request("churn", 200, seconds)
        push.push()
    buckets = push.series["axiom_predict_latency_seconds_bucket"].values
    totals = {dict(tags)["le"]: sum(values) for tags, values in buckets.items()}
    assert (totals["0.0005"], totals["0.003"], totals["+Inf"]) == (1, 2, 3)
    assert sum(push.series["axiom_predict_latency_seconds_count"].values[("replica", "r1"), ("route", "churn")]) == 3


def test_the_names_of_pushed_series_are_accepted_by_ray() -> None:
    metrics = PredictMetrics()
    for metric in METRICS:
        if not metric.labels:
            metrics.watch(metric.name, lambda: 1.0)
    metrics.request("churn", 200, 0.001)
    metrics.predicted("churn", "churn@1", "champion")
    metrics.rejected("key")
    push = RayPush(metrics, replica="r1")
    made = {sample.name: push._make(sample) for sample in metrics.samples()}
    assert made["axiom_predict_latency_seconds_bucket"].info["tag_keys"] == ("route", "le", "replica")
    assert made["axiom_predict_requests_total"].info["name"] == "axiom_predict_requests"
