"""What a pipeline may look like; everything else is refused as a whole, by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from axiom.errors import ConflictError, MisuseError, NotFoundError
from axiom.jobs.pipelines.definition import Pipeline, Step, pipeline_of, read_pipeline, seconds
from axiom.jobs.pipelines.library import copy_pipeline, load_pipeline, pipeline_names
from axiom.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


def doc(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "p", "steps": list(steps), **more}


A, B = {"name": "a", "job": "build"}, {"name": "b", "job": "score", "needs": ["a"]}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (None, "a pipeline is None, not a mapping"),
        ([A], "not a mapping"),
        ({"name": "p"}, "a pipeline lacks 'steps'"),
        ({"steps": [A]}, "a pipeline lacks 'name'"),
        (doc(), "a pipeline lacks 'steps'|has no steps"),
        (doc(A, owner="me"), "a pipeline has no field 'owner'"),
        ({"name": "../p", "steps": [A]}, "'../p' cannot name a pipeline"),
        ({"name": "p", "steps": {"a": A}}, "steps is not a list"),
        (doc(A, A), "two steps 'a'"),
        (doc(A, {**B, "needs": ["c"]}), "step 'b' needs 'c', which is no step"),
        (doc({**A, "needs": ["b"]}, B), "need each other in a circle: . -> . -> ."),
        (doc({**A, "needs": ["a"]}), "in a circle: a -> a"),
        (doc({**A, "needs": "b"}), "step 'a': needs is not a list"),
        (doc({"name": "a", "job": "bild"}), "'bild' is no kind of job"),
        (doc({"name": "a"}), "a step lacks 'job'"),
        (doc({**A, "need": ["b"]}), "a step has no field 'need'"),
        (doc({**A, "params": {"evry": 30}}), "job build: evry: extra inputs"),
        (doc({**A, "params": [1]}), "step 'a': params is not a mapping"),
        (doc({**A, "retries": "many"}), "retries 'many' is no whole number"),
        (doc({**A, "retries": -1}), "step 'a': retries -1 is out of range"),
        (doc({**A, "backoff": "soon"}), "step 'a': backoff: 'soon' is no length of time"),
        (doc({**A, "limit": 0}), "step 'a': limit 0.0 is out of range"),
        (doc({**A, "gate": "open"}), "gate 'open' is unknown"),
        (doc({"name": "a b", "job": "build"}), "'a b' cannot name a step"),
        (doc({"name": "c", "job": "compare"}), "candidate: field required"),
        (doc(A, {**B, "inputs": {"version": "a"}}), "input version is 'a', not STEP.FIELD of a step it needs"),
        (doc(A, {"name": "b", "job": "score", "inputs": {"version": "a.x"}}), "of a step it needs"),
        (doc(A, {**B, "inputs": {"verzion": "a.x"}}), "verzion: no such parameter"),
        (doc(A, {**B, "inputs": {"churn": "a.x"}, "params": {"churn": "c"}}), "churn is given and an input as well"),
        (doc(A, schedule={"cron": "61 * * * *"}), "'61 \\* \\* \\* \\*' is no cron expression"),
        (doc(A, schedule={"cron": "0 5 * *"}), "is no cron expression"),
        (doc(A, schedule={"cron": "0 5 * * *", "timezone": "Europe/Atlantis"}), "'Europe/Atlantis' is no time zone"),
        (doc(A, schedule={"cron": "0 5 * * *", "timezone": "../../etc/passwd"}), "is no time zone"),
        (doc(A, schedule={"cron": "0 5 * * *", "missed": "some"}), "missed: 'some' is no policy"),
        (doc(A, schedule={"timezone": "UTC"}), "a schedule lacks 'cron'"),
        (doc(A, schedule="0 5 * * *"), "a schedule is '0 5 \\* \\* \\*', not a mapping"),
    ],
)
def test_what_is_no_pipeline_is_refused(document: Any, told: str) -> None:
    with pytest.raises(MisuseError, match=told):
        pipeline_of(document)


@pytest.mark.parametrize("text", ["name: [", "a: b: c", "- \x00"])
def test_what_is_no_yaml_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(MisuseError, match=r"mine.yaml is no YAML"):
        read_pipeline(text, source="mine.yaml")


def test_yaml_cannot_make_objects() -> None:
    with pytest.raises(MisuseError, match="is no YAML"):
        read_pipeline("!!python/object/apply:os.system ['true']", source="evil.yaml")


def test_steps_are_put_in_an_order_in_which_they_can_be_done() -> None:
    found = pipeline_of(doc(B, A))
    assert [step.name for step in found.steps] == ["a", "b"]


def test_before_and_after_a_step_is_everything_that_hangs_on_it() -> None:
    steps = [A, B, {"name": "c", "job": "publish", "needs": ["b"]}, {"name": "d", "job": "quality"}]
    found = pipeline_of(doc(*steps))
    assert found.before("c") == {"a", "b"}
    assert found.after("a") == {"b", "c"}
    assert found.after("d") == set()
    with pytest.raises(MisuseError, match="has no step 'x'"):
        found.after("x")


def test_a_pipeline_survives_json() -> None:
    document = doc({**A, "retries": 2, "limit": "2h", "params": {"back": 3}}, B, schedule={"cron": "0 5 * * *"})
    found = pipeline_of(document)
    assert pipeline_of(json.loads(json.dumps(found.to_dict()))) == found
    assert found.steps[0].limit == 7200


def test_a_pipeline_in_code_is_checked_as_one_in_yaml() -> None:
    with pytest.raises(MisuseError, match="'bild' is no kind of job"):
        Step("a", "bild")
    with pytest.raises(MisuseError, match="two steps"):
        Pipeline("p", (Step("a", "build"), Step("a", "score")))


@pytest.mark.parametrize(("text", "wanted"), [(90, 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("1d", 86400)])
def test_lengths_of_time(text: Any, wanted: float) -> None:
    assert seconds(text, "limit") == wanted


@pytest.mark.parametrize("text", ["", "-1s", "1w", "1h30m", True, None])
def test_what_is_no_length_of_time_is_refused(text: Any) -> None:
    with pytest.raises(MisuseError, match=r"limit: .* is no length of time"):
        seconds(text, "limit")


@pytest.mark.parametrize("name", ["daily", "retrain"])
def test_what_ships_can_be_read(tmp_path: Path, name: str) -> None:
    found = load_pipeline(Settings(home=tmp_path), name)
    assert found.about
    assert found.schedule is not None
    assert any(step.gate == "blocks" for step in found.steps)
    assert all(step.limit and step.retries for step in found.steps), "nothing hangs for ever, nothing gives up at once"


def test_a_copy_in_the_home_is_used_instead(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    target = copy_pipeline(settings, "daily")
    target.write_text(target.read_text().replace('"0 5 * * *"', '"0 6 * * *"'))
    found = load_pipeline(settings, "daily")
    assert found.schedule is not None
    assert found.schedule.cron == "0 6 * * *"
    with pytest.raises(ConflictError, match="exists already"):
        copy_pipeline(settings, "daily")


def test_a_pipeline_of_ones_own_stands_beside_those_that_ship(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "mine.yaml").write_text("name: mine\nsteps: [{name: a, job: build}]\n")
    (tmp_path / "pipelines" / "other.yaml").write_text("name: mine\nsteps: [{name: a, job: build}]\n")
    assert pipeline_names(settings) == ["daily", "mine", "other", "retrain"]
    assert load_pipeline(settings, "mine").name == "mine"
    with pytest.raises(MisuseError, match="holds a pipeline called 'mine'"):
        load_pipeline(settings, "other")


@pytest.mark.parametrize("name", ["nightly", "../daily", "/etc/passwd", ""])
def test_a_pipeline_that_is_not_there_is_not_found(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFoundError, match="there is no pipeline"):
        load_pipeline(Settings(home=tmp_path), name)
    with pytest.raises(NotFoundError, match="ships with Axiom"):
        copy_pipeline(Settings(home=tmp_path), name)
