"""Values for KubeRay's two charts, judged by Helm: charts of the tests' own know the keys of version 1.7."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

from axiom.kube.rules_pods import ray_of
from axiom.kube.survey import DEFAULT_GATES

ROOT = Path(__file__).parents[2]
CHARTS = Path(__file__).parent / "charts"
WORST = 1  # severity of a remark


def values(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "kube" / "helm" / f"{name}.yaml").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", ["kuberay-operator", "ray-cluster"])
def test_helm_takes_the_values_and_renders_what_kubernetes_takes(name: str) -> None:
    report = helm_python.lint(CHARTS / name, values(name), strict=True)
    assert report["errors"] == []
    assert max(one["severity"] for one in report["messages"]) <= WORST
    with helm_python.Chart.load(CHARTS / name) as chart:
        [text] = chart.render(values(name), name="axiom", namespace="axiom").values()
    kubernetes_validate.validate(yaml.safe_load(text), "1.34", strict=True)


@pytest.mark.parametrize(
    ("name", "wrong"), [("kuberay-operator", {"replica": 2}), ("ray-cluster", {"head": {"rayStartParam": {}}})]
)
def test_a_misspelt_value_is_refused(name: str, wrong: dict[str, Any]) -> None:
    with helm_python.Chart.load(CHARTS / name) as chart, pytest.raises(helm_python.HelmValuesError):
        chart.validate_schema({**values(name), **wrong})


def test_the_gates_are_written_as_they_are_by_default() -> None:
    told = {gate["name"]: gate["enabled"] for gate in values("kuberay-operator")["featureGates"]}
    assert told == {name: DEFAULT_GATES[name] for name in told}


def test_the_operators_arguments_read_back_as_its_gates() -> None:
    from axiom.kube.survey import _gates

    with helm_python.Chart.load(CHARTS / "kuberay-operator") as chart:
        [text] = chart.render(values("kuberay-operator"), name="axiom").values()
    assert _gates([yaml.safe_load(text)])["RayCronJob"] is False


def test_image_and_ray_agree_everywhere() -> None:
    installed = metadata.version("ray")
    lab = values("ray-cluster")
    service = yaml.safe_load((ROOT / "kube" / "values.yaml").read_text(encoding="utf-8"))
    assert lab["head"]["rayVersion"] == installed
    assert f"{lab['image']['repository']}:{lab['image']['tag']}" == service["image"]
    assert ray_of(service["image"]) == installed
