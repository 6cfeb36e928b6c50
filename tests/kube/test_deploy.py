"""All documents of an installation as one thing: apply, compare, prune, go back, delete; with a scripted operator."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from axiom.errors import BadInputError, ConflictError, CorruptError, MisuseError, NotFoundError, UnavailableError
from axiom.kube.kinds import INSTANCE, MANAGED_BY
from axiom.kube.revisions import KEPT
from axiom.kube.templates import JobOrder

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.kube.deploy import Deployer

    Rendered = Callable[..., list[dict[str, Any]]]


def actions(applied: Any) -> dict[str, str]:
    return {change.object: change.action for change in applied.changes}


def test_apply_makes_everything_and_twice_is_once(deployer: Deployer, rendered: Rendered, api: Any) -> None:
    documents = rendered()
    first = deployer.apply(documents)
    assert set(actions(first).values()) == {"created"}
    assert len(first.changes) == len(documents)
    assert first.revision == 1
    before = copy.deepcopy(api.objects)
    writes = len(api.writes())
    again = deployer.apply(documents)
    assert set(actions(again).values()) == {"unchanged"}
    assert again.revision == 1
    assert api.objects == before
    assert len(api.writes()) == writes


def test_things_are_made_in_the_order_in_which_they_are_needed(
    deployer: Deployer, rendered: Rendered, api: Any
) -> None:
    deployer.apply(rendered())
    made = [path.rpartition("/")[0].rpartition("/")[2] for _, path in api.writes() if "revisions" not in path]
    assert made.index("serviceaccounts") < made.index("configmaps") < made.index("rayservices") < made.index("cronjobs")


def test_a_dry_run_says_what_would_happen_and_does_nothing(deployer: Deployer, rendered: Rendered, api: Any) -> None:
    before = copy.deepcopy(api.objects)
    found = deployer.apply(rendered(), dry_run=True)
    assert set(actions(found).values()) == {"created"}
    assert found.revision is None
    assert api.objects == before
    assert api.writes() == []


def test_one_document_that_the_server_refuses_keeps_all_others_back(
    deployer: Deployer, rendered: Rendered, api: Any, fake: Any
) -> None:
    api.faults.append(fake.Fault("PATCH", "/cronjobs/", 422))
    with pytest.raises(BadInputError, match="CronJob/axiom-daily"):
        deployer.apply(rendered())
    assert api.writes() == []


def test_a_conflict_is_found_before_anything_is_applied(deployer: Deployer, rendered: Rendered, api: Any) -> None:
    deployer.apply(rendered())
    service = api.objects["rayservices", "axiom"]
    service["spec"]["rayClusterDeletionDelaySeconds"] = 5
    leaf = ["spec", "rayClusterDeletionDelaySeconds"]
    service["metadata"]["managedFields"] = [{"manager": "kubectl", "fields": [leaf]}]
    writes = len(api.writes())
    with pytest.raises(ConflictError, match='conflict with "kubectl"'):
        deployer.apply(rendered(log_level="DEBUG"))
    assert len(api.writes()) == writes
    deployer.apply(rendered(log_level="DEBUG"), force=True)
    assert api.objects["rayservices", "axiom"]["spec"]["rayClusterDeletionDelaySeconds"] == 120


def test_what_the_manifests_no_longer_name_goes_and_jobs_and_strangers_stay(
    deployer: Deployer, rendered: Rendered, api: Any
) -> None:
    deployer.apply(rendered())
    deployer.apply(rendered(jobs=[JobOrder("score")]))
    ours = {INSTANCE: "axiom", MANAGED_BY: "axiom"}
    api.put("configmaps", {"metadata": {"name": "stranger", "labels": {INSTANCE: "axiom"}}})
    api.put("services", {"metadata": {"name": "child", "labels": ours, "ownerReferences": [{"name": "axiom"}]}})
    found = deployer.apply(rendered("small"))
    assert actions(found)["PodDisruptionBudget/axiom-workers"] == "deleted"
    kinds = {plural for plural, _ in api.objects}
    assert "poddisruptionbudgets" not in kinds
    assert "rayjobs" in kinds
    assert ("configmaps", "stranger") in api.objects
    assert ("services", "child") in api.objects
    assert ("configmaps", "axiom-revisions") in api.objects


def test_a_job_belongs_to_no_revision_and_deletes_nothing(deployer: Deployer, rendered: Rendered, api: Any) -> None:
    deployer.apply(rendered())
    before = len(api.objects)
    found = deployer.apply(rendered(jobs=[JobOrder("train")]))
    assert found.revision is None
    assert len(api.objects) == before + 1


def test_a_crash_in_the_middle_is_finished_by_the_same_command(
    deployer: Deployer, rendered: Rendered, api: Any, fake: Any
) -> None:
    def away(_api: Any) -> None:
        api.faults += [fake.Fault("PATCH", "/rayservices/", 503) for _ in range(4)]

    api.before_write = away
    with pytest.raises(UnavailableError, match=r"RayService/axiom.*goes on where it stopped"):
        deployer.apply(rendered("small"))
    assert ("configmaps", "axiom-settings") in api.objects
    assert ("rayservices", "axiom") not in api.objects
    found = actions(deployer.apply(rendered("small")))
    assert (found["RayService/axiom"], found["ConfigMap/axiom-settings"]) == ("created", "unchanged")
    assert ("rayservices", "axiom") in api.objects


def test_a_cluster_without_monitors_gets_none_and_says_so(deployer: Deployer, rendered: Rendered, api: Any) -> None:
    del api.schemas["PodMonitor"], api.schemas["ServiceMonitor"]
    found = deployer.apply(rendered())
    assert len(found.notes) == 2
    assert "PodMonitor/axiom-ray: the cluster has no Prometheus operator" in found.notes
    assert ("rayservices", "axiom") in api.objects


@pytest.mark.parametrize(
    ("values", "meant"),
    [
        ({"image": "axiom:0.2.0-ray2.60.0"}, "a second cluster starts and takes over"),
        ({"worker_memory": "6Gi"}, "a second cluster starts and takes over"),
        ({"workers": 3, "most_workers": 6}, "the running cluster is scaled or labelled"),
        ({"log_level": "DEBUG"}, ""),
    ],
)
def test_a_change_tells_what_it_comes_to(
    deployer: Deployer, rendered: Rendered, values: dict[str, Any], meant: str
) -> None:
    deployer.apply(rendered())
    found = {change.object: change for change in deployer.diff(rendered(**values)).changes}
    assert found["RayService/axiom"].meaning == meant


def test_a_new_configuration_is_taken_by_the_running_cluster(deployer: Deployer, rendered: Rendered) -> None:
    deployer.apply(rendered())
    documents = rendered()
    service = next(one for one in documents if one["kind"] == "RayService")
    service["spec"]["serveConfigV2"] = service["spec"]["serveConfigV2"].replace("timeout_s: 10\n", "timeout_s: 9\n", 1)
    found = {change.object: change for change in deployer.diff(documents).changes}["RayService/axiom"]
    assert found.meaning == "the running cluster takes the new configuration"
    text = "\n".join(found.lines)
    assert "request_timeout_s: 9" in text
    assert "resourceVersion" not in text


def test_a_diff_of_nothing_new_is_empty_and_writes_nothing(deployer: Deployer, rendered: Rendered, api: Any) -> None:
    deployer.apply(rendered())
    writes = len(api.writes())
    found = deployer.diff(rendered())
    assert set(actions(found).values()) == {"unchanged"}
    assert not any(change.lines for change in found.changes)
    assert len(api.writes()) == writes


def test_a_rollback_goes_to_the_last_revision_that_was_up(deployer: Deployer, rendered: Rendered, api: Any) -> None:
    for memory, healthy in (("4Gi", True), ("5Gi", True), ("6Gi", False), ("7Gi", False)):
        revision = deployer.apply(rendered(worker_memory=memory)).revision
        assert revision is not None
        if healthy:
            deployer.revisions.mark_healthy(revision)
    found = deployer.rollback()
    assert found.revision == 5
    assert deployer.revisions.all()[-1].note == "rollback to 2"
    group = api.objects["rayservices", "axiom"]["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]
    assert group["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] == "5Gi"
    deployer.rollback(1)
    group = api.objects["rayservices", "axiom"]["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]
    assert group["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] == "4Gi"


def test_a_rollback_to_nowhere_is_refused(deployer: Deployer, rendered: Rendered) -> None:
    with pytest.raises(NotFoundError, match="no revision to go back to"):
        deployer.rollback()
    deployer.apply(rendered())
    with pytest.raises(NotFoundError, match=r"no revision to go back to.*there are 1"):
        deployer.rollback()
    with pytest.raises(NotFoundError, match="no revision 9"):
        deployer.rollback(9)


def test_old_revisions_go_but_never_the_last_that_was_up(deployer: Deployer) -> None:
    documents = [{"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": str(number)}} for number in range(20)]
    for number in range(KEPT + 3):
        assert deployer.revisions.record(documents[number : number + 1]).number == number + 1
        if number == 0:
            deployer.revisions.mark_healthy(1)
    assert [one.number for one in deployer.revisions.all()] == [1, *range(4, KEPT + 4)]
    assert deployer.revisions.before().number == 1
    assert deployer.revisions.documents(1) == documents[:1]


def test_two_who_deploy_at_once_are_told(deployer: Deployer, rendered: Rendered, api: Any) -> None:
    deployer.apply(rendered())
    stale = copy.deepcopy(api.objects["configmaps", "axiom-revisions"])
    deployer.apply(rendered(job_deadline=5))
    with pytest.raises(ConflictError, match="somebody else is deploying axiom"):
        deployer.revisions._write(stale, [], {})
    assert len(deployer.revisions.all()) == 2


def test_a_damaged_history_is_told(deployer: Deployer, rendered: Rendered, api: Any) -> None:
    deployer.apply(rendered())
    kept = api.objects["configmaps", "axiom-revisions"]
    kept["binaryData"]["000001"] = "bm90IGd6aXA="
    with pytest.raises(CorruptError, match=r"revision 1 .* cannot be read"):
        deployer.revisions.documents(1)
    kept["data"]["index"] = "["
    with pytest.raises(CorruptError, match="the index"):
        deployer.revisions.all()


def test_delete_takes_the_service_first_and_everything_of_the_installation(
    deployer: Deployer, rendered: Rendered, api: Any
) -> None:
    deployer.apply(rendered())
    deployer.apply(rendered(jobs=[JobOrder("score")]))
    assert {one.action for one in deployer.delete(dry_run=True)} == {"deleted"}
    assert ("rayservices", "axiom") in api.objects
    found = [one.object for one in deployer.delete()]
    assert found.index("RayService/axiom") < found.index("ConfigMap/axiom-settings")
    assert {plural for plural, _ in api.objects} == {"secrets"}
    assert deployer.delete() == []


def test_delete_can_leave_jobs_alone(deployer: Deployer, rendered: Rendered, api: Any) -> None:
    deployer.apply(rendered())
    deployer.apply(rendered(jobs=[JobOrder("score")]))
    deployer.delete(jobs=False)
    assert {plural for plural, _ in api.objects} == {"secrets", "rayjobs"}


def test_delete_waits_for_finalizers_and_says_what_holds_it(
    deployer: Deployer, rendered: Rendered, api: Any, naps: list[float]
) -> None:
    deployer.apply(rendered("small"))
    service = api.objects["rayservices", "axiom"]
    service["metadata"]["finalizers"] = ["ray.io/gcs-ft-redis-cleanup"]
    with pytest.raises(UnavailableError, match=r"held by ray.io/gcs-ft-redis-cleanup"):
        deployer.delete(kinds=("RayService",))
    assert sum(naps) >= 600

    def let_go(_found: dict[str, Any]) -> None:
        del api.objects["rayservices", "axiom"]

    api.script("rayservices", "axiom", None, None, let_go)
    deployer.delete(kinds=("RayService",))
    assert ("rayservices", "axiom") not in api.objects


def test_a_job_that_ended_can_run_again_and_one_that_runs_cannot(
    deployer: Deployer, rendered: Rendered, api: Any
) -> None:
    job = rendered(jobs=[JobOrder("train")])
    name = job[0]["metadata"]["name"]
    deployer.restart_job(job[0])
    deployer.apply(job)
    api.objects["rayjobs", name]["status"] = {"jobDeploymentStatus": "Running", "jobStatus": "RUNNING"}
    with pytest.raises(ConflictError, match="has not ended"):
        deployer.restart_job(job[0])
    api.objects["rayjobs", name]["status"] = {"jobDeploymentStatus": "Failed", "reason": "AppFailed"}
    deployer.restart_job(job[0])
    assert ("rayjobs", name) not in api.objects


def test_nothing_invalid_reaches_the_cluster(deployer: Deployer, rendered: Rendered, api: Any) -> None:
    with pytest.raises(MisuseError, match="has no tag that stays"):
        deployer.apply(rendered(image="axiom"))
    assert api.writes() == []
