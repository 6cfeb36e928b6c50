"""The demo as a newcomer runs it: a process of its own, Ray, and live answers over HTTP."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.ray
@pytest.mark.timeout(400)
def test_the_demo_ends_with_live_scores(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("axiom")), "demo", "--customers", "600", "--json"]
    environment = {**os.environ, "AXIOM_HOME": str(tmp_path / "home"), "AXIOM_BUCKETS": "4", "AXIOM_LOG_LEVEL": "DEBUG"}
    environment.pop("RAY_ADDRESS", None)
    done = subprocess.run(
        [*command, "--port", str(free_port())], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert report["customers"] == 600
    assert report["models"] == ["churn@1", "clv@1"]
    assert len(report["live"]) == 3
    for answer in report["live"]:
        assert 0 <= answer["churn"]["p_churn"] <= 1
        interval = answer["clv"]["interval"]
        assert interval["p05"] <= interval["p50"] <= interval["p95"]
