from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from axiom.kube.cluster import Cluster, Patience
from axiom.kube.deploy import Deployer
from axiom.kube.kinds import INSTANCE
from axiom.kube.templates import Order, Scheduled, render
from axiom.kube.validate import ServeRules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def fake() -> ModuleType:
    """The module beside this file; tests do not import each other."""
    spec = importlib.util.spec_from_file_location("axiom_tests_fake_api", Path(__file__).parent / "fake_api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def serve_config() -> dict[str, Any]:
    """What `serve_config.yaml` at the root says."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "serve_config.yaml").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="session")
def serve_rules() -> ServeRules:
    from axiom.serve.config import problems_of
    from axiom.serve.config_rules import INGRESS

    return ServeRules(problems_of, INGRESS)


@pytest.fixture
def rendered(serve_config: dict[str, Any]) -> Callable[..., list[dict[str, Any]]]:
    """Documents of an order: overlays, values, jobs."""

    def make(*overlays: str, jobs: Any = (), **values: Any) -> list[dict[str, Any]]:
        daily = Scheduled("daily", "0 5 * * *", "Europe/Berlin")
        return render(Order(serve_config, overlays, values, (daily,), jobs))

    return make


@pytest.fixture
def one() -> Callable[[list[dict[str, Any]], str], dict[str, Any]]:
    """The first document of a kind."""
    return lambda documents, kind: next(document for document in documents if document["kind"] == kind)


@pytest.fixture
def api(fake: ModuleType) -> Iterator[Any]:
    """A cluster with KubeRay 1.7 and the secrets that the manifests name."""
    server = fake.FakeApi()
    server.operators = [operator()]
    for name, keys in (
        ("axiom-settings", ["AXIOM_DATABASE_URL"]),
        ("axiom-ray-token", ["auth_token"]),
        ("axiom-redis", ["password"]),
    ):
        server.put("secrets", {"metadata": {"name": name}, "data": dict.fromkeys(keys, "eA==")})
    stop = fake.serve(server)
    yield server
    stop()


@pytest.fixture
def naps() -> list[float]:
    """How long was slept, nap by nap; nobody sleeps really."""
    return []


@pytest.fixture
def cluster(api: Any, naps: list[float]) -> Iterator[Cluster]:
    from kubernetes import client

    configuration = client.Configuration(host=api.url)
    configuration.retries = False
    with client.ApiClient(configuration) as connected:
        yield Cluster(connected, api.namespace, Patience(attempts=4, sleep=naps.append), timeout=(5.0, 5.0))


@pytest.fixture
def deployer(cluster: Cluster, serve_rules: ServeRules, naps: list[float]) -> Deployer:
    return Deployer(cluster, "axiom", serve_rules, sleep=naps.append, clock=lambda: sum(naps))


@pytest.fixture
def kubeconfig(api: Any, tmp_path: Path) -> Path:
    """A kubeconfig that leads to the fake server."""
    path = tmp_path / "kubeconfig"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "clusters": [{"name": "fake", "cluster": {"server": api.url}}],
        "users": [{"name": "tester", "user": {"token": "not-a-secret"}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "tester"}}],
    }
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def operator(version: str = "v1.7.0", *arguments: str, ready: int = 1) -> dict[str, Any]:
    container = {"name": "kuberay-operator", "image": f"kuberay/operator:{version}", "args": list(arguments)}
    return {"spec": {"template": {"spec": {"containers": [container]}}}, "status": {"readyReplicas": ready}}


@pytest.fixture
def make_operator() -> Callable[..., dict[str, Any]]:
    return operator


@pytest.fixture
def status_of() -> Callable[..., Callable[[dict[str, Any]], dict[str, Any]]]:
    """A step of the operator: the status of a RayService, of the generation that is there then."""

    def make(
        ready: bool = False,
        *,
        upgrading: bool = False,
        going_back: bool = False,
        reason: str = "Initializing",
        message: str = "",
        endpoints: int = 0,
        applications: str = "RUNNING",
        told: str = "",
        behind: int = 0,
        cluster: str = "axiom-a",
        pending: dict[str, Any] | None = None,
    ) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def step(found: dict[str, Any]) -> dict[str, Any]:
            conditions = [
                {"type": "Ready", "status": str(ready), "reason": reason, "message": message},
                {"type": "UpgradeInProgress", "status": str(upgrading), "reason": "BothActivePendingClustersExist"},
                {"type": "RollbackInProgress", "status": str(going_back), "reason": "DesiredClusterSpecChanged"},
            ]
            state = {
                "status": applications,
                "message": told,
                "serveDeploymentStatuses": {"Predict": {"status": "HEALTHY"}},
            }
            active = {"rayClusterName": cluster, "applicationStatuses": {"predict": state}}
            return {
                "observedGeneration": found["metadata"]["generation"] - behind,
                "numServeEndpoints": endpoints,
                "conditions": conditions,
                "activeServiceStatus": active,
                **({"pendingServiceStatus": pending} if pending else {}),
            }

        return step

    return make


@pytest.fixture
def make_pod() -> Callable[..., dict[str, Any]]:
    """A pod of the installation; keywords go into the status of its container."""

    def make(name: str, *, component: str = "serve", cluster: str = "axiom-a", **state: Any) -> dict[str, Any]:
        labels = {INSTANCE: "axiom", "axiom.io/component": component, "ray.io/cluster": cluster}
        container = {"name": "ray-worker", "ready": not state, "restartCount": 0, **state}
        return {
            "metadata": {"name": name, "labels": labels},
            "spec": {"nodeName": "node-1", "containers": [{"name": "ray-worker"}]},
            "status": {"phase": "Running", "containerStatuses": [container]},
        }

    return make
