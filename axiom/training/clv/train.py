"""Train CLV models: backtest, champion, recalibrated levels, final fit on the customers of today."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axiom.training.clv.options import ClvOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from axiom.engine import Engine
    from axiom.training.clv.result import ClvResult
    from axiom.training.clv.rows import Origin, Snapshot
    from axiom.training.clv.tracking import PurchaseDays


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
    its intervals stay nominal. Both are told as warnings and stand on the card.

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
    raise NotImplementedError
