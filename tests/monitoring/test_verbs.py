"""`axiom monitor`: every verb, as text and as JSON."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from axiom.cli import main

if TYPE_CHECKING:
    from axiom.pipelines.workspace import Workspace


class Axiom(Protocol):
    def __call__(self, *words: str, code: int = 0) -> tuple[str, str]: ...


@pytest.fixture
def axiom(watched: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Axiom:
    """`axiom("summary")` gives stdout and stderr of `axiom monitor summary`."""
    monkeypatch.setenv("AXIOM_HOME", str(watched.settings.home))
    monkeypatch.setenv("AXIOM_ENGINE", "inline")
    monkeypatch.setenv("AXIOM_BUCKETS", "2")
    monkeypatch.setenv("AXIOM_LOG_LEVEL", "ERROR")

    def run(*words: str, code: int = 0) -> tuple[str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["axiom", "monitor", *words])
        ended = 0
        try:
            main()
        except SystemExit as end:
            ended = end.code if isinstance(end.code, int) else 1
        captured = capsys.readouterr()
        assert ended == code, captured.err
        return captured.out, captured.err

    return run


def answer(axiom: Axiom, *words: str) -> Any:
    return json.loads(axiom(*words, "--json")[0])


def test_from_the_first_run_to_a_resolved_alert(axiom: Axiom) -> None:
    assert "nothing was measured yet" in axiom("summary")[0]
    assert axiom("alerts")[0] == "no alert is open\n"
    told = axiom("run", "--as-of", "2023-12-01")[0]
    assert told.startswith("as of 2023-12-01 00:00 UTC: ")
    assert "new: critical freshness_hours events: " in told
    assert "unknown (business_impact): nothing records interventions" in told
    pillars = {one["pillar"]: one["state"] for one in answer(axiom, "summary")["pillars"]}
    assert pillars["data_quality"] == "breached"
    assert pillars["business_impact"] == "unknown"
    alerts = answer(axiom, "alerts")["alerts"]
    alert = next(one for one in alerts if (one["measure"], one["subject"]) == ("freshness_hours", "events"))
    shown = answer(axiom, "show", alert["alert_id"])
    assert [one["what"] for one in shown["history"]] == ["open"]
    assert "still delivers" in axiom("show", alert["alert_id"])[0]
    muted = answer(axiom, "mute", alert["alert_id"], "--until", "2100-01-01", "--reason", "known")
    assert muted["muted_until"] == "2100-01-01T00:00:00+00:00"
    assert "is open" in axiom("unmute", alert["alert_id"])[0]
    assert "is resolved" in axiom("resolve", alert["alert_id"], "--reason", "repaired")[0]
    assert alert["alert_id"] not in axiom("alerts")[0]
    assert alert["alert_id"] in axiom("alerts", "--all")[0]
    assert answer(axiom, "run", "--as-of", "2023-12-01")["opened"] == []


def test_what_was_measured_is_shown_by_pillar_state_and_time(axiom: Axiom) -> None:
    for day in ("2023-11-27", "2023-11-28"):
        axiom("run", "--as-of", day, "--clv", "")
    rows = answer(axiom, "measures", "--pillar", "data_quality")["measures"]
    assert {row["pillar"] for row in rows} == {"data_quality"}
    assert {row["at"] for row in rows} == {"2023-11-28T00:00:00+00:00"}
    assert {row["state"] for row in answer(axiom, "measures", "--state", "unknown")["measures"]} == {"unknown"}
    points = answer(axiom, "timeline", "freshness_hours", "--subject", "events")["points"]
    assert [point["at"][:10] for point in points] == ["2023-11-27", "2023-11-28"]
    assert len(axiom("timeline", "freshness_hours", "--points", "3")[0].splitlines()) == 5


def test_thresholds_are_shown_changed_and_reset(axiom: Axiom) -> None:
    assert "above 0.2" in axiom("thresholds")[0]
    changed = answer(axiom, "set", "feature_psi", "--limit", "0.25", "--owner", "ann", "--disabled")
    assert (changed["limit"], changed["owner"], changed["enabled"]) == (0.25, "ann", False)
    assert len(answer(axiom, "thresholds")["thresholds"]) > 10
    assert answer(axiom, "reset", "feature_psi")["limit"] == 0.2


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("set", "feature_psi"), 2, "nothing to change is named"),
        (("set", "feature_psi", "--limit", "nan"), 2, "the limit of feature_psi is nan"),
        (("set", "feature_psi", "--limit", "-1"), 2, "the limit of feature_psi is -1.0"),
        (("set", "feature_psi", "--severity", "dire"), 2, "'dire' is no severity"),
        (("set", "colour", "--limit", "1"), 1, "there is no measure 'colour'"),
        (("reset", "colour"), 1, "there is no measure 'colour'"),
        (("timeline", "colour"), 1, "there is no measure 'colour'"),
        (("measures", "--pillar", "weather"), 2, "--pillar 'weather' is unknown"),
        (("measures", "--state", "bad"), 2, "--state 'bad' is unknown"),
        (("show", "none"), 1, "there is no alert 'none'"),
        (("mute", "none", "--until", "2100-01-01", "--reason", "r"), 1, "there is no alert 'none'"),
        (("mute", "none", "--until", "soon", "--reason", "r"), 2, "--until 'soon' is not a date"),
        (("run", "--as-of", "2100-01-01"), 2, "has not come yet"),
    ],
)
def test_bad_input_is_named_with_the_way_out(axiom: Axiom, words: tuple[str, ...], code: int, told: str) -> None:
    assert told in axiom(*words, code=code)[1]
