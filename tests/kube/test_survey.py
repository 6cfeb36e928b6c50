"""What a cluster has, and what is told before anything is applied: versions, gates, definitions, secrets, rights."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from axiom.errors import BadInputError, MisuseError
from axiom.kube.survey import gates_used, secrets_named, survey
from axiom.kube.templates import JobOrder

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.kube.cluster import Cluster
    from axiom.kube.deploy import Deployer

    Rendered = Callable[..., list[dict[str, Any]]]


def test_a_survey_names_versions_kinds_and_gates(cluster: Cluster, api: Any, make_operator: Any) -> None:
    api.operators = [make_operator("v1.7.1", "--feature-gates=RayCronJob=true,RayJobDeletionPolicy=false")]
    found = survey(cluster)
    assert (found.kubernetes, found.operator, found.operator_ready) == ("v1.34.0", "1.7.1", True)
    assert found.gates["RayCronJob"]
    assert not found.gates["RayJobDeletionPolicy"]
    assert found.gates["RayServiceIncrementalUpgrade"]
    assert set(found.schemas.by_kind) == {"RayService", "RayJob", "RayCronJob", "PodMonitor", "ServiceMonitor"}
    assert found.to_dict()["operator"] == "1.7.1"


def test_whoever_may_not_see_the_operator_may_deploy_nevertheless(
    deployer: Deployer, rendered: Rendered, api: Any
) -> None:
    api.forbidden += ["/deployments", "/customresourcedefinitions/", "/secrets/"]
    found = survey(deployer.cluster)
    assert (found.operator, found.operator_ready) == (None, None)
    deployer.apply(rendered())
    assert ("rayservices", "axiom") in api.objects


def refused(deployer: Deployer, documents: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(BadInputError, match=told):
        deployer.apply(documents)
    assert not deployer.cluster.listed("ConfigMap")


def test_a_cluster_without_kuberay_is_told(deployer: Deployer, rendered: Rendered, api: Any) -> None:
    api.schemas.clear()
    refused(deployer, rendered(), "does not know RayService.*install its chart")


def test_definitions_without_an_operator_are_told(
    deployer: Deployer, rendered: Rendered, api: Any, make_operator: Any
) -> None:
    api.operators = []
    refused(deployer, rendered(), "no operator runs")
    api.operators = [make_operator(ready=0)]
    refused(deployer, rendered(), "no operator runs")


def test_an_operator_that_is_too_old_is_told(
    deployer: Deployer, rendered: Rendered, api: Any, make_operator: Any
) -> None:
    api.operators = [make_operator("v1.5.1")]
    refused(deployer, rendered(), "operator 1.5.1 is too old")


def test_definitions_older_than_their_operator_are_told(deployer: Deployer, rendered: Rendered, api: Any) -> None:
    api.schemas["RayJob"] = copy.deepcopy(api.schemas["RayJob"])
    del api.schemas["RayJob"]["properties"]["spec"]["properties"]["preRunningDeadlineSeconds"]
    refused(deployer, rendered(), "definitions are older than 1.7.*Helm leaves old ones")


def test_the_clusters_own_definitions_judge_the_manifests(deployer: Deployer, rendered: Rendered, api: Any) -> None:
    api.schemas["RayService"] = copy.deepcopy(api.schemas["RayService"])
    del api.schemas["RayService"]["properties"]["spec"]["properties"]["excludeHeadPodFromServeSvc"]
    with pytest.raises(MisuseError, match="excludeHeadPodFromServeSvc: there is no such field"):
        deployer.apply(rendered())
    assert api.writes() == []


@pytest.mark.parametrize("gate", ["RayJobDeletionPolicy", "RayServiceIncrementalUpgrade"])
def test_a_gate_that_is_off_is_told_with_what_needs_it(
    deployer: Deployer, rendered: Rendered, api: Any, make_operator: Any, gate: str
) -> None:
    api.gateway = True
    api.operators = [make_operator("v1.7.0", f"--feature-gates={gate}=false")]
    documents = rendered(jobs=[JobOrder("score")]) if gate == "RayJobDeletionPolicy" else rendered("incremental")
    refused(deployer, documents, f"needs the feature gate {gate}, which is off .--feature-gates={gate}=true")
    api.operators = [make_operator("v1.7.0", f"--feature-gates={gate}=true")]
    deployer.apply(documents)


@pytest.mark.parametrize(
    ("field", "gate"),
    [
        ("networkPolicy", "RayClusterNetworkPolicy"),
        ("tlsOptions", "RayClusterMTLS"),
        ("historyServerOptions", "RayClusterHistoryServer"),
    ],
)
def test_fields_that_are_refused_by_default_are_told_with_their_gate(
    deployer: Deployer, rendered: Rendered, field: str, gate: str
) -> None:
    documents = rendered()
    service = next(one for one in documents if one["kind"] == "RayService")
    service["spec"]["rayClusterConfig"][field] = {}
    assert gates_used(documents)[gate] == f"spec.rayClusterConfig.{field}"
    refused(deployer, documents, gate)


def test_steps_of_an_upgrade_need_the_gateway_api(deployer: Deployer, rendered: Rendered, api: Any) -> None:
    refused(deployer, rendered("incremental"), "needs the Gateway API")
    api.gateway = True
    deployer.apply(rendered("incremental"))


def test_a_secret_that_is_missing_or_lacks_its_key_is_told(deployer: Deployer, rendered: Rendered, api: Any) -> None:
    named = secrets_named(rendered())
    assert named == {"axiom-settings": set(), "axiom-ray-token": {"auth_token"}, "axiom-redis": {"password"}}
    del api.objects["secrets", "axiom-settings"]
    refused(deployer, rendered(), "Secret/axiom-settings: is not in axiom")
    api.put("secrets", {"metadata": {"name": "axiom-settings"}})
    api.objects["secrets", "axiom-ray-token"]["data"] = {"token": "eA=="}
    refused(deployer, rendered(), "Secret/axiom-ray-token: has no key auth_token")


def test_the_small_overlay_needs_no_redis(deployer: Deployer, rendered: Rendered, api: Any) -> None:
    del api.objects["secrets", "axiom-redis"]
    deployer.apply(rendered("small"))
    assert "gcsFaultToleranceOptions" not in api.objects["rayservices", "axiom"]["spec"]["rayClusterConfig"]
