"""What a search over candidates and hyper-parameters looks for, step by step; the search itself is in `on_ray`.

One step is one origin, oldest first, so a hopeless trial can be stopped early. A trial's score is its mean excess of
log score over BG/NBD with default settings at the same origins: plain means over different origins could not be
compared, and trials that were stopped early are.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.errors import BadInputError
from axiom.training.clv.backtest import plan_work
from axiom.training.clv.candidates import candidate
from axiom.training.clv.judging import Job, JudgeWork
from axiom.training.splits import day

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import timedelta

    from axiom.training.clv.options import ChampionRule, ClvOptions
    from axiom.training.clv.rows import Origin

_REFERENCE = "bg_nbd"
NOT_JUDGED = 1e6
"""Score of a trial that could not be judged at an origin, nats."""


@dataclass(frozen=True)
class Step:
    """How a trial stands after an origin.

    Attributes:
        origins: origins judged so far.
        excess: mean log score minus that of the reference, nats; lower is better.
        log_score: mean log score.
        bias_purchases: relative bias of the total of purchases.
        converged: whether every fit did.
        failed: why it could not be judged; "" where it could.
    """

    origins: int
    excess: float
    log_score: float
    bias_purchases: float
    converged: bool
    failed: str = ""


@dataclass(frozen=True, eq=False)
class Search:
    """The data of a search, and what every trial does with them.

    Attributes:
        work: origins, horizon and options.
        steps: positions of the origins that are judged, oldest first.
        reference: mean log score of the reference at each of them.
    """

    work: JudgeWork
    steps: tuple[int, ...]
    reference: tuple[float, ...]

    def trial(self, name: str, params: Mapping[str, Any]) -> Iterator[Step]:
        """Judge one candidate origin by origin.

        Raises:
            MisuseError: an unknown candidate or parameter.
        """
        work = JudgeWork(
            self.work.origins,
            self.work.numbers,
            self.work.judged,
            (candidate(name, **params),),
            self.work.horizon,
            self.work.options,
        )
        scores: list[float] = []
        total = actual = 0.0
        converged = True
        for count, origin in enumerate(self.steps, start=1):
            found = work(Job(0, origin))
            if found.rows is None:
                yield Step(count, NOT_JUDGED, NOT_JUDGED, 0.0, converged=False, failed=found.failed)
                return
            scores.append(float(found.rows.log_score.mean()))
            total += float(found.rows.purchases.expected.sum())
            actual += float(found.rows.purchases.actual.sum())
            converged = converged and found.converged
            excess = float(np.mean(scores) - np.mean(self.reference[:count]))
            bias = total / actual - 1.0 if actual else 0.0
            yield Step(count, excess, float(np.mean(scores)), bias, converged)

    @property
    def fingerprint(self) -> str:
        """Names the data and the way of judging: a search can only go on with the same."""
        digest = hashlib.sha256(repr((self.work.horizon, self.steps, self.reference)).encode())
        digest.update(repr((self.work.options.seed, self.work.options.judge_at_most)).encode())
        return digest.hexdigest()[:12]


def plan_search(origins: Sequence[Origin], horizon: timedelta, options: ClvOptions) -> Search:
    """Choose the steps and judge the reference at each.

    Steps are the origins before which another one's outcomes were known, so that candidates that learn from past
    origins can be judged at every step; all origins where there is none such.

    Raises:
        BadInputError: as `backtest_clv`; or the reference cannot be fitted anywhere.
    """
    work = plan_work(origins, horizon, (candidate(_REFERENCE),), options)
    taught = [
        o for o, origin in enumerate(work.origins) if any(p.ended_by(origin.as_of, horizon) for p in work.origins)
    ]
    found = {o: work(Job(0, o)) for o in taught or range(len(work.origins))}
    means = {o: float(judged.rows.log_score.mean()) for o, judged in found.items() if judged.rows is not None}
    if not means:
        reasons = "; ".join(f"{day(work.origins[o].as_of)}: {judged.failed}" for o, judged in found.items())
        raise BadInputError(f"{_REFERENCE} could not be fitted at any origin: {reasons}")
    return Search(work, tuple(means), tuple(means.values()))


@dataclass(frozen=True)
class Trial:
    """One trial of a search.

    Attributes:
        candidate: its name.
        params: its hyper-parameters.
        last: how it stood at its end; None where it ended before the first origin.
        finished: whether it was judged at every step.
    """

    candidate: str
    params: Mapping[str, Any]
    last: Step | None
    finished: bool


@dataclass(frozen=True)
class TuneReport:
    """What a search found.

    Attributes:
        best: the trial that is recommended.
        trials: all, best first.
        steps: origins a whole trial is judged at.
        path: where the search is stored.
        warnings: in full sentences.
    """

    best: Trial
    trials: tuple[Trial, ...]
    steps: int
    path: str
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    def to_markdown(self) -> str:
        """A table for people, best first."""
        lines = [
            "# Search over lifetime-value models",
            f"Best: **{self.best.candidate}** with {_params(self.best)}.",
            *(f"- {warning}" for warning in self.warnings),
            "\n".join([*_HEAD, *map(_line, self.trials)]),
        ]
        return "\n\n".join(lines) + "\n"


def report_of(trials: Sequence[Trial], steps: int, path: str, rule: ChampionRule) -> TuneReport:
    """Rank the trials: finished, converged and within the rule's bias first, then by excess.

    Raises:
        BadInputError: no trial was judged.
    """
    judged = [trial for trial in trials if trial.last is not None and not trial.last.failed]
    if not judged:
        reasons = sorted({trial.last.failed for trial in trials if trial.last is not None})
        raise BadInputError(
            f"no trial of {len(trials)} could be judged: {'; '.join(reasons) or 'all were interrupted'}"
        )
    ranked = sorted(trials, key=lambda trial: _rank(trial, rule))
    warnings = [] if not any(_rank(ranked[0], rule)[:3]) else [_OUT_OF_RULE]
    if not all(trial.finished for trial in trials):
        stopped = sum(not trial.finished for trial in trials)
        warnings.append(f"{stopped} of {len(trials)} trials were stopped before the last of {steps} origins")
    return TuneReport(ranked[0], tuple(ranked), steps, path, tuple(warnings))


_HEAD = (
    "| model | parameters | origins | log score | against BG/NBD | bias |",
    "| --- | --- | --- | --- | --- | --- |",
)
_OUT_OF_RULE = "no finished trial converged with a bias within the bounds of the champion rule"


def _rank(trial: Trial, rule: ChampionRule) -> tuple[bool, bool, bool, float]:
    if trial.last is None:
        return True, True, True, NOT_JUDGED
    biased = abs(trial.last.bias_purchases) > rule.max_bias
    return not trial.finished, not trial.last.converged, biased, trial.last.excess


def _params(trial: Trial) -> str:
    told = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in trial.params.items()
    )
    return told or "default settings"


def _line(trial: Trial) -> str:
    if trial.last is None or trial.last.failed:
        why = "interrupted" if trial.last is None else trial.last.failed
        return f"| {trial.candidate} | {_params(trial)} | – | not judged: {why} | – | – |"
    last = trial.last
    return (
        f"| {trial.candidate} | {_params(trial)} | {last.origins} | {last.log_score:.5f} | {last.excess:+.5f} | "
        f"{last.bias_purchases:+.1%} |"
    )
