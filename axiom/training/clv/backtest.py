"""Rolling-origin backtests: every candidate, fitted at every origin on what was known then, judged on what came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axiom.engine import InlineEngine
from axiom.errors import BadInputError
from axiom.training.clv.candidates import candidate
from axiom.training.clv.findings import Findings
from axiom.training.clv.judging import Job, JudgeWork, number_customers, sample_customers
from axiom.training.clv.options import ClvOptions
from axiom.training.clv.rows import whole_days
from axiom.training.splits import day

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from axiom.engine import Engine
    from axiom.training.clv.candidate import Candidate
    from axiom.training.clv.result import ClvBacktest
    from axiom.training.clv.rows import Origin


def backtest_clv(
    origins: Sequence[Origin],
    horizon: timedelta,
    candidates: Sequence[Candidate] | None = None,
    options: ClvOptions = ClvOptions(),  # noqa: B008 - frozen
    *,
    engine: Engine | None = None,
    on_plan: Callable[[int], None] | None = None,
    on_done: Callable[[], None] | None = None,
) -> ClvBacktest:
    """Judge candidates at rolling origins and name the champion.

    Args:
        origins: labelled cut-offs, in any order.
        horizon: length of the label window, whole days.
        candidates: what to judge; default: those that the options name.
        options: how to judge.
        engine: runs the fits; default: in this process.
        on_plan: told once how many fits there will be.
        on_done: called as each fit finishes.

    Raises:
        BadInputError: no origin, two origins at one time, or no candidate could be judged at the latest origin (nobody
            repeats, one customer); the message gives the reasons.
        MisuseError: an unknown candidate, or a horizon that is no whole number of days.
    """
    if candidates is None:
        candidates = [candidate(name, **options.params.get(name, {})) for name in options.candidates]
    work = plan_work(origins, horizon, tuple(candidates), options)
    jobs = [Job(c, o) for c in range(len(candidates)) for o in range(len(work.origins))]
    if on_plan is not None:
        on_plan(len(jobs))
    done = (engine or InlineEngine()).map_tasks(work, jobs, on_done=on_done)
    return Findings(work, {(found.job.candidate, found.job.origin): found for found in done}).conclude()


def plan_work(
    origins: Sequence[Origin], horizon: timedelta, candidates: tuple[Candidate, ...], options: ClvOptions
) -> JudgeWork:
    """The jobs' common part, checked.

    Raises:
        BadInputError: no origin, an origin without customers, or two origins at one time.
        MisuseError: the horizon is no whole number of days.
    """
    whole_days(horizon)
    ordered = tuple(sorted(origins, key=lambda origin: origin.as_of))
    if not ordered:
        raise BadInputError(
            "there is no labelled cut-off to judge at: the data end before one horizon after the first cut-off",
            hint="build earlier cut-offs, or use a shorter horizon",
        )
    times = [origin.as_of for origin in ordered]
    twice = {day(time) for time in times if times.count(time) > 1}
    if twice:
        raise BadInputError(f"two origins at {', '.join(sorted(twice))}")
    empty = [day(origin.as_of) for origin in ordered if not len(origin)]
    if empty:
        raise BadInputError(
            f"nobody had bought by {', '.join(empty)}", hint="leave cut-offs before the first purchase out"
        )
    numbers = number_customers(ordered)
    judged = sample_customers(numbers, options.judge_at_most, options.seed)
    return JudgeWork(ordered, numbers, judged, candidates, horizon, options)
