"""What is refused before Ray starts, and what the verbs answer without it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from typer.testing import CliRunner

from axiom.cli.app import app
from axiom.errors import ConflictError, MisuseError, UnavailableError
from axiom.serve.config import checked, load_serve_config
from axiom.serve.config_rules import INGRESS
from axiom.serve.ingress import (
    end_abandoned_ingress,
    end_ingress,
    is_free,
    missing_ingress,
    prefer_fast_ingress,
    refuse_busy_ports,
    refuse_slow_ingress,
    some_free_port,
)
from axiom.serve.local import base_url, serving, state, told
from axiom.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axiom.serve.config import ServeConfig

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "serve_config.yaml"


@pytest.fixture
def config() -> ServeConfig:
    """Only the application of the hot path, on ports that nobody holds."""
    raw = yaml.safe_load(SHIPPED.read_text())
    raw["applications"] = [one for one in raw["applications"] if one["name"] == "predict"]
    return checked(raw, "f.yaml").changed(port=some_free_port(), grpc_port=some_free_port())


def ray_is_up() -> bool:
    """Whether this process is connected to a Ray: other tests of the session may have started theirs."""
    import ray

    return bool(ray.is_initialized())


def test_a_port_in_use_is_told_before_ray_starts(config: ServeConfig, tmp_path: Path) -> None:
    before = ray_is_up()
    for option, port in (("--port", config.port), ("--grpc-port", config.grpc_port)):
        with (
            socket.create_server(("127.0.0.1", port)),
            pytest.raises(ConflictError, match=f"port {port}") as refused,
            serving(load_settings(home=tmp_path), config=config),
        ):
            pass
        assert option in refused.value.hint
    assert ray_is_up() == before


def test_a_port_that_one_address_holds_is_not_free_for_all_of_them() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert not is_free("0.0.0.0", port)
        assert not is_free("127.0.0.1", port)
    assert is_free("127.0.0.1", port)


def test_free_ports_are_let_through(config: ServeConfig) -> None:
    refuse_busy_ports(config)


def test_an_environment_that_chooses_the_slow_proxy_is_refused_before_ray_starts(
    config: ServeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_SERVE_ENABLE_HA_PROXY", "0")
    with pytest.raises(MisuseError, match="RAY_SERVE_ENABLE_HA_PROXY"), serving(load_settings(home=tmp_path)):
        pass
    with pytest.raises(MisuseError):
        refuse_slow_ingress()


def test_the_fast_ingress_is_chosen_unless_the_environment_chose_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_SERVE_HAPROXY_STATS_PORT", raising=False)
    monkeypatch.setenv("RAY_SERVE_HAPROXY_NBTHREAD", "3")
    with socket.create_server(("", 8404)) if is_free("", 8404) else socket.socket():
        prefer_fast_ingress()
    chosen = {name: os.environ[name] for name in INGRESS}
    assert chosen == {**INGRESS, "RAY_SERVE_HAPROXY_NBTHREAD": "3"}
    assert os.environ["RAY_SERVE_HAPROXY_STATS_PORT"] != "8404"  # somebody held it
    assert len(os.environ["RAY_SERVE_HAPROXY_SOCKET_PATH"]) < 60  # a Unix socket has room for 107


def test_a_ray_that_was_started_otherwise_is_told_what_it_lacks() -> None:
    assert missing_ingress(dict(INGRESS)) == []
    (slow, how) = missing_ingress({**INGRESS, "RAY_SERVE_HAPROXY_NBTHREAD": None})
    assert "a twentieth" in slow
    assert how.endswith("with RAY_SERVE_HAPROXY_NBTHREAD=1")
    (losing, how) = missing_ingress({**INGRESS, "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure"})
    assert "without retries" in losing
    assert how.endswith("RAY_SERVE_HAPROXY_RETRY_ON='conn-failure empty-response'")
    assert len(missing_ingress({})) == 3


def waiting(name: str, *words: str) -> subprocess.Popen[bytes]:
    """A process that calls itself `name` and waits for the end of its input."""
    waits = "import sys; sys.stdin.read()"
    return subprocess.Popen([name, "-c", waits, *words], executable=sys.executable, stdin=subprocess.PIPE)


def test_the_proxy_of_a_process_that_was_killed_is_ended_and_others_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    proxies = {}
    for owner in (gone.pid, os.getpid()):
        folder = tmp_path / f"axiom-haproxy-{owner}"
        folder.mkdir()
        proxies[owner] = waiting("/usr/sbin/haproxy", f"{folder}/haproxy.cfg")
    reader = waiting("less", str(tmp_path / f"axiom-haproxy-{gone.pid}" / "haproxy.cfg"))
    end_abandoned_ingress()
    assert proxies[gone.pid].wait(10) == -signal.SIGTERM
    assert reader.poll() is None
    assert proxies[os.getpid()].poll() is None
    end_ingress()
    assert proxies[os.getpid()].wait(10) == -signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
    for process in (*proxies.values(), reader):
        process.communicate()


def test_passwords_stay_out_of_what_ray_keeps(tmp_path: Path) -> None:
    settings = load_settings(
        home=tmp_path, database_url="postgresql+psycopg://u:secret@h/d", redis_url="redis://h:6379/0"
    )
    assert told(settings) == {"home": str(tmp_path), "redis_url": "redis://h:6379/0"}


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:1234"), ("0.0.0.0", "http://127.0.0.1:1234"), ("::1", "http://[::1]:1234")],
)
def test_the_url_is_one_that_a_client_on_this_machine_can_use(config: ServeConfig, host: str, url: str) -> None:
    assert base_url(config.changed(host=host, port=1234)) == url


@pytest.fixture
def answering(config: ServeConfig) -> Iterator[ServeConfig]:
    """Something that looks like the service."""

    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"success" if self.path == "/-/healthz" else b'{"status": "degraded"}'
            self.send_response(200 if self.path in {"/-/healthz", "/api/predict/health"} else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", config.port), Healthy) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield config
        server.shutdown()
        thread.join()


def test_the_state_of_a_service_is_what_its_health_says(answering: ServeConfig) -> None:
    found = state(answering)
    assert found["ingress"]
    assert found["applications"] == {"predict": {"http": 200, "health": {"status": "degraded"}}}


def test_status_tells_and_fails_where_nobody_answers(answering: ServeConfig, tmp_path: Path) -> None:
    file = tmp_path / "up.yaml"
    file.write_text(yaml.safe_dump(dict(answering.raw)))
    up = CliRunner().invoke(app, ["serve", "status", "--config", str(file), "--json"])
    assert (up.exit_code, json.loads(up.stdout)["ingress"]) == (0, True)
    file.write_text(yaml.safe_dump(dict(answering.changed(port=some_free_port()).raw)))
    down = CliRunner().invoke(app, ["serve", "status", "--config", str(file)])
    assert isinstance(down.exception, UnavailableError)
    assert "does not answer" in down.stdout


def test_check_says_what_is_fine_and_what_is_not(config: ServeConfig, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump(dict(config.raw)))
    fine = CliRunner().invoke(app, ["serve", "check", str(file), "--json"])
    assert json.loads(fine.stdout)["applications"] == {"predict": "/api/predict"}
    file.write_text(yaml.safe_dump({**config.raw, "proxy_locatoin": "HeadOnly"}))
    wrong = CliRunner().invoke(app, ["serve", "check", str(file)])
    assert isinstance(wrong.exception, MisuseError)
    assert "did you mean proxy_location?" in str(wrong.exception)


@pytest.mark.parametrize("verb", ["deploy", "stop"])
def test_what_needs_a_cluster_says_so(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    done = CliRunner().invoke(app, ["serve", verb])
    assert isinstance(done.exception, MisuseError)
    assert "RAY_ADDRESS" in str(done.exception)


@pytest.mark.parametrize("options", [["--replicas", "2", "--max-replicas", "3"], ["--config", "/no/such.yaml"]])
def test_serve_refuses_contradictions_and_missing_files_before_ray_starts(options: list[str]) -> None:
    before = ray_is_up()
    done = CliRunner().invoke(app, ["serve", *options])
    assert done.exit_code != 0
    assert ray_is_up() == before


def test_every_key_of_the_shipped_file_is_explained() -> None:
    page = (ROOT / "docs" / "serving-config.md").read_text()

    def keys(value: Any) -> set[str]:
        if isinstance(value, dict):
            return set(value) | {key for inner in value.values() for key in keys(inner)}
        return {key for inner in value for key in keys(inner)} if isinstance(value, list) else set()

    assert {key for key in keys(dict(load_serve_config(SHIPPED).raw)) if key not in page} == set()
    assert {name for name, value in INGRESS.items() if f"| `{name}` | {value} |" not in page} == set()
