"""From the ends of all jobs of a backtest to its table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from axiom.errors import BadInputError
from axiom.maths.forecast import pit_test
from axiom.training.clv.champion import Choice, Entry, choose
from axiom.training.clv.metrics import paired_test, point_metrics
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
    percent,
    scores,
)
from axiom.training.splits import day

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from axiom.maths.forecast import LevelMap
    from axiom.training.clv.judging import Judged, JudgeWork
    from axiom.training.clv.metrics import Found
    from axiom.training.clv.result import JudgedPart, JudgedRows

_DRIFT = 0.02
_OF_POINTS = ("mae", "rmse", "smape", "mape", "r2", "bias")


class NothingJudgedError(BadInputError):
    """No candidate could be fitted at the latest origin."""


@dataclass(frozen=True, eq=False)
class Findings:
    """All jobs' ends, on the way to the table. Candidates and origins go by their position."""

    work: JudgeWork
    done: Mapping[tuple[int, int], Judged]

    def conclude(self) -> ClvBacktest:
        """The table, the champion and everything behind them.

        Raises:
            NothingJudgedError: no candidate could be fitted at the latest origin; the message gives the reasons.
        """
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
            warnings=(*choice.warnings, *self._warnings(compared), *self._drift(choice.champion)),
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

    def _drift(self, champion: str) -> list[str]:
        """Coverage of the champion at the latest origin where it clearly is not what it promises."""
        c = [one.name for one in self.work.candidates].index(champion)
        judged = self._judgement(c, len(self.work.origins) - 1).scores
        told = []
        for what in (PURCHASES, SPEND):
            for nominal in self.work.options.coverages:
                names = {kind: f"{kind}_{percent(nominal)}_{what}" for kind in ("recalibrated", "coverage")}
                kind = next((kind for kind, name in names.items() if judged[name].value is not None), "")
                found = judged[names[kind]].value if kind else None
                if found and not found.low <= nominal <= found.high and abs(found.value - nominal) > _DRIFT:
                    word = "recalibrated " if kind == "recalibrated" else ""
                    told.append(
                        f"at the latest origin {word}{nominal:.0%} intervals of {what} covered {found.value:.1%}: "
                        "customers behaved differently from before"
                    )
        return told

    def _warnings(self, compared: Sequence[int]) -> list[str]:
        work, told = self.work, []
        if len(compared) < len(work.origins):
            latest = len(work.origins) - 1
            names = [one.name for c, one in enumerate(work.candidates) if self.done[c, latest].rows is not None]
            missing = [f for (c, _), f in self.done.items() if f.failed and work.candidates[c].name in names]
            who = sorted({work.candidates[f.job.candidate].name for f in missing})
            told.append(
                f"compared at {len(compared)} of {len(work.origins)} origins: {', '.join(who)} could not be fitted at "
                "the rest; the judgements say why"
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
