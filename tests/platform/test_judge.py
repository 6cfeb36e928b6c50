from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from axiom.pipelines.workspace import create
from axiom.serve.platform.judge import Judge
from axiom.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


def test_the_judge_waits_for_a_workspace_and_then_judges_until_it_is_stopped(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", engine="inline", buckets=2)
    twice = threading.Semaphore(0)
    judge = Judge(settings, 0.01, lambda _judgements: twice.release()).start()
    assert not twice.acquire(timeout=0.2)
    create(settings)
    assert twice.acquire(timeout=20)
    assert twice.acquire(timeout=20)
    judge.close()
    while twice.acquire(blocking=False):
        pass
    assert not twice.acquire(timeout=0.1)
