"""One trial and the plain search: the folds of a training, fold by fold, and what cannot be searched."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from axiom.engine import InlineEngine
from axiom.errors import BadInputError, MisuseError
from axiom.training.churn import train_churn
from axiom.training.tuning.report import DEFAULTS, to_json, to_markdown, tune_report
from axiom.training.tuning.search import SearchOptions, found_of, search_inline
from axiom.training.tuning.work import NOT_JUDGED, folds_of, plan_work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from axiom.training.fits import Job
    from axiom.training.options import ChurnOptions
    from axiom.training.table import ChurnTable
    from axiom.training.tuning.search import Found
    from axiom.training.tuning.work import TuneWork


class RecordingEngine(InlineEngine):
    """Runs the jobs here and remembers them."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def map_tasks(self, function: Any, items: Sequence[Any], *, on_done: Callable[[], None] | None = None) -> list[Any]:
        self.jobs += items
        return super().map_tasks(function, items, on_done=on_done)


def nothing() -> None:
    pass


@pytest.fixture(scope="module")
def found(work: TuneWork) -> Found:
    return search_inline(work, SearchOptions(trials=6), nothing)


@pytest.mark.parametrize("scheme", [{"scheme": "expanding"}, {"scheme": "sliding", "window": 1}, {"max_folds": 1}])
@pytest.mark.parametrize("calibration", ["auto", "none"])
def test_the_folds_are_those_of_a_training(
    scheme: dict[str, Any],
    calibration: Any,
    company: Callable[..., ChurnTable],
    horizon: timedelta,
    options: ChurnOptions,
) -> None:
    table, asked = company(), replace(options, models=("logistic",), calibration=calibration, **scheme)
    engine = RecordingEngine()
    train_churn(table, horizon, asked, engine=engine)
    trained = {
        job.fold.removeprefix("fold "): (job.train.tolist(), job.predict["validate"].tolist())
        for job in engine.jobs
        if job.fold != "final fit"
    }
    folds, _ = folds_of(table, horizon, asked)
    assert {name: (train.tolist(), judged.tolist()) for name, (train, judged) in folds.items()} == trained


def test_a_trial_has_the_loss_of_a_training(
    company: Callable[..., ChurnTable], horizon: timedelta, options: ChurnOptions
) -> None:
    asked = replace(options, models=("decision_tree",), params={"decision_tree": {"max_depth": 3}})
    report = train_churn(company(), horizon, asked).report
    work = plan_work(company(), horizon, replace(asked, params={}))
    steps = list(work.trial("decision_tree", {"max_depth": 3}))
    losses = list(report.model("decision_tree").fold_losses.values())
    assert [step.folds for step in steps] == [1, 2, 3]
    np.testing.assert_allclose([step.log_loss for step in steps], np.cumsum(losses) / [1, 2, 3], rtol=1e-12)


def test_excess_is_against_default_logistic_regression_on_the_same_folds(work: TuneWork) -> None:
    assert [step.excess for step in work.trial("logistic", {})] == [0.0, 0.0, 0.0]
    weak = list(work.trial("logistic", {"C": 1e-4}))
    for step in weak:
        assert step.excess == pytest.approx(step.log_loss - np.mean(work.reference[: step.folds]), abs=1e-12)
        assert step.excess > 0


def test_what_cannot_be_fitted_ends_the_trial_with_a_reason(work: TuneWork) -> None:
    constant = replace(work.table, X=work.table.X.select(["idle"]).set_column(0, "idle", [np.ones(len(work.table))]))
    (step,) = replace(work, table=constant).trial("logistic", {})
    assert step.excess == NOT_JUDGED
    assert "logistic, fold" in step.failed
    with pytest.raises(MisuseError, match="no hyper-parameter size"):
        list(work.trial("logistic", {"size": 3}))


def test_a_search_begins_with_the_defaults_and_never_ends_below_them(found: Found, work: TuneWork) -> None:
    assert len(found.trials) == 6
    assert {trial.model for trial in found.trials} == set(work.options.models)
    full = [list(work.trial(model, {}))[-1].excess for model in work.options.models]
    assert found.best.last is not None
    assert found.best.last.excess <= min(full)
    excesses = [trial.last.excess for trial in found.trials if trial.last]
    assert excesses == sorted(excesses)


def test_a_seed_repeats_a_search(found: Found, work: TuneWork) -> None:
    again = search_inline(work, SearchOptions(trials=6), nothing)
    assert [(trial.model, trial.params) for trial in again.trials] == [(t.model, t.params) for t in found.trials]
    other = replace(work, options=replace(work.options, seed=8))
    assert [trial.params for trial in search_inline(other, SearchOptions(trials=6), nothing).trials] != [
        trial.params for trial in found.trials
    ]


def test_progress_is_told_trial_by_trial(work: TuneWork) -> None:
    told: list[int] = []
    search_inline(work, SearchOptions(trials=4), lambda: told.append(1))
    assert len(told) == 4


def test_a_time_limit_ends_the_search_and_is_told(found: Found, work: TuneWork) -> None:
    with pytest.raises(BadInputError, match="none of 0 trials was judged in all 3 folds: the time ran out"):
        search_inline(work, SearchOptions(trials=50, time_limit=1e-9), nothing)
    fewer = found_of(found.trials, work, SearchOptions(trials=50))
    assert fewer.warnings[-1] == "6 of 50 trials were begun before the time ran out"


def test_one_process_has_nothing_to_resume(work: TuneWork) -> None:
    with pytest.raises(MisuseError, match="keeps nothing to resume"):
        search_inline(work, SearchOptions(resume=True), nothing)


@pytest.mark.parametrize("wrong", [{"trials": 0}, {"time_limit": 0.0}, {"concurrency": 0}])
def test_impossible_searches_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(MisuseError):
        SearchOptions(**wrong)


def test_nothing_to_compare_on_is_refused(
    company: Callable[..., ChurnTable], horizon: timedelta, options: ChurnOptions
) -> None:
    with pytest.raises(BadInputError, match="nothing to tune on before the holdout 2024-07-01"):
        plan_work(company(cutoffs=2), horizon, options)


def test_at_a_shorter_horizon_every_cutoff_labelled_by_the_holdout_is_compared_at(
    company: Callable[..., ChurnTable], horizon: timedelta, options: ChurnOptions
) -> None:
    table = company(cutoffs=4)
    holdout = max(table.cutoffs)
    work = plan_work(table, horizon / 2, options, until=holdout)
    assert list(work.folds) == ["2024-05-02", "2024-06-01"]  # labels end by 2024-07-01, the holdout stays untouched
    for train, validate in work.folds.values():
        ends = table.as_of[train] + np.timedelta64(horizon // 2)
        assert (ends <= table.as_of[validate].min()).all()
        assert (
            table.as_of[validate] + np.timedelta64(horizon // 2) <= np.datetime64(holdout.replace(tzinfo=None))
        ).all()
    with pytest.raises(BadInputError, match=r"nothing to tune on before the holdout 2024-07-01"):
        plan_work(company(cutoffs=2), horizon, options, until=holdout)


def test_one_fold_stops_no_trial_early_and_says_so(
    company: Callable[..., ChurnTable], horizon: timedelta, options: ChurnOptions
) -> None:
    work = plan_work(company(cutoffs=3), horizon, options)
    assert list(work.folds) == ["2024-06-01"]
    assert "there is one fold only, so no trial can be stopped early" in work.warnings


def test_a_fold_of_one_class_is_left_out_and_named(
    company: Callable[..., ChurnTable], horizon: timedelta, options: ChurnOptions
) -> None:
    table = company()
    work = plan_work(replace(table, churned=table.churned & (table.as_of > table.as_of.min())), horizon, options)
    assert list(work.folds) == ["2024-04-02", "2024-05-02"]
    assert any("fold 2024-03-03 is left out" in warning for warning in work.warnings)


def test_ten_customers_are_refused(
    company: Callable[..., ChurnTable], horizon: timedelta, options: ChurnOptions
) -> None:
    with pytest.raises(BadInputError, match=r"the training slice .* has 40 rows"):
        plan_work(company(customers=10), horizon, options)


def test_a_table_without_times_is_refused(
    company: Callable[..., ChurnTable], horizon: timedelta, options: ChurnOptions
) -> None:
    table = company()
    static = replace(table, as_of=np.full(len(table), "NaT", dtype="datetime64[us]"))
    with pytest.raises(MisuseError, match="no times to tune on"):
        plan_work(static, horizon, options)


def test_the_report_says_plainly_whom_the_best_beat(
    found: Found, company: Callable[..., ChurnTable], horizon: timedelta, options: ChurnOptions
) -> None:
    best = found.best
    chosen = replace(options, models=(best.model,), params={best.model: dict(best.params)})
    tuned = train_churn(company(), horizon, chosen)
    reference = train_churn(company(), horizon, replace(options, models=("logistic",)))
    report = tune_report(found, tuned, reference)
    assert report.comparisons.keys() == {"bg_nbd", DEFAULTS}
    assert report.comparisons["bg_nbd"].beaten  # the simulated purchase model guesses
    assert not report.comparisons[DEFAULTS].beaten  # the truth is logistic
    assert "beat BG/NBD" in report.verdict
    assert "did not beat logistic (defaults)" in report.verdict
    assert "What it did not beat is simpler: prefer it." in report.verdict
    text = to_markdown(report)
    assert text.index("did not beat") < text.index("## Trials")
    assert text.count("\n| naive_bayes") >= 1
    body = json.loads(to_json(report))
    assert len(body["trials"]) == 6
    assert body["metrics"].keys() == {f"{best.model} (tuned)", DEFAULTS, "bg_nbd", "base_rate"}


def test_the_report_says_when_nothing_better_than_the_defaults_was_found(
    work: TuneWork, company: Callable[..., ChurnTable], horizon: timedelta, options: ChurnOptions
) -> None:
    alone = replace(work, options=replace(options, models=("logistic",)))
    found = search_inline(alone, SearchOptions(trials=1), nothing)
    trained = train_churn(company(), horizon, replace(options, models=("logistic",)))
    verdict = tune_report(found, trained, trained).verdict
    assert verdict.startswith("nothing was found that is better than logistic regression with default settings, which")
    assert "beat BG/NBD" in verdict
    assert DEFAULTS not in verdict
