"""From a name, a seed and options to a company: checked once, then drawn block by block in any order."""

from __future__ import annotations

import math
import numbers
import zlib
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from axiom.errors import MisuseError
from axiom.sources.synthetic.columns import SECOND
from axiom.sources.synthetic.company import SyntheticCompany
from axiom.sources.synthetic.recipe import Block, Recipe
from axiom.sources.synthetic.retail import Retail
from axiom.sources.synthetic.shop import Shop
from axiom.sources.synthetic.subscription import Lifecycle, Users

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

POPULATIONS: dict[str, type[Recipe]] = {"users": Users, "lifecycle": Lifecycle, "retail": Retail, "shop": Shop}

_YEARS = range(1975, 2200)  # sign-ups lie years before the start, and nanosecond time-stamps of readers end in 2262


@dataclass(frozen=True)
class Plan:
    """A company that is decided but not yet drawn. Picklable: blocks may be drawn by any worker.

    Attributes:
        name: population.
        seed: ≥ 0.
        scale: multiplies the number of customers.
        start: first day of the observed window.
        recipe: checked options.
        customers: how many there will be.
    """

    name: str
    seed: int
    scale: float
    start: date
    recipe: Recipe
    customers: int

    @property
    def blocks(self) -> int:
        """How many blocks the customers are cut into; depends on options and scale, never on workers."""
        return -(-self.customers // self.recipe.block_size)

    @property
    def parameters(self) -> dict[str, Any]:
        """Everything that determines the content, as plain JSON values."""
        own = {"name": self.name, "seed": self.seed, "scale": self.scale, "start": self.start.isoformat()}
        return own | asdict(self.recipe) | {self.recipe.size_option: self.customers}

    def block(self, index: int) -> SyntheticCompany:
        """Draw block `index` (0 ≤ index < `blocks`); the same whichever other blocks are drawn, and where.

        Raises:
            MisuseError: there is no such block.
        """
        if not 0 <= index < self.blocks:
            raise MisuseError(f"block {index} does not exist", hint=f"this company has blocks 0 to {self.blocks - 1}")
        first = index * self.recipe.block_size
        midnight = datetime.combine(self.start, time(), UTC)
        # The same child that SeedSequence.spawn would give, without spawning its older siblings first.
        child = np.random.SeedSequence(self.seed, spawn_key=(zlib.crc32(self.name.encode()), index))
        block = Block(
            first=first,
            stop=min(first + self.recipe.block_size, self.customers),
            total=self.customers,
            start=int(midnight.timestamp()) * SECOND,
            rng=np.random.Generator(np.random.PCG64(child)),
        )
        tables, truth = self.recipe.draw(block)
        return SyntheticCompany(self.name, tables, truth, self.parameters)


def plan(name: str, *, seed: int = 42, scale: float = 1.0, start: str | date = "2023-01-01", **options: object) -> Plan:
    """Check everything and decide what to draw.

    Args:
        name: `users`, `lifecycle`, `retail` or `shop`.
        seed: ≥ 0; the same seed and options give the same rows with the same versions of numpy.
        scale: > 0; multiplies the number of customers.
        start: first day of the observed window, ISO date.
        **options: fields of the population's recipe, see `POPULATIONS`.

    Raises:
        MisuseError: an unknown name or option, or a value out of range.
    """
    recipe_type = POPULATIONS.get(name)
    if recipe_type is None:
        raise MisuseError(f"unknown population {name!r}", hint=f"one of {', '.join(POPULATIONS)}")
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or seed < 0:
        raise MisuseError(f"seed={seed!r} is not a seed", hint="a whole number, 0 or more")
    if isinstance(scale, bool) or not isinstance(scale, numbers.Real) or not 0 < scale < math.inf:
        raise MisuseError(f"scale={scale!r} is out of range", hint="a number above 0; 1 is the population's own size")
    recipe = recipe_type.read(options)
    return Plan(name, int(seed), float(scale), _day(start), recipe, recipe.scaled_size(float(scale)))


def _day(start: object) -> date:
    hint = f"an ISO date from {_YEARS.start}-01-01 to {_YEARS.stop - 1}-12-31, such as 2023-01-01"
    try:
        day = start if type(start) is date else date.fromisoformat(start)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise MisuseError(f"start={start!r} is not a date", hint=hint) from None
    if day.year not in _YEARS:
        raise MisuseError(f"start={start!r} is out of range", hint=hint)
    return day


def iter_chunks(
    name: str, *, seed: int = 42, scale: float = 1.0, start: str | date = "2023-01-01", **options: object
) -> Iterator[SyntheticCompany]:
    """The company of `generate` in pieces that fit into memory: each holds all rows of its customers.

    Arguments and errors are those of `plan`; errors are raised at the call, not at the first piece.
    """
    decided = plan(name, seed=seed, scale=scale, start=start, **options)
    return (decided.block(index) for index in range(decided.blocks))


def generate(
    name: str, *, seed: int = 42, scale: float = 1.0, start: str | date = "2023-01-01", **options: object
) -> SyntheticCompany:
    """Draw a whole company in memory. Arguments and errors are those of `plan`."""
    pieces = list(iter_chunks(name, seed=seed, scale=scale, start=start, **options))
    return SyntheticCompany(
        name=name,
        tables=_stacked([piece.tables for piece in pieces]),
        truth=_stacked([piece.truth for piece in pieces]),
        parameters=pieces[0].parameters,
    )


def _stacked(pieces: Sequence[dict[str, pa.Table]]) -> dict[str, pa.Table]:
    return {name: pa.concat_tables([piece[name] for piece in pieces]) for name in pieces[0]}
