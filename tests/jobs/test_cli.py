"""The verbs, in a workspace of the test's own, with drivers as processes."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from axiom.cli import main

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


class Axiom(Protocol):
    def __call__(self, *words: str) -> Outcome: ...


@pytest.fixture
def axiom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Axiom:
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AXIOM_ENGINE", "inline")
    monkeypatch.setenv("AXIOM_BUCKETS", "2")
    monkeypatch.setenv("AXIOM_LOG_LEVEL", "WARNING")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

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

    assert run("init").code == 0
    return run


def test_a_job_from_submission_to_its_log(axiom: Axiom) -> None:
    done = axiom("jobs", "submit", "quality", "--key", "k", "--wait", "--json")
    assert done.code == 1, "an empty lake does not pass"
    job = done.json
    assert (job["status"], job["error_type"]) == ("failed", "quality-gate")
    assert axiom("jobs", "submit", "quality", "--key", "k", "--json").json["job_id"] == job["job_id"]
    assert job["job_id"] in axiom("jobs", "list", "--status", "failed").out
    assert axiom("jobs", "show", job["job_id"], "--json").json["attempts"][0]["status"] == "failed"
    log = axiom("jobs", "logs", job["job_id"], "--json").json
    assert "job_failed" in log["text"]
    assert log["ended"] is True
    assert axiom("jobs", "logs", "-f", job["job_id"], "--offset", str(log["offset"])).out == ""
    assert axiom("jobs", "reap").out == "every driver is alive\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("submit", "scoer"), "'scoer' is no kind of job"),
        (("submit", "score", "--param", "as_of"), "--param is not NAME=VALUE"),
        (("submit", "score", "--param", "as_of=["), "--param as_of: the value is no YAML"),
        (("submit", "score", "--param", "as_of=soon"), "as_of: input should be a valid datetime"),
        (("submit", "score", "--param", "churn=postgresql://a:hunter2@b/c"), "a password has no place"),
        (("submit", "score", "--backend", "slurm"), "there is no back end 'slurm'"),
        (("show", "nothing"), "there is no job 'nothing'"),
        (("cancel", "nothing"), "there is no job 'nothing'"),
        (("kinds", "scoer"), "'scoer' is no kind of job"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(axiom: Axiom, words: tuple[str, ...], told: str) -> None:
    done = axiom("jobs", *words)
    assert done.code in (1, 2)
    assert told in done.err
    assert "hunter2" not in done.err + done.out
    assert axiom("jobs", "list", "--json").json["jobs"] == []


def test_kinds_are_shown_with_their_parameters(axiom: Axiom) -> None:
    assert "train-churn" in axiom("jobs", "kinds").out
    assert "as_of" in axiom("jobs", "kinds", "score").out
    assert axiom("jobs", "kinds", "score", "--json").json["schema"]["additionalProperties"] is False


def test_a_pipeline_that_is_blocked_and_what_is_told_of_it(axiom: Axiom) -> None:
    at = ("--at", "2026-01-01T05:00:00Z")
    done = axiom("pipelines", "run", "daily", *at, "--json")
    assert done.code == 1
    assert (done.json["run"]["status"], done.json["run"]["run_id"]) == ("blocked", "daily-20260101T050000Z")
    again = axiom("pipelines", "run", "daily", *at)
    assert again.code == 1
    assert "axiom pipelines resume daily-20260101T050000Z" in again.err
    history = axiom("pipelines", "history", "daily", "--json").json
    assert [run["status"] for run in history["runs"]] == ["blocked"]
    assert [row["step"] for row in history["latency"]] == ["ingest"]
    shown = axiom("pipelines", "history", "--run", "daily-20260101T050000Z").out
    assert "refused" in shown
    assert "skipped" in shown
    assert "is blocked already" in axiom("pipelines", "cancel", "daily-20260101T050000Z").err


def test_pipelines_are_listed_shown_and_copied(axiom: Axiom, tmp_path: Path) -> None:
    assert [row["name"] for row in axiom("pipelines", "list", "--json").json["pipelines"]] == ["daily", "retrain"]
    assert "blocks" in axiom("pipelines", "show", "daily").out
    assert axiom("pipelines", "copy", "daily").code == 0
    assert (tmp_path / "home" / "pipelines" / "daily.yaml").exists()
    assert "exists already" in axiom("pipelines", "copy", "daily").err
    assert "there is no pipeline 'weekly'" in axiom("pipelines", "run", "weekly").err
    assert "there is no pipeline run 'x'" in axiom("pipelines", "resume", "x").err
    ranged = axiom("pipelines", "backfill", "daily", "--from", "2026-01-02", "--to", "2026-01-01")
    assert (ranged.code, "before it begins" in ranged.err) == (2, True)


def test_the_schedule_says_when_each_pipeline_runs_next(axiom: Axiom) -> None:
    rows = axiom("schedule", "--show", "--json").json["schedules"]
    assert {row["pipeline"] for row in rows} == {"daily", "retrain"}
    assert all(row["next"].endswith("+00:00") for row in rows)
