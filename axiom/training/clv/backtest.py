"""Rolling-origin backtests: every candidate, fitted at every origin on what was known then, judged on what came."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from axiom.engine import InlineEngine
from axiom.errors import BadInputError
from axiom.maths.forecast import pit_test
from axiom.training.clv.candidates import candidate
from axiom.training.clv.champion import Choice, Entry, choose
from axiom.training.clv.judging import Job, Judged, JudgeWork, number_customers, sample_customers
from axiom.training.clv.metrics import paired_test, point_metrics
from axiom.training.clv.options import ClvOptions
from axiom.training.clv.result import ClvBacktest, Contender, Judgement, Score
from axiom.training.clv.rows import whole_days
from axiom.training.clv.series import (
    NO_AMOUNTS,
    PURCHASES,
    SPEND,
    Series,
    levels_of,
    log_score,
    metric_names,
    scores,
)
from axiom.training.splits import day

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import timedelta

    from axiom.engine import Engine
    from axiom.maths.forecast import LevelMap
    from axiom.training.clv.candidate import Candidate
    from axiom.training.clv.metrics import Found
    from axiom.training.clv.result import JudgedPart, JudgedRows
    from axiom.training.clv.rows import Origin


_OF_POINTS = ("mae", "rmse", "smape", "mape", "r2", "bias")


class NothingJudgedError(BadInputError):
    """No candidate could be fitted at the latest origin."""


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
    return _Findings(work, {(found.job.candidate, found.job.origin): found for found in done}).conclude()


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


@dataclass(frozen=True, eq=False)
class _Findings:
    """All jobs' ends, on the way to the table. Candidates and origins go by their position."""

    work: JudgeWork
    done: Mapping[tuple[int, int], Judged]

    def conclude(self) -> ClvBacktest:
        work, origins = self.work, range(len(self.work.origins))
        latest = origins[-1]
        judged = [c for c in range(len(work.candidates)) if self.done[c, latest].rows is not None]
        if not judged:
            raise NothingJudgedError(
                f"no candidate could be fitted at the latest origin {day(work.origins[latest].as_of)}: "
                f"{self._reasons(latest)}",
                hint="a fit needs repeat buyers before the cut-off: build later cut-offs, or ingest older data",
            )
        compared = [o for o in origins if all(self.done[c, o].rows is not None for c in judged)]
        metrics = {c: self._metrics(c, compared) for c in judged}
        choice = choose([self._entry(c, metrics[c], compared) for c in judged], work.options.rule)
        return ClvBacktest(
            horizon_days=whole_days(work.horizon),
            as_ofs=tuple(map(self._as_of, origins)),
            rows={self._as_of(o): len(work.judged[o]) for o in origins},
            compared=tuple(map(self._as_of, compared)),
            contenders=self._contenders(metrics, choice),
            judgements=tuple(self._judgement(c, o) for c in range(len(work.candidates)) for o in origins),
            naive=self._naive(judged[0], compared),
            champion=choice.champion,
            rule=str(work.options.rule),
            warnings=(*choice.warnings, *self._warnings(compared)),
            judged={
                (work.candidates[c].name, self._as_of(o)): found.rows
                for (c, o), found in self.done.items()
                if found.rows is not None
            },
            levels={
                (one.name, self._as_of(o)): {
                    what: levels for what in (PURCHASES, SPEND) if (levels := self._levels(what, c, o)) is not None
                }
                for c, one in enumerate(work.candidates)
                for o in origins
            },
        )

    def _as_of(self, origin: int) -> str:
        return self.work.origins[origin].as_of.isoformat()

    def _reasons(self, origin: int) -> str:
        reasons = {found.failed for (_, o), found in self.done.items() if o == origin and found.failed}
        return "; ".join(sorted(reasons))

    def _metrics(self, c: int, origins: Sequence[int]) -> dict[str, Found]:
        """All metrics over some origins at which the candidate was judged."""
        coverages = self.work.options.coverages
        metrics: dict[str, Found] = dict.fromkeys(metric_names(coverages), NO_AMOUNTS)
        metrics["log_score"] = log_score([rows for o in origins if (rows := self.done[c, o].rows)])
        for what in (PURCHASES, SPEND):
            series = [found for o in origins if (found := self._series(what, c, o)) is not None]
            if series:
                metrics |= Series.joined(series).metrics(what, coverages)
        return metrics

    def _series(self, what: str, c: int, origin: int) -> Series | None:
        rows = self.done[c, origin].rows
        part = part_of(rows, what)
        if rows is None or part is None:
            return None
        return Series.of(rows, part, self.work.options.coverages, self._levels(what, c, origin))

    def _levels(self, what: str, c: int, origin: int) -> LevelMap | None:
        """Levels learnt at the latest earlier origin whose outcomes were known by this one."""
        now, horizon = self.work.origins[origin].as_of, self.work.horizon
        known = [
            part
            for o in range(origin)
            if self.work.origins[o].ended_by(now, horizon) and (part := part_of(self.done[c, o].rows, what)) is not None
        ]
        return levels_of(known[-1]) if known else None

    def _entry(self, c: int, metrics: Mapping[str, Found], compared: Sequence[int]) -> Entry:
        one, found = self.work.candidates[c], [self.done[c, o] for o in compared]
        return Entry.of(
            one.name,
            one.rank,
            converged=all(f.converged for f in found),
            metrics=metrics,
            by_origin=[float(f.rows.log_score.mean()) for f in found if f.rows is not None],
        )

    def _contenders(self, metrics: Mapping[int, Mapping[str, Found]], choice: Choice) -> tuple[Contender, ...]:
        """Champion first, then by log score, then those that were not judged at the latest origin."""
        candidates, level = self.work.candidates, self.work.options.level
        champion = next(found for c, found in metrics.items() if candidates[c].name == choice.champion)
        lines = []
        for c, one in enumerate(candidates):
            if c not in metrics:
                why = self.done[c, len(self.work.origins) - 1].failed
                lines.append(Contender(one.name, one.title, one.rank, refused=f"not judged: {why}"))
                continue
            others = {} if one.name == choice.champion else metrics[c]
            lines.append(
                Contender(
                    one.name,
                    one.title,
                    one.rank,
                    scores(metrics[c], level),
                    choice.refused.get(one.name, ""),
                    {name: paired_test(found, champion[name], level) for name, found in others.items()},
                )
            )
        return tuple(sorted(lines, key=lambda line: _place(line, choice.champion)))

    def _naive(self, c: int, origins: Sequence[int]) -> dict[str, Score]:
        metrics: dict[str, Found] = {}
        for what in (PURCHASES, SPEND):
            series = [found for o in origins if (found := self._series(what, c, o)) is not None]
            if series:
                joined = Series.joined(series)
                points = point_metrics(replace(joined, expected=joined.naive))
                metrics |= {f"{name}_{what}": points[name] for name in _OF_POINTS}
        return scores(metrics, self.work.options.level)

    def _judgement(self, c: int, o: int) -> Judgement:
        found, name, as_of = self.done[c, o], self.work.candidates[c].name, self._as_of(o)
        if found.rows is None:
            return Judgement(name, as_of, warnings=found.warnings, failed=found.failed)
        tests = {what: pit_test(part.pit) for what in (PURCHASES, SPEND) if (part := part_of(found.rows, what))}
        metrics = scores(self._metrics(c, [o]), self.work.options.level)
        impossible = found.rows.impossible
        told = (f"{impossible} outcomes had probability 0 and cost 708 nats each",) if impossible else ()
        return Judgement(name, as_of, metrics, tests, found.summary or {}, (*found.warnings, *told))

    def _warnings(self, compared: Sequence[int]) -> list[str]:
        work, told = self.work, []
        if len(compared) < len(work.origins):
            told.append(
                f"compared at {len(compared)} of {len(work.origins)} origins: some fit was impossible at the rest"
            )
        if not any(o.ended_by(work.origins[-1].as_of, work.horizon) for o in work.origins):
            told.append(
                "no origin's label window had ended by a later origin, so recalibrated intervals could not be checked: "
                f"build cut-offs at least {whole_days(work.horizon)} days apart"
            )
        if any(len(rows) < len(origin) for rows, origin in zip(work.judged, work.origins, strict=True)):
            told.append(
                f"judged on a sample of about {work.options.judge_at_most:,} customers an origin; fitted on all"
            )
        return told


def part_of(rows: JudgedRows | None, what: str) -> JudgedPart | None:
    """The purchases or the spend of judged rows; None where there are none."""
    if rows is None:
        return None
    return rows.purchases if what == PURCHASES else rows.spend


def _place(line: Contender, champion: str) -> tuple[bool, float]:
    score = line.scores["log_score"].value if line.scores else None
    return line.name != champion, float("inf") if score is None else score.value
