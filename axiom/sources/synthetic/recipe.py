"""What every population has in common: checked options, and one block of customers at a time."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from axiom.errors import MisuseError
from axiom.sources.synthetic.columns import customer_ids, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pyarrow as pa

    from axiom.sources.synthetic.columns import Letters

Tables: TypeAlias = "dict[str, pa.Table]"


@dataclass(frozen=True)
class Block:
    """Customers `first` to `stop - 1` of `total`, with the random stream that is theirs alone.

    Attributes:
        first: number of the first customer of this block.
        stop: number after the last one.
        total: customers in the whole company.
        start: beginning of the observed window, microseconds since 1970 (UTC, midnight).
        rng: stream that depends on seed, population and block number, and on nothing else.
    """

    first: int
    stop: int
    total: int
    start: int
    rng: np.random.Generator

    @property
    def size(self) -> int:
        """Customers in this block."""
        return self.stop - self.first

    @property
    def ids(self) -> Letters:
        """Customer ids, one row of ASCII codes each."""
        return customer_ids(self.first, self.stop, self.total)

    @property
    def text_ids(self) -> pa.Array:
        """Customer ids as an Arrow string array."""
        return text(self.ids)


@dataclass(frozen=True)
class Recipe:
    """Options of one population. Subclasses add the options as fields and say how a block is drawn.

    Attributes:
        days: length of the observed window.
        late_share: share of events and transactions that become known only later.
        late_days: mean delay of those, in days.
    """

    days: int = 364
    late_share: float = 0.0
    late_days: float = 3.0

    size_option: ClassVar[str] = "customers"
    limits: ClassVar[dict[str, tuple[float, float]]] = {
        "days": (28, 3_660),
        "late_share": (0.0, 1.0),
        "late_days": (0.01, 365.0),
    }

    @classmethod
    def read(cls, options: Mapping[str, object]) -> Self:
        """Check names, types and ranges of `options` and build the recipe.

        Raises:
            MisuseError: an option is unknown, of the wrong type, out of range, or contradicts another.
        """
        defaults: dict[str, Any] = {field.name: field.default for field in fields(cls)}
        for name in options:
            if name not in defaults:
                raise MisuseError(f"unknown option {name!r}", hint=f"known options: {', '.join(sorted(defaults))}")
        recipe = cls(**{name: cls._checked(name, value, defaults[name]) for name, value in options.items()})
        recipe.check()
        return recipe

    @classmethod
    def _checked(cls, name: str, value: Any, default: float | str) -> Any:
        if isinstance(default, str):
            if not isinstance(value, str):
                raise MisuseError(f"{name}={value!r} is not text", hint=f"for example {name}={default!r}")
            return value
        kind: Any = numbers.Integral if isinstance(default, int) else numbers.Real
        low, high = cls.limits[name]
        if isinstance(value, bool) or not isinstance(value, kind) or not low <= float(value) <= high:
            what = "a whole number" if isinstance(default, int) else "a number"
            raise MisuseError(f"{name}={value!r} is out of range", hint=f"{what} from {low:g} to {high:g}")
        return int(value) if isinstance(default, int) else float(value)

    def check(self) -> None:
        """Refuse options that contradict each other; the base class has none."""

    def scaled_size(self, scale: float) -> int:
        """Number of customers at `scale`, at least 1.

        Raises:
            MisuseError: nobody is left.
        """
        size = math.floor(float(getattr(self, self.size_option)) * scale + 0.5)
        if size < 1:
            raise MisuseError(f"scale={scale!r} leaves no customer", hint="use a larger scale")
        return size

    @property
    def block_size(self) -> int:
        """Customers per block: bounds memory, and may depend on the options only."""
        raise NotImplementedError

    def draw(self, block: Block) -> tuple[Tables, Tables]:
        """Tables and truth of one block of customers."""
        raise NotImplementedError
