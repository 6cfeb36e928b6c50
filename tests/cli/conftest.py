"""The command line in this process, in a workspace of the test's own, without Ray."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from axiom.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a command left behind: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Axiom(Protocol):
    def __call__(self, *words: str) -> Outcome: ...


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """AXIOM_HOME with nothing in it yet."""
    place = tmp_path / "home"
    monkeypatch.setenv("AXIOM_HOME", str(place))
    monkeypatch.setenv("AXIOM_ENGINE", "inline")
    monkeypatch.setenv("AXIOM_BUCKETS", "4")
    monkeypatch.setenv("AXIOM_LOG_LEVEL", "WARNING")
    return place


@pytest.fixture
def axiom(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Axiom:
    """`axiom("score", "--json")` runs the command as a shell would."""

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


def tree(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def lake_files(home: Path) -> Any:
    """Call it before and after: path -> size of every file of the lake."""
    return lambda: tree(home / "lake")


@pytest.fixture(scope="session")
def shop_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 days of purchases of 150 customers: enough to train on, quick to read. Nobody may change it."""
    from axiom.sources.synthetic import generate, write

    company = generate(
        "shop", seed=7, customers=150, days=400, r=1.5, alpha=4.0, a=0.8, b=4.0, acquisition_days=60, events_per_week=0
    )
    paths = write(company, tmp_path_factory.mktemp("shop"), format="csv")
    return next(path for path in paths if path.name == "transactions.csv")


@pytest.fixture
def shop_csv(shop_file: Path, tmp_path: Path) -> Path:
    """A copy of `shop_file` that a test may change."""
    return Path(shutil.copy(shop_file, tmp_path))
