"""`axiom serve` as an operator runs it: a process of its own, HAProxy, HTTP and gRPC over real sockets."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import psutil
import pytest

from axiom.access.keys import issue
from axiom.access.logins import create_user
from axiom.access.passwords import Passwords
from axiom.pipelines.workspace import opened

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray Serve defines its schemas in a way that newer pydantic warns about
    from axiom.serve.predict.proto import axiom_predict_pb2 as pb
    from axiom.serve.predict.proto import axiom_predict_pb2_grpc as rpc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from axiom.pipelines.workspace import Workspace

START_SECONDS = 180.0
SWITCH_SECONDS = 30.0
APPLICATION = ("application", "predict")
SECRET = "6f1c0e9b7a5d4832" * 4
PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Live:
    """A running service."""

    url: str
    grpc: str
    key: str
    reader: str
    process: psutil.Process

    def __call__(self, method: str, path: str, key: str = "", **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {key or self.key}"}
        return httpx.request(method, self.url + path, headers=headers, timeout=10.0, **more)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def within(seconds: float, done: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not (found := done()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


@contextmanager
def serving(home: Path, key: str, reader: str) -> Iterator[Live]:
    ports = free_port(), free_port()
    program = str(Path(sys.executable).with_name("axiom"))
    command = [program, "serve", "--replicas", "1", "--port", str(ports[0]), "--grpc-port", str(ports[1])]
    environment = os.environ | {"AXIOM_HOME": str(home), "AXIOM_BUCKETS": "2", "AXIOM_NUM_CPUS": "2"}
    environment |= {"AXIOM_SECRET_KEY": SECRET, "AXIOM_TRUSTED_PROXIES": "127.0.0.0/8"}
    environment.pop("RAY_ADDRESS", None)
    log = home / "serve.log"
    with log.open("w") as out:
        process = subprocess.Popen(command, env=environment, cwd=home, stdout=out, stderr=out)
    try:
        up = within(START_SECONDS, lambda: "Ctrl-C stops" in log.read_text() or process.poll() is not None)
        assert up, log.read_text()
        assert process.poll() is None, log.read_text()
        yield Live(f"http://127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[1]}", key, reader, psutil.Process(process.pid))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


@pytest.mark.ray
@pytest.mark.timeout(400)
def test_a_service_answers_over_real_sockets(trained_company: Workspace, tmp_path: Path, quoted_customer: str) -> None:
    home = tmp_path / "home"
    shutil.copytree(trained_company.settings.home, home)
    with opened(trained_company.settings.model_copy(update={"home": home})) as ws:
        with ws.db.transaction() as tx:
            key = issue(tx, "all", scopes=("predict", "explain", "cache"), actor="ann").text
            reader = issue(tx, "reader", scopes=("predict",), actor="ann").text
            create_user(tx, Passwords(), "ann", role="analyst", password=PASSWORD, actor="test")
        scores = ws.lake.dataset("scores", ws.lake.datasets("scores")[-1].id).read().to_pylist()
        with serving(home, key, reader) as live:
            scored = {row["customer_id"]: row for row in scores}
            check_http(live, scored, quoted_customer)
            check_grpc(live, scored)
            check_people(live)
            check_promotion(live, ws)
            check_store(live)
            check_faults(live)


def check_http(live: Live, scored: dict[str, Any], quoted: str) -> None:
    for name in ("C0000000", quoted):
        one = live("POST", "/api/predict/churn", json={"customer_id": name}).json()
        assert one["p_churn"] == pytest.approx(scored[name]["p_churn"], abs=1e-9)
        assert live("GET", "/api/predict/clv", params={"customer_id": name}).json()["customer_id"] == name
    names = list(scored)
    many = live("POST", "/api/predict/churn", json={"customer_ids": names}).json()["predictions"]
    assert [one["p_churn"] for one in many] == [pytest.approx(scored[name]["p_churn"], abs=1e-9) for name in names]
    both = live("GET", "/predict/C0000000").json()
    assert both["churn"]["p_churn"] == pytest.approx(scored["C0000000"]["p_churn"], abs=1e-9)
    assert both["clv"]["clv"] == pytest.approx(scored["C0000000"]["clv_mean"], abs=1e-9)
    assert live("POST", "/predict/batch", json={"user_ids": ["C0000000", "nobody"]}).json()["not_found"] == ["nobody"]
    whys = [live("GET", f"{path}/C0000000").json() for path in ("/explain", "/api/explain", "/api/predict/explain")]
    assert whys[0]["contributions"] == whys[1]["contributions"] == whys[2]["contributions"] != []
    assert [live("GET", path).json()["status"] for path in ("/health", "/api/predict/health")] == ["ok", "ok"]

    for path, status in (("/api/predict/churn?customer_id=nobody", 404), ("/api/predict/nothing", 404), ("/x", 404)):
        reply = live("GET", path)
        assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    assert httpx.get(f"{live.url}/api/predict/churn?customer_id=C0000000").status_code == 401
    assert live("POST", "/api/predict/churn", content=b"x" * 10_000_000).status_code == 413
    assert live("POST", "/api/predict/churn", content=iter([b"x" * 1_000_000] * 10)).status_code == 413
    assert live("POST", "/api/predict/churn", content=b"{").status_code == 400
    reply = httpx.get(f"{live.url}/api/predict/health", headers={"x-request-id": "mine"})
    assert set(reply.headers.get_list("x-request-id")) == {"mine"}


def check_grpc(live: Live, scored: dict[str, Any]) -> None:
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    with grpc.insecure_channel(live.grpc) as channel:
        stub = rpc.PredictStub(channel)
        metadata = (APPLICATION, ("x-api-key", live.key), ("x-request-id", "mine"))
        asked = pb.PredictRequest(customer_id="C0000000")
        reply, call = stub.Churn.with_call(asked, metadata=metadata, timeout=10.0)
        over_http = live("POST", "/api/predict/churn", json={"customer_id": "C0000000"}).json()
        assert reply.p_churn == over_http["p_churn"] == pytest.approx(scored["C0000000"]["p_churn"], abs=1e-9)
        assert ("x-request-id", "mine") in [(name, value) for name, value in call.trailing_metadata()]
        many = stub.ClvBatch(pb.BatchRequest(customer_ids=["C0000000", "nobody"]), metadata=metadata, timeout=10.0)
        assert (len(many.predictions), list(many.not_found)) == (1, ["nobody"])
        assert stub.Explain(pb.ExplainRequest(customer_id="C0000000"), metadata=metadata, timeout=10.0).contributions
        assert refusal(stub, pb.PredictRequest(customer_id="nobody"), metadata) == grpc.StatusCode.NOT_FOUND
        assert refusal(stub, asked, (APPLICATION,)) == grpc.StatusCode.UNAUTHENTICATED

        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        question = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        (told,) = reflection.ServerReflectionInfo(question, metadata=(APPLICATION,), timeout=10.0)
        assert "axiom.predict.v1.Predict" in [one.name for one in told.list_services_response.service]


def check_people(live: Live) -> None:
    """A user who logged in may ask for predictions; whoever guesses is known by the address that a proxy tells."""

    def login(name: str, said: str, password: str = PASSWORD) -> httpx.Response:
        body, headers = {"name": name, "password": password}, {"x-forwarded-for": said}
        return httpx.post(f"{live.url}/api/auth/login", json=body, headers=headers, timeout=10.0)

    granted = login("ann", "203.0.113.1").json()
    token = granted["access_token"]
    paths = ("/api/predict/churn?customer_id=C0000000", "/predict/C0000000", "/api/explain/C0000000")
    assert [live("GET", path, key=token).status_code for path in paths] == [200] * 3
    assert live("POST", "/cache/clear", key=token).status_code == 403
    with grpc.insecure_channel(live.grpc) as channel:
        stub, metadata = rpc.PredictStub(channel), (APPLICATION, ("authorization", f"Bearer {token}"))
        assert stub.Churn(pb.PredictRequest(customer_id="C0000000"), metadata=metadata, timeout=10.0).about.model
    ended = httpx.post(f"{live.url}/api/auth/logout", json={"refresh_token": granted["refresh_token"]})
    assert ended.status_code == 204
    assert within(SWITCH_SECONDS, lambda: live("GET", paths[0], key=token).status_code == 401)

    # Each guess makes up another address, left of the true one. A slow machine gets a guess back in five seconds.
    guesses = (login(f"guess-{number}", f"198.51.100.{number}, 203.0.113.9", "x").status_code for number in range(100))
    assert 429 in guesses
    assert login("ann", "203.0.113.9, 198.51.100.1").status_code == 200


def refusal(stub: Any, request: Any, metadata: Any) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Churn(request, metadata=metadata, timeout=10.0)
    return caught.value.code()


def check_promotion(live: Live, ws: Workspace) -> None:
    """A new champion answers within seconds, without a restart and without a failed request."""
    statuses: set[int] = set()

    def switched() -> bool:
        reply = live("POST", "/api/predict/churn", json={"customer_id": "C0000000"})
        statuses.add(reply.status_code)
        return bool(reply.json()["model"] == "churn@1")

    assert not switched()
    ws.registry.promote("churn", 1, "champion", actor="ann", reason="simpler")
    assert within(SWITCH_SECONDS, switched)
    assert statuses == {200}


def check_store(live: Live) -> None:
    for path in ("/cache/sync", "/cache/clear"):
        assert live("POST", path, key=live.reader).status_code == 403
        assert httpx.post(live.url + path).status_code == 401
    assert live("POST", "/cache/clear").json()["customers"] == 300
    asked = {"customer_id": "C0000000"}
    assert within(SWITCH_SECONDS, lambda: live("POST", "/api/predict/churn", json=asked).status_code == 503)
    assert live("GET", "/health").json()["status"] == "unavailable"
    assert live("POST", "/cache/sync").json()["customers"] == 300
    assert within(SWITCH_SECONDS, lambda: live("POST", "/api/predict/churn", json=asked).status_code == 200)
    text = httpx.get(f"{live.url}/api/predict/metrics").text
    assert re.search(r'^axiom_predict_predictions_total\{kind="churn",model="churn@1"', text, re.MULTILINE)
    assert json.loads(httpx.get(f"{live.url}/api/predict/openapi.json").text)["openapi"] == "3.1.0"


def check_faults(live: Live) -> None:
    """The only replica is killed, the next one hangs: each time another takes its place and the service answers."""
    for fault in (psutil.Process.kill, psutil.Process.suspend):
        before = started(live)
        replica = replica_of(live)
        fault(replica)
        try:
            assert within(START_SECONDS, lambda: started(live) not in {before, ""})  # noqa: B023 (asked at once)
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                replica.kill()
        assert live("POST", "/api/predict/churn", json={"customer_id": "C0000000"}).status_code == 200


def replica_of(live: Live) -> psutil.Process:
    processes = live.process.children(recursive=True)
    (found,) = [one for one in processes if "ServeReplica:predict" in " ".join(one.cmdline())]
    return found


def started(live: Live) -> str:
    """When the replica that answers was started; "" where none does."""
    try:
        reply = live("GET", "/api/predict/health")
        return str(reply.json()["started_at"]) if reply.status_code == 200 else ""
    except httpx.TransportError:
        return ""
