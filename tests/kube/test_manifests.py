"""What is rendered: valid by several judges, one source of the serving configuration, every job and overlay."""

from __future__ import annotations

import copy
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml

from axiom.errors import MisuseError, NotFoundError
from axiom.kube.folding import folded, substituted
from axiom.kube.templates import JobOrder, Order, render, templates_folder, to_yaml
from axiom.kube.validate import validate

if TYPE_CHECKING:
    from collections.abc import Callable

    Rendered = Callable[..., list[dict[str, Any]]]
    One = Callable[[list[dict[str, Any]], str], dict[str, Any]]

ROOT = Path(__file__).parents[2]
OVERLAYS = [(), ("small",), ("production",), ("incremental",), ("production", "incremental")]


@pytest.mark.parametrize("overlays", OVERLAYS, ids="+".join)
def test_every_overlay_is_valid(rendered: Rendered, serve_rules: Any, overlays: tuple[str, ...]) -> None:
    assert validate(rendered(*overlays), serve=serve_rules) == []


@pytest.mark.parametrize("overlays", OVERLAYS, ids="+".join)
def test_the_published_schemas_of_kubernetes_take_the_built_in_kinds(
    rendered: Rendered, overlays: tuple[str, ...]
) -> None:
    judged = 0
    for document in rendered(*overlays):
        if document["apiVersion"].startswith(("ray.io", "monitoring.coreos.com")):
            continue
        kubernetes_validate.validate(document, "1.34", strict=True)
        judged += 1
    assert judged >= 9


def test_pod_templates_inside_custom_resources_are_pods_to_the_published_schemas(rendered: Rendered, one: One) -> None:
    service = one(rendered("production"), "RayService")
    cluster = service["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = {"apiVersion": "v1", "kind": "Pod", **copy.deepcopy(group["template"])}
        pod["metadata"]["name"] = "pod"
        kubernetes_validate.validate(pod, "1.34", strict=True)


def test_every_file_in_jobs_is_a_job_that_renders(rendered: Rendered) -> None:
    names = sorted(path.stem for path in (ROOT / "jobs").glob("*.py"))
    assert sorted(yaml.safe_load((ROOT / "kube" / "jobs.yaml").read_text(encoding="utf-8"))) == names
    for name in names:
        documents = rendered(jobs=[JobOrder(name, ("--help",))])
        assert [document["kind"] for document in documents] == ["RayJob"]
        assert documents[0]["spec"]["entrypoint"] == f"python /opt/axiom/jobs/{name}.py --help"
        assert validate(documents) == []


def test_the_same_job_has_the_same_name_and_another_one_has_not(rendered: Rendered) -> None:
    def name(*arguments: str, key: str = "", **values: Any) -> str:
        job = rendered(jobs=[JobOrder("train", arguments, key)], **values)[0]
        return str(job["metadata"]["name"])

    assert name("churn") == name("churn")
    others = [name("clv"), name("churn", key="again"), name("churn", image="axiom:0.2.0-ray2.60.0")]
    assert len({name("churn"), *others}) == 4


def test_arguments_of_a_job_survive_the_shell(rendered: Rendered) -> None:
    job = rendered(jobs=[JobOrder("ingest", ("s3://b/a b.csv", "--where", "x = 'y'"))])[0]
    assert job["spec"]["entrypoint"].endswith("ingest.py 's3://b/a b.csv' --where 'x = '\"'\"'y'\"'\"''")


def test_the_configuration_is_the_one_at_the_root_with_what_a_cluster_needs(
    rendered: Rendered, one: One, serve_config: dict[str, Any]
) -> None:
    embedded = yaml.safe_load(one(rendered(), "RayService")["spec"]["serveConfigV2"])
    assert embedded["proxy_location"] == "EveryNode"
    assert embedded["http_options"] == {**serve_config["http_options"], "host": "0.0.0.0"}
    untouched = [key for key in serve_config if key not in ("proxy_location", "http_options", "applications")]
    assert {key: embedded[key] for key in untouched} == {key: serve_config[key] for key in untouched}
    mine, theirs = embedded["applications"][0]["deployments"][0], serve_config["applications"][0]["deployments"][0]
    assert mine["backpressure_config"] == theirs["backpressure_config"]
    assert mine["autoscaling_config"] == {**theirs["autoscaling_config"], "min_replicas": 2, "max_replicas": 4}


def test_a_change_at_the_root_reaches_the_manifest(serve_config: dict[str, Any], one: One) -> None:
    changed = copy.deepcopy(serve_config)
    changed["http_options"]["request_timeout_s"] = 7
    embedded = yaml.safe_load(one(render(Order(changed)), "RayService")["spec"]["serveConfigV2"])
    assert embedded["http_options"]["request_timeout_s"] == 7


def test_no_file_of_the_templates_holds_a_copy_of_the_configuration() -> None:
    for path in sorted((ROOT / "kube").rglob("*.yaml")):
        assert "import_path" not in path.read_text(encoding="utf-8"), path


def test_the_pipelines_that_ship_have_their_own_schedules(one: One, rendered: Rendered) -> None:
    cron = one(rendered(), "CronJob")
    assert cron["metadata"]["name"] == "axiom-daily"
    assert (cron["spec"]["schedule"], cron["spec"]["timeZone"]) == ("0 5 * * *", "Europe/Berlin")


@pytest.mark.parametrize(
    ("job", "told"),
    [
        # minutes since 1970, as the CronJob controller writes them
        ("axiom-daily-29919180", "pipelines run daily --backend kube --at 2026-11-20T05:00:00Z"),
        ("by-hand", "pipelines run daily --backend kube"),
    ],
)
def test_a_runner_that_is_started_anew_has_the_logical_time_of_its_job(
    one: One, rendered: Rendered, tmp_path: Path, job: str, told: str
) -> None:
    program = tmp_path / "axiom"
    program.write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    container = one(rendered(), "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "JOB": job}
    done = subprocess.run(container["command"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == told


def test_secrets_are_named_and_never_contained(rendered: Rendered) -> None:
    for overlays in OVERLAYS:
        documents = rendered(*overlays)
        assert "Secret" not in {document["kind"] for document in documents}
        assert "password: {value" not in to_yaml(documents)


def test_a_patch_for_jobs_reaches_the_steps_of_pipelines_too(rendered: Rendered, tmp_path: Path) -> None:
    overlay = tmp_path / "own.yaml"
    patch = {"kind": "RayJob", "merge": {"spec": {"activeDeadlineSeconds": 60}}}
    overlay.write_text(yaml.safe_dump({"patches": [patch]}), encoding="utf-8")
    with pytest.raises(MisuseError, match="fits no document"):
        rendered(str(overlay))
    job = rendered(str(overlay), jobs=[JobOrder("score")])[0]
    assert job["spec"]["activeDeadlineSeconds"] == 60


def test_later_overlays_and_single_values_win(rendered: Rendered, one: One, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("values: {workers: 5, most_workers: 9}\n", encoding="utf-8")
    group = one(rendered("production", str(own)), "RayService")["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]
    assert (group["minReplicas"], group["maxReplicas"]) == (5, 9)
    documents = rendered("production", str(own), workers=6)
    assert one(documents, "RayService")["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["minReplicas"] == 6


@pytest.mark.parametrize(
    ("order", "error", "told"),
    [
        ({"overlays": ("nowhere",)}, NotFoundError, "no overlay 'nowhere'.*small"),
        ({"values": {"worker": 3}}, MisuseError, "'worker' is no value"),
        ({"jobs": (JobOrder("nothing"),)}, NotFoundError, "no job 'nothing'"),
        ({"jobs": (JobOrder("ingest"),)}, MisuseError, "ingest needs arguments"),
    ],
)
def test_what_is_not_there_is_refused(
    serve_config: dict[str, Any], order: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        render(Order(serve_config, **order))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("patch: []\n", "'patch' is unknown"),
        ("values: [\n", "is no YAML"),
        ("- a\n", "is no mapping"),
        ("patches: [{kind: RayService, merge: {spec: {x: '${nothing}'}}}]\n", r"\$\{nothing\} has no value"),
    ],
)
def test_a_malformed_overlay_is_refused(rendered: Rendered, tmp_path: Path, text: str, told: str) -> None:
    overlay = tmp_path / "own.yaml"
    overlay.write_text(text, encoding="utf-8")
    with pytest.raises(MisuseError, match=told):
        rendered(str(overlay))


def test_values_become_themselves_and_never_yaml() -> None:
    values = {"count": 3, "text": "a: {b"}
    assert substituted({"n": "${count}", "t": "<${text}>"}, values) == {"n": 3, "t": "<a: {b>"}


def test_folding_merges_named_items_removes_nulls_and_replaces_the_rest() -> None:
    under = {"list": [{"name": "a", "x": 1}, {"name": "b"}], "plain": [1, 2], "gone": 1}
    over = {"list": [{"name": "a", "y": 2}, {"name": "c"}], "plain": [3], "gone": None}
    assert folded(under, over) == {"list": [{"name": "a", "x": 1, "y": 2}, {"name": "b"}, {"name": "c"}], "plain": [3]}
    assert under["list"][0] == {"name": "a", "x": 1}


def test_the_stream_reads_back_as_the_same_documents(rendered: Rendered) -> None:
    documents = rendered("production")
    assert list(yaml.safe_load_all(to_yaml(documents))) == documents


def test_every_value_is_used_somewhere() -> None:
    folder = templates_folder()
    values = yaml.safe_load((folder / "values.yaml").read_text(encoding="utf-8"))
    text = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.yaml"))
    computed = {"serve", "code"}
    assert [name for name in values if f"${{{name}}}" not in text and name not in computed] == []
