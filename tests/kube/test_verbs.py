"""`axiom kube …` over a kubeconfig and HTTP: what is printed, exit codes, JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from typer.testing import CliRunner

from axiom.cli.app import app
from axiom.errors import AxiomError, MisuseError, QualityError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def run(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """Run `axiom kube …`; gives what it printed, raises what it raised."""
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))

    def call(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["kube", *arguments])
        if isinstance(result.exception, AxiomError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    return call


def test_render_prints_manifests_that_read_back_and_check_takes(run: Callable[..., str], tmp_path: Path) -> None:
    text = run("render", "--overlay", "production", "--name", "shop", "-n", "web", "--set", "workers=4")
    documents = list(yaml.safe_load_all(text))
    assert {document["metadata"]["namespace"] for document in documents} == {"web"}
    assert {"shop-daily", "shop-retrain"} <= {document["metadata"]["name"] for document in documents}
    path = tmp_path / "all.yaml"
    path.write_text(text, encoding="utf-8")
    assert json.loads(run("check", str(path), "--json")) == {"documents": len(documents), "problems": []}
    path.write_text(text.replace("minAvailable: 2", "minAvailable: 9"), encoding="utf-8")
    with pytest.raises(QualityError, match="1 problems"):
        run("check", str(path))


def test_render_says_everything_that_is_wrong_at_once(run: Callable[..., str]) -> None:
    with pytest.raises(MisuseError, match="latest") as told:
        run("render", "--set", "image=axiom:latest", "--set", "least_available=7")
    assert "7 of 2 pods" in told.value.message


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("render", "--set", "workers"), "--set 'workers'"),
        (("render", "--key", "x"), "belong to a job"),
        (("render", "--", "churn"), "belong to a job"),
        (("render", "--set", "nothing=1"), "'nothing' is no value"),
        (("check", "nowhere.yaml"), "cannot be read"),
    ],
)
def test_misuse_is_refused(run: Callable[..., str], arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises(MisuseError, match=told):
        run(*arguments)


def test_the_way_of_an_installation(run: Callable[..., str], api: Any, status_of: Any, make_pod: Any) -> None:
    up = status_of(ready=True, endpoints=2)
    api.script("rayservices", "axiom", None, up)
    found = json.loads(run("apply", "--wait", "--json"))
    assert found["changed"]
    assert found["revision"] == 1
    assert json.loads(run("diff", "--json"))["changed"] is False
    assert "unchanged" in run("apply", "--no-wait")

    told = run("diff", "--set", "worker_memory=5Gi")
    assert "+                memory: 5Gi" in told
    assert "RayService/axiom: changed (a second cluster starts and takes over)" in told
    run("apply", "--no-wait", "--set", "worker_memory=5Gi")
    assert json.loads(run("rollback", "--no-wait", "--json"))["revision"] == 3

    api.put("pods", make_pod("axiom-a-worker"))
    api.logs["axiom-a-worker", "ray-worker"] = "one\ntwo\n"
    assert run("logs", "--tail", "1") == "==> axiom-a-worker/ray-worker <==\ntwo\n"
    api.script("rayservices", "axiom", up)
    assert json.loads(run("wait", "--json"))["state"] == "ready"
    state = json.loads(run("status", "--json"))
    assert state["services"][0]["state"] == "ready"
    assert [one["healthy"] for one in state["revisions"]] == [True, False, False]
    assert state["pods"][0]["name"] == "axiom-a-worker"
    text = run("status")
    assert "KubeRay 1.7.0" in text
    assert "axiom-daily" in text
    assert "RayService/axiom" in run("delete", "--dry-run")
    assert "deleted RayService/axiom" in run("delete")
    assert run("delete") == "nothing to delete\n"


def test_an_installation_that_does_not_come_up_goes_back_by_itself(
    run: Callable[..., str], api: Any, status_of: Any
) -> None:
    up, down = status_of(ready=True, endpoints=2), status_of(reason="ValidationFailed", message="no")
    api.script("rayservices", "axiom", None, up)
    run("apply")
    #          compare, then wait and fail, then compare and wait for the old one
    api.script("rayservices", "axiom", None, down, None, up)
    with pytest.raises(QualityError, match="ValidationFailed: no; rolled back, as revision 3"):
        run("apply", "--undo", "--set", "worker_memory=5Gi")
    spec = api.objects["rayservices", "axiom"]["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["template"]["spec"]
    assert spec["containers"][0]["resources"]["limits"]["memory"] == "4Gi"


def test_a_first_installation_that_does_not_come_up_has_nothing_to_go_back_to(
    run: Callable[..., str], api: Any, status_of: Any
) -> None:
    api.script("rayservices", "axiom", status_of(reason="ValidationFailed", message="no"))
    with pytest.raises(QualityError) as told:
        run("apply", "--undo")
    assert told.value.message == "RayService/axiom: ValidationFailed: no"
    assert json.loads(run("status", "--json"))["revisions"][-1]["number"] == 1


def test_a_job_runs_once_and_again_when_asked(run: Callable[..., str], api: Any) -> None:
    text = run("render", "--job", "train", "--", "churn", "--horizon", "90")
    name = yaml.safe_load(text)["metadata"]["name"]
    done = {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED", "rayClusterName": "c"}
    api.script("rayjobs", name, None, done)
    arguments = ("--job", "train", "--", "churn", "--horizon", "90")
    assert f"RayJob/{name}: created" in run("apply", *arguments)
    assert f"RayJob/{name}: unchanged" in run("apply", *arguments)
    uid = api.objects["rayjobs", name]["metadata"]["resourceVersion"]
    run("apply", "--no-wait", "--again", *arguments)
    assert api.objects["rayjobs", name]["metadata"]["resourceVersion"] != uid
    assert "status" not in api.objects["rayjobs", name]


def test_the_log_of_a_job_is_what_its_driver_wrote(run: Callable[..., str], api: Any) -> None:
    api.put("rayjobs", {"metadata": {"name": "j"}, "status": {"rayClusterName": "j-c"}})
    containers = [{"name": "ray-head"}, {"name": "ray-job-submitter"}]
    pod = {"metadata": {"name": "j-head", "labels": {"ray.io/cluster": "j-c"}}, "spec": {"containers": containers}}
    api.put("pods", pod)
    api.logs["j-head", "ray-job-submitter"] = "trained\n"
    assert json.loads(run("logs", "--job", "j", "--json")) == {"j-head/ray-job-submitter": "trained\n"}
