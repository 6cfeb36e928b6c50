"""The client against an API server over HTTP: apply on the server, refusals with the way out, a busy server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from axiom.errors import (
    AxiomError,
    BadInputError,
    ConflictError,
    ForbiddenError,
    MisuseError,
    UnauthorizedError,
    UnavailableError,
)
from axiom.kube.cluster import Cluster, Patience

if TYPE_CHECKING:
    from pathlib import Path


def settings_map(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "axiom"}, "data": data}


def test_apply_makes_an_object_and_twice_is_once(cluster: Cluster, api: Any) -> None:
    first = cluster.apply(settings_map(a="1"))
    assert cluster.apply(settings_map(a="1"))["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert api.objects["configmaps", "c"]["data"] == {"a": "1"}
    owner = api.objects["configmaps", "c"]["metadata"]["managedFields"][0]
    assert (owner["manager"], owner["operation"]) == ("axiom", "Apply")
    _, path, query = api.requests[0]
    assert path == "/api/v1/namespaces/axiom/configmaps/c"
    assert query == {"fieldManager": "axiom", "fieldValidation": "Strict", "force": "false"}


def test_what_is_not_applied_any_more_goes_and_what_others_own_stays(cluster: Cluster, api: Any) -> None:
    cluster.apply(settings_map(a="1", b="2"))
    found = api.objects["configmaps", "c"]
    found["data"]["theirs"] = "x"
    found["metadata"]["managedFields"].append({"manager": "other", "fields": [["data", "theirs"]]})
    cluster.apply(settings_map(a="1"))
    assert api.objects["configmaps", "c"]["data"] == {"a": "1", "theirs": "x"}


def test_a_field_of_somebody_else_is_a_conflict_unless_it_is_taken(cluster: Cluster, api: Any) -> None:
    cluster.apply(settings_map(a="1"))
    found = api.objects["configmaps", "c"]
    found["data"]["a"] = "theirs"
    found["metadata"]["managedFields"] = [{"manager": "kubectl-edit", "fields": [["data", "a"]]}]
    with pytest.raises(ConflictError, match=r'conflict with "kubectl-edit": \.data\.a.*--force'):
        cluster.apply(settings_map(a="2"))
    assert api.objects["configmaps", "c"]["data"] == {"a": "theirs"}
    cluster.apply(settings_map(a="2"), force=True)
    assert api.objects["configmaps", "c"]["data"] == {"a": "2"}
    cluster.apply(settings_map(a="3"))


def test_a_dry_run_is_judged_and_leaves_nothing(cluster: Cluster, api: Any) -> None:
    assert cluster.apply(settings_map(a="1"), dry_run=True)["data"] == {"a": "1"}
    assert ("configmaps", "c") not in api.objects
    assert cluster.delete("ConfigMap", "c") is False


def test_a_field_that_the_server_does_not_know_is_refused(cluster: Cluster) -> None:
    with pytest.raises(BadInputError, match=r"strict decoding error.*dat"):
        cluster.apply({**settings_map(), "dat": {}})


def test_what_is_not_there_is_none_and_what_may_not_be_seen_is_an_error(cluster: Cluster, api: Any) -> None:
    assert cluster.get("ConfigMap", "nothing") is None
    assert cluster.listed("PodMonitor") == []
    api.forbidden.append("/secrets/")
    with pytest.raises(ForbiddenError, match=r"cannot.*Role"):
        cluster.get("Secret", "axiom-settings")
    assert cluster.read("/apis/nothing/v1") is None


def test_a_kind_that_the_cluster_does_not_know_lists_as_nothing(cluster: Cluster, api: Any) -> None:
    del api.schemas["PodMonitor"]
    assert cluster.listed("PodMonitor", {"a": "b"}) == []


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 0])
@pytest.mark.parametrize("after", [False, True])
def test_a_busy_or_silent_server_is_asked_again(
    cluster: Cluster, api: Any, fake: Any, naps: list[float], status: int, after: bool
) -> None:
    api.faults += [fake.Fault("PATCH", "/configmaps/c", status, after=after) for _ in range(3)]
    cluster.apply(settings_map(a="1"))
    assert api.objects["configmaps", "c"]["data"] == {"a": "1"}
    assert len(naps) == 3
    assert 0 < naps[0] <= 0.5
    assert naps[2] <= 2.0


def test_a_server_that_says_when_is_believed_up_to_a_limit(
    cluster: Cluster, api: Any, fake: Any, naps: list[float]
) -> None:
    api.faults.append(fake.Fault("GET", "/configmaps/c", 429, {"Retry-After": "7"}))
    api.faults.append(fake.Fault("GET", "/configmaps/c", 429, {"Retry-After": "3600"}))
    assert cluster.get("ConfigMap", "c") is None
    assert naps == [7.0, 15.0]


def test_patience_ends_with_what_the_server_said(cluster: Cluster, api: Any, fake: Any, naps: list[float]) -> None:
    api.faults += [fake.Fault("GET", "/configmaps/c", 503) for _ in range(4)]
    with pytest.raises(UnavailableError, match="HTTP 503: the server is busy"):
        cluster.get("ConfigMap", "c")
    assert len(naps) == 3


@pytest.mark.parametrize(
    ("status", "error"), [(401, UnauthorizedError), (403, ForbiddenError), (409, ConflictError), (422, BadInputError)]
)
def test_a_refusal_is_told_at_once(
    cluster: Cluster, api: Any, fake: Any, naps: list[float], status: int, error: type[AxiomError]
) -> None:
    api.faults.append(fake.Fault("PATCH", "/configmaps/c", status))
    with pytest.raises(error, match="ConfigMap/c: the server is busy"):
        cluster.apply(settings_map())
    assert naps == []


def test_nobody_who_listens_is_unavailable(naps: list[float]) -> None:
    from kubernetes import client

    configuration = client.Configuration(host="http://127.0.0.1:1")
    configuration.retries = False
    with client.ApiClient(configuration) as api:
        closed = Cluster(api, "axiom", Patience(attempts=2, sleep=naps.append))
        with pytest.raises(UnavailableError, match=r"does not answer.*goes on where it stopped"):
            closed.get("ConfigMap", "c")


def test_what_is_no_api_server_is_told_so(cluster: Cluster, api: Any) -> None:
    api.logs["pod", "c"] = "just text"
    api.put("pods", {"metadata": {"name": "pod"}})
    with pytest.raises(UnavailableError, match="no API server"):
        cluster.read("/api/v1/namespaces/axiom/pods/pod/log", {"container": "c"})


def test_a_kubeconfig_leads_to_the_cluster_with_its_credentials(kubeconfig: Path, api: Any) -> None:
    with Cluster.connect("axiom", kubeconfig=kubeconfig, context="fake").api as opened:
        assert opened.configuration.host == api.url
        assert opened.configuration.retries is False  # patience is ours alone
    assert Cluster.connect("axiom", kubeconfig=kubeconfig).get("ConfigMap", "c") is None


def test_no_way_to_a_cluster_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kubeconfig: Path) -> None:
    with pytest.raises(MisuseError, match=r"no way to a cluster.*nothing"):
        Cluster.connect("axiom", kubeconfig=kubeconfig, context="nothing")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    with pytest.raises(MisuseError, match=r"no way to a cluster.*set KUBECONFIG"):
        Cluster.connect("axiom")
