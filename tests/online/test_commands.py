"""axiom score fills the online store; axiom online and axiom features publish look after it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from axiom.cli import main
from axiom.scoring.online.on_lmdb import LmdbStore

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AXIOM_HOME with a CLV model of 60 customers; copied for each test."""
    from axiom.pipelines.ingest import ingest_source
    from axiom.pipelines.train import TrainRequest, train_clv
    from axiom.pipelines.workspace import create, opened
    from axiom.settings import Settings
    from axiom.sources.request import FileSource, IngestRequest
    from axiom.sources.synthetic import generate, write
    from axiom.training.clv.options import ClvOptions

    folder = tmp_path_factory.mktemp("online")
    company = generate(
        "shop", seed=7, customers=60, days=300, r=1.5, alpha=4.0, a=0.8, b=4.0, acquisition_days=60, events_per_week=0
    )
    (path,) = (p for p in write(company, folder / "files", format="csv") if p.name == "transactions.csv")
    settings = Settings(home=folder / "home", engine="inline", buckets=2)
    create(settings)
    with opened(settings) as ws:
        ingest_source(ws, IngestRequest("transactions", FileSource((str(path),))), source_name="shop")
        train_clv(ws, TrainRequest(45), options=ClvOptions(candidates=("bg_nbd",)))
    return settings.home


@pytest.fixture
def home(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import shutil

    place = tmp_path / "home"
    shutil.copytree(trained, place)
    monkeypatch.setenv("AXIOM_HOME", str(place))
    monkeypatch.setenv("AXIOM_ENGINE", "inline")
    monkeypatch.setenv("AXIOM_LOG_LEVEL", "WARNING")
    return place


@pytest.fixture
def axiom(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: str) -> Outcome:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["axiom", *words])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


def test_scoring_fills_the_store_and_the_verbs_agree(axiom: Any) -> None:
    assert "empty" in axiom("online", "status").out
    scored = axiom("score", "--churn", "", "--json").json
    assert scored["online"]["customers"] == scored["rows"] == 60
    assert scored["online"]["features_id"] == scored["features"]
    assert scored["warnings"] == []

    status = axiom("online", "status", "--json").json
    assert status["current"] is True
    assert status["held"]["generation"] == scored["online"]["generation"]
    assert "these are the features of the newest scores" in axiom("online", "status").out
    assert axiom("online", "sync", "--json").json["already"] is True
    assert axiom("features", "publish", "--dataset", scored["features"], "--json").json["already"] is True
    assert axiom("score", "--churn", "", "--json").json["online"]["already"] is True

    verified = axiom("online", "verify", "--json")
    assert verified.code == 0
    assert (verified.json["equal"], verified.json["compared"], verified.json["max_difference"]) == (True, 60, 0.0)
    assert axiom("online", "clear", "--json").json["customers"] == 60
    gone = axiom("online", "verify")
    assert gone.code == 1
    assert "axiom online sync" in gone.err
    again = axiom("score", "--churn", "")
    assert "nothing to do" in again.out
    assert "60 vectors" in again.out, "the scores were there, the vectors were not"


def test_verify_ends_with_one_when_a_value_was_altered(axiom: Any, home: Path) -> None:
    axiom("score", "--churn", "")
    store = LmdbStore(home / "online")
    info = store.info()
    assert info
    ids = list(store.ids(info.generation))
    import numpy as np

    vectors = np.array(store.get_many(info.generation, ids))
    vectors[7, 2] += 0.5
    store.publish(info, [(ids, vectors)])
    store.close()
    outcome = axiom("online", "verify")
    assert outcome.code == 1
    assert "1 different (by 0.5 at most)" in outcome.out
    assert ids[7] in outcome.out
    assert "1 vectors differ" in outcome.err


def test_the_store_is_left_alone_on_request_and_when_the_scores_are_not_published(axiom: Any, home: Path) -> None:
    assert axiom("score", "--churn", "", "--no-online", "--json").json["online"] is None
    assert axiom("score", "--churn", "", "--no-publish", "--json").json["online"] is None
    assert not (home / "online").exists()
    assert axiom("score", "--churn", "", "--no-publish", "--online", "--json").json["online"]["customers"] == 60


def test_a_redis_that_is_away_is_a_warning_of_scoring_and_an_error_of_sync(
    axiom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AXIOM_REDIS_URL", "redis://:hunter2@127.0.0.1:1/0")
    outcome = axiom("score", "--churn", "")
    assert outcome.code == 0
    assert "60 customers scored" in outcome.out
    assert (
        "warning: the online store was not filled: Redis at redis://:***@127.0.0.1:1/0 does not answer" in outcome.out
    )
    assert len(axiom("sql", "select * from scores", "--json").json["rows"]) == 60
    for verb in ("sync", "status", "clear", "verify"):
        refused = axiom("online", verb)
        assert refused.code == 1
        assert "does not answer" in refused.err
        assert "hunter2" not in refused.err + refused.out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("online", "sync"), 1, "nothing was scored"),
        (("online", "sync", "--as-of", "yesterday"), 2, "--as-of 'yesterday' is not a date"),
        (("features", "publish", "--dataset", "nope"), 1, "no features dataset 'nope'"),
        (("online", "verify"), 1, "is empty"),
    ],
)
def test_bad_requests_are_told_with_their_exit_code(axiom: Any, words: tuple[str, ...], code: int, told: str) -> None:
    outcome = axiom(*words)
    assert outcome.code == code
    assert told in outcome.err
