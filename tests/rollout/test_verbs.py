from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from axiom.cli import main
from axiom.pipelines.workspace import create, opened
from axiom.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from axiom.registry.cards import ModelCard


class Axiom(Protocol):
    def __call__(self, *words: str, code: int = 0) -> tuple[Any, str]: ...


@pytest.fixture
def axiom(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    card: Callable[..., ModelCard],
    model_files: Mapping[str, bytes],
) -> Axiom:
    """`axiom("rollout", "show", "churn")` gives the JSON on stdout and the text on stderr; churn@1 is champion of 3."""
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AXIOM_ENGINE", "inline")
    monkeypatch.setenv("AXIOM_LOG_LEVEL", "ERROR")
    settings = load_settings()
    create(settings)
    with opened(settings) as ws:
        for _ in range(3):
            ws.registry.register(card(), model_files)
        ws.registry.promote("churn", 1, "champion", actor="ann", reason="first")

    def run(*words: str, code: int = 0) -> tuple[Any, str]:
        monkeypatch.setattr(sys, "argv", ["axiom", *words, "--json"])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        assert end.value.code == code, captured.err
        return json.loads(captured.out), captured.err

    return run


def test_a_roll_out_from_beginning_to_end(axiom: Axiom) -> None:
    rule = "outcome; min 500; alpha 0.05"
    made, _ = axiom("rollout", "canary", "churn@2", "--share", "0.1", "--rule", rule, "--reason", "try it")
    assert [(row["model"], row["stage"], row["share"]) for row in made["versions"]] == [
        ("churn@1", "champion", 0.9),
        ("churn@2", "canary", 0.1),
    ]
    axiom("rollout", "shadow", "churn@3", "--rule", "agreement", "--reason", "same answers?")
    axiom("rollout", "share", "churn", "0.5", "--reason", "no complaints")
    axiom("rollout", "rule", "churn@3", "none", "--reason", "people decide")
    shown, _ = axiom("rollout", "show", "churn")
    assert [(row["model"], row["share"], row["rule"] is None) for row in shown["versions"]] == [
        ("churn@1", 0.5, True),
        ("churn@2", 0.5, False),
        ("churn@3", 0.0, True),
    ]
    judged, _ = axiom("rollout", "judge", "--dry-run")
    assert [(one["model"], one["evidence"]["verdict"], one["action"]) for one in judged["judged"]] == [
        ("churn@2", "waiting", "none")
    ]
    assert axiom("rollout", "judge", "churn")[0]["applied"]
    axiom("rollout", "stop", "churn@3", "--reason", "enough", "--archive")
    ended, _ = axiom("rollout", "stop", "churn", "--reason", "enough")
    assert [row["model"] for row in ended["versions"]] == ["churn@1"]
    history, _ = axiom("models", "history", "churn")
    assert [(event["version"], event["action"], event["to_stage"]) for event in history["events"][4:]] == [
        (2, "promote", "canary"),
        (3, "promote", "shadow"),
        (2, "rollout", "canary"),
        (3, "rollout", "shadow"),
        (3, "promote", "archived"),
        (2, "promote", "candidate"),
    ]


def test_a_rule_may_stand_in_a_file(axiom: Axiom, tmp_path: Path) -> None:
    path = tmp_path / "rule.yaml"
    path.write_text("kind: outcome\nmin_sample: 1000\nmetric: log_loss\n")
    made, _ = axiom("rollout", "canary", "churn@2", "--share", "0.1", "--rule", str(path), "--reason", "try it")
    assert made["versions"][1]["rule"].startswith("outcome; metric log_loss; margin 0; min 1000;")


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("canary", "churn@2", "--share", "2", "--reason", "x"), 2, "2.0 is not between 0 and 1"),
        (("canary", "churn@9", "--share", "0.1", "--reason", "x"), 1, "there is no model churn@9"),
        (("canary", "churn", "--share", "0.1", "--reason", "x"), 2, "'churn' names no version number"),
        (("canary", "churn@2", "--share", "0.1", "--reason", " "), 2, "needs an actor and a reason"),
        (("shadow", "churn@2", "--rule", "luck", "--reason", "x"), 2, "'luck' is no kind of rule"),
        (("shadow", "churn@2", "--rule", "gone.yaml", "--reason", "x"), 2, "the rule gone.yaml cannot be read"),
        (("share", "churn", "0.5", "--reason", "x"), 1, "'churn' has no canary"),
        (("stop", "churn@1", "--reason", "x"), 1, "churn@1 is champion, neither canary nor shadow"),
        (("judge", "gone"), 1, "there is no model 'gone'"),
        (("watch", "--every", "0"), 2, "cannot judge every 0 seconds"),
    ],
)
def test_a_wrong_request_says_what_is_wrong(axiom: Axiom, words: tuple[str, ...], code: int, line: str) -> None:
    answer, said = axiom("rollout", *words, code=code)
    assert line in said
    assert line in answer["error"]["message"]


def test_a_file_that_is_no_rule_is_refused(axiom: Axiom, tmp_path: Path) -> None:
    for text, line in (("- outcome", "is no mapping"), ("a: [", "cannot be read"), ("kind: luck", "kind of a rule")):
        path = tmp_path / "rule.yaml"
        path.write_text(text)
        _, said = axiom("rollout", "shadow", "churn@2", "--rule", str(path), "--reason", "x", code=2)
        assert line in said
