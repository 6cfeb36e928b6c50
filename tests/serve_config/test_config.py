"""`serve_config.yaml` is read strictly: typos, wrong values and known-bad combinations are refused by name."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from axiom.errors import MisuseError, NotFoundError
from axiom.serve.config import checked, default_path, load_serve_config, problems_of
from axiom.serve.config_rules import slow_ingress

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "serve_config.yaml"


@pytest.fixture
def raw() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(SHIPPED.read_text())
    return found


def deployment(raw: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = raw["applications"][0]["deployments"][0]
    return found


def scaling(raw: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = deployment(raw)["autoscaling_config"]
    return found


def test_the_shipped_file_has_nothing_wrong_with_it() -> None:
    config = load_serve_config(SHIPPED)
    assert (config.host, config.port, config.grpc_port) == ("127.0.0.1", 8000, 9000)
    assert config.applications["predict"] == "/api/predict"
    assert config.schema().applications[0].deployments[0].max_ongoing_requests == 200


def test_without_a_file_the_one_of_the_current_directory_runs_else_the_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_path().read_bytes() == SHIPPED.read_bytes()
    (tmp_path / "serve_config.yaml").write_text("applications: []")
    assert default_path() == tmp_path / "serve_config.yaml"


def test_the_wheel_brings_the_file_of_the_root_along() -> None:
    import tomllib

    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert build["force-include"]["serve_config.yaml"] == "axiom/serve/serve_config.yaml"
    assert not (ROOT / "axiom/serve/serve_config.yaml").exists()


def put(*path: str | int) -> Callable[[dict[str, Any]], None]:
    """Set the last but one element of the path to the last one."""
    *way, key, value = path

    def change(raw: dict[str, Any]) -> None:
        at: Any = raw
        for step in way:
            at = at[step]
        at[key] = value

    return change


APP = ("applications", 0)
DEPLOYED = (*APP, "deployments", 0)
SCALED = (*DEPLOYED, "autoscaling_config")


@pytest.mark.parametrize(
    ("change", "where", "meant"),
    [
        (put("proxy_locatoin", "HeadOnly"), "proxy_locatoin", "proxy_location"),
        (put("http_options", "prot", 1), "http_options.prot", "port"),
        (put("grpc_options", "ports", 1), "grpc_options.ports", "port"),
        (put("logging_config", "loglevel", "INFO"), "logging_config.loglevel", "log_level"),
        (put(*APP, "route_prefx", "/"), "applications[predict].route_prefx", "route_prefix"),
        (put(*APP, "args", {"setting": {}}), "applications[predict].args.setting", "settings"),
        (
            put(*DEPLOYED, "user_config", {"cache_customer": 1}),
            "[Predict].user_config.cache_customer",
            "cache_customers",
        ),
        (put(*APP, "args", {"settings": {"hom": "/x"}}), "applications[predict].args.settings.hom", "home"),
        (put(*DEPLOYED, "max_ongoing_request", 9), "deployments[Predict].max_ongoing_request", "max_ongoing_requests"),
        (put(*DEPLOYED, "ray_actor_options", {"num_cpu": 1}), "ray_actor_options.num_cpu", "num_cpus"),
        (put(*DEPLOYED, "backpressure_config", "status", 429), "backpressure_config.status", "status_code"),
        (put(*SCALED, "min_replica", 1), "autoscaling_config.min_replica", "min_replicas"),
        (put(*SCALED, "policy", "policy_functoin", "x"), "policy.policy_functoin", "policy_function"),
        (put(*APP, "autoscaling_policy", {"policy_func": "x"}), "autoscaling_policy.policy_func", "policy_function"),
        (put("controller_options", {"runtime_envs": {}}), "controller_options.runtime_envs", "runtime_env"),
    ],
)
def test_a_typo_at_any_level_is_refused_and_the_right_key_named(
    raw: dict[str, Any], change: Callable[[dict[str, Any]], None], where: str, meant: str
) -> None:
    change(raw)
    with pytest.raises(MisuseError) as refused:
        checked(raw, "f.yaml")
    assert where in refused.value.message
    assert f"did you mean {meant}?" in refused.value.message


def test_an_option_that_may_change_under_load_is_sent_to_its_place(raw: dict[str, Any]) -> None:
    put(*APP, "args", {"log_sample": 1})(raw)
    with pytest.raises(MisuseError, match=r"args.log_sample: .*deployments\[\].user_config.log_sample is its place"):
        checked(raw, "f.yaml")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (put("proxy_location", "Headonly"), "proxy_location"),
        (put("http_options", "port", "eighty"), "http_options.port"),
        (put(*APP, "route_prefix", "api"), "route_prefix"),
        (put(*APP, "route_prefix", "/api/"), "route_prefix"),
        (put(*DEPLOYED, "user_config", {"log_sample": 2}), "deployments[Predict].user_config.log_sample"),
        (put(*DEPLOYED, "user_config", 7), "deployments[Predict].user_config"),
        (put(*DEPLOYED, "user_config", None), "deployments[Predict].user_config"),
        (put("applications", 1, "deployments", 0, "user_config", {}), "deployments[Platform].user_config"),
        (put(*DEPLOYED, "max_ongoing_requests", 0), "max_ongoing_requests"),
        (put(*DEPLOYED, "ray_actor_options", "num_cpus", -1), "num_cpus"),
        (put(*DEPLOYED, "backpressure_config", "status_code", 500), "status_code"),
        (put(*DEPLOYED, "num_replicas", 2), "applications.0.deployments.0"),
        (put(*SCALED, "max_replicas", 0), "max_replicas"),
        (put(*SCALED, "policy", "policy_function", "axiom.serve.predict.autoscaling:polcy"), "policy_function"),
        (put(*SCALED, "policy", "policy_function", "axiom.nowhere:policy"), "policy_function"),
    ],
)
def test_a_wrong_value_is_refused_where_it_stands(
    raw: dict[str, Any], change: Callable[[dict[str, Any]], None], where: str
) -> None:
    change(raw)
    (first, *_) = problems_of(raw)
    assert where in first.where


@pytest.mark.parametrize(
    ("change", "where", "reason"),
    [
        (put(*SCALED, "target_ongoing_requests", 2), "target_ongoing_requests", "never scales"),
        (lambda raw: scaling(raw).pop("policy"), "policy", "never scales"),
        (put(*SCALED, "downscale_delay_s", 20), "downscale_delay_s", "flap"),
        (put(*SCALED, "look_back_period_s", 10), "look_back_period_s", "single measurement"),
        (put(*SCALED, "upscale_delay_s", 3), "upscale_delay_s", "overshoots"),
        (put(*SCALED, "upscaling_factor", 3.0), "upscaling_factor", "jump"),
        (put(*SCALED, "min_replicas", 0), "min_replicas", "wait"),
        (put(*SCALED, "smoothing_factor", 0.5), "smoothing_factor", "deprecated"),
        (put(*SCALED, "metrics_interval_s", 5), "metrics_interval_s", "deprecated"),
        (lambda raw: deployment(raw).pop("max_queued_requests"), "max_queued_requests", "queue of seconds"),
        (put(*DEPLOYED, "max_queued_requests", -1), "max_queued_requests", "queue of seconds"),
        (lambda raw: deployment(raw).pop("max_ongoing_requests"), "max_ongoing_requests", "15 requests/s"),
        (put(*DEPLOYED, "max_ongoing_requests", 5), "max_ongoing_requests", "15 requests/s"),
        (lambda raw: deployment(raw).pop("backpressure_config"), "backpressure_config", "Retry-After"),
        (put(*DEPLOYED, "backpressure_config", "status_code", 503), "backpressure_config", "Retry-After"),
        (lambda raw: raw.pop("logging_config"), "enable_access_log", "a log line for each request"),
        (put("logging_config", "enable_access_log", True), "enable_access_log", "a log line for each request"),
        (put(*APP, "logging_config", {"enable_access_log": True}), "predict].logging_config", "is on"),
        (put(*DEPLOYED, "logging_config", {"enable_access_log": True}), "Predict].logging_config", "is on"),
        (put("proxy_location", "Disabled"), "proxy_location", "nobody could reach"),
        (put("http_options", "port", 70_000), "http_options.port", "no port"),
        (put("grpc_options", "port", 8000), "grpc_options.port", "HTTP as well"),
        (put("grpc_options", "grpc_servicer_functions", ["axiom.no.add"]), "grpc_servicer_functions", "imported"),
        (lambda raw: raw["http_options"].pop("request_timeout_s"), "request_timeout_s", "wait for ever"),
        (lambda raw: raw["grpc_options"].pop("request_timeout_s"), "grpc_options.request_timeout_s", "wait for ever"),
        (put("http_options", "request_timeout_s", 30), "http_options.request_timeout_s", "not below the 30 s"),
        (put("target_capacity", 50.0), "target_capacity", "operator"),
        (put(*APP, "runtime_env", {"pip": ["x"]}), "runtime_env.pip", "while a replica starts"),
        (
            put(*APP, "import_path", "axiom.serve.predict:aplication"),
            "import_path",
            "mean axiom.serve.predict:application",
        ),
        (put(*DEPLOYED, "name", "Predct"), "deployments[Predct]", "did you mean Predict?"),
        (put(*APP, "deployments", []), "deployments", "Predict is missing"),
        (
            put("controller_options", {"runtime_env": {"env_vars": {"RAY_SERVE_ENABLE_HA_PROXY": "0"}}}),
            "env_vars.RAY_SERVE_ENABLE_HA_PROXY",
            "slow proxy",
        ),
    ],
)
def test_what_is_known_to_end_badly_is_refused_with_the_reason(
    raw: dict[str, Any], change: Callable[[dict[str, Any]], None], where: str, reason: str
) -> None:
    change(raw)
    found = list(problems_of(raw))
    assert any(where in problem.where and reason in f"{problem.what} {problem.hint}" for problem in found), found


def test_a_longer_time_out_is_let_through_where_the_ingress_waits_longer_too(
    raw: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw["http_options"]["request_timeout_s"] = 60
    (problem,) = problems_of(raw)
    assert "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S" in problem.hint
    monkeypatch.setenv("RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S", "90")
    assert list(problems_of(raw)) == []


def test_auto_is_refused_as_the_policy_that_never_scales(raw: dict[str, Any]) -> None:
    deployment(raw).pop("autoscaling_config")
    deployment(raw)["num_replicas"] = "auto"
    assert any("never scales" in problem.what for problem in problems_of(raw))


def test_all_typos_are_told_at_once(raw: dict[str, Any]) -> None:
    raw["proxy_locatoin"] = deployment(raw)["max_ongoing"] = scaling(raw)["max"] = 1
    assert len(list(problems_of(raw))) == 3


@pytest.mark.parametrize("shape", [None, [], "text", {}, {"applications": None}, {"applications": []}])
def test_a_file_without_applications_is_refused(shape: Any) -> None:
    with pytest.raises(MisuseError, match="there are none"):
        checked(shape, "f.yaml")


@pytest.mark.parametrize("shape", ["text", {"a": 1}, [1], [None], [{"name": "x"}]])
def test_applications_of_the_wrong_shape_are_refused(shape: Any) -> None:
    with pytest.raises(MisuseError):
        checked({"applications": shape}, "f.yaml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "no YAML"),
        ("a: 1\na: 2", "'a' stands twice"),
        ("x: {b: 1, b: 2}", "'b' stands twice"),
        ("!!python/object/apply:os.system [x]", "no YAML"),
    ],
)
def test_text_that_is_no_yaml_and_keys_that_stand_twice_are_refused(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(text)
    with pytest.raises(MisuseError, match=told):
        load_serve_config(file)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no file"):
        load_serve_config(tmp_path / "x.yaml")
    with pytest.raises(NotFoundError):
        load_serve_config(tmp_path)
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(MisuseError, match="UTF-8"):
        load_serve_config(tmp_path / "b.yaml")


def test_applications_of_others_are_left_to_ray(raw: dict[str, Any]) -> None:
    raw["applications"].append({"name": "mine", "route_prefix": "/mine", "import_path": "my.app:build"})
    assert checked(raw, "f.yaml").applications["mine"] == "/mine"


def test_the_command_line_changes_ports_replicas_and_settings_and_the_file_keeps_its_own(raw: dict[str, Any]) -> None:
    raw["applications"][0]["args"] = {"settings": {"home": "/of/the/file"}}
    before = copy.deepcopy(raw)
    config = checked(raw, "f.yaml")
    changed = config.changed(
        host="0.0.0.0", port=1234, grpc_port=5678, replicas=3, settings={"home": "/x", "redis_url": "redis://h"}
    )
    assert (changed.host, changed.port, changed.grpc_port) == ("0.0.0.0", 1234, 5678)
    deployed = deployment(dict(changed.raw))
    assert (deployed["num_replicas"], "autoscaling_config" in deployed) == (3, False)
    assert changed.raw["applications"][1]["deployments"] == raw["applications"][1]["deployments"]  # not the hot path
    settings = changed.raw["applications"][0]["args"]["settings"]
    assert settings == {"home": "/of/the/file", "redis_url": "redis://h"}
    assert raw == before


def test_bounds_of_autoscaling_switch_it_on_where_the_file_has_a_fixed_number(raw: dict[str, Any]) -> None:
    fixed = checked(raw, "f.yaml").changed(replicas=2)
    bounds = scaling(dict(fixed.changed(max_replicas=4).raw))
    assert (bounds["min_replicas"], bounds["max_replicas"]) == (2, 4)
    bounds = scaling(dict(checked(raw, "f.yaml").changed(min_replicas=3).raw))
    assert (bounds["min_replicas"], bounds["max_replicas"]) == (3, 3)
    bounds = scaling(dict(checked(raw, "f.yaml").changed(min_replicas=1, max_replicas=3).raw))
    assert (bounds["min_replicas"], bounds["max_replicas"]) == (1, 3)


@pytest.mark.parametrize(
    "wrong",
    [{"replicas": 2, "max_replicas": 3}, {"replicas": 0}, {"min_replicas": 3, "max_replicas": 2}, {"port": 0}],
)
def test_changes_that_make_no_sense_are_refused(raw: dict[str, Any], wrong: dict[str, int]) -> None:
    with pytest.raises(MisuseError):
        checked(raw, "f.yaml").changed(**wrong)


def test_variables_that_choose_the_slow_proxy_are_seen() -> None:
    assert slow_ingress({}) == []
    assert slow_ingress({"RAY_SERVE_ENABLE_HA_PROXY": "1"}) == []
    (problem,) = slow_ingress({"RAY_SERVE_THROUGHPUT_OPTIMIZED": "0"})
    assert "slow proxy" in problem.what
