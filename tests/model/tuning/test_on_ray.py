"""The search on Ray: interrupted, refused, resumed; its state on disk."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from axiom.errors import ConflictError, NotFoundError
from axiom.training.tuning.search import SearchOptions

if TYPE_CHECKING:
    from pathlib import Path

    from axiom.engine import Engine
    from axiom.training.tuning.work import TuneWork

ASKED = SearchOptions(trials=3, concurrency=1)
ABOUT = {"features": "f1", "horizon": 30}


@pytest.mark.ray
def test_an_interrupted_search_goes_on_where_it_stopped(work: TuneWork, tmp_path: Path, ray_engine: Engine) -> None:
    from axiom.training.tuning.on_ray import RaySearch

    assert ray_engine.workers >= 1
    search = RaySearch(tmp_path / "churn", ABOUT)
    told: list[str] = []

    def stop() -> None:
        told.append("ended")
        signal.raise_signal(signal.SIGINT)  # what Ctrl-C sends

    with pytest.raises(ConflictError, match="the search was interrupted after 1 of 3 trials"):
        search(work, ASKED, stop)
    assert told == ["ended"]

    def count() -> None:
        told.append("ended")

    with pytest.raises(ConflictError, match="an unfinished search lies at"):
        search(work, ASKED, count)
    with pytest.raises(ConflictError, match="features was 'f1', is 'f2'"):
        RaySearch(tmp_path / "churn", {**ABOUT, "features": "f2"})(work, replace(ASKED, resume=True), count)
    found = search(work, replace(ASKED, resume=True), count)
    assert len(told) == 4  # the one before the stop, and all three after it: one remembered, two run
    assert sorted(trial.model for trial in found.trials) == ["decision_tree", "logistic", "naive_bayes"]
    for trial in found.trials:
        steps = list(work.trial(trial.model, trial.params))
        assert trial.last is not None
        assert trial.last == steps[trial.last.folds - 1]  # what Ray judged is what one process judges
    assert found.best.finished
    assert json.loads((tmp_path / "churn" / "search.json").read_text()) == {"about": ABOUT, "finished": True}
    search._set_aside()
    assert (tmp_path / "churn.1" / "search.json").exists()
    assert not (tmp_path / "churn").exists()


def test_nothing_to_resume_is_told(work: TuneWork, tmp_path: Path) -> None:
    from axiom.training.tuning.on_ray import RaySearch

    with pytest.raises(NotFoundError, match="there is no search to resume at"):
        RaySearch(tmp_path / "churn", ABOUT)(work, replace(ASKED, resume=True), lambda: None)
