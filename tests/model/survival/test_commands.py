"""`axiom survival km` and `axiom train survival` on a lake and on a table, without Ray."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from axiom.cli import main

if TYPE_CHECKING:
    from pathlib import Path


class Axiom(Protocol):
    def __call__(self, *words: str) -> tuple[int, str, str]: ...


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AXIOM_HOME with half a year of 250 customers who may cancel."""
    from axiom.pipelines.workspace import create, opened
    from axiom.settings import load_settings
    from axiom.sources import FileSource, IngestRequest, ingest
    from axiom.sources.synthetic import generate, write

    home = tmp_path_factory.mktemp("survival")
    company = generate("lifecycle", seed=3, customers=250, events_per_customer=20, churn_new=0.5, churn_established=0.4)
    write(company, home / "files", format="csv")
    settings = load_settings(home=home / "home", engine="inline", buckets=2)
    create(settings)
    mapping = {"customers": {"stage": "lifecycle"}}
    with opened(settings) as ws:
        for entity in ("customers", "events", "transactions"):
            source = FileSource((str(home / "files" / f"{entity}.csv"),))
            ingest(ws.lake, IngestRequest(entity, source, mapping=mapping.get(entity, {})))
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


def told(outcome: tuple[int, str, str]) -> Any:
    code, out, err = outcome
    assert code == 0, err
    return json.loads(out)


def test_curves_of_contracts_start_with_the_customer(axiom: Axiom, lake: Path) -> None:
    report = told(axiom("survival", "km", "--json"))
    (curve,) = report["curves"]
    assert report["clock"] == "start to cancellation"
    assert curve["customers"] == 250
    assert curve["events"] > 40
    assert any("started before the data begin" in note for note in report["notes"])
    assert (lake / "lake" / "reports" / "survival").is_dir()


def test_curves_by_an_attribute(axiom: Axiom) -> None:
    report = told(axiom("survival", "km", "--by", "stage", "--json"))
    assert {curve["segment"] for curve in report["curves"]} == {"new", "established", "mature"}
    assert report["log_rank"]["p_value"] < 0.01


def test_curves_by_lifecycle_start_where_the_stage_is_known(axiom: Axiom) -> None:
    code, out, _ = axiom("survival", "km", "--by", "lifecycle", "--as-of", "2023-04-01")
    assert code == 0
    assert out.startswith("2023-04-01 to cancellation, in days")
    assert "log-rank: χ² =" in out
    assert "kaplan_meier" not in out


def test_curves_of_silence(axiom: Axiom) -> None:
    report = told(axiom("survival", "km", "--activity", "any", "--silence", "20", "--at", "30", "--json"))
    assert report["clock"] == "start to the end of 20 days without a purchase or event"
    assert report["curves"][0]["at"].keys() == {"30"}


def test_a_cox_model_is_registered_and_scored_like_any_churn_model(axiom: Axiom, lake: Path) -> None:
    trained = told(axiom("train", "survival", "--horizon", "30", "--strata", "lifecycle", "--json"))
    assert trained["model"] == "survival@1"
    assert trained["report"]["outcome"] == "churn"
    assert len(trained["report"]["strata"]) > 1
    folder = lake / "lake" / trained["report_path"]
    assert {path.name for path in folder.iterdir()} == {
        *("report.json", "report.md", "survival.png", "hazard_ratios.png", "calibration.png")
    }
    scored = told(axiom("score", "--churn", "survival", "--clv", "", "--json"))
    assert scored["models"] == {"churn": "survival@1", "clv": None}
    assert 0 < scored["totals"]["mean_p_churn"] < 0.5
    shown = told(axiom("models", "show", "survival", "--json"))
    assert shown["card"]["calibration"]["proportionality"]["degrees_of_freedom"] > 5


def test_one_customer_at_several_horizons(axiom: Axiom) -> None:
    told(axiom("train", "survival", "--horizon", "30", "--name", "ahead", "--json"))
    named = told(axiom("sql", "select distinct customer_id from events order by 1 limit 1", "--json"))
    customer = str(next(iter(named["rows"][0].values())) if isinstance(named["rows"][0], dict) else named["rows"][0][0])
    asked = ("survival", "customer", customer, "--model", "ahead", "--as-of", "2024-03-01")
    found = told(axiom(*asked, "--horizons", "30,10", "--json"))
    assert [one["horizon"] for one in found["ahead"]] == [10.0, 30.0]
    near, far = (one["p_churn"] for one in found["ahead"])
    assert 0 < near < far < 1
    later = told(axiom(*asked, "--horizons", "20", "--elapsed", "10", "--json"))
    assert later["ahead"][0]["survival"] == pytest.approx((1 - far) / (1 - near))
    code, out, _ = axiom(*asked, "--elapsed", "5", "--horizons", "10")
    assert code == 0
    assert "5 days later and no event yet" in out
    code, _, err = axiom(*asked, "--horizons", "5000")
    assert (code, "says nothing beyond" in err) == (2, True)


def test_people_get_a_table_and_warnings(axiom: Axiom) -> None:
    code, out, _ = axiom("train", "survival", "--horizon", "30", "--activity", "any", "--name", "back")
    assert code == 0
    assert "hazard of coming back, whose absence is churn" in out
    assert "report and plots:" in out


def test_a_table_needs_no_lake(axiom: Axiom, waltons: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "none"))
    columns = ("--table", str(waltons), "--duration", "T", "--event", "E")
    code, out, _ = axiom("survival", "km", *columns, "--by", "group", "--out", str(tmp_path / "km"))
    assert code == 0
    assert "log-rank: χ² = 122.2491 with 1 degrees of freedom" in out
    assert (tmp_path / "km" / "kaplan_meier.png").exists()
    code, out, _ = axiom("train", "survival", *columns)
    assert code == 0
    assert "not registered: rows without times" in out
    assert (tmp_path / "none" / "reports" / "survival" / "cox-waltons" / "report.md").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("survival", "km", "--by", "colour"), 2, "there is no attribute and no feature 'colour'"),
        (("survival", "km", "--silence", "9000d", "--activity", "any"), 1, "nobody had the event"),
        (("survival", "km", "--as-of", "2022-01-01"), 1, "the clock cannot start at 2022-01-01"),
        (("survival", "km", "--as-of", "someday"), 2, "--as-of 'someday' is not a date"),
        (("survival", "km", "--churn", "boredom"), 2, "unknown definition of churn: boredom"),
        (("survival", "km", "--duration", "T"), 2, "describe a --table"),
        (("survival", "km", "--table", "x.csv"), 2, "a --table needs its --duration and --event columns"),
        (("survival", "km", "--table", "x.csv", "--duration", "a", "--event", "b"), 1, "there is no file"),
        (("survival", "customer", "C1", "--horizons", "30,soon"), 2, "'soon' is not a number of days"),
        (("survival", "customer", "C1", "--model", "nothing"), 1, "nothing"),
        (("train", "survival", "--horizon", "400"), 1, "too short for a horizon"),
        (("train", "survival", "--horizon", "30", "--strata", "colour"), 2, "no feature 'colour' to stratify by"),
        (("train", "survival", "--ridge", "-1"), 2, "ridge -1"),
    ],
)
def test_bad_input_is_one_line_and_an_exit_code(words: tuple[str, ...], code: int, message: str, axiom: Axiom) -> None:
    found, out, err = axiom(*words)
    assert (found, out) == (code, "")
    assert message in err
    assert err.startswith("axiom: ")


def test_a_table_says_what_it_has(axiom: Axiom, waltons: Path) -> None:
    columns = ("--table", str(waltons), "--duration", "T", "--event", "E")
    code, _, err = axiom("survival", "km", *columns, "--by", "colour")
    assert (code, "has no column 'colour'" in err) == (2, True)
    code, _, err = axiom("train", "survival", *columns, "--horizon", "soon")
    assert (code, "--horizon 'soon' is not a number" in err) == (2, True)
    code, _, err = axiom("train", "survival", *columns, "--drop", "group")
    assert (code, "holds nothing beside" in err) == (1, True)
