"""Waiting, with an operator that moves a step at each look: ready, upgrade, rollback, time-out, failure, lost head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from axiom.errors import NotFoundError, QualityError, UnavailableError
from axiom.kube.health import job_verdict, pods_verdict, service_verdict
from axiom.kube.templates import JobOrder
from axiom.kube.waiting import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.kube.deploy import Deployer

    Rendered = Callable[..., list[dict[str, Any]]]
    Wait = Callable[..., list[str]]


@pytest.fixture
def service(deployer: Deployer, rendered: Rendered, api: Any) -> dict[str, Any]:
    """The installation, applied; what the server has of its RayService."""
    deployer.apply(rendered())
    found: dict[str, Any] = api.objects["rayservices", "axiom"]
    return found


@pytest.fixture
def waited(deployer: Deployer, naps: list[float]) -> Wait:
    """Wait for the service, or a kind and name; gives what was said meanwhile and the last word."""

    def wait(kind: str = "RayService", name: str = "axiom", timeout: float = 100.0) -> list[str]:
        said: list[str] = []
        waiter = Waiter(timeout, 2.0, said.append, clock=lambda: sum(naps), sleep=naps.append)
        said.append(waiter.wait(deployer.cluster, kind, name, instance="axiom").reason)
        return said

    return wait


def waiting_for(reason: str, message: str) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


@pytest.mark.usefixtures("service")
class TestService:
    def test_it_is_ready_when_replicas_take_requests(self, api: Any, status_of: Any, waited: Wait) -> None:
        api.script(
            "rayservices",
            "axiom",
            None,
            status_of(message="Active cluster is starting"),
            status_of(ready=True, reason="NonZeroServeEndpoints", endpoints=0),
            status_of(ready=True, endpoints=2, applications="DEPLOYING"),
            status_of(ready=True, endpoints=2),
        )
        assert waited() == [
            "RayService/axiom: the operator has not seen generation 1 yet",
            "RayService/axiom: Initializing: Active cluster is starting",
            "RayService/axiom: no replica takes requests yet",
            "RayService/axiom: application predict is DEPLOYING",
            "2 endpoints, all applications run",
        ]

    def test_ready_of_the_generation_before_does_not_count(self, api: Any, status_of: Any, waited: Wait) -> None:
        api.script(
            "rayservices",
            "axiom",
            status_of(ready=True, endpoints=2, behind=1),
            status_of(ready=True, endpoints=2),
        )
        assert "has not seen generation 1" in waited()[0]

    def test_an_upgrade_is_waited_for_with_its_share_of_the_traffic(
        self, api: Any, status_of: Any, waited: Wait
    ) -> None:
        moving = {"rayClusterName": "axiom-b", "trafficRoutedPercent": 30}
        api.script(
            "rayservices",
            "axiom",
            status_of(ready=True, upgrading=True, endpoints=2),
            status_of(ready=True, upgrading=True, endpoints=2, pending=moving),
            status_of(ready=True, endpoints=3, cluster="axiom-b"),
        )
        assert waited() == [
            "RayService/axiom: moves to a new cluster",
            "RayService/axiom: moves to a new cluster, which has 30 % of the traffic",
            "3 endpoints, all applications run",
        ]

    def test_a_rollback_is_waited_for(self, api: Any, status_of: Any, waited: Wait) -> None:
        api.script(
            "rayservices",
            "axiom",
            status_of(ready=True, upgrading=True, going_back=True, endpoints=2),
            status_of(ready=True, endpoints=2),
        )
        assert "goes back to the cluster before" in waited()[0]

    def test_a_lost_head_is_waited_for_until_it_is_back(
        self, api: Any, status_of: Any, waited: Wait, make_pod: Any
    ) -> None:
        pending = make_pod("head")
        pending["status"] = {
            "phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}],
        }
        api.put("pods", pending)
        api.script(
            "rayservices",
            "axiom",
            status_of(reason="ZeroServeEndpoints", message="the head is gone"),
            status_of(reason="ZeroServeEndpoints", message="the head is gone"),
            status_of(ready=True, endpoints=2),
        )
        said = waited()
        assert said[0].endswith("the head is gone; pod head has no node: 0/3 nodes are available")
        assert len(said) == 2

    @pytest.mark.parametrize(
        ("reason", "hint"), [("ValidationFailed", "rollback"), ("InitializingTimeout", "delete --kind RayService")]
    )
    def test_what_the_operator_gives_up_is_told_at_once(
        self, api: Any, status_of: Any, waited: Wait, naps: list[float], reason: str, hint: str
    ) -> None:
        api.script("rayservices", "axiom", status_of(reason=reason, message="because"))
        with pytest.raises(QualityError, match=f"RayService/axiom: {reason}: because") as told:
            waited()
        assert hint in told.value.hint
        assert naps == []

    @pytest.mark.parametrize("pending", [False, True])
    def test_an_application_that_fails_to_deploy_is_told_with_its_error(
        self, api: Any, status_of: Any, waited: Wait, pending: bool
    ) -> None:
        failed = {"predict": {"status": "DEPLOY_FAILED", "message": "no module\nnamed axiom"}}
        part = {"rayClusterName": "axiom-b", "applicationStatuses": failed}
        step = (
            status_of(ready=True, endpoints=2, upgrading=True, pending=part)
            if pending
            else status_of(applications="DEPLOY_FAILED", told="no module\nnamed axiom")
        )
        api.script("rayservices", "axiom", step)
        with pytest.raises(QualityError, match="application predict does not start: no module named axiom"):
            waited()

    def test_patience_ends_with_the_last_reason(
        self, api: Any, status_of: Any, waited: Wait, naps: list[float]
    ) -> None:
        api.script("rayservices", "axiom", *[status_of(message="pods are starting")] * 60)
        with pytest.raises(UnavailableError, match="not ready after 100 s: Initializing: pods are starting"):
            waited()
        assert sum(naps) == 100

    @pytest.mark.parametrize(
        ("state", "told"),
        [
            (waiting_for("CreateContainerConfigError", 'secret "x" not found'), 'secret "x"'),
            (waiting_for("ImagePullBackOff", "axiom:1: not found"), "ImagePullBackOff"),
            (
                {"restartCount": 4, "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}},
                r"ended 4 times: OOMKilled \(exit code 137\)",
            ),
        ],
    )
    def test_a_pod_beyond_help_ends_the_waiting(
        self, api: Any, status_of: Any, waited: Wait, make_pod: Any, state: dict[str, Any], told: str
    ) -> None:
        api.put("pods", make_pod("worker-1", **state))
        api.script("rayservices", "axiom", status_of())
        with pytest.raises(QualityError, match=f"pod worker-1, container ray-worker.*{told}"):
            waited()

    def test_pods_of_the_cluster_before_are_not_held_against_the_new_one(
        self, api: Any, status_of: Any, waited: Wait, make_pod: Any
    ) -> None:
        broken = {"state": {"waiting": {"reason": "InvalidImageName", "message": "x"}}}
        api.put("pods", make_pod("old", cluster="axiom-old", **broken))
        api.script("rayservices", "axiom", status_of(), status_of(ready=True, endpoints=1))
        assert waited()[-1] == "1 endpoints, all applications run"

    def test_a_service_that_goes_away_ends_the_waiting(self, api: Any, status_of: Any, waited: Wait) -> None:
        def gone(_found: dict[str, Any]) -> None:
            del api.objects["rayservices", "axiom"]

        api.script("rayservices", "axiom", status_of(), gone)
        with pytest.raises(NotFoundError, match="no RayService axiom"):
            waited()

    def test_a_busy_server_does_not_end_the_waiting(self, api: Any, fake: Any, status_of: Any, waited: Wait) -> None:
        api.faults += [fake.Fault("GET", "/rayservices/", 500), fake.Fault("GET", "/rayservices/", 0)]
        api.script("rayservices", "axiom", status_of(ready=True, endpoints=2))
        assert waited() == ["2 endpoints, all applications run"]

    def test_a_suspended_service_never_comes_up(self, service: dict[str, Any]) -> None:
        status = {"observedGeneration": 1, "conditions": [{"type": "Suspended", "status": "True"}]}
        assert service_verdict({**service, "status": status}).state == "failed"

    def test_a_deployment_that_is_not_healthy_is_waited_for(self, service: dict[str, Any], status_of: Any) -> None:
        status = status_of(ready=True, endpoints=2)(service)
        assert service_verdict({**service, "status": status}).state == "ready"
        one = status["activeServiceStatus"]["applicationStatuses"]["predict"]
        one["serveDeploymentStatuses"]["Predict"]["status"] = "UPDATING"
        assert service_verdict({**service, "status": status}).reason == "deployment predict/Predict is UPDATING"


def job_status(deployment: str, inside: str = "", **more: Any) -> dict[str, Any]:
    return {"jobDeploymentStatus": deployment, "jobStatus": inside, **more}


@pytest.fixture
def job(deployer: Deployer, rendered: Rendered) -> str:
    """Name of a RayJob that was applied."""
    documents = rendered(jobs=[JobOrder("train")])
    deployer.apply(documents)
    return str(documents[0]["metadata"]["name"])


def test_a_job_is_waited_for_through_its_retries(api: Any, waited: Wait, job: str) -> None:
    api.script(
        "rayjobs",
        job,
        job_status("Initializing"),
        job_status("Running", "RUNNING"),
        job_status("Retrying", "FAILED", failed=1),
        job_status("Running", "RUNNING", failed=1),
        job_status("Complete", "SUCCEEDED"),
    )
    said = waited("RayJob", job)
    assert said[1:3] == [f"RayJob/{job}: Running RUNNING", f"RayJob/{job}: Retrying FAILED, 1 attempts failed"]
    assert said[-1] == "succeeded"


@pytest.mark.parametrize(
    ("status", "told", "hint"),
    [
        (job_status("Complete", "FAILED", message="exit code 1"), "FAILED: exit code 1", "logs --job"),
        (job_status("Complete", "STOPPED"), "STOPPED: no reason given", ""),
        (job_status("Failed", "RUNNING", reason="DeadlineExceeded"), "Failed: DeadlineExceeded", "job_deadline"),
        (job_status("Failed", reason="PreRunningDeadlineExceeded"), "PreRunning", "image, quota or nodes"),
        (job_status("Failed", "RUNNING", reason="JobStatusCheckTimeoutExceeded"), "JobStatusCheck", "head was lost"),
        (job_status("ValidationFailed", message="bad spec"), "ValidationFailed: bad spec", ""),
    ],
)
def test_a_failed_job_says_why(api: Any, waited: Wait, job: str, status: dict[str, Any], told: str, hint: str) -> None:
    api.script("rayjobs", job, status)
    with pytest.raises(QualityError, match=told) as error:
        waited("RayJob", job)
    assert hint in error.value.hint


def test_a_suspended_job_waits_in_its_queue() -> None:
    assert job_verdict({"status": job_status("Suspended")}).state == "waiting"


def test_pods_that_leave_or_run_hold_nothing_up(make_pod: Any) -> None:
    leaving = make_pod("a", state={"waiting": {"reason": "InvalidImageName"}})
    leaving["metadata"]["deletionTimestamp"] = "2026-11-20T00:00:00Z"
    assert pods_verdict([leaving, make_pod("b")]).state == "ready"


def test_an_image_that_is_slow_to_pull_is_waited_for(make_pod: Any) -> None:
    slow = make_pod("a", state={"waiting": {"reason": "ErrImagePull", "message": "i/o timeout"}})
    assert pods_verdict([slow]).state == "waiting"
