"""Temporal splits: what a model may learn from, is calibrated on and is judged on, in this order of time.

A row of a labelled snapshot at cut-off `c` knows everything before `c` and carries a label over `[c, c + horizon)`. A
model may learn from it for use at cut-off `v` only when `c + horizon <= v`: the gap between training and judging is the
horizon.

Full mode: training cut-offs, a calibration cut-off a horizon later, the holdout a horizon after that.
Degraded modes, each with a warning that ends up on the model card:

* no room for a calibration cut-off: trained up to a horizon before the holdout, probabilities left as they come;
* no room for folds inside the training period: models are compared on the calibration slice;
* neither: nothing to compare on, so the simplest model that was asked for is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import numpy as np

from axiom.errors import BadInputError, MisuseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Scheme: TypeAlias = Literal["expanding", "sliding"]
TimeLike: TypeAlias = datetime | date | str | np.datetime64

_RANDOM = {"random", "shuffle", "kfold", "stratified"}


@dataclass(frozen=True)
class Fold:
    """One fold of the temporal cross-validation.

    Attributes:
        train: cut-offs to learn from, ascending; each one's label window ends at or before `validate`.
        validate: the cut-off that the fitted model is judged at.
    """

    train: tuple[datetime, ...]
    validate: datetime

    @property
    def name(self) -> str:
        """The day it validates at, as people and error messages call it."""
        return day(self.validate)


@dataclass(frozen=True)
class TemporalSplit:
    """The three slices and the folds inside the first one.

    Attributes:
        horizon: length of the label window.
        training: cut-offs the final model is fitted to, ascending.
        calibration: cut-off its probabilities are calibrated at; None where there is no room.
        holdout: the latest labelled cut-off, touched once.
        folds: for comparing models, oldest first; empty where there is no room.
        unused: cut-offs whose labels would overlap the next slice.
        warnings: what had to be given up, in full sentences.
    """

    horizon: timedelta
    training: tuple[datetime, ...]
    calibration: datetime | None
    holdout: datetime
    folds: tuple[Fold, ...] = ()
    unused: tuple[datetime, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def comparisons(self) -> tuple[Fold, ...]:
        """The folds models are compared on: the CV folds, else the calibration slice, else none."""
        if self.folds or self.calibration is None:
            return self.folds
        return (Fold(self.training, self.calibration),)

    def windows(self) -> dict[str, list[str]]:
        """The slices as ISO times, for the model card."""
        calibration = [self.calibration] if self.calibration else []
        slices = {"training": list(self.training), "calibration": calibration, "holdout": [self.holdout]}
        return {name: [time.isoformat() for time in times] for name, times in slices.items()}


@dataclass(frozen=True)
class CutoffPlan:
    """Proposed cut-offs.

    Attributes:
        cutoffs: ascending; the last one is the holdout.
        warnings: which slices they leave no room for, and what would be needed.
    """

    cutoffs: tuple[datetime, ...]
    warnings: tuple[str, ...] = ()


def utc(value: TimeLike) -> datetime:
    """Any usual time as an aware datetime in UTC; a time without zone is taken as UTC.

    Raises:
        MisuseError: a text that is not an ISO-8601 time.
    """
    if isinstance(value, np.datetime64):
        value = cast("datetime", value.astype("datetime64[us]").item())
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise MisuseError(f"{value!r} is not a time", hint="write it as 2011-09-10 or 2011-09-10T12:00") from None
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def day(time: datetime) -> str:
    """The time as text: the day alone where it is midnight."""
    at_midnight = time.timetz().replace(tzinfo=None) == datetime.min.time()
    return time.date().isoformat() if at_midnight else time.isoformat(timespec="minutes")


def in_days(length: timedelta) -> str:
    """A length of time in days, for people: `90 days`, `1 day`, `0.5 days`."""
    days = length / timedelta(days=1)
    return f"{days:g} day" + ("" if days == 1 else "s")


def check_scheme(scheme: str, window: int | None = None) -> Scheme:
    """The scheme of cross-validation; a random one is refused.

    Raises:
        MisuseError: it is random, unknown, or the sliding window has no positive length.
    """
    if scheme in _RANDOM:
        raise MisuseError(
            f"a {scheme!r} split is refused: it trains on rows from after the rows it is judged on, and the same "
            "customer stands on both sides, so the score it reports is one that no live model reaches",
            hint="use 'expanding' or 'sliding'; rows that have no times enter with `--table FILE --target COLUMN`",
        )
    if scheme not in ("expanding", "sliding"):
        raise MisuseError(f"unknown scheme {scheme!r}", hint="one of expanding, sliding")
    if scheme == "sliding" and (window is None or window < 1):
        raise MisuseError(
            f"a sliding scheme needs a window of at least one cut-off, not {window}", hint="for example window=3"
        )
    return "expanding" if scheme == "expanding" else "sliding"


def temporal_split(
    cutoffs: Iterable[TimeLike],
    horizon: timedelta,
    *,
    data_end: TimeLike | None = None,
    scheme: str = "expanding",
    window: int | None = None,
    max_folds: int = 5,
    calibrate: bool = True,
) -> TemporalSplit:
    """Split cut-offs into training, calibration and holdout, with folds inside the training period.

    Args:
        cutoffs: as-of times of the labelled snapshots, in any order.
        horizon: length of the label window, > 0.
        data_end: end of the data; cut-offs whose label window passes it are not labelled. Default: all are labelled.
        scheme: `expanding` (a fold learns from every earlier cut-off) or `sliding` (from the last `window` of them).
        window: number of cut-offs of a sliding fold.
        max_folds: the latest so many folds are kept.
        calibrate: False asks for no calibration slice; its time then goes to training.

    Returns:
        The split. In all of it a training cut-off's label window ends at or before the cut-off it is used at.

    Raises:
        BadInputError: no training cut-off lies a horizon before the holdout.
        MisuseError: a random or unknown scheme, a horizon that is not positive.
    """
    checked = check_scheme(scheme, window)
    times = labelled_cutoffs(cutoffs, horizon, data_end)
    holdout = times[-1]
    before = _complete_by(times, holdout, horizon)
    if not before:
        raise _no_training(times, horizon)
    warnings: list[str] = []
    calibration = before[-1] if calibrate else None
    training = _complete_by(before, calibration, horizon) if calibration else before
    if not training:
        training, calibration = before, None
        warnings.append(_no_calibration(before, holdout, horizon))
    folds = _folds(training, horizon, checked, window)[-max_folds:]
    if not folds:
        warnings.append(_no_folds(training, calibration, horizon))
    kept = {*training, holdout} | ({calibration} if calibration else set())
    unused = tuple(time for time in times if time not in kept)
    return TemporalSplit(horizon, tuple(training), calibration, holdout, tuple(folds), unused, tuple(warnings))


def rolling_folds(
    cutoffs: Iterable[TimeLike],
    horizon: timedelta,
    until: datetime,
    *,
    scheme: str = "expanding",
    window: int | None = None,
    max_folds: int = 5,
) -> tuple[Fold, ...]:
    """Folds over every cut-off whose label is complete by `until`, oldest first; empty where there is no room.

    For comparing models at a shorter horizon than they will be used with: the holdout at `until` stays untouched.

    Raises:
        BadInputError: no cut-off is labelled by then.
        MisuseError: a random or unknown scheme, a horizon that is not positive.
    """
    times = labelled_cutoffs(cutoffs, horizon, until)
    return tuple(_folds(times, horizon, check_scheme(scheme, window), window)[-max_folds:])


def labelled_cutoffs(
    cutoffs: Iterable[TimeLike], horizon: timedelta, data_end: TimeLike | None = None
) -> list[datetime]:
    """The distinct cut-offs with a complete label window, ascending.

    Raises:
        BadInputError: there is none.
        MisuseError: the horizon is not positive.
    """
    if horizon <= timedelta(0):
        raise MisuseError(f"the horizon must be positive, not {in_days(horizon)}", hint="for example --horizon 90")
    times = sorted({utc(time) for time in cutoffs})
    if not times:
        raise BadInputError("there are no cut-offs to train on", hint="run `axiom build` first")
    if data_end is None:
        return times
    end = utc(data_end)
    labelled = _complete_by(times, end, horizon)
    if not labelled:
        raise BadInputError(
            f"no cut-off has a complete label: the earliest, {day(times[0])} + {in_days(horizon)} = "
            f"{day(times[0] + horizon)}, is later than the end of the data, {day(end)}",
            hint=f"build cut-offs on or before {day(end - horizon)}, or use a horizon of at most "
            f"{in_days(timedelta(days=max(0, (end - times[0]).days)))}",
        )
    return labelled


def plan_cutoffs(
    data_start: TimeLike,
    data_end: TimeLike,
    horizon: timedelta,
    *,
    every: timedelta = timedelta(days=30),
    back: int | None = None,
    as_of: TimeLike | None = None,
    min_history: timedelta = timedelta(days=30),
) -> CutoffPlan:
    """Propose cut-offs that leave room for folds, training, calibration and holdout.

    Args:
        data_start: time of the first record.
        data_end: end of the data.
        horizon: length of the label window.
        every: distance between cut-offs.
        back: how many earlier cut-offs; default: as many as the slices and one fold need (a span of three horizons), as
            far as the data reach.
        as_of: the latest cut-off; default: the latest with a complete label.
        min_history: history that the earliest cut-off needs.

    Raises:
        BadInputError: even one training cut-off and a holdout do not fit; the message holds the arithmetic.
        MisuseError: `every` is not positive, or `back` is negative.
    """
    if every <= timedelta(0) or (back is not None and back < 0):
        raise MisuseError(
            f"cut-offs every {in_days(every)}, {back} back, go nowhere", hint="for example --every 30d --back 9"
        )
    start, end = utc(data_start), utc(data_end)
    latest = utc(as_of) if as_of is not None else end - horizon
    labelled_cutoffs([latest], horizon, end)
    step = math.ceil(horizon / every)
    room = (latest - start - min_history) // every
    if room < step:
        raise _too_short(start, end, latest, horizon, min_history, step * every)
    steps = min(room, 3 * step) if back is None else min(room, back)
    cutoffs = tuple(latest - k * every for k in range(steps, -1, -1))
    split_warnings = [
        (step, "a training cut-off"),
        (2 * step, "a calibration slice"),
        (3 * step, "a fold inside the training period"),
    ]
    warnings = tuple(
        f"{steps} cut-offs of {in_days(every)} before {day(latest)} leave no room for {what}: it needs {needed} "
        + (f"(at most {room} fit into the data)" if needed > room else f"(--back {needed})")
        for needed, what in split_warnings
        if steps < needed
    )
    return CutoffPlan(cutoffs, warnings)


def _complete_by(times: Sequence[datetime], limit: datetime, horizon: timedelta) -> list[datetime]:
    return [time for time in times if time + horizon <= limit]


def _folds(training: Sequence[datetime], horizon: timedelta, scheme: Scheme, window: int | None) -> list[Fold]:
    folds = []
    for validate in training:
        earlier = _complete_by(training, validate, horizon)
        if scheme == "sliding" and window is not None:
            earlier = earlier[-window:]
        if earlier:
            folds.append(Fold(tuple(earlier), validate))
    return folds


def _step(times: Sequence[datetime]) -> timedelta:
    return min((later - earlier for earlier, later in pairwise(times)), default=timedelta(days=30))


def _no_training(times: Sequence[datetime], horizon: timedelta) -> BadInputError:
    holdout, every = times[-1], _step(times)
    back = math.ceil(2 * horizon / every)
    reach = holdout - times[0]
    shorter = f", or train with a horizon of at most {in_days(reach)}" if reach else ""
    return BadInputError(
        f"no cut-off to train on: with a horizon of {in_days(horizon)} its label must be complete by the holdout, so "
        f"it has to lie on or before {day(holdout)} - {in_days(horizon)} = {day(holdout - horizon)}, "
        f"but the earliest of {len(times)} is {day(times[0])}",
        hint=f"build earlier ones, for example --as-of {day(holdout)} --every {every.days}d --back {back}{shorter}",
    )


def _no_calibration(before: Sequence[datetime], holdout: datetime, horizon: timedelta) -> str:
    return (
        f"no room for a calibration slice: it would need a training cut-off on or before {day(holdout - 2 * horizon)} "
        f"(two horizons of {in_days(horizon)} before the holdout {day(holdout)}), and the earliest is "
        f"{day(before[0])}. Probabilities are left as the model gives them (identity calibration)."
    )


def _no_folds(training: Sequence[datetime], calibration: datetime | None, horizon: timedelta) -> str:
    instead = (
        f"models are compared on the calibration slice {day(calibration)}"
        if calibration
        else "models cannot be compared before the holdout, so the simplest one that was asked for is kept"
    )
    return (
        f"no room for cross-validation: the {len(training)} training cut-offs span "
        f"{in_days(training[-1] - training[0])}, less than the horizon of {in_days(horizon)}; {instead}."
    )


def _too_short(
    start: datetime, end: datetime, latest: datetime, horizon: timedelta, history: timedelta, distance: timedelta
) -> BadInputError:
    return BadInputError(
        f"the data are too short for a horizon of {in_days(horizon)}: they run from {day(start)} to {day(end)}, and "
        f"{in_days(history)} of history + {in_days(distance)} to a holdout on {day(latest)} + its label of "
        f"{in_days(horizon)} need {in_days(history + distance + horizon)}",
        hint="use a shorter horizon, or ingest older data",
    )
