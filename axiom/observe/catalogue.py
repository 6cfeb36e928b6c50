"""Every number that Axiom publishes, and every number of its surroundings that dashboards and alerts rely on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]

LATENCY_BOUNDS = (
    *(0.0005, 0.001, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.015),
    *(0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
"""Upper bounds of the latency histogram, seconds."""

RAY = "ray_"
"""What Ray puts in front of the name of every number that it publishes."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the reference of metrics."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str

    @property
    def series(self) -> tuple[str, ...]:
        """Names under which Ray publishes it.

        A histogram goes as counters: Ray's own would want every observation. Ray ends every counter in `_total`.
        """
        if self.kind == "histogram":
            return tuple(f"{RAY}{self.name}_{part}_total" for part in ("bucket", "sum", "count"))
        return (f"{RAY}{self.name}",)


class Sample(NamedTuple):
    """One number as it stands: counters and histogram buckets count from the start of the process."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float
    cumulative: bool


PREDICT = (
    Metric(
        "axiom_predict_requests_total",
        "counter",
        ("route", "status", "model", "role"),
        "Requests answered, errors and rejections included; model and role are empty where no single model answered.",
    ),
    Metric(
        "axiom_predict_latency_seconds",
        "histogram",
        ("route",),
        "Time in the replica, from the first line of our code to the reply, whatever its status.",
    ),
    Metric(
        "axiom_predict_predictions_total",
        "counter",
        ("kind", "model", "role"),
        "Predictions made: one for each customer of a batch, and one for each shadow.",
    ),
    Metric(
        "axiom_predict_rejected_total",
        "counter",
        ("reason",),
        "Requests refused before any work: key, scope, limit, overload, size.",
    ),
    Metric("axiom_predict_in_flight", "gauge", (), "Requests being answered now."),
    Metric("axiom_predict_cache_hits_total", "counter", (), "Feature vectors that were in the replica's memory."),
    Metric("axiom_predict_cache_misses_total", "counter", (), "Feature vectors that had to be read from the store."),
    Metric("axiom_predict_cache_entries", "gauge", (), "Feature vectors in the replica's memory."),
    Metric("axiom_predict_store_staleness_seconds", "gauge", (), "Time since the online store last answered."),
    Metric("axiom_predict_features_age_seconds", "gauge", (), "Time since the cut-off of the published features."),
    Metric("axiom_predict_degraded", "gauge", (), "1 while a component is away and the replica answers without it."),
    Metric("axiom_predict_busy_ratio", "gauge", (), "CPU seconds of the replica per second, over a few seconds."),
    Metric("axiom_predict_inference_log_written_total", "counter", (), "Rows of the inference log in the lake."),
    Metric("axiom_predict_inference_log_dropped_total", "counter", (), "Sampled rows of the log that are lost."),
    Metric("axiom_predict_inference_log_failed_total", "counter", (), "Writes of the inference log that were refused."),
)

WORKSPACE = (
    Metric(
        "axiom_workspace_up",
        "gauge",
        ("component",),
        "1 while the platform could read the component (database, lake) the last time it tried, else 0.",
    ),
    Metric("axiom_workspace_read_timestamp_seconds", "gauge", (), "When the platform last read all of these numbers."),
    Metric("axiom_jobs", "gauge", ("kind", "status"), "Jobs in the database by what became of them."),
    Metric("axiom_jobs_queued_seconds", "gauge", (), "How long the oldest queued job has waited; 0 where none waits."),
    Metric(
        "axiom_jobs_silent_seconds",
        "gauge",
        (),
        "Longest time since a running job gave a sign of life; 0 where none runs.",
    ),
    Metric("axiom_stage_success_timestamp_seconds", "gauge", ("stage",), "When the stage last ended well."),
    Metric("axiom_stage_failed", "gauge", ("stage",), "1 where the newest run of the stage failed, else 0."),
    Metric("axiom_pipeline_failed", "gauge", ("pipeline",), "1 where the newest run of the pipeline failed, else 0."),
    Metric("axiom_models", "gauge", ("model", "stage"), "Registered versions of a model in each stage."),
    Metric("axiom_model_champion_created_timestamp_seconds", "gauge", ("model",), "When the champion was trained."),
    Metric("axiom_model_quality", "gauge", ("model", "metric"), "Metrics of the champion's card, on its holdout."),
    Metric("axiom_scores_customers", "gauge", (), "Customers in the newest score set."),
    Metric("axiom_scores_published_timestamp_seconds", "gauge", (), "When the newest score set was published."),
    Metric("axiom_alerts", "gauge", ("severity",), "Open alerts of monitoring that nobody muted."),
    Metric("axiom_data_rows", "gauge", ("entity",), "Rows that silver holds."),
    Metric("axiom_data_newest_timestamp_seconds", "gauge", ("entity",), "Event time of the newest row in silver."),
    Metric(
        "axiom_ingest_rows",
        "gauge",
        ("entity", "outcome"),
        "Rows of all ingests together by what became of them: accepted, duplicates, dropped, refused.",
    ),
)

METRICS = PREDICT + WORKSPACE
BY_NAME = {metric.name: metric for metric in METRICS}


def family_of(sample: str) -> Metric:
    """The metric that a sample belongs to; `_bucket`, `_sum` and `_count` belong to their histogram.

    Raises:
        KeyError: there is none.
    """
    found = BY_NAME.get(sample)
    return BY_NAME[sample.rpartition("_")[0]] if found is None else found


SURROUNDINGS: dict[str, str] = {
    "up": "Prometheus: 1 while a target answers.",
    "ray_serve_num_http_requests_total": "Ray Serve: requests at the ingress.",
    "ray_serve_http_request_latency_ms_bucket": "Ray Serve: requests at the ingress by latency, ms.",
    "ray_serve_http_request_latency_ms_count": "Ray Serve: the same, all of them.",
    "ray_serve_num_http_error_requests_total": "Ray Serve: requests that ended in an error at the ingress.",
    "ray_serve_deployment_replica_healthy": "Ray Serve: 1 while a replica is healthy.",
    "ray_serve_autoscaling_target_replicas": "Ray Serve: replicas that the scaling policy asks for.",
    "ray_node_cpu_utilization": "Ray: CPU of a node, percent.",
    "ray_node_mem_used": "Ray: memory of a node in use, bytes.",
    "ray_node_mem_total": "Ray: memory of a node, bytes.",
    "ray_node_disk_usage": "Ray: disk of a node in use, bytes.",
    "ray_node_disk_free": "Ray: disk of a node that is free, bytes.",
    "ray_object_store_memory": "Ray: memory of the object store by where it is (SPILLED among them), bytes.",
    "ray_tasks": "Ray: tasks by state.",
}
"""Numbers of Prometheus and Ray that dashboards and alerts use, and what they say."""


def known_series() -> frozenset[str]:
    """Every name that an expression may use, recorded ones aside."""
    return frozenset(name for metric in METRICS for name in metric.series) | frozenset(SURROUNDINGS)
