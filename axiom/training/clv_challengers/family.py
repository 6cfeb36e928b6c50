"""What tells one challenger from another: what it reads, its hyper-parameters, and how it learns a mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from axiom.training.clv.candidate import Choices

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from axiom.maths.arrays import FloatArray
    from axiom.training.clv.candidate import Space, Span

Value: TypeAlias = "float | int | str"
BASES = ("bg_nbd", "mbg_nbd", "pareto_nbd")


@dataclass(frozen=True)
class Param:
    """A hyper-parameter.

    Attributes:
        default: its kind says what is allowed: a whole number, a number or a name.
        low: smallest value allowed.
        high: largest value allowed.
        choices: the names allowed.
        span: what the tuner draws it from; None keeps the default.
    """

    default: Value
    low: float = 0.0
    high: float = float("inf")
    choices: tuple[str, ...] = ()
    span: Span | Choices | None = None

    def check(self, name: str, value: Any) -> Value:
        """The value, as the kind of the default.

        Raises:
            TypeError: another kind.
            ValueError: out of range.
        """
        if isinstance(self.default, str):
            if value not in self.choices:
                raise ValueError(f"{name} must be one of {', '.join(self.choices)}, not {value!r}")
            return str(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{name} must be a number, not {value!r}")
        if not self.low <= value <= self.high:
            raise ValueError(f"{name} must lie in [{self.low:g}, {self.high:g}], not {value}")
        if isinstance(self.default, float):
            return float(value)
        if value != int(value):
            raise ValueError(f"{name} must be a whole number, not {value}")
        return int(value)


BASE = Param("mbg_nbd", choices=BASES, span=Choices(BASES))


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a mean is learnt from, n rows.

    Attributes:
        Z: encoded columns, shape (n, k).
        factors: how many of them, the first ones, polynomials may multiply with each other.
        y: outcomes >= 0, not all 0, shape (n,).
        offset: logarithm of the probabilistic forecast, shape (n,); 0 where the family has no offset.
        params: hyper-parameters.
        seed: of everything random.
    """

    Z: FloatArray
    factors: int
    y: FloatArray
    offset: FloatArray
    params: Mapping[str, Any]
    seed: int


class Head(Protocol):
    """A learnt mean; a frozen dataclass of arrays, numbers and bytes."""

    def predict(self, Z: FloatArray, offset: FloatArray) -> FloatArray:
        """Means > 0 of encoded rows, shape (n,)."""
        ...


@dataclass(frozen=True)
class Family:
    """A kind of challenger.

    Attributes:
        name: its key.
        title: its name for people.
        rank: see `Candidate.rank`.
        fit: learns purchases or spend.
        params: its hyper-parameters.
        raw: RFM columns of `design` that it reads on their own scale, before all others.
        factors: how many of these, the first ones, polynomials may multiply with each other.
        others: it reads all other columns too.
        linear: for these missing values are filled and numbers scaled, as linear models need it.
        offset: it learns what to multiply the probabilistic forecast by.
        learns_spend: it has a model of spend; the others multiply purchases with the Gamma-Gamma value of one.
    """

    name: str
    title: str
    rank: int
    fit: Callable[[Lesson], Head]
    params: Mapping[str, Param] = field(default_factory=dict)
    raw: tuple[str, ...] = ()
    factors: int = 0
    others: bool = True
    linear: bool = False
    offset: bool = False
    learns_spend: bool = False

    @property
    def space(self) -> Space:
        """What the tuner may draw."""
        return {name: param.span for name, param in self.params.items() if param.span is not None}

    def settings(self, given: Mapping[str, Any]) -> dict[str, Value]:
        """All hyper-parameters, the given ones checked.

        Raises:
            TypeError: an unknown one, or a value of another kind.
            ValueError: a value out of range.
        """
        unknown = sorted(set(given) - set(self.params))
        if unknown:
            raise TypeError(f"no hyper-parameter {', '.join(unknown)}; it has {', '.join(self.params)}")
        return {name: param.check(name, given.get(name, param.default)) for name, param in self.params.items()}
