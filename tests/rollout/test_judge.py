from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from shutil import copytree
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from axiom.errors import ConflictError, CorruptError, MisuseError, NotFoundError
from axiom.lake import Lake
from axiom.lake.storage import Storage
from axiom.pipelines.exposures import Watched, paired_exposures, split_exposures
from axiom.pipelines.outcomes import churn_outcomes
from axiom.pipelines.rollout import Judgement, judge_rollouts, start_trial, watch_rollouts
from axiom.registry.cards import TrainingWindow
from axiom.registry.steering import set_share
from axiom.registry.trials import Rule
from axiom.scoring.inference import InferenceLog, inference_schema
from axiom.training.definition import ChurnDefinition

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pyarrow as pa

    from axiom.registry.cards import ModelCard
    from axiom.registry.rollout import RollOut
    from tests.rollout.conftest import World

AS_OF = datetime(2023, 2, 1, tzinfo=UTC)
WHO: dict[str, Any] = {"actor": "ann", "reason": "try it"}
OUTCOME = Rule("outcome", min_sample=100, max_days=90)
AGREE = Rule("agreement", min_sample=100)
LATER = AS_OF + timedelta(days=40)


def churns(customer: str) -> bool:
    return int(customer[1:]) % 2 == 0


def knows(better: str, sure: float = 0.9) -> Callable[[str, str], float]:
    """One version tells who churns; the others say a half to everybody."""

    def said(model: str, customer: str) -> float:
        if model != better:
            return 0.5
        return sure if churns(customer) else 1 - sure

    return said


def canary(world: World, version: int = 2, *, share: float = 0.5, rule: Rule | None = OUTCOME) -> RollOut:
    found = start_trial(world.ws, "churn", version, "canary", share=share, rule=rule, **WHO)
    world.clock.advance(minutes=1)
    return found


def shadow(world: World, version: int, rule: Rule | None = AGREE) -> None:
    start_trial(world.ws, "churn", version, "shadow", rule=rule, **WHO)
    world.clock.advance(minutes=1)


def judge(world: World, now: datetime = LATER, **more: Any) -> list[Judgement]:
    return judge_rollouts(world.ws, ["churn"], now=now, read=world.read, **more)


def test_a_better_canary_becomes_champion_once_outcomes_are_known(world: World) -> None:
    canary(world)
    world.answer(knows("churn@2"))
    (found,) = judge(world, AS_OF + timedelta(days=29))
    assert (found.evidence.verdict, found.action) == ("waiting", "none")
    assert found.evidence.counts["horizon_not_over"] == 1200
    (found,) = judge(world)
    assert (found.model, found.champion, found.stage, found.action) == ("churn@2", "churn@1", "canary", "promote")
    after = world.ws.registry.rollout("churn")
    assert after.champion is not None
    assert (after.champion.version, after.canary, after.canary_share) == (2, None, 0.0)
    assert world.ws.registry.get("churn", 1).stage == "archived"
    event = world.ws.registry.history("churn")[-1]
    assert (event.actor, event.action, event.version) == ("axiom judge", "promote", 2)
    told = json.loads(event.reason)
    assert told["evidence"]["verdict"] == "passed"
    assert told["evidence"]["counts"]["canary"] + told["evidence"]["counts"]["champion"] == 1200
    assert told["evidence"]["estimates"]["brier_difference"]["high"] < 0


def test_a_worse_canary_is_archived_and_the_champion_stays(world: World) -> None:
    canary(world)
    world.answer(knows("churn@1"))
    (found,) = judge(world)
    assert (found.evidence.verdict, found.action) == ("failed", "archive")
    after = world.ws.registry.rollout("churn")
    assert after.champion is not None
    assert (after.champion.version, after.canary) == (1, None)
    assert world.ws.registry.get("churn", 2).stage == "archived"


def test_judging_again_changes_nothing(world: World) -> None:
    canary(world)
    world.answer(knows("churn@2"))
    judge(world)
    revision = world.ws.registry.revision(["churn"])
    assert judge(world) == []
    assert world.ws.registry.revision(["churn"]) == revision


def test_a_dry_run_says_what_it_would_do_and_does_nothing(world: World) -> None:
    seen = canary(world)
    world.answer(knows("churn@2"))
    (found,) = judge(world, apply=False)
    assert found.action == "promote"
    assert world.ws.registry.rollout("churn") == seen


def test_equal_versions_are_watched_on_and_stopped_when_time_is_over(world: World) -> None:
    canary(world)
    world.answer(lambda _, customer: 0.6 if churns(customer) else 0.4)
    (found,) = judge(world)
    assert (found.evidence.verdict, found.action) == ("waiting", "none")
    (found,) = judge(world, AS_OF + timedelta(days=91))
    assert (found.evidence.verdict, found.action) == ("inconclusive", "stop")
    assert world.ws.registry.get("churn", 2).stage == "candidate"


def test_keep_only_tells(world: World) -> None:
    canary(world, rule=replace(OUTCOME, when_passed="keep", when_failed="keep"))
    world.answer(knows("churn@2"))
    (found,) = judge(world)
    assert (found.evidence.verdict, found.action) == ("passed", "none")
    assert world.ws.registry.get("churn", 2).stage == "canary"


def test_a_roll_out_that_changes_while_it_is_judged_is_left_alone(world: World) -> None:
    canary(world)
    world.answer(knows("churn@2"))

    def meddle(since: datetime, until: datetime) -> pa.Table:
        if world.ws.registry.rollout("churn").canary_share == 0.5:
            set_share(world.ws.registry, "churn", 0.6, **WHO)
        return world.read(since, until)

    with pytest.raises(ConflictError, match="changed while it was judged"):
        judge_rollouts(world.ws, ["churn"], now=LATER, read=meddle)
    assert world.ws.registry.get("churn", 2).stage == "canary"
    assert judge(world)[0].action == "promote"


def test_a_shadow_whose_scores_agree_becomes_champion_and_one_that_does_not_is_archived(world: World) -> None:
    def said(model: str, customer: str) -> float:
        base = int(customer[1:]) / 1300
        return {"churn@1": base, "churn@2": base + 0.001, "churn@3": 1 - base}[model]

    shadow(world, 3)
    shadow(world, 2)
    # Rank correlation needs customers in random order; numbers that rise with time would do just as well here.
    order = [f"c{number:04d}" for number in np.random.default_rng(1).permutation(1200)]
    world.answer(said, order)
    found = {one.model: one for one in judge(world, world.clock.now)}
    assert found["churn@2"].action == "promote"
    # By then churn@2 is champion, and nobody was asked beside it yet.
    assert (found["churn@3"].champion, found["churn@3"].evidence.customers) == ("churn@2", 0)
    assert found["churn@3"].action == "none"


def test_a_shadow_is_judged_by_outcomes_of_the_same_customers(world: World) -> None:
    shadow(world, 2, OUTCOME)
    world.answer(knows("churn@2"))
    (found,) = judge(world)
    assert (found.evidence.customers, found.action) == (1200, "promote")


def test_a_trial_without_a_rule_is_left_to_people(world: World) -> None:
    canary(world, rule=None)
    world.answer(knows("churn@2"))
    assert judge(world) == []


def test_an_empty_log_is_waited_for(world: World) -> None:
    canary(world)
    (found,) = judge(world)
    assert (found.evidence.verdict, found.evidence.customers) == ("waiting", 0)


def test_customers_count_once_with_their_first_answer(world: World) -> None:
    seen = canary(world)
    world.answer(knows("churn@2"))
    once = split_exposures(world.read, watched(seen, LATER), seen.trials[2], seen.salt)
    world.answer(knows("churn@1"))
    twice = split_exposures(world.read, watched(seen, LATER), seen.trials[2], seen.salt)
    assert len(once) == 1200
    assert twice.customer_id == once.customer_id
    assert np.array_equal(twice.p, once.p)


def test_who_had_the_champion_before_the_share_grew_counts_as_the_champions(world: World) -> None:
    seen = canary(world, share=0.2)
    world.answer(knows("churn@2"), [f"c{number:04d}" for number in range(600)])
    world.clock.advance(seconds=1)
    seen = set_share(world.ws.registry, "churn", 0.5, **WHO)
    world.clock.advance(minutes=1)
    world.answer(knows("churn@2"))
    found = split_exposures(world.read, watched(seen, LATER), seen.trials[2], seen.salt)
    assert len(found) == 1200
    assert set(found.share[:600]) == {0.2}
    assert set(found.share[600:]) == {0.5}
    assert found.canary[:600].mean() < 0.3
    assert "wrong_side" not in found.counts


def test_answers_while_replicas_learn_of_a_new_share_do_not_count(world: World) -> None:
    seen = canary(world, share=0.2)
    changed = set_share(world.ws.registry, "churn", 0.6, **WHO)
    world.clock.advance(seconds=5)
    late = next(c for c in map("c{:04d}".format, range(99)) if seen.role_of(c) != changed.role_of(c))
    world.log(customer_id=late, role="champion", value=0.5)
    assert len(split_exposures(world.read, watched(changed, LATER), changed.trials[2], changed.salt)) == 0


def test_a_share_nearer_to_the_edge_than_the_first_one_does_not_count(world: World) -> None:
    canary(world, share=0.2)
    seen = set_share(world.ws.registry, "churn", 0.05, **WHO)
    world.clock.advance(minutes=1)
    world.answer(knows("churn@2"))
    assert len(split_exposures(world.read, watched(seen, LATER), seen.trials[2], seen.salt)) == 0


def test_a_canary_that_fails_to_answer_does_not_pass(world: World) -> None:
    canary(world)
    world.answer(knows("churn@2"))
    for row in world.rows:
        if row["role"] == "canary" and int(row["customer_id"][1:]) % 10 == 0:
            row.update(role="champion", model="churn@1")
    (found,) = judge(world)
    assert found.action == "none"
    assert found.evidence.counts["wrong_side"] > 20
    assert "not answered by the side" in found.evidence.why


def test_rows_that_prove_nothing_are_left_out(world: World) -> None:
    shadow(world, 2)
    bad: list[dict[str, Any]] = [
        {"customer_id": None},
        {"source": "features"},
        {"source": "history"},
        {"value": float("nan")},
        {"value": 1.5},
        {"value": None},
        {"kind": "clv"},
        {"as_of": None},
        {"as_of": LATER},
        {"model": "churn@3"},
    ]
    for change in [*bad, {}]:
        request = f"q{len(world.rows)}"
        row = {"customer_id": "c0001", "value": 0.5, "request_id": request, **change}
        world.log(**row)
        world.log(**{**row, "role": "shadow", "model": row.get("model", "churn@2")})
    found = paired_exposures(world.read, watched(world.ws.registry.rollout("churn"), LATER))
    assert len(found) == 1
    assert found.counts == {"rows": 22, "unusable": 20}


def test_outcomes_that_a_version_learnt_from_are_no_evidence(
    world: World, card: Callable[..., ModelCard], model_files: dict[str, bytes]
) -> None:
    window = TrainingWindow(30, (AS_OF - timedelta(days=10),))
    world.ws.registry.register(card(training_window=window), model_files)
    canary(world, 4)
    world.answer(knows("churn@4"))
    (found,) = judge(world)
    assert (found.evidence.customers, found.evidence.counts["learnt_from"]) == (0, 1200)


def test_outcomes_are_unknown_where_the_data_end_before_the_horizon(world: World) -> None:
    microseconds = int(datetime(2023, 3, 5, tzinfo=UTC).timestamp() * 1e6)
    customers = ["c0000", "c0001", "nobody"]
    found = churn_outcomes(world.ws.lake, customers, np.full(3, microseconds), 30, ChurnDefinition())
    assert np.isnan(found).all()


def test_outcomes_are_those_of_the_future_that_is_known(world: World) -> None:
    customers = [f"c{number:04d}" for number in range(8)] + ["nobody"]
    as_of = np.full(9, int(AS_OF.timestamp() * 1e6))
    as_of[4:6] = int(datetime(2023, 1, 3, tzinfo=UTC).timestamp() * 1e6)  # before anybody bought: not at risk
    as_of[6:8] = int(datetime(2023, 2, 22, tzinfo=UTC).timestamp() * 1e6)  # after the second purchase: both leave
    found = churn_outcomes(world.ws.lake, customers, as_of, 30, None)
    assert np.array_equal(found, [1, 0, 1, 0, np.nan, np.nan, 1, 1, np.nan], equal_nan=True)


def test_a_clock_before_the_trial_is_refused(world: World) -> None:
    canary(world)
    with pytest.raises(MisuseError, match="lies before the trial of churn@2 began"):
        judge(world, AS_OF - timedelta(days=1))


def test_without_a_champion_nothing_is_judged(world: World) -> None:
    canary(world)
    world.ws.registry.promote("churn", 1, "archived", **WHO)
    with pytest.raises(ConflictError, match="'churn' has no champion to compare churn@2 with"):
        judge(world)


def test_a_log_without_a_column_is_corrupt(world: World) -> None:
    canary(world)
    with pytest.raises(CorruptError, match="the inference log lacks role"):
        judge_rollouts(
            world.ws, ["churn"], now=LATER, read=lambda *_: inference_schema().empty_table().drop_columns(["role"])
        )


def test_one_name_that_fails_does_not_keep_the_others_waiting(world: World) -> None:
    canary(world)
    world.answer(knows("churn@2"))
    with pytest.raises(NotFoundError, match="no model 'gone'"):
        judge_rollouts(world.ws, ["gone", "churn"], now=LATER, read=world.read)
    assert world.ws.registry.get("churn", 2).stage == "champion"


@pytest.mark.parametrize("damage", ["altered", "gone", "no model"])
def test_a_version_whose_files_do_not_load_is_not_started(
    world: World, card: Callable[..., ModelCard], model_files: dict[str, bytes], damage: str
) -> None:
    registry = world.ws.registry
    files = dict(model_files) | ({"model.json": b'{"format": "poetry"}'} if damage == "no model" else {})
    made = registry.register(card(notes="another"), files | {"notes.txt": b"other bytes"})
    storage = registry.blobs
    assert isinstance(storage, Storage)
    if damage == "altered":
        storage.write(made.artefact_path, b"x" + storage.read(made.artefact_path)[1:])
    elif damage == "gone":
        storage.delete(made.artefact_path)
    before = registry.revision(["churn"])
    with pytest.raises(CorruptError):
        start_trial(world.ws, "churn", made.version, "canary", share=0.1, **WHO)
    assert registry.revision(["churn"]) == before


def test_a_version_to_which_churn_means_something_else_is_not_started(
    world: World, card: Callable[..., ModelCard], model_files: dict[str, bytes]
) -> None:
    origin = json.loads(model_files["trained_on.json"])
    origin["definition"]["active_within"] = 90
    made = world.ws.registry.register(card(), model_files | {"trained_on.json": json.dumps(origin).encode()})
    with pytest.raises(MisuseError, match="their labels differ"):
        start_trial(world.ws, "churn", made.version, "canary", share=0.1, **WHO)


def test_the_log_of_the_lake_is_read_by_default(world: World, tmp_path: Path) -> None:
    copytree(world.ws.lake.storage.location, tmp_path / "lake")
    ws = replace(world.ws, lake=Lake.open(Storage(str(tmp_path / "lake"))))
    canary(world)
    world.answer(knows("churn@2"))
    with InferenceLog(ws.lake.storage) as log:
        for row in world.rows:
            log.add(tuple(row.values()))
    (found,) = judge_rollouts(ws, now=LATER)
    assert (found.evidence.customers, found.action) == (1200, "promote")


def test_watching_judges_until_it_is_stopped(world: World) -> None:
    stop, rounds = threading.Event(), []

    def on_round(judged: list[Judgement]) -> None:
        rounds.append(judged)
        if len(rounds) == 3:
            stop.set()

    watch_rollouts(world.ws, ["churn"], every=0.001, stop=stop, on_round=on_round)
    assert rounds == [[], [], []]
    with pytest.raises(MisuseError, match="cannot judge every 0 seconds"):
        watch_rollouts(world.ws, None, every=0, stop=stop, on_round=on_round)


def watched(seen: RollOut, until: datetime) -> Watched:
    return Watched("churn@1", "churn@2", "churn", AS_OF, until)
