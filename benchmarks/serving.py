"""Online scoring on this machine, load generator included: keys, limits, metrics and inference log are on.

`rates`    open loop at 1,000 and 500 requests/s: churn by id, CLV with intervals, LightGBM with explanation, beside a
           plain route on a bare uvicorn worker and a route on Ray Serve that does nothing.
`closed`   64 connections, and batches of 100, against three peers in the same run: the same application on a bare
           uvicorn worker, there a plain Starlette route that looks a vector up in a dict and scores it, and a route on
           Ray Serve that does nothing.
`changes`  500 requests/s while a model is promoted, a changed configuration is deployed, a replica is killed, another
           hangs.
`scaling`  1 -> 3 -> 1 replicas under closed-loop load, in the mode that is shipped.
`costs`    start to first 200, memory of each process.

Each figure is the median of the rounds. One Ray is started for all parts but `scaling`, `changes` (own configurations).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.request import urlopen

import psutil
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

AXIOM = str(Path(sys.executable).with_name("axiom"))
WARM_UP = 2.0  # of `axiom loadtest`, not counted by it
POISSON = ("--arrivals", "poisson")
PARTS = ("rates", "closed", "changes", "scaling", "costs")


class Ports(NamedTuple):
    """Other than the usual ones, so that a service may go on beside the benchmark."""

    http: int = 8090
    grpc: int = 9090
    peer: int = 8091
    gcs: int = 6399
    stats: int = 8490
    metrics: int = 9190


PORTS = Ports()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--quick", action="store_true", help="2,000 customers, 5 seconds and one round")
    arguments.add_argument("--home", type=Path, help="keep the company here, and use it again")
    arguments.add_argument("parts", nargs="*", choices=[*PARTS, []], help=f"default: {' '.join(PARTS)}")
    given = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # what was started ends too
    parts = given.parts or PARTS
    size = Size(2_000, 5, 1, 15) if given.quick else Size(20_000, 60, 3, 40)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(given.home or Path(folder, "home"), size)
        bench.prepare()
        if {"rates", "closed", "costs"} & set(parts):
            with bench.cluster(), bench.deployed(bare=True) as took:
                if "costs" in parts:
                    bench.costs(took)
                if "rates" in parts:
                    bench.rates()
                if "closed" in parts:
                    bench.closed()
        if "changes" in parts:
            with bench.cluster(), bench.deployed(min_replicas=2, max_replicas=2):
                bench.changes()
        if "scaling" in parts:
            with bench.cluster(), bench.deployed(min_replicas=1, max_replicas=3, upscale=11, downscale=60):
                bench.scaling()


class Size:
    def __init__(self, customers: int, seconds: int, rounds: int, change_seconds: int) -> None:
        self.customers, self.seconds, self.rounds, self.change_seconds = customers, seconds, rounds, change_seconds


class Bench:
    def __init__(self, home: Path, size: Size, ports: Ports = PORTS) -> None:
        from axiom.serve.config_rules import INGRESS

        self.home, self.size, self.ports = home, size, ports
        self.base = f"http://127.0.0.1:{ports.http}/api/predict"
        home.mkdir(parents=True, exist_ok=True)
        self.environment = {
            **os.environ,
            "AXIOM_HOME": str(home),
            "AXIOM_LOG_LEVEL": "WARNING",
            **INGRESS,
            "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "3",
            "RAY_SERVE_HAPROXY_STATS_PORT": str(ports.stats),
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports.metrics),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),  # `ray start` makes none by itself
            "RAY_ADDRESS": f"127.0.0.1:{ports.gcs}",
            "PYTHONPATH": str(Path(__file__).parent),  # for `bare`
        }
        self.key = ""
        self.head: subprocess.Popen[bytes] | None = None

    def axiom(self, *words: str, ray: bool = False) -> Any:
        environment = dict(self.environment)
        if not ray:
            environment |= {"AXIOM_ENGINE": "inline"}
            environment.pop("RAY_ADDRESS")
        done = subprocess.run([AXIOM, *words, "--json"], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"axiom {' '.join(words)}: {done.stderr[-2000:]}")
        return json.loads(done.stdout)

    def prepare(self) -> None:
        """A company, two LightGBM versions, a CLV model, scores, a key and a list of ids."""
        if not (self.home / "ids.txt").exists():
            from axiom.sources.synthetic import iter_chunks, write

            self.axiom("init")
            for path in write(
                iter_chunks("shop", seed=1, customers=self.size.customers, events_per_week=0.3), self.home / "files"
            ):
                if path.stem in ("transactions", "events", "customers") and path.parent == self.home / "files":
                    self.axiom("ingest", str(path), "--entity", path.stem)
            for _ in range(2):
                self.axiom("train", "churn", "--horizon", "90", "--model", "lightgbm")
            self.axiom("train", "clv", "--horizon", "90", "--model", "bg_nbd")
            self.axiom("models", "promote", "churn@1", "--reason", "benchmark")
            self.axiom("score")
            found = self.axiom("sql", "select customer_id from scores")
            (self.home / "ids.txt").write_text("\n".join(row["customer_id"] for row in found["rows"]))
        self.key = self.axiom(
            *("key", "create", "benchmark", "--scope", "predict", "--scope", "explain"),
            *("--rate", "1000000", "--burst", "1000000"),
        )["key"]

    @contextmanager
    def cluster(self) -> Iterator[None]:
        self.head = self.node("--num-cpus", "2", *self.as_head())
        try:
            await_port(self.ports.gcs)
            time.sleep(5)
            yield
        finally:
            end(self.head)

    def as_head(self) -> list[str]:
        words = ["--head", "--port", str(self.ports.gcs), "--include-dashboard", "false"]
        return [*words, "--dashboard-port", str(free_port()), "--ray-client-server-port", str(free_port())]

    def node(self, *words: str, out: Any = subprocess.DEVNULL, **environment: str) -> subprocess.Popen[bytes]:
        """Start a Ray node in a session of its own, by which its processes are known."""
        command = [str(Path(sys.executable).with_name("ray")), "start", "--block", *words]
        command += ["--object-store-memory", "200000000", "--min-worker-port", "0", "--max-worker-port", "0"]
        command += ["--dashboard-agent-listen-port", str(free_port())]
        given = {name: value for name, value in self.environment.items() if name != "RAY_ADDRESS"} | environment
        return subprocess.Popen(command, env=given, start_new_session=True, stdout=out, stderr=subprocess.STDOUT)

    @contextmanager
    def deployed(
        self,
        *,
        min_replicas: int = 1,
        max_replicas: int = 1,
        upscale: int = 30,
        downscale: int = 300,
        bare: bool = False,
    ) -> Iterator[float]:
        path = self.config(min_replicas, max_replicas, upscale, downscale)
        if bare:
            body = yaml.safe_load(path.read_text(encoding="utf-8"))
            body["applications"].append({"name": "bare", "route_prefix": "/bare", "import_path": "serving:bare"})
            path.write_text(yaml.safe_dump(body), encoding="utf-8")
        started = time.perf_counter()
        self.axiom("serve", "deploy", str(path), ray=True)
        yield time.perf_counter() - started

    def config(self, least: int, most: int, upscale: int, downscale: int, **options: Any) -> Path:
        from axiom.serve.config import load_serve_config

        body = yaml.safe_load(Path(load_serve_config().source).read_text(encoding="utf-8"))
        body["http_options"]["port"], body["grpc_options"]["port"] = self.ports.http, self.ports.grpc
        (predict,) = [one for one in body["applications"] if one["name"] == "predict"]
        predict["deployments"][0]["user_config"] = options
        scaling = predict["deployments"][0]["autoscaling_config"]
        scaling |= {"min_replicas": least, "max_replicas": most, "look_back_period_s": min(upscale, 15)}
        scaling |= {"upscale_delay_s": upscale, "downscale_delay_s": downscale}
        for one in body["applications"]:
            one["args"] = {**one.get("args", {}), "settings": {"home": str(self.home)}}
        path = self.home / "serve.yaml"
        path.write_text(yaml.safe_dump(body), encoding="utf-8")
        return path

    def load(self, url: str, *words: str, seconds: float | None = None) -> dict[str, Any]:
        seconds = self.size.seconds if seconds is None else seconds
        return self.axiom(
            "loadtest", url, "--ids", str(self.home / "ids.txt"), "--key", self.key, "--seconds", str(seconds), *words
        )

    def rounds(self, url: str, *words: str, seconds: float | None = None) -> dict[str, float]:
        """Medians over the rounds; errors are added up."""
        found = [self.load(url, *words, seconds=seconds) for _ in range(self.size.rounds)]
        told = {name: statistics.median(one["latency_ms"][name] for one in found) for name in ("p50", "p95", "p99")}
        told["max"] = max(one["latency_ms"]["max"] for one in found)
        return told | {
            "rate": statistics.median(one["rate"] for one in found),
            "errors": sum(one["errors"] for one in found),
            "generator": statistics.median(one["generator_cpu"] for one in found),
        }

    def rates(self) -> None:
        """Ours at full length; then everybody for a tenth of it, so that the machine of the moment is the same."""
        print(f"\nopen loop, {self.size.seconds} s (the first), median of {self.size.rounds}")
        print(f"{'':44}{'1/s':>6}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>9}{'errors':>8}   ms")
        short = max(5, self.size.seconds // 10)
        uvicorn, bare = f"http://127.0.0.1:{self.ports.peer}/churn", f"http://127.0.0.1:{self.ports.http}/bare/"
        self.rate("churn by id (LightGBM)", f"{self.base}/churn", "1000", seconds=self.size.seconds)
        for rate in ("500", "1000"):
            with self.peer("plain"):
                self.rate("bare uvicorn, a plain route", uvicorn, rate, seconds=short)
            self.rate("bare Ray Serve, a route that does nothing", bare, rate, seconds=short)
            self.rate("churn by id (LightGBM)", f"{self.base}/churn", rate, seconds=short)
            self.rate("churn by id, Poisson arrivals", f"{self.base}/churn", rate, *POISSON, seconds=short)
            self.rate("CLV with intervals", f"{self.base}/clv", rate, seconds=short)
            self.rate("explanation and CLV", f"{self.base}/explain/{{id}}", rate, "--method", "GET", seconds=short)

    def rate(self, name: str, url: str, rate: str, *words: str, seconds: float) -> None:
        told = self.rounds(url, "--rate", rate, *words, seconds=seconds)
        numbers = f"{told['p50']:8.2f}{told['p95']:8.2f}{told['p99']:8.2f}{told['max']:9.1f}{told['errors']:8.0f}"
        print(f"{name:44}{rate:>6}{numbers}", flush=True)

    def closed(self) -> None:
        print(f"\nclosed loop, 64 connections, median of {self.size.rounds}")
        seconds = min(self.size.seconds, 8)
        with self.peer("same"):
            same = self.rounds(f"http://127.0.0.1:{self.ports.peer}/churn", seconds=seconds)
        with self.peer("plain"):
            plain = self.rounds(f"http://127.0.0.1:{self.ports.peer}/churn", seconds=seconds)
        before = self.worked()
        ours = self.rounds(f"{self.base}/churn", seconds=seconds)
        after = self.worked()
        clv = self.rounds(f"{self.base}/clv", seconds=seconds)
        for name, told in (("axiom serve, churn by id", ours), ("axiom serve, CLV", clv)):
            print(f"{name:44}{told['rate']:9,.0f}/s  p95 {told['p95']:.1f} ms  errors {told['errors']:.0f}")
        serve = self.rounds(f"http://127.0.0.1:{self.ports.http}/bare/", seconds=seconds)
        for name, told in (
            ("bare uvicorn, the same application", same),
            ("bare uvicorn, a plain route", plain),
            ("bare Ray Serve, a route that does nothing", serve),
        ):
            ratio = ours["rate"] / told["rate"]
            print(f"{name:44}{told['rate']:9,.0f}/s  p95 {told['p95']:.1f} ms  axiom serve reaches {ratio:.0%}")
        requests = ours["rate"] * (seconds + WARM_UP) * self.size.rounds
        for name, part in (("replica", "ServeReplica:predict"), ("ingress", "bin/haproxy")):
            print(f"{'a busy core of the ' + name:44}{requests / (after[part] - before[part]):9,.0f} requests/s, churn")
        batch = self.rounds(f"{self.base}/churn", "--batch", "100", "--connections", "16", seconds=seconds)
        print(f"{'axiom serve, churn, batches of 100':44}{batch['rate'] * 100:9,.0f} predictions/s")
        batch = self.rounds(f"{self.base}/clv", "--batch", "100", "--connections", "16", seconds=seconds)
        print(f"{'axiom serve, CLV, batches of 100':44}{batch['rate'] * 100:9,.0f} predictions/s")

    def worked(self) -> dict[str, float]:
        """CPU seconds so far of what is on the way of a request."""
        return {
            title: sum(sum(one.cpu_times()[:2]) for one in self.mine(title))
            for title in ("ServeReplica:predict", "bin/haproxy")
        }

    @contextmanager
    def peer(self, which: str) -> Iterator[None]:
        command = [sys.executable, "-m", "uvicorn", f"serving:{which}", "--factory", "--app-dir", "benchmarks"]
        command += ["--port", str(self.ports.peer), "--no-access-log", "--log-level", "warning"]
        server = subprocess.Popen(command, env={**self.environment, "OMP_NUM_THREADS": "1"})
        try:
            await_port(self.ports.peer)
            yield
        finally:
            server.terminate()
            server.wait(30)

    def changes(self) -> None:
        print("\n500 requests/s on two replicas while something changes")
        for name, change in (
            ("nothing", lambda: None),
            ("a model is promoted", self.promote),
            ("a changed configuration is deployed", self.redeploy),
            ("a replica is killed", lambda: self.strike(signal.SIGKILL)),
            ("a replica hangs", lambda: self.strike(signal.SIGSTOP)),
        ):
            self.await_replicas(2)
            timer = threading.Timer(self.size.change_seconds / 4, change)
            timer.start()
            told = self.load(f"{self.base}/churn", "--rate", "500", "--timeout", "40", seconds=self.size.change_seconds)
            timer.join()
            print(
                f"{name:38}{told['errors']:>4} of {told['requests']:,} failed {told['statuses']}, "
                f"p99 {told['latency_ms']['p99']:.1f} ms, worst {told['latency_ms']['max']:.0f} ms"
            )

    def promote(self) -> None:
        """The version that is not the champion becomes it."""
        (other, *_) = [one for one in self.axiom("models", "list", "churn")["models"] if one["stage"] != "champion"]
        self.axiom("models", "promote", f"churn@{other['version']}", "--reason", "benchmark")

    def redeploy(self) -> None:
        self.axiom("serve", "deploy", str(self.config(2, 2, 30, 300, cache_ttl_seconds=200.0)), ray=True)

    def strike(self, number: int) -> None:
        os.kill(self.replicas()[0].pid, number)

    def replicas(self) -> list[psutil.Process]:
        return self.mine("ServeReplica:predict")

    def mine(self, title: str) -> list[psutil.Process]:
        """Processes of this Ray only: others may run on the machine."""
        return [one for one in of_session(self.head) if titled(one, title)]

    def await_replicas(self, count: int) -> None:
        for _ in range(600):
            if len(self.replicas()) == count == up_replicas(self.ports.stats):
                return
            time.sleep(0.1)
        sys.exit(f"there are {up_replicas(self.ports.stats)} replicas, not {count}")

    def scaling(self) -> None:
        print("\nreplicas under closed-loop load of 64 connections for 60 s, then none")
        started = time.perf_counter()
        load = threading.Thread(target=self.load, args=(f"{self.base}/churn",), kwargs={"seconds": 60})
        load.start()
        seen = 0
        while time.perf_counter() - started < 300:
            now = len(self.replicas())
            if now != seen:
                print(f"  {time.perf_counter() - started:5.0f} s: {now} replicas")
                seen = now
            if not load.is_alive() and seen == 1:
                break
            time.sleep(0.5)
        load.join()

    def costs(self, took: float) -> None:
        print(f"\nfrom `axiom serve deploy` to the first 200 of both applications: {took:.1f} s")
        for title in ("ServeReplica:predict", "ServeReplica:platform", "ServeController", "HAProxy"):
            for one in self.mine(title):
                memory = one.memory_full_info()
                print(f"  {title:24} {memory.pss / 1e6:6.0f} MB (PSS), {memory.uss / 1e6:.0f} MB of its own")


def await_port(port: int) -> None:
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    sys.exit(f"nobody listens on {port}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def of_session(leader: subprocess.Popen[bytes] | None) -> list[psutil.Process]:
    """Every process of the session that a process began."""
    found = []
    for one in psutil.process_iter():
        with suppress(OSError):
            if leader is not None and os.getsid(one.pid) == leader.pid:
                found.append(one)
    return found


def end(leader: subprocess.Popen[bytes], *, gently: bool = True) -> None:
    """End a Ray node: by itself, or at once with everything that runs on it."""
    if gently:
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(leader.pid, signal.SIGTERM)
            leader.wait(60)
    for one in of_session(leader):  # HAProxy may outlive the Ray that started it
        with suppress(psutil.Error):
            one.kill()
    leader.wait(30)


def up_replicas(stats_port: int) -> int:
    """Replicas of `predict` that an HAProxy sends requests to, by its own account; 0 where it does not answer."""
    try:
        with urlopen(f"http://127.0.0.1:{stats_port}/stats;csv", timeout=2) as reply:
            rows = csv.DictReader(reply.read().decode().removeprefix("# ").splitlines())
    except OSError:
        return 0
    return sum(
        row["pxname"] == "http-predict" and row["svname"].startswith("SERVE_REPLICA") and row["status"].startswith("UP")
        for row in rows
    )


def titled(process: psutil.Process, title: str) -> bool:
    try:
        return title in " ".join(process.cmdline())
    except psutil.Error:
        return False


def same() -> Any:
    """The application itself under uvicorn."""
    from axiom.serve.predict.http import create_app
    from axiom.serve.predict.options import PredictOptions
    from axiom.serve.predict.replica import Replica
    from axiom.serve.predict.service import Service
    from axiom.settings import load_settings

    return create_app(Service(Replica(load_settings(), PredictOptions()).start()))


def plain() -> Any:
    """What one would write in an afternoon: a dict of vectors, the model, JSON."""
    import orjson
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    from axiom.pipelines.workspace import opened
    from axiom.scoring.compiled import CompiledChurn
    from axiom.scoring.loading import model_files
    from axiom.scoring.online.store import filled, open_store
    from axiom.settings import load_settings

    settings = load_settings()
    with opened(settings) as ws:
        model = CompiledChurn.of(model_files(ws.registry, "churn", "1"))
    store = open_store(settings, readonly=True)
    held = filled(store)
    bound = model.bind(held.layout)
    ids = (settings.home / "ids.txt").read_text().splitlines()
    vectors = dict(zip(ids, store.get_many(held.generation, ids), strict=True))

    async def churn(request: Any) -> Response:
        customer = orjson.loads(await request.body())["customer_id"]
        answer = bound.score(vectors[customer])
        return Response(
            orjson.dumps({"customer_id": customer, "p_churn": answer.p_churn}), media_type="application/json"
        )

    return Starlette(routes=[Route("/churn", churn, methods=["POST"])])


def bare(_args: dict[str, Any]) -> Any:
    """The ingress and Serve alone: a route that reads its body and answers a constant."""
    from ray import serve
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    async def nothing(request: Any) -> Response:
        await request.body()
        return Response(b"{}", media_type="application/json")

    @serve.deployment(name="Bare", max_ongoing_requests=200, ray_actor_options={"num_cpus": 0.2})
    @serve.ingress(Starlette(routes=[Route("/", nothing, methods=["POST"])]))
    class Bare:
        pass

    return Bare.bind()


if __name__ == "__main__":
    main()
