"""Rolling-origin backtests: every candidate, fitted at every origin on what was known then, judged on what came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axiom.training.clv.options import ClvOptions

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
    raise NotImplementedError
