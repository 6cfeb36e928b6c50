"""What the dashboards show: serving, jobs, models, data."""

from __future__ import annotations

from axiom.observe.grafana import Dashboard, Panel
from axiom.observe.slo import AVAILABILITY, LATENCY

_INGRESS = 'application="predict"'
_FAILED = f'ray_serve_num_http_requests_total{{{_INGRESS},status_code=~"5.."}}'
_REPLICA_BUCKETS = "sum by (route, le) (rate(ray_axiom_predict_latency_seconds_bucket_total[5m]))"
_USED, _FREE = "max by (ip) (ray_node_disk_usage)", "min by (ip) (ray_node_disk_free)"
_PREDICTIONS = "ray_axiom_predict_predictions_total"
_CANARY = f'sum by (kind) (rate({_PREDICTIONS}{{role="canary"}}[5m]))'
_ANSWERS = f'sum by (kind) (rate({_PREDICTIONS}{{role!="shadow"}}[5m]))'
_REFUSED = 'sum by (entity) (delta(ray_axiom_ingest_rows{outcome="refused"}[1d]))'
_INGESTED = "sum by (entity) (delta(ray_axiom_ingest_rows[1d]))"
_HITS, _MISSES = "ray_axiom_predict_cache_hits_total", "ray_axiom_predict_cache_misses_total"


def _latency(quantile: float) -> str:
    rate = f"rate(ray_serve_http_request_latency_ms_bucket{{{_INGRESS}}}[5m])"
    return f"histogram_quantile({quantile}, sum by (le) ({rate})) / 1000"


def _of_budget(recorded: str, budget: float) -> str:
    return f"1 - {recorded} / {budget:.10g}"


SERVING = Dashboard(
    "serving",
    "serving",
    (
        Panel(
            "Predictions that fail, 1 h",
            ((AVAILABILITY.record("1h"), "failed"),),
            "percentunit",
            "stat",
            red=AVAILABILITY.budget,
            help=AVAILABILITY.says,
        ),
        Panel(
            "Error budget left at the pace of 3 days",
            ((_of_budget(AVAILABILITY.record("3d"), AVAILABILITY.budget), "left"),),
            "percentunit",
            "stat",
            help="Below 0 the objective of 30 days is missed if it goes on like this.",
        ),
        Panel(
            "Slower than 50 ms, 1 h",
            ((LATENCY.record("1h"), "slow"),),
            "percentunit",
            "stat",
            red=LATENCY.budget,
            help=LATENCY.says,
        ),
        Panel(
            "Replicas that answer without a component",
            (("sum(ray_axiom_predict_degraded)", "degraded"),),
            "short",
            "stat",
            red=1,
            help="/health names the component.",
        ),
        Panel("Requests", (("sum by (route) (rate(ray_axiom_predict_requests_total[5m]))", "{{route}}"),), "reqps"),
        Panel(
            "Replies that are no 2xx (gRPC: not OK)",
            (
                (
                    'sum by (route, status) (rate(ray_axiom_predict_requests_total{status!~"2..|0"}[5m]))',
                    "{{route}} {{status}}",
                ),
            ),
            "reqps",
        ),
        Panel(
            "Latency at the ingress",
            tuple((_latency(quantile), f"p{quantile * 100:.0f}") for quantile in (0.5, 0.95, 0.99)),
            "s",
            red=0.05,
            help="Queueing included. HTTP; gRPC is in the next picture.",
        ),
        Panel(
            "p95 in the replica",
            (
                (
                    f"histogram_quantile(0.95, {_REPLICA_BUCKETS})",
                    "{{route}}",
                ),
            ),
            "s",
        ),
        Panel(
            "Failed at the ingress, seen by no replica or by one",
            (
                (
                    f"sum by (status_code) (rate({_FAILED}[5m]))",
                    "{{status_code}}",
                ),
                (
                    f"sum(rate(ray_serve_num_http_error_requests_total{{{_INGRESS}}}[5m]))",
                    "every error, those of clients included",
                ),
            ),
            "reqps",
        ),
        Panel(
            "Turned away before any work",
            (("sum by (reason) (rate(ray_axiom_predict_rejected_total[5m]))", "{{reason}}"),),
            "reqps",
        ),
        Panel(
            "Replicas",
            (
                ('sum(ray_serve_deployment_replica_healthy{deployment="Predict"})', "healthy"),
                ('max(ray_serve_autoscaling_target_replicas{deployment="Predict"})', "wanted"),
            ),
        ),
        Panel(
            "How busy each replica is",
            (("max by (WorkerId) (ray_axiom_predict_busy_ratio)", "{{WorkerId}}"),),
            "percentunit",
            red=0.9,
            help="Cores that it uses; one replica cannot use more than one.",
        ),
        Panel(
            "Being answered now",
            (("sum(ray_axiom_predict_in_flight)", "requests"),),
            help="Grows where replicas stall.",
        ),
        Panel(
            "Features found in memory",
            ((f"sum(rate({_HITS}[5m])) / (sum(rate({_HITS}[5m])) + sum(rate({_MISSES}[5m])))", "hit rate"),),
            "percentunit",
        ),
        Panel("Customers in memory", (("max by (WorkerId) (ray_axiom_predict_cache_entries)", "{{WorkerId}}"),)),
        Panel(
            "Online store",
            (
                ("max(ray_axiom_predict_store_staleness_seconds)", "since it last answered"),
                ("min(ray_axiom_predict_features_age_seconds)", "since the cut-off of its features"),
            ),
            "s",
        ),
        Panel(
            "Inference log",
            (
                ("sum(rate(ray_axiom_predict_inference_log_written_total[5m]))", "written"),
                ("sum(rate(ray_axiom_predict_inference_log_dropped_total[5m]))", "lost"),
                ("sum(rate(ray_axiom_predict_inference_log_failed_total[5m]))", "writes refused"),
            ),
            "rowsps",
        ),
    ),
)

JOBS = Dashboard(
    "jobs",
    "jobs and cluster",
    (
        Panel(
            "Oldest queued job waits",
            (("max(ray_axiom_jobs_queued_seconds)", "waits"),),
            "s",
            "stat",
            red=1800,
        ),
        Panel(
            "Longest silence of a running job",
            (("max(ray_axiom_jobs_silent_seconds)", "silent"),),
            "s",
            "stat",
            red=300,
        ),
        Panel(
            "Stages whose newest run failed",
            (("sum(max by (stage) (ray_axiom_stage_failed))", "stages"),),
            "short",
            "stat",
            red=1,
        ),
        Panel(
            "Pipelines whose newest run failed",
            (("sum(max by (pipeline) (ray_axiom_pipeline_failed))", "pipelines"),),
            "short",
            "stat",
            red=1,
        ),
        Panel("Jobs by status", (("sum by (status) (max by (kind, status) (ray_axiom_jobs))", "{{status}}"),)),
        Panel(
            "Failed jobs by kind",
            (('max by (kind) (ray_axiom_jobs{status="failed"})', "{{kind}}"),),
            help="Over all time.",
        ),
        Panel(
            "Since each stage last ended well",
            (("time() - max by (stage) (ray_axiom_stage_success_timestamp_seconds)", "{{stage}}"),),
            "s",
        ),
        Panel("Tasks of Ray", (("sum by (State) (ray_tasks)", "{{State}}"),)),
        Panel("CPU of the nodes", (("max by (ip) (ray_node_cpu_utilization)", "{{ip}}"),), "percent"),
        Panel(
            "Memory of the nodes",
            (("max by (ip) (ray_node_mem_used) / max by (ip) (ray_node_mem_total)", "{{ip}}"),),
            "percentunit",
            red=0.9,
        ),
        Panel(
            "Objects of Ray",
            (("sum by (Location) (ray_object_store_memory)", "{{Location}}"),),
            "bytes",
            help="SPILLED means that work does not fit into memory.",
        ),
        Panel(
            "Disk in use",
            (
                (
                    f"{_USED} / ({_USED} + {_FREE})",
                    "{{ip}}",
                ),
            ),
            "percentunit",
            red=0.9,
        ),
    ),
)

MODELS = Dashboard(
    "models",
    "models and scores",
    (
        Panel(
            "Age of the champion",
            (("time() - max by (model) (ray_axiom_model_champion_created_timestamp_seconds)", "{{model}}"),),
            "s",
            "stat",
            red=90 * 86_400,
        ),
        Panel("Customers scored", (("max(ray_axiom_scores_customers)", "customers"),), "short", "stat"),
        Panel(
            "Age of the scores",
            (("time() - max(ray_axiom_scores_published_timestamp_seconds)", "age"),),
            "s",
            "stat",
            red=36 * 3600,
        ),
        Panel(
            "Age of the online features",
            (("min(ray_axiom_predict_features_age_seconds)", "age"),),
            "s",
            "stat",
            red=48 * 3600,
        ),
        Panel(
            "Quality of the champion on its holdout",
            (("max by (model, metric) (ray_axiom_model_quality)", "{{model}} {{metric}}"),),
        ),
        Panel(
            "Open alerts of monitoring",
            (("max by (severity) (ray_axiom_alerts)", "{{severity}}"),),
            "short",
            help="Data quality, drift, model health; `axiom monitor alerts` shows them. Muted ones are left out.",
        ),
        Panel("Versions by stage", (("max by (model, stage) (ray_axiom_models)", "{{model}} {{stage}}"),)),
        Panel(
            "Predictions by version",
            (
                (
                    "sum by (kind, model, role) (rate(ray_axiom_predict_predictions_total[5m]))",
                    "{{kind}} {{model}} {{role}}",
                ),
            ),
            "reqps",
            help="A shadow scores what the champion answers; nobody gets its answer.",
        ),
        Panel(
            "Share of the canary",
            (
                (
                    f"{_CANARY} / {_ANSWERS}",
                    "{{kind}}",
                ),
            ),
            "percentunit",
        ),
    ),
)

DATA = Dashboard(
    "data",
    "data",
    (
        Panel(
            "Database and lake",
            (("min by (component) (ray_axiom_workspace_up)", "{{component}}"),),
            "short",
            "stat",
            help="1 while the platform can read it.",
        ),
        Panel(
            "Since these numbers were read",
            (("time() - max(ray_axiom_workspace_read_timestamp_seconds)", "seconds"),),
            "s",
            "stat",
            red=300,
        ),
        Panel(
            "Age of the newest row",
            (("time() - max by (entity) (ray_axiom_data_newest_timestamp_seconds)", "{{entity}}"),),
            "s",
            red=86_400,
        ),
        Panel("Rows in silver", (("max by (entity) (ray_axiom_data_rows)", "{{entity}}"),)),
        Panel(
            "Rows ingested in a day",
            (
                (
                    "sum by (entity, outcome) (delta(ray_axiom_ingest_rows[1d]))",
                    "{{entity}} {{outcome}}",
                ),
            ),
        ),
        Panel(
            "Share of a day's rows that was refused",
            (
                (
                    f"{_REFUSED} / {_INGESTED}",
                    "{{entity}}",
                ),
            ),
            "percentunit",
            red=0.05,
        ),
    ),
)

DASHBOARDS = (SERVING, JOBS, MODELS, DATA)
