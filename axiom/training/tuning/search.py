"""What a search gives back, and the plain search that needs no Ray."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from axiom.errors import BadInputError, MisuseError
from axiom.training.tuning.space import Space, chosen
from axiom.training.tuning.work import NOT_JUDGED, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from axiom.training.tuning.work import TuneWork


@dataclass(frozen=True)
class Trial:
    """One trial of a search.

    Attributes:
        model: entry of the catalogue.
        params: its hyper-parameters.
        last: how it stood at its end; None where it ended before the first fold.
        finished: whether it was judged in every fold.
        seconds: wall time.
    """

    model: str
    params: Mapping[str, Any]
    last: Step | None
    finished: bool
    seconds: float = 0.0


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        trials: finished ones first, best first.
        wanted: how many trials were asked for.
        folds: folds of a whole trial.
        path: where the search is stored; "" where it is not.
        warnings: in full sentences.
    """

    trials: tuple[Trial, ...]
    wanted: int
    folds: tuple[str, ...]
    path: str = ""
    warnings: tuple[str, ...] = field(default=())

    @property
    def best(self) -> Trial:
        """The finished trial with the lowest loss."""
        return self.trials[0]


@dataclass(frozen=True)
class SearchOptions:
    """How to search.

    Attributes:
        trials: how many, the defaults of every model included.
        time_limit: seconds after which no trial goes on; None: none.
        concurrency: trials at once; None: one a CPU. Only with 1 does a seed repeat a search exactly: what is tried
            next depends on what has ended.
        resume: go on with the search that was interrupted.
    """

    trials: int = 30
    time_limit: float | None = None
    concurrency: int | None = None
    resume: bool = False

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise MisuseError(f"a search needs at least one trial, not {self.trials}")
        if self.time_limit is not None and self.time_limit <= 0:
            raise MisuseError(f"the time limit {self.time_limit:g} s must be positive")
        if self.concurrency is not None and self.concurrency < 1:
            raise MisuseError(f"concurrency {self.concurrency} must be at least 1")


class Search(Protocol):
    """Searches the space of `work.options.models`."""

    def __call__(self, work: TuneWork, options: SearchOptions, on_done: Callable[[], None]) -> Found:
        """Search; `on_done` is called as each trial ends, those of an earlier attempt included."""
        ...


def search_inline(work: TuneWork, options: SearchOptions, on_done: Callable[[], None]) -> Found:
    """One trial after the other in this process, proposed by Optuna. Nothing is stored, no trial is stopped early.

    Raises:
        MisuseError: it is asked to resume.
        BadInputError: no trial could be judged.
    """
    import optuna

    if options.resume:
        raise MisuseError("a search in one process keeps nothing to resume", hint="unset AXIOM_ENGINE to search on Ray")
    space, trials = Space(work.options.models), []
    started = time.monotonic()
    with quiet_optuna():
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=work.options.seed))
        for point in space.defaults[: options.trials]:
            study.enqueue_trial(point)
        for _ in range(options.trials):
            if options.time_limit is not None and time.monotonic() - started > options.time_limit:
                break
            asked, begun = study.ask(), time.monotonic()
            space(asked)
            model, params = chosen(asked.params)
            last = _last(work.trial(model, params))
            study.tell(asked, last.excess)
            finished = last.folds == len(work.folds) and not last.failed
            trials.append(Trial(model, params, last, finished, time.monotonic() - begun))
            on_done()
    return found_of(trials, work, options)


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna's log lines, one a trial, off the terminal."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def found_of(trials: Sequence[Trial], work: TuneWork, options: SearchOptions, path: str = "") -> Found:
    """Rank trials.

    Raises:
        BadInputError: none was judged in every fold.
    """
    if not any(trial.finished for trial in trials):
        reasons = sorted({trial.last.failed for trial in trials if trial.last and trial.last.failed})
        raise BadInputError(
            f"none of {len(trials)} trials was judged in all {len(work.folds)} folds: "
            f"{'; '.join(reasons) or 'the time ran out'}",
            hint="give more time or other models",
        )
    ranked = sorted(trials, key=lambda one: (not one.finished, one.last.excess if one.last else NOT_JUDGED))
    notes = list(work.warnings)
    if len(trials) < options.trials:
        notes.append(f"{len(trials)} of {options.trials} trials were begun before the time ran out")
    return Found(tuple(ranked), options.trials, tuple(work.folds), path, tuple(notes))


def _last(steps: Iterator[Step]) -> Step:
    step = None
    for step in steps:  # noqa: B007 - the last one counts
        pass
    assert step is not None  # noqa: S101 - a search has at least one fold
    return step
