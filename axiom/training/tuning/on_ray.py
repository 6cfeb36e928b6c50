"""The search on Ray Tune: Optuna proposes, ASHA stops the hopeless fold by fold, the storage resumes after a kill."""

from __future__ import annotations

import io
import json
import pickle
import time
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ray import tune

from axiom.errors import ConflictError, CorruptError, NotFoundError
from axiom.training.tuning.search import Found, SearchOptions, Trial, found_of, quiet_optuna
from axiom.training.tuning.space import Space, chosen
from axiom.training.tuning.work import NOT_JUDGED, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from axiom.training.tuning.work import TuneWork

METRIC = "excess"
_ABOUT = "search.json"
# Tune stores its callbacks with the search and brings them back on a resume. What they tell lives in this process only,
# so a callback looks it up here.
_TELL: ContextVar[Callable[[], None]] = ContextVar("tell")


@dataclass(frozen=True)
class RaySearch:
    """A search on the Ray this process is connected to.

    Attributes:
        folder: where the state of the search is kept; on a cluster storage that all nodes share.
        about: what the search is about, as JSON values: it can only be resumed with the same.
    """

    folder: Path
    about: Mapping[str, Any]

    def __call__(self, work: TuneWork, options: SearchOptions, on_done: Callable[[], None]) -> Found:
        """See `Search`.

        Raises:
            ConflictError: an unfinished search is there and it is not to be resumed, or it was about something else, or
                this one is interrupted.
            NotFoundError: there is nothing to resume.
            CorruptError: what there is to resume cannot be read.
            BadInputError: no trial was judged in every fold.
        """
        # The data go to the object store once, however many trials there are.
        trainable = tune.with_resources(tune.with_parameters(run_trial, work=work), {"cpu": 1})
        self._check(resume=options.resume)
        with _quiet():
            tuner = self._restored(trainable) if options.resume else self._new(trainable, work, options)
            if options.resume:
                for _ in range(_ended(tuner)):
                    on_done()
            token, started = _TELL.set(on_done), time.monotonic()
            try:
                results = tuner.fit()
            finally:
                _TELL.reset(token)
        ended = results.num_terminated + results.num_errors
        in_time = options.time_limit is None or time.monotonic() - started < options.time_limit
        if ended < options.trials and in_time:
            raise ConflictError(
                f"the search was interrupted after {ended} of {options.trials} trials", hint="go on with --resume"
            )
        self._write({"finished": True})
        trials = [_trial(result, len(work.folds)) for result in results if result.config]
        return found_of(trials, work, options, str(self.folder))

    def _check(self, *, resume: bool) -> None:
        stored = self._stored()
        if not resume:
            if stored and not stored.get("finished"):
                raise ConflictError(
                    f"an unfinished search lies at {self.folder}",
                    hint="go on with --resume, search under another --name, or remove the folder",
                )
            if stored:
                self._set_aside()
            return
        if not stored or not tune.Tuner.can_restore(str(self.folder)):
            raise NotFoundError(f"there is no search to resume at {self.folder}", hint="start it without --resume")
        changed = [name for name, value in self.about.items() if stored["about"].get(name) != value]
        if changed:
            told = "; ".join(f"{name} was {stored['about'].get(name)!r}, is {self.about[name]!r}" for name in changed)
            raise ConflictError(
                f"the search at {self.folder} is about something else: {told}",
                hint="resume with the same data and options, or start anew under another --name",
            )

    def _stored(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / _ABOUT).read_text())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise CorruptError(f"{self.folder / _ABOUT} cannot be read: {error}", hint="remove the folder") from error
        return found

    def _write(self, more: Mapping[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        facts = {"about": dict(self.about), **self._stored(), **more}
        draft = self.folder / f"{_ABOUT}.new"
        draft.write_text(json.dumps(facts, indent=1, ensure_ascii=False))
        draft.replace(self.folder / _ABOUT)

    def _set_aside(self) -> None:
        """A finished search keeps its folder under another name, so that a new one can have this one."""
        number = 1
        while (other := self.folder.with_name(f"{self.folder.name}.{number}")).exists():
            number += 1
        self.folder.rename(other)

    def _new(self, trainable: Any, work: TuneWork, options: SearchOptions) -> Any:
        from ray.tune.schedulers import ASHAScheduler, FIFOScheduler
        from ray.tune.search.optuna import OptunaSearch

        space, folds = Space(work.options.models), len(work.folds)
        algorithm = OptunaSearch(
            space,
            metric=METRIC,
            mode="min",
            points_to_evaluate=space.defaults[: options.trials],
            seed=work.options.seed,
        )
        scheduler = (
            ASHAScheduler(time_attr="folds", max_t=folds, grace_period=1, reduction_factor=2)
            if folds > 1
            else FIFOScheduler()
        )
        self._write({})
        return tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                metric=METRIC,
                mode="min",
                num_samples=options.trials,
                search_alg=algorithm,
                scheduler=scheduler,
                time_budget_s=options.time_limit,
                max_concurrent_trials=options.concurrency,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name=self.folder.name, storage_path=str(self.folder.parent), verbose=0, callbacks=[_Told()]
            ),
        )

    def _restored(self, trainable: Any) -> Any:
        try:
            return tune.Tuner.restore(
                str(self.folder), trainable=trainable, resume_unfinished=True, restart_errored=True
            )
        except (EOFError, pickle.UnpicklingError) as error:
            raise CorruptError(
                f"the search at {self.folder} broke off before its state was written: {error}",
                hint="remove the folder and start anew",
            ) from error


def run_trial(config: dict[str, Any], work: TuneWork) -> None:
    """One trial, which reports after every fold."""
    model, params = chosen(config)
    for step in work.trial(model, params):
        tune.report(asdict(step))


class _Told(tune.Callback):  # type: ignore[misc]  # Ray has no types
    """Tells this process of every trial that ends."""

    def on_trial_complete(self, *_: Any, **__: Any) -> None:
        _TELL.get(_nobody)()

    def on_trial_error(self, *_: Any, **__: Any) -> None:
        _TELL.get(_nobody)()


def _nobody() -> None:
    """Nobody listens."""


def _ended(tuner: Any) -> int:
    """Trials of the earlier attempt that are over."""
    return int(tuner.get_results().num_terminated)


def _trial(result: Any, folds: int) -> Trial:
    model, params = chosen(result.config)
    metrics = result.metrics or {}
    if result.error is not None:
        return Trial(model, params, Step(0, NOT_JUDGED, NOT_JUDGED, _first_line(result.error)), finished=False)
    if "folds" not in metrics:
        return Trial(model, params, None, finished=False)
    last = Step(**{name: metrics[name] for name in Step.__dataclass_fields__})
    finished = last.folds == folds and not last.failed
    return Trial(model, params, last, finished, float(metrics.get("time_total_s", 0.0)))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[-1]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the banners of Tune off stdout, which belongs to the answer of the command."""
    with quiet_optuna(), redirect_stdout(io.StringIO()):
        yield
