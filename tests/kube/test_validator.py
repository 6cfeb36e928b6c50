"""Each guard of the validator, broken once: a mutated manifest is refused with the field and the way out."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from axiom.kube.builtin import builtin_problems, problems_by_model
from axiom.kube.crds import known_schemas, schemas_in, schemas_of
from axiom.kube.schema import problems, with_defaults
from axiom.kube.templates import JobOrder
from axiom.kube.validate import refuse_invalid, validate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Rendered = Callable[..., list[dict[str, Any]]]

from axiom.errors import MisuseError

DELETE = "(delete)"
SERVICE = ("RayService", "spec")
CLUSTER = (*SERVICE, "rayClusterConfig")
HEAD = (*CLUSTER, "headGroupSpec")
WORKER = (*CLUSTER, "workerGroupSpecs", 0)
POD = (*WORKER, "template", "spec")
FIRST = (*POD, "containers", 0)
BUDGET = ("PodDisruptionBudget", "spec")
CRON = ("CronJob", "spec")


def changed(documents: list[dict[str, Any]], path: tuple[Any, ...], value: Any) -> list[dict[str, Any]]:
    documents = copy.deepcopy(documents)
    place: Any = next(document for document in documents if document["kind"] == path[0])
    for key in path[1:-1]:
        place = place.setdefault(key, {}) if isinstance(place, dict) else place[key]
    if value is DELETE:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return documents


GUARDS: list[tuple[tuple[Any, ...], Any, str]] = [
    # fields that the definitions do not know, or know otherwise
    ((*SERVICE, "serveConfigV3"), "x", "serveConfigV3: there is no such field .did you mean serveConfigV2"),
    ((*WORKER, "minReplica"), 1, "minReplica: there is no such field"),
    ((*WORKER, "minReplicas"), "2", "minReplicas: is '2', not integer"),
    ((*HEAD, "rayStartParams", "num-cpus"), 0, "num-cpus: is 0, not string .put it in quotes"),
    ((*CLUSTER, "authOptions", "mode"), "off", "mode: is 'off' .one of disabled, token"),
    ((*HEAD, "template"), DELETE, "headGroupSpec.template: is missing"),
    ((*WORKER, "maxReplicas"), 2**40, "maxReplicas: .* does not fit 32 bits"),
    # pods inside custom resources
    ((*FIRST, "imagePullPolice"), "Always", "imagePullPolice: there is no such field .did you mean imagePullPolicy"),
    ((*FIRST, "name"), DELETE, r"containers\[0\].name: is missing"),
    ((*FIRST, "imagePullPolicy"), "Sometimes", "imagePullPolicy: is 'Sometimes'"),
    ((*FIRST, "resources", "limits", "memory"), "4 gigs", "memory: '4 gigs' is no quantity"),
    ((*POD, "volumes"), {"name": "x"}, "volumes: is .*not a list"),
    ((*FIRST, "env"), [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}], "A.: stands twice"),
    # built-in kinds
    ((*CRON, "schedul"), "x", "CronJob/axiom-daily: spec.schedul: there is no such field"),
    ((*CRON, "jobTemplate"), DELETE, "spec.jobTemplate: is missing"),
    ((*CRON, "startingDeadlineSeconds"), "60", "startingDeadlineSeconds: is '60', not whole number"),
    (("ConfigMap", "metadata", "labels", "n"), 1, "labels.n: is 1, not text .put it in quotes"),
    (("Role", "kind"), "ClusterRole", "kind 'ClusterRole' is not made here"),
    (("Role", "apiVersion"), "v1", "Role: apiVersion 'v1'"),
    # what KubeRay refuses
    (("RayService", "metadata", "name"), "a" * 48, "has 48 characters .a RayService may have 47"),
    (("RayService", "metadata", "name"), "1axiom", "'1axiom' is no name"),
    (("CronJob", "metadata", "name"), "a" * 53, "a CronJob may have 52"),
    ((*CLUSTER, "rayVersion"), DELETE, "rayVersion: is not set"),
    ((*CLUSTER, "managedBy"), "me", "managedBy: is 'me'"),
    ((*HEAD, "resources"), {"CPU": "0"}, "num-cpus and resources"),
    ((*WORKER, "rayStartParams"), {"labels": "a=b"}, "rayStartParams.labels: is refused"),
    ((*WORKER, "maxReplicas"), 1, "minReplicas: is 2, and maxReplicas 1"),
    ((*WORKER, "replicas"), 9, "replicas: 9 is not between 2 and 4"),
    ((*CLUSTER, "gcsFaultToleranceOptions", "redisAddress"), DELETE, "redisAddress: is missing"),
    ((*CLUSTER, "gcsFaultToleranceOptions", "backend"), "rocksdb", "backend: rocksdb needs a gate"),
    ((*CLUSTER, "gcsFaultToleranceOptions", "externalStorageNamespace"), "x", "two clusters would share it"),
    (("RayService", "metadata", "annotations", "ray.io/ft-enabled"), "true", "ft-enabled: is refused together"),
    ((*HEAD, "rayStartParams", "redis-password"), "x", "redis-password: is refused"),
    ((*FIRST, "env", 0, "name"), "RAY_REDIS_ADDRESS", "RAY_REDIS_ADDRESS is refused"),
    ((*CLUSTER, "authOptions", "enableK8sTokenAuth"), True, "enableK8sTokenAuth: is refused"),
    ((*CLUSTER, "authOptions", "mode"), "disabled", "secretName: has no effect"),
    ((*CLUSTER, "rayVersion"), "2.50.0", "token needs Ray 2.52"),
    ((*FIRST, "env", 0, "name"), "RAY_enable_autoscaler_v2", "RAY_enable_autoscaler_v2 is refused"),
    ((*POD, "restartPolicy"), "Always", "autoscaler v2 wants Never"),
    ((*SERVICE, "serveConfigV2"), " ", "serveConfigV2: is empty"),
    ((*SERVICE, "serveConfigV2"), "[", "serveConfigV2: is no YAML mapping"),
    ((*SERVICE, "upgradeStrategy", "type"), "Rolling", "type: is 'Rolling'"),
    ((*SERVICE, "upgradeStrategy", "type"), "NewClusterWithIncrementalUpgrade", "stepSizePercent: is None"),
    (("RayService", "metadata", "annotations", "ray.io/initializing-timeout"), "soon", "'soon' is no time"),
    # what Axiom asks of pods
    ((*FIRST, "image"), "axiom:latest", "has no tag that stays"),
    ((*FIRST, "image"), "host:5000/axiom", "has no tag that stays"),
    ((*FIRST, "image"), "axiom:1.0", "does not tell its Ray"),
    ((*FIRST, "image"), "axiom:1.0-ray2.52.0", "has Ray 2.52.0, but rayVersion is 2.60.0"),
    ((*FIRST, "resources", "limits", "cpu"), DELETE, "resources.limits.cpu: is not set"),
    ((*FIRST, "resources", "limits", "memory"), "8Gi", "is 8Gi, but 4Gi is requested"),
    ((*FIRST, "securityContext", "allowPrivilegeEscalation"), True, "allowPrivilegeEscalation: is not false"),
    ((*FIRST, "securityContext", "privileged"), True, "privileged: is true"),
    ((*POD, "securityContext", "runAsNonRoot"), False, "runAsNonRoot: is not true"),
    ((*POD, "enableServiceLinks"), True, "enableServiceLinks: is not false"),
    ((*FIRST, "lifecycle"), DELETE, "does not run `ray stop`"),
    ((*FIRST, "env", 0), {"name": "DB_PASSWORD", "value": "x"}, "DB_PASSWORD.: is a secret in the open"),
    ((*FIRST, "env", 0), {"name": "URL", "value": "redis://:pw@host"}, "URL.: is a secret in the open"),
    (("ConfigMap", "data", "AXIOM_SECRET_KEY"), "abc", "AXIOM_SECRET_KEY: is a secret in the open"),
    ((*CLUSTER, "gcsFaultToleranceOptions", "redisPassword"), {"value": "x"}, "redisPassword.value: is a secret"),
    ((*WORKER, "template", "metadata", "labels", "axiom.io/instance"), DELETE, "axiom.io/instance is missing"),
    # what must hold between documents
    ((*BUDGET, "minAvailable"), "50%", "minAvailable: is '50%' .a whole number"),
    ((*BUDGET, "minAvailable"), 2, "2 of 2 pods: no node could ever be drained"),
    ((*BUDGET, "selector", "matchLabels"), {"ray.io/cluster": "x"}, "ray.io/cluster changes with every upgrade"),
    ((*BUDGET, "selector", "matchLabels", "axiom.io/role"), "wroker", "selects no pod"),
    (("Service", "spec", "selector", "axiom.io/component"), "srve", "selects no pod"),
    (("NetworkPolicy", "spec", "egress"), [], "port 53 is closed"),
    (("NetworkPolicy", "spec", "podSelector", "matchLabels", "axiom.io/instance"), "other", "selects no pod"),
    ((*CRON, "timeZone"), "Europe/Nowhere", "is no time zone"),
    ((*CRON, "concurrencyPolicy"), "Allow", "runs would overlap"),
    ((*CRON, "startingDeadlineSeconds"), 5, "the controller looks every 10 s"),
    ((*CRON, "schedule"), "61 * * * *", "is no cron expression"),
    ((*POD, "topologySpreadConstraints", 0, "labelSelector", "matchLabels"), {"a": "b"}, "select other pods"),
    ((*POD, "terminationGracePeriodSeconds"), 5, "5 s is not more than graceful_shutdown_timeout_s"),
    ((*FIRST, "env"), [], "the ingress would be slow or lose requests"),
    ((*FIRST, "ports", 0, "containerPort"), 8001, "serve is 8001, not 8000"),
    ((*FIRST, "ports", 1, "name"), "rpc", "grpc is None, not 9000"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "told"), GUARDS, ids=lambda value: str(value)[:40])
def test_a_mutated_manifest_is_refused(
    rendered: Rendered, serve_rules: Any, path: tuple[Any, ...], value: Any, told: str
) -> None:
    with pytest.raises(MisuseError, match=told):
        refuse_invalid(changed(rendered(), path, value), serve=serve_rules)


SERVING = [
    ("host: 0.0.0.0", "host: 127.0.0.1", "reachable inside its pod only"),
    ("proxy_location: EveryNode", "proxy_location: HeadOnly", "no worker would be ready"),
    ("max_replicas: 4", "max_replicas: 9", "9 replicas, at most 1 a node, do not fit 4 workers"),
    ("num_cpus: 1\n", "num_cpus: 4\n", "replicas reserve 9 cores, but minReplicas workers have 4"),
    ("graceful_shutdown_timeout_s: 10", "graceful_shutdown_timeout_s: 90", "is not more than"),
    ("max_ongoing_requests: 200", "max_ongoing_request: 200", "there is no such key"),
    ("import_path: axiom.serve.predict:application", "import_path: axiom.serve.predict:app", "no application of Axiom"),
]


@pytest.mark.parametrize(("was", "now", "told"), SERVING, ids=[told for _, _, told in SERVING])
def test_a_configuration_that_does_not_fit_its_cluster_is_refused(
    rendered: Rendered, serve_rules: Any, was: str, now: str, told: str
) -> None:
    documents = rendered()
    text = next(one for one in documents if one["kind"] == "RayService")["spec"]["serveConfigV2"]
    assert was in text
    with pytest.raises(MisuseError, match=told):
        refuse_invalid(changed(documents, (*SERVICE, "serveConfigV2"), text.replace(was, now)), serve=serve_rules)


JOB = ("RayJob", "spec")
RULES = (*JOB, "deletionStrategy", "deletionRules")
JOBS: list[tuple[tuple[Any, ...], Any, str]] = [
    ((*JOB, "submissionMode"), "Sidecar", "submissionMode: is 'Sidecar'"),
    ((*JOB, "entrypoint"), "", "entrypoint: is empty"),
    ((*JOB, "rayClusterSpec"), DELETE, "exactly one of rayClusterSpec and clusterSelector"),
    ((*JOB, "submitterConfig"), {"backoffLimit": 1}, "submitterConfig: is refused in SidecarMode"),
    ((*JOB, "submitterPodTemplate"), {"spec": {"containers": []}}, "submitterPodTemplate: is refused in SidecarMode"),
    (
        (*JOB, "rayClusterSpec", "headGroupSpec", "template", "spec", "restartPolicy"),
        "Always",
        "SidecarMode wants Never",
    ),
    ((*JOB, "activeDeadlineSeconds"), 0, "activeDeadlineSeconds: is 0"),
    ((*JOB, "preRunningDeadlineSeconds"), 0, "preRunningDeadlineSeconds: is 0"),
    ((*JOB, "backoffLimit"), -1, "backoffLimit: is -1"),
    ((*JOB, "shutdownAfterJobFinishes"), True, "exclude each other"),
    ((*JOB, "ttlSecondsAfterFinished"), 60, "ttlSecondsAfterFinished: has no effect"),
    ((*JOB, "suspend"), True, "suspend: needs shutdownAfterJobFinishes"),
    (RULES, [], "has 0 items"),
    ((*JOB, "deletionStrategy"), {"onSuccess": {"policy": "DeleteSelf"}}, "needs deletionRules, or both"),
    ((*RULES, 0, "condition"), {"ttlSeconds": 5}, "needs exactly one of jobStatus"),
    ((*RULES, 0, "condition", "jobDeploymentStatus"), "Failed", "needs exactly one of jobStatus"),
    ((*RULES, 0, "condition", "ttlSeconds"), 10**6, "DeleteSelf after 604800 s comes before DeleteCluster"),
    ((*RULES, 0, "policy"), "DeleteSelf", "DeleteSelf stands twice"),
    ((*RULES, 0, "policy"), "DeleteAll", "policy: is 'DeleteAll'"),
]


@pytest.mark.parametrize(("path", "value", "told"), JOBS, ids=lambda value: str(value)[:40])
def test_a_mutated_job_is_refused(rendered: Rendered, path: tuple[Any, ...], value: Any, told: str) -> None:
    with pytest.raises(MisuseError, match=told):
        refuse_invalid(changed(rendered(jobs=[JobOrder("train")]), path, value))


def test_retries_need_a_cluster_of_their_own(rendered: Rendered) -> None:
    job = changed(rendered(jobs=[JobOrder("train")]), (*JOB, "rayClusterSpec"), DELETE)
    job = changed(job, (*JOB, "clusterSelector"), {"ray.io/cluster": "x"})
    told = "; ".join(map(str, validate(job)))
    assert "backoffLimit: needs a cluster" in told
    assert "clusterSelector: is refused in SidecarMode" in told


def test_the_operators_own_cron_jobs_are_judged_as_well(rendered: Rendered) -> None:
    job = rendered(jobs=[JobOrder("score")])[0]
    metadata = {**job["metadata"], "name": "a" * 37}
    spec = {"schedule": "0 5 * * *", "timeZone": "Mars/Base", "jobTemplate": {**job["spec"], "entrypoint": ""}}
    cron = {"apiVersion": "ray.io/v1", "kind": "RayCronJob", "metadata": metadata, "spec": spec}
    told = "; ".join(map(str, validate([cron])))
    for part in ("a RayCronJob may have 36", "Mars/Base", "jobTemplate.entrypoint: is empty"):
        assert part in told


def test_what_a_step_becomes_is_judged_inside_its_config_map(rendered: Rendered) -> None:
    documents = rendered()
    holder = next(one for one in documents if "rayjob.yaml" in one.get("data", {}))
    nested = yaml.safe_load(holder["data"]["rayjob.yaml"])
    nested["spec"]["entrypont"] = "x"
    holder["data"]["rayjob.yaml"] = yaml.safe_dump(nested)
    assert "entrypont: there is no such field" in "; ".join(map(str, validate(documents)))
    holder["data"]["rayjob.yaml"] = "just text"
    assert "is no RayJob" in "; ".join(map(str, validate(documents)))


def test_two_images_in_one_installation_are_refused(rendered: Rendered) -> None:
    documents = changed(rendered(), (*FIRST, "image"), "axiom:0.2.0-ray2.60.0")
    assert "have different ones" in "; ".join(map(str, validate(documents)))


def test_the_same_object_twice_is_refused(rendered: Rendered) -> None:
    documents = rendered()
    assert "stands twice" in "; ".join(map(str, validate([*documents, documents[0]])))


def test_defaults_are_applied_before_anything_is_judged(rendered: Rendered) -> None:
    documents = changed(rendered(), (*WORKER, "replicas"), DELETE)
    schema = known_schemas().by_kind["RayService"]
    service = next(one for one in documents if one["kind"] == "RayService")
    assert with_defaults(service, schema)["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["replicas"] == 0
    assert "replicas: 0 is not between 2 and 4" in "; ".join(map(str, validate(documents)))


def test_definitions_from_a_folder_count_instead_of_what_axiom_knows(fake: Any, tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"novel": {"type": "string"}}}}}
    (tmp_path / "crd.yaml").write_text(yaml.safe_dump(fake.definition("RayJob", schema)), encoding="utf-8")
    found = schemas_in(tmp_path)
    assert found.whole
    document = {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": "a"}, "spec": {"novel": 1}}
    assert "spec.novel: is 1, not string" in "; ".join(map(str, validate([document], schemas=found)))
    old = fake.definition("RayJob", schema)
    old["spec"]["versions"][0]["name"] = "v1alpha1"
    assert schemas_of([old, {"kind": "List"}], "x").by_kind == {}


def test_a_folder_without_definitions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="holds no definition"):
        schemas_in(tmp_path)
    (tmp_path / "bad.yaml").write_text("[", encoding="utf-8")
    with pytest.raises(MisuseError, match="cannot be read"):
        schemas_in(tmp_path)


SCHEMA = {
    "type": "object",
    "required": ["a"],
    "properties": {
        "a": {"type": "integer", "minimum": 0, "maximum": 9},
        "b": {"type": "array", "minItems": 1, "items": {"type": "string", "maxLength": 2, "pattern": "^x"}},
        "c": {"type": "object", "additionalProperties": {"type": "boolean"}},
        "d": {"type": "string", "enum": ["p", "q"]},
        "e": {"x-kubernetes-int-or-string": True},
        "f": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "g": {"type": "number", "nullable": True},
    },
}
# The same for an independent judge, written out by hand.
TWIN = {
    **SCHEMA,
    "additionalProperties": False,
    "properties": {**SCHEMA["properties"], "e": {"type": ["integer", "string"]}, "g": {"type": ["number", "null"]}},
}
LEAF = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 12), st.sampled_from(["x", "xy", "xyz", "p", ""]), st.just(1.5)
)
VALUE = st.one_of(LEAF, st.lists(LEAF, max_size=2), st.dictionaries(st.sampled_from("kl"), LEAF, max_size=2))


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from("abcdefgh"), VALUE))
def test_the_judge_of_structural_schemas_agrees_with_jsonschema(value: dict[str, Any]) -> None:
    mine = not list(problems(value, SCHEMA, root=False))
    assert mine == jsonschema.Draft202012Validator(TWIN).is_valid(value)


def test_duplicates_by_the_keys_of_a_list_are_refused() -> None:
    items = {"type": "object", "properties": {"name": {"type": "string"}}}
    schema = {"type": "array", "x-kubernetes-list-map-keys": ["name"], "items": items}
    assert [str(one) for one in problems([{"name": "a"}, {"name": "a"}], schema, "list")] == ["list[a]: stands twice"]
    assert not list(problems([{"name": "a"}, {"name": "b"}], schema, "list"))


@pytest.mark.parametrize(
    ("value", "kind", "told"),
    [
        ("3", "int", "not whole number"),
        (True, "int", "not whole number"),
        (1, "bool", "not true or false"),
        ([], "Dict[str, str]", "not a mapping"),
        (True, "object", "neither a whole number nor a text"),
        ("x", "V1Probe", "not a mapping"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_by_its_path(value: Any, kind: str, told: str) -> None:
    assert [str(one) for one in problems_by_model(value, kind, "there") if told in str(one)]


def test_what_is_no_built_in_kind_is_left_to_its_definition() -> None:
    assert list(builtin_problems({"kind": "RayJob", "anything": 1})) == []
