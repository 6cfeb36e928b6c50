"""Pipelines and jobs on Kubernetes: an attempt is a RayJob with a name of its own, made once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from axiom.db.jobs import Job
from axiom.errors import ForbiddenError, MisuseError, UnavailableError
from axiom.jobs.backend import open_backend
from axiom.jobs.on_kube import KubeBackend
from axiom.kube.validate import validate
from axiom.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from axiom.kube.cluster import Cluster

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def template(rendered: Callable[..., list[dict[str, Any]]]) -> dict[str, Any]:
    """What the ConfigMap of the installation holds."""
    holder = next(one for one in rendered() if "rayjob.yaml" in one.get("data", {}))
    found: dict[str, Any] = yaml.safe_load(holder["data"]["rayjob.yaml"])
    return found


@pytest.fixture
def backend(cluster: Cluster, template: dict[str, Any]) -> KubeBackend:
    return KubeBackend(cluster, template)


def job(attempt: int = 1, kind: str = "publish-features") -> Job:
    return Job(
        job_id=f"{kind}-0123456789abcdef",
        kind=kind,
        key="k",
        params={},
        status="queued",
        attempt=attempt,
        submission_id=f"axiom-01234567-{kind}-0123456789abcdef-{attempt}",
        backend="kube",
        host="h",
        pid=None,
        progress=0.0,
        stage=None,
        result=None,
        error=None,
        error_type=None,
        created_at=NOW,
        created_by="test",
        queued_at=NOW,
        started_at=None,
        heartbeat_at=NOW,
        finished_at=None,
    )


def only(api: Any) -> dict[str, Any]:
    [found] = [one for (plural, _), one in api.objects.items() if plural == "rayjobs"]
    return dict(found)


def test_a_submission_is_a_valid_ray_job_and_twice_is_once(backend: KubeBackend, api: Any) -> None:
    backend.submit(job())
    backend.submit(job())
    found = only(api)
    assert found["spec"]["entrypoint"] == "python -m axiom.jobs.driver publish-features-0123456789abcdef 1"
    assert found["spec"]["backoffLimit"] == 0
    assert found["metadata"]["labels"]["axiom.io/job"] == "publish-features"
    found["metadata"] = {key: found["metadata"][key] for key in ("name", "labels", "annotations")}
    assert validate([found]) == []


def test_names_follow_from_the_submission_and_differ_by_attempt(backend: KubeBackend, template: dict[str, Any]) -> None:
    assert backend.object_name("a") == backend.object_name("a")
    assert backend.object_name("a") != backend.object_name("b")
    template["metadata"]["labels"]["axiom.io/instance"] = "a-name-of-exactly-thirty-chars"
    assert len(backend.object_name("a")) <= 47


def test_it_stands_as_kuberay_says(backend: KubeBackend, api: Any) -> None:
    assert backend.standing(job()).state == "missing"
    backend.submit(job())
    name = only(api)["metadata"]["name"]
    seen = []
    for status in (
        {},
        {"jobDeploymentStatus": "Running", "jobStatus": "RUNNING"},
        {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"},
        {"jobDeploymentStatus": "Failed", "reason": "JobStatusCheckTimeoutExceeded"},
    ):
        api.objects["rayjobs", name]["status"] = status
        seen.append(backend.standing(job()))
    assert [one.state for one in seen] == ["alive", "alive", "ended", "ended"]
    assert "JobStatusCheckTimeoutExceeded" in seen[-1].detail


def test_stop_takes_away_what_runs_and_leaves_what_has_ended(backend: KubeBackend, api: Any) -> None:
    backend.stop(job())
    backend.submit(job())
    name = only(api)["metadata"]["name"]
    api.objects["rayjobs", name]["status"] = {"jobDeploymentStatus": "Complete", "jobStatus": "FAILED"}
    backend.stop(job())
    assert ("rayjobs", name) in api.objects
    api.objects["rayjobs", name]["status"] = {}
    backend.stop(job())
    assert ("rayjobs", name) not in api.objects


def test_the_log_is_the_drivers_piece_by_piece(backend: KubeBackend, api: Any) -> None:
    submission = job().submission_id
    assert backend.log(submission, 0, 10) == b""
    backend.submit(job())
    only(api)["metadata"]
    name = only(api)["metadata"]["name"]
    api.objects["rayjobs", name]["status"] = {"rayClusterName": "c"}
    assert backend.log(submission, 0, 10) == b""
    containers = [{"name": "ray-head"}, {"name": "ray-job-submitter"}]
    api.put("pods", {"metadata": {"name": "p", "labels": {"ray.io/cluster": "c"}}, "spec": {"containers": containers}})
    api.logs["p", "ray-job-submitter"] = "héllo\nworld\n"
    assert backend.log(submission, 0, 7) == "héllo\n".encode()
    assert backend.log(submission, 7, 100) == b"world\n"


def test_a_silent_cluster_takes_no_submissions_and_a_forbidden_one_says_so(
    backend: KubeBackend, api: Any, fake: Any
) -> None:
    api.faults += [fake.Fault("PATCH", "/rayjobs/", 503) for _ in range(4)]
    with pytest.raises(UnavailableError):
        backend.submit(job())
    api.forbidden.append("/rayjobs/")
    with pytest.raises(ForbiddenError, match="needs a Role"):
        backend.submit(job())


def test_the_back_end_is_opened_by_name(
    kubeconfig: Path, template: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: Any
) -> None:
    path = tmp_path / "rayjob.yaml"
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.delenv("AXIOM_KUBE_JOB", raising=False)
    with pytest.raises(MisuseError, match="AXIOM_KUBE_JOB is not set"):
        open_backend(load_settings(home=tmp_path), "kube")
    settings = load_settings(home=tmp_path, kube_job=path)
    path.write_text("kind: Pod\n", encoding="utf-8")
    with pytest.raises(MisuseError, match="is no RayJob"):
        open_backend(settings, "kube")
    path.write_text(yaml.safe_dump(template), encoding="utf-8")
    opened = open_backend(settings, "kube")
    opened.submit(job())
    assert opened.name == "kube"
    assert only(api)["spec"]["entrypoint"].endswith("0123456789abcdef 1")
