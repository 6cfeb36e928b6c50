from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from axiom.cli import main

if TYPE_CHECKING:
    from axiom.pipelines.workspace import Workspace


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Axiom(Protocol):
    def __call__(self, ws: Workspace, *words: str) -> Outcome: ...


@pytest.fixture
def axiom(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Axiom:
    """`axiom(ws, "evaluate", "churn@1")` runs the command in the workspace as a shell would."""

    def run(ws: Workspace, *words: str) -> Outcome:
        for name, value in {"HOME": str(ws.settings.home), "ENGINE": "inline", "LOG_LEVEL": "WARNING"}.items():
            monkeypatch.setenv(f"AXIOM_{name}", value)
        monkeypatch.setattr(sys, "argv", ["axiom", *words])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run
