"""`axiom tune churn` on a lake, without Ray."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Protocol

import pytest

from axiom.cli import main
from axiom.cli.tune import parse_seconds
from axiom.errors import MisuseError

if TYPE_CHECKING:
    from pathlib import Path


class Axiom(Protocol):
    def __call__(self, *words: str) -> tuple[int, str, str]: ...


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AXIOM_HOME with 400 days of purchases of 150 customers."""
    from axiom.pipelines.workspace import create, opened
    from axiom.settings import load_settings
    from axiom.sources import FileSource, IngestRequest, ingest
    from axiom.sources.synthetic import generate, write

    home = tmp_path_factory.mktemp("tuning")
    company = generate(
        "shop", seed=7, customers=150, days=400, r=1.5, alpha=4.0, a=0.8, b=4.0, acquisition_days=60, events_per_week=0
    )
    write(company, home / "files", format="csv")
    settings = load_settings(home=home / "home", engine="inline", buckets=2)
    create(settings)
    with opened(settings) as ws:
        ingest(ws.lake, IngestRequest("transactions", FileSource((str(home / "files" / "transactions.csv"),))))
    return home / "home"


@pytest.fixture
def axiom(lake: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Axiom:
    monkeypatch.setenv("AXIOM_HOME", str(lake))
    monkeypatch.setenv("AXIOM_ENGINE", "inline")
    monkeypatch.setenv("AXIOM_BUCKETS", "2")
    monkeypatch.setenv("AXIOM_LOG_LEVEL", "WARNING")

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["axiom", *words])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_the_best_is_trained_registered_and_reported(axiom: Axiom, lake: Path) -> None:
    words = ("tune", "churn", "--horizon", "30", "--trials", "4", "--model", "logistic", "--model", "decision_tree")
    code, out, err = axiom(*words, "--seed", "5", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["model"] == "churn@1"
    report = told["report"]
    assert {trial["model"] for trial in report["trials"]} == {"logistic", "decision_tree"}
    assert len(report["trials"]) == report["wanted"] == 4
    assert len(report["folds"]) == 5  # as many cut-offs were built as all folds need
    assert list(report["comparisons"]) == ["bg_nbd", "logistic (defaults)"]
    files = {path.name for path in (lake / "lake" / told["report_path"]).iterdir()}
    assert {"report.json", "report.md", "roc.png"} <= files
    code, out, err = axiom("models", "show", "churn", "--json")
    assert json.loads(out)["card"]["model_type"] == report["best"]["model"]
    # The same name again: a finished search makes room, and the next version is registered.
    code, out, err = axiom("tune", "churn", "--horizon", "30", "--trials", "1", "--model", "logistic")
    assert code == 0, err
    assert out.startswith("churn@2: ")
    assert "excess: log loss over the folds minus" in out


def test_data_too_short_for_folds_are_compared_at_a_shorter_horizon(axiom: Axiom) -> None:
    words = ("tune", "churn", "--horizon", "180", "--trials", "2", "--model", "logistic", "--name", "long")
    code, _, err = axiom(*words)
    assert code != 0
    assert "--fold-horizon" in err
    code, out, err = axiom(*words, "--fold-horizon", "30d", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["report"]["folds"]
    assert "trials are compared 30 days ahead, the model is for 180 days" in told["warnings"]
    card = json.loads(axiom("models", "show", "long", "--json")[1])["card"]
    assert card["training_window"]["horizon_days"] == 180


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--fold-horizon", "30"), "must be shorter than the horizon of 30 days"),
        (("--fold-horizon", "soon"), "--fold-horizon"),
        (("--resume",), "keeps nothing to resume"),
        (("--trials", "0"), "at least one trial"),
        (("--concurrency", "0"), "concurrency 0"),
        (("--time-limit", "soon"), "--time-limit 'soon' is not a length of time"),
        (("--model", "oracle"), "unknown model 'oracle'"),
        (("--scheme", "random"), "a 'random' split is refused"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words: tuple[str, ...], message: str, axiom: Axiom) -> None:
    code, out, err = axiom("tune", "churn", "--horizon", "30", *words)
    assert (code, out) == (2, ""), err
    assert message in err


@pytest.mark.parametrize(("text", "seconds"), [("600", 600), ("45s", 45), ("30m", 1800), ("2h", 7200)])
def test_time_limits_are_read(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-5", "1.5h", "5d"])
def test_other_time_limits_are_refused(text: str) -> None:
    with pytest.raises(MisuseError):
        parse_seconds(text)
