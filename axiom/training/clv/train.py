"""Train CLV models: backtest, champion, recalibrated levels, final fit on the customers of today."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from axiom.errors import BadInputError
from axiom.training.clv.backtest import backtest_clv
from axiom.training.clv.candidates import candidate
from axiom.training.clv.card import card_fields
from axiom.training.clv.findings import NothingJudgedError
from axiom.training.clv.judging import fit_quietly, known_at
from axiom.training.clv.model import ClvModel
from axiom.training.clv.options import ClvOptions
from axiom.training.clv.probabilistic import FittedProbabilistic, Probabilistic
from axiom.training.clv.report import training_report
from axiom.training.clv.result import ClvResult
from axiom.training.clv.rows import whole_days
from axiom.training.clv.series import IDENTITY, levels_of
from axiom.training.clv.tracking import cutoff_tracking, weekly_tracking
from axiom.training.splits import day, in_days

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from axiom.engine import Engine
    from axiom.maths.forecast import LevelMap
    from axiom.training.clv.candidate import Candidate, FittedCandidate, Known
    from axiom.training.clv.result import ClvBacktest
    from axiom.training.clv.rows import Origin, Snapshot
    from axiom.training.clv.tracking import PurchaseDays, Tracking


def train_clv(
    origins: Sequence[Origin],
    current: Snapshot,
    horizon: timedelta,
    options: ClvOptions = ClvOptions(),  # noqa: B008 - frozen
    *,
    engine: Engine | None = None,
    purchases: PurchaseDays | None = None,
    on_plan: Callable[[int], None] | None = None,
    on_done: Callable[[], None] | None = None,
) -> ClvResult:
    """Backtest the candidates, keep the champion, recalibrate its levels, fit it on the customers of today.

    With one labelled origin nothing earlier can check the recalibration; with none the simplest candidate is fitted and
    its intervals stay nominal. Both are told as warnings and stand on the card. Origins whose label window ends after
    the latest cut-off are left out with a warning.

    Args:
        origins: labelled cut-offs, in any order; may be empty.
        current: the customers at the latest cut-off, to whom the model is fitted.
        horizon: length of the label window, whole days.
        options: what to train and how.
        engine: runs the fits; default: in this process.
        purchases: days of all repeat purchases, for the weekly tracking plot; without it the tracking has one point a
            cut-off.
        on_plan: told once how many fits there will be.
        on_done: called as each fit finishes.

    Raises:
        BadInputError: nobody repeats, one customer, or nothing can be fitted; the message gives the reasons.
        MisuseError: an unknown candidate, or a horizon that is no whole number of days.
    """
    whole_days(horizon)
    candidates = [candidate(name, **options.params.get(name, {})) for name in options.candidates]
    work = _Training(current, horizon, options, {one.name: one for one in candidates})
    past = work.ended(origins)
    backtest = None
    if past:
        try:
            backtest = backtest_clv(past, horizon, candidates, options, engine=engine, on_plan=on_plan, on_done=on_done)
        except NothingJudgedError as error:
            work.warnings.append(f"not backtested: {error.message}")
    return work.conclude(past, backtest, purchases)


@dataclass(frozen=True, eq=False)
class _Training:
    current: Snapshot
    horizon: timedelta
    options: ClvOptions
    candidates: dict[str, Candidate]
    warnings: list[str] = field(default_factory=list)

    def ended(self, origins: Sequence[Origin]) -> list[Origin]:
        """The origins whose outcomes are known at the latest cut-off, oldest first."""
        past = sorted((o for o in origins if o.ended_by(self.current.as_of, self.horizon)), key=lambda o: o.as_of)
        late = sorted(day(o.as_of) for o in origins if not o.ended_by(self.current.as_of, self.horizon))
        if late:
            self.warnings.append(
                f"left out, because the label window ends after the latest cut-off {day(self.current.as_of)}: "
                f"{', '.join(late)}"
            )
        if not past:
            self.warnings.append(
                f"no origin's label window of {in_days(self.horizon)} had ended by {day(self.current.as_of)}: nothing "
                "could be backtested, the simplest model is kept and its intervals stay as the model gives them"
            )
        elif len(past) == 1:
            self.warnings.append(
                f"one labelled origin, {day(past[0].as_of)}: the champion rests on it alone, and nothing earlier could "
                "check the recalibrated intervals"
            )
        return past

    def conclude(self, past: list[Origin], backtest: ClvBacktest | None, purchases: PurchaseDays | None) -> ClvResult:
        known = known_at(self.current, past, self.horizon, self.options.seed)
        name, fitted = self._fit(self._order(backtest), known)
        purchase_levels, spend_levels = self._levels(name, fitted, backtest)
        model = ClvModel(name, fitted, whole_days(self.horizon), purchase_levels, spend_levels)
        self.warnings.extend(backtest.warnings if backtest else ())
        warnings = tuple(dict.fromkeys(self.warnings))
        tracking = self._tracking(name, past, backtest, purchases)
        report = training_report(model, self.current, backtest, tracking, warnings)
        card = card_fields(model, self.current, past, backtest, self.options.level, warnings)
        return ClvResult(model, backtest, card, report, warnings)

    def _order(self, backtest: ClvBacktest | None) -> list[str]:
        """Candidates in the order in which they are tried: best first, refused last, simplest first without a table."""
        if backtest is None:
            return sorted(self.candidates, key=lambda name: self.candidates[name].rank)
        lines = sorted(backtest.contenders, key=lambda line: (line.name != backtest.champion, bool(line.refused)))
        return [line.name for line in lines]

    def _fit(self, order: Sequence[str], known: Known) -> tuple[str, FittedCandidate]:
        """The first candidate whose fit succeeds and converges, with its warnings."""
        reasons, unsound = [], []
        for name in order:
            fitted, told, failed = fit_quietly(self.candidates[name], known)
            if fitted is None:
                reasons.append(f"{name}: {failed}")
            elif not fitted.converged:
                reasons.append(f"{name}: its fit did not converge")
                unsound.append((name, fitted))
            else:
                self.warnings.extend([*reasons, *told])
                return name, fitted
        if not unsound:
            raise BadInputError(
                f"no CLV model can be fitted at {day(self.current.as_of)}: {'; '.join(dict.fromkeys(reasons))}",
                hint="a fit needs at least two customers, one of whom bought again; ingest older data",
            )
        self.warnings.extend([*reasons, "do not use this model before it is understood why no fit converged"])
        return unsound[0]

    def _levels(self, name: str, fitted: FittedCandidate, backtest: ClvBacktest | None) -> tuple[LevelMap, LevelMap]:
        """Levels for purchases and spend, learnt from the latest origin."""
        if backtest is None:
            return IDENTITY, IDENTITY
        rows = backtest.judged.get((name, backtest.as_ofs[-1]))
        purchases = levels_of(rows.purchases) if rows else None
        spend = levels_of(rows.spend) if rows and rows.spend else None
        if purchases is None or (spend is None and fitted.has_spend):
            self.warnings.append(
                f"{name} could not be judged on enough customers at the latest origin: its interval levels stay nominal"
            )
        return purchases or IDENTITY, spend or IDENTITY

    def _tracking(
        self, name: str, past: list[Origin], backtest: ClvBacktest | None, purchases: PurchaseDays | None
    ) -> Tracking | None:
        """Tracking by the champion, else by the best probabilistic candidate, fitted at the latest labelled origin."""
        if not past or backtest is None:
            return None
        origin = past[-1]
        known = known_at(origin.snapshot, past, self.horizon, self.options.seed)
        names = dict.fromkeys([name, *(line.name for line in backtest.contenders)])
        probabilistic = [one for one in map(self.candidates.__getitem__, names) if isinstance(one, Probabilistic)]
        for one in probabilistic:
            fitted, _, _ = fit_quietly(one, known)
            if isinstance(fitted, FittedProbabilistic):
                model = fitted.purchases
                if purchases is not None:
                    until = self.current.as_of
                    return weekly_tracking(one.name, model, purchases, fitted_at=origin.as_of, until=until)
                snapshots = [*(o.snapshot for o in past), self.current]
                return cutoff_tracking(one.name, model, snapshots, fitted_at=origin.as_of)
        return None
