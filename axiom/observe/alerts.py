"""Alert rules for Prometheus, each with the section of the run book that says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from axiom.observe.slo import AVAILABILITY, FAST, HOURS, LATENCY, OBJECTIVES, SLOW

Severity: TypeAlias = Literal["page", "ticket"]
RUN_BOOK = "docs/operations.md"
_HOUR, _DAY = 3600, 86_400


@dataclass(frozen=True)
class Alert:
    """One alarm.

    Attributes:
        name: in Prometheus, and the heading in the run book.
        expr: PromQL; true means trouble.
        hold: how long it has to be true.
        severity: `page` wakes somebody, `ticket` waits for the working day.
        summary: one line; may use Prometheus' templates.
    """

    name: str
    expr: str
    hold: str
    severity: Severity
    summary: str

    @property
    def run_book(self) -> str:
        """Where the run book tells what to do."""
        return f"{RUN_BOOK}#{self.name.lower()}"

    def rule(self) -> dict[str, Any]:
        """As Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": self.expr,
            **({"for": self.hold} if self.hold else {}),
            "labels": {"severity": self.severity, "service": "axiom"},
            "annotations": {"summary": self.summary, "runbook_url": self.run_book},
        }


_INGRESS_5XX = 'sum(rate(ray_serve_num_http_requests_total{application="predict",status_code=~"5.."}[5m]))'
_REPLICA_5XX = '(sum(rate(ray_axiom_predict_requests_total{status=~"5.."}[5m])) or vector(0))'
_INGRESS_ALL = 'sum(rate(ray_serve_num_http_requests_total{application="predict"}[5m]))'
_HITS = "sum(rate(ray_axiom_predict_cache_hits_total[1h]))"
_MISSES = "sum(rate(ray_axiom_predict_cache_misses_total[1h]))"
_REFUSED = 'sum by (entity) (delta(ray_axiom_ingest_rows{outcome="refused"}[1d]))'
_INGESTED = "sum by (entity) (delta(ray_axiom_ingest_rows[1d]))"

SERVING = (
    Alert(
        "AxiomErrorsFast",
        AVAILABILITY.alarm(FAST),
        "2m",
        "page",
        "{{ $value | humanizePercentage }} of the predictions fail; the error budget of 30 days is gone within days",
    ),
    Alert(
        "AxiomErrorsSlow",
        AVAILABILITY.alarm(SLOW),
        "15m",
        "ticket",
        "{{ $value | humanizePercentage }} of the predictions fail; the budget of 30 days will not last",
    ),
    Alert(
        "AxiomLatencyFast",
        LATENCY.alarm(FAST),
        "2m",
        "page",
        "{{ $value | humanizePercentage }} of the predictions take longer than 50 ms",
    ),
    Alert(
        "AxiomLatencySlow",
        LATENCY.alarm(SLOW),
        "15m",
        "ticket",
        "{{ $value | humanizePercentage }} of the predictions take longer than 50 ms, for a day or more",
    ),
    Alert(
        "AxiomServingDown",
        "absent(ray_axiom_predict_in_flight)",
        "3m",
        "page",
        "no replica of predict reports anything",
    ),
    Alert(
        "AxiomIngressErrors",
        f"{_INGRESS_5XX} - {_REPLICA_5XX} > 0.01 * {_INGRESS_ALL}",
        "5m",
        "page",
        "requests fail at the ingress that no replica ever saw",
    ),
    Alert(
        "AxiomOverload",
        'sum(rate(ray_axiom_predict_rejected_total{reason="overload"}[5m])) > 0',
        "5m",
        "ticket",
        "replicas turn {{ $value | humanize }} requests/s away because their event loops run late",
    ),
    Alert(
        "AxiomReplicasBusy",
        "min(ray_axiom_predict_busy_ratio) > 0.9",
        "15m",
        "ticket",
        "every replica uses more than 90 % of a core and no further one has come",
    ),
    Alert(
        "AxiomDegraded",
        "max(ray_axiom_predict_degraded) > 0",
        "10m",
        "ticket",
        "replicas answer without a component, or cannot answer",
    ),
    Alert(
        "AxiomStoreAway",
        "max(ray_axiom_predict_store_staleness_seconds) > 60",
        "2m",
        "page",
        "the online store has not answered for {{ $value | humanizeDuration }}",
    ),
    Alert(
        "AxiomFeaturesOld",
        f"min(ray_axiom_predict_features_age_seconds) > {48 * _HOUR}",
        "30m",
        "ticket",
        "the online features are from {{ $value | humanizeDuration }} ago",
    ),
    Alert(
        "AxiomCacheMisses",
        f"{_MISSES} / ({_HITS} + {_MISSES}) > 0.05 and {_HITS} + {_MISSES} > 10",
        "1h",
        "ticket",
        "{{ $value | humanizePercentage }} of the features are not in the replicas' memory",
    ),
    Alert(
        "AxiomInferenceLogLoses",
        "sum(increase(ray_axiom_predict_inference_log_dropped_total[1h]))"
        " + sum(increase(ray_axiom_predict_inference_log_failed_total[1h])) > 0",
        "5m",
        "ticket",
        "rows of the inference log are lost, or cannot be written",
    ),
)

JOBS = (
    Alert(
        "AxiomStageFailed",
        "max by (stage) (ray_axiom_stage_failed) > 0",
        "15m",
        "ticket",
        "the newest run of {{ $labels.stage }} failed",
    ),
    Alert(
        "AxiomPipelineFailed",
        "max by (pipeline) (ray_axiom_pipeline_failed) > 0",
        "15m",
        "ticket",
        "the newest run of the pipeline {{ $labels.pipeline }} failed",
    ),
    Alert(
        "AxiomJobsWait",
        f"max(ray_axiom_jobs_queued_seconds) > {_HOUR // 2}",
        "5m",
        "ticket",
        "a job has waited for {{ $value | humanizeDuration }}",
    ),
    Alert(
        "AxiomJobSilent",
        "max(ray_axiom_jobs_silent_seconds) > 300",
        "5m",
        "ticket",
        "a running job has given no sign of life for {{ $value | humanizeDuration }}",
    ),
)

MODELS = (
    Alert(
        "AxiomNoChampion",
        'sum by (model) (ray_axiom_models{stage="champion"}) == 0',
        "1h",
        "ticket",
        "{{ $labels.model }} has no champion; the newest candidate answers",
    ),
    Alert(
        "AxiomChampionOld",
        f"time() - max by (model) (ray_axiom_model_champion_created_timestamp_seconds) > {90 * _DAY}",
        "1h",
        "ticket",
        "the champion of {{ $labels.model }} was trained {{ $value | humanizeDuration }} ago",
    ),
    Alert(
        "AxiomScoresOld",
        f"time() - max(ray_axiom_scores_published_timestamp_seconds) > {36 * _HOUR}",
        "30m",
        "ticket",
        "the scores were published {{ $value | humanizeDuration }} ago",
    ),
)

MONITORING = (
    Alert(
        "AxiomMonitoringAlert",
        'max(ray_axiom_alerts{severity="critical"}) > 0',
        "5m",
        "ticket",
        "{{ $value }} critical alerts of monitoring are open",
    ),
)

DATA = (
    Alert(
        "AxiomDataStale",
        f'time() - max by (entity) (ray_axiom_data_newest_timestamp_seconds{{entity!="customers"}}) > {_DAY}',
        "1h",
        "ticket",
        "the newest row of {{ $labels.entity }} is {{ $value | humanizeDuration }} old",
    ),
    Alert(
        "AxiomRowsRefused",
        f"{_REFUSED} / {_INGESTED} > 0.05",
        "15m",
        "ticket",
        "{{ $value | humanizePercentage }} of a day's rows of {{ $labels.entity }} were refused",
    ),
    Alert(
        "AxiomWorkspaceAway",
        "min by (component) (ray_axiom_workspace_up) < 1",
        "5m",
        "page",
        "the platform cannot read the {{ $labels.component }}",
    ),
    Alert(
        "AxiomWorkspaceUnread",
        "absent(ray_axiom_workspace_read_timestamp_seconds)"
        " or time() - max(ray_axiom_workspace_read_timestamp_seconds) > 300",
        "5m",
        "ticket",
        "nobody reads the numbers of jobs, models and data; alerts about them are blind",
    ),
)

CLUSTER = (
    Alert(
        "AxiomTargetDown",
        'up{job=~"ray.*|axiom.*"} == 0',
        "5m",
        "page",
        "{{ $labels.instance }} ({{ $labels.job }}) does not answer Prometheus",
    ),
    Alert(
        "AxiomNodeMemory",
        "max by (ip) (ray_node_mem_used) / max by (ip) (ray_node_mem_total) > 0.9",
        "10m",
        "page",
        "node {{ $labels.ip }} uses {{ $value | humanizePercentage }} of its memory",
    ),
    Alert(
        "AxiomNodeDisk",
        "min by (ip) (ray_node_disk_free)"
        " / (min by (ip) (ray_node_disk_free) + max by (ip) (ray_node_disk_usage)) < 0.1",
        "10m",
        "ticket",
        "node {{ $labels.ip }} has {{ $value | humanizePercentage }} of its disk left",
    ),
    Alert(
        "AxiomSpilling",
        'sum(ray_object_store_memory{Location="SPILLED"}) > 0',
        "15m",
        "ticket",
        "Ray has spilled {{ $value | humanize1024 }}B of objects to disk",
    ),
)

ALERTS = SERVING + JOBS + MODELS + MONITORING + DATA + CLUSTER


def rule_groups() -> list[dict[str, Any]]:
    """Groups of recording and alert rules, as a rule file of Prometheus or the `spec` of a PrometheusRule has them."""
    recorded = [
        {"record": objective.record(window), "expr": objective.over(window)}
        for objective in OBJECTIVES
        for window in HOURS
    ]
    named = {
        "serving": SERVING,
        "jobs": JOBS,
        "models": MODELS,
        "monitoring": MONITORING,
        "data": DATA,
        "cluster": CLUSTER,
    }
    return [
        {"name": "axiom-objectives", "interval": "30s", "rules": recorded},
        *({"name": f"axiom-{name}", "rules": [alert.rule() for alert in alerts]} for name, alerts in named.items()),
    ]
