"""The search over candidates and hyper-parameters on Ray Tune: Optuna proposes, ASHA stops, the storage resumes."""

from __future__ import annotations

import io
import pickle
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from axiom.errors import ConflictError, CorruptError, MisuseError, NotFoundError
from axiom.training.clv.candidate import Choices
from axiom.training.clv.candidates import candidate
from axiom.training.clv.options import ClvOptions
from axiom.training.clv.tuning import Search, Step, Trial, TuneReport, plan_search, report_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import timedelta

    from axiom.training.clv.candidate import Span
    from axiom.training.clv.rows import Origin

_METRIC = "excess"


def tune_clv(
    origins: Sequence[Origin],
    horizon: timedelta,
    storage: str,
    options: ClvOptions = ClvOptions(),  # noqa: B008 - frozen
    *,
    trials: int = 30,
    resume: bool = False,
    on_done: Callable[[], None] | None = None,
) -> TuneReport:
    """Search over the candidates of `options` and their hyper-parameters, on the Ray this process is connected to.

    The defaults of every candidate are tried first. `options.params` is ignored: it is what is searched for. The name
    of the search comes from the data, so it cannot be resumed with others.

    Args:
        origins: labelled cut-offs, in any order.
        horizon: length of the label window, whole days.
        storage: directory or URI for the state of the search; shared by all nodes of a cluster.
        options: candidates, champion rule, sample size and seed.
        trials: how many to run in all, also when resuming: what was planned when the search began counts.
        resume: go on with the search that was interrupted.
        on_done: called as each trial ends; not after a resume.

    Raises:
        BadInputError: as `backtest_clv`; or no trial could be judged.
        ConflictError: this search was run already and `resume` is not set.
        NotFoundError: there is nothing to resume.
        CorruptError: what there is to resume cannot be read.
        MisuseError: Ray is not connected, or `trials` is not positive.
    """
    import ray
    from ray import tune

    if not ray.is_initialized():
        raise MisuseError("the search runs on Ray and none is connected", hint="set AXIOM_ENGINE=ray")
    if trials < 1:
        raise MisuseError(f"a search needs at least one trial, not {trials}")
    search = plan_search(origins, horizon, options)
    name = f"clv-{search.fingerprint}"
    path = f"{storage.rstrip('/')}/{name}"
    # The data go to the object store once, however many trials there are.
    trainable = tune.with_resources(tune.with_parameters(_trainable, search=search), {"cpu": 1})
    known = tune.Tuner.can_restore(path)
    if resume and not known:
        raise NotFoundError(f"there is no search of these data at {path}", hint="start it without --resume")
    if known and not resume:
        raise ConflictError(
            f"these data were searched already: {path}", hint="go on with --resume, or give another storage path"
        )
    with _quiet():
        tuner = _restored(path, trainable) if resume else _tuner(trainable, search, name, storage, trials, on_done)
        results = tuner.fit()
    found = [_trial(result, len(search.steps)) for result in results]
    return report_of(found, len(search.steps), path, options.rule)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the banners of Tune and Optuna off the terminal, which belongs to the caller."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        optuna.logging.set_verbosity(before)


@dataclass(frozen=True)
class Space:
    """The define-by-run search space: a candidate, then its own hyper-parameters, named `candidate.parameter`."""

    candidates: tuple[str, ...]

    def __call__(self, trial: Any) -> None:
        """Let an Optuna trial choose."""
        name = trial.suggest_categorical("candidate", list(self.candidates))
        for param, allowed in candidate(name).space.items():
            _suggest(trial, f"{name}.{param}", allowed)

    @property
    def defaults(self) -> list[dict[str, Any]]:
        """The default settings of every candidate."""
        known = {name: candidate(name) for name in self.candidates}
        return [
            {"candidate": name, **{f"{name}.{param}": one.params[param] for param in one.space}}
            for name, one in known.items()
        ]


def _suggest(trial: Any, name: str, allowed: Span | Choices) -> None:
    if isinstance(allowed, Choices):
        trial.suggest_categorical(name, list(allowed.values))
    elif allowed.whole:
        trial.suggest_int(name, int(allowed.low), int(allowed.high), log=allowed.log)
    else:
        trial.suggest_float(name, allowed.low, allowed.high, log=allowed.log)


def _tuner(
    trainable: Any, search: Search, name: str, storage: str, trials: int, on_done: Callable[[], None] | None
) -> Any:
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler, FIFOScheduler
    from ray.tune.search.optuna import OptunaSearch

    options, steps = search.work.options, len(search.steps)
    space = Space(options.candidates)
    algorithm = OptunaSearch(
        space, metric=_METRIC, mode="min", points_to_evaluate=space.defaults[:trials], seed=options.seed
    )
    grace = max(1, steps // 3)
    scheduler = (
        ASHAScheduler(time_attr="origins", max_t=steps, grace_period=grace, reduction_factor=2)
        if steps > 1
        else FIFOScheduler()
    )
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            metric=_METRIC, mode="min", num_samples=trials, search_alg=algorithm, scheduler=scheduler, reuse_actors=True
        ),
        run_config=tune.RunConfig(
            name=name, storage_path=storage, verbose=0, callbacks=[] if on_done is None else [_progress(on_done)]
        ),
    )


def _restored(path: str, trainable: Any) -> Any:
    from ray import tune

    try:
        return tune.Tuner.restore(path, trainable=trainable, resume_unfinished=True, restart_errored=True)
    except (EOFError, pickle.UnpicklingError) as error:
        raise CorruptError(
            f"the search at {path} broke off before its state was written: {error}",
            hint="remove it, or give another storage path",
        ) from error


def _progress(on_done: Callable[[], None]) -> Any:
    from ray import tune

    class Progress(tune.Callback):  # type: ignore[misc] # Ray has no types
        def __init__(self, tell: Callable[[], None]) -> None:
            self.tell = tell

        def __getstate__(self) -> dict[str, Any]:
            # Stored with the search. What it calls (a progress bar) lives in this process only.
            return {"tell": _nobody}

        def on_trial_complete(self, *_: Any, **__: Any) -> None:
            self.tell()

    return Progress(on_done)


def _nobody() -> None:
    """Nobody is told of trials that end after a resume."""


def _trainable(config: dict[str, Any], search: Search) -> None:
    """One trial: report after every origin."""
    from ray import tune

    name, params = _chosen(config)
    for step in search.trial(name, params):
        tune.report(asdict(step))


def _chosen(config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    name = str(config["candidate"])
    start = f"{name}."
    return name, {key.removeprefix(start): value for key, value in config.items() if key.startswith(start)}


def _trial(result: Any, steps: int) -> Trial:
    name, params = _chosen(result.config)
    metrics = result.metrics or {}
    if "origins" not in metrics:
        return Trial(name, params, None, finished=False)
    last = Step(**{field: metrics[field] for field in Step.__dataclass_fields__})
    return Trial(name, params, last, finished=last.origins == steps and not last.failed)
