"""The models a replica answers with: one immutable picture, replaced whole when registry or store change."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar

from axiom.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from axiom.maths.arrays import FloatArray
    from axiom.registry.rollout import RollOut
    from axiom.scoring.compiled import BoundChurn, BoundClv
    from axiom.scoring.online.cache import CacheView
    from axiom.scoring.online.store import StoreInfo
    from axiom.serve.predict.posted import Posted

Role = Literal["champion", "canary", "shadow"]
Kind = Literal["churn", "clv"]
KINDS: tuple[Kind, ...] = ("churn", "clv")


class Bound(Protocol):
    """A compiled model bound to the layout of the store's vectors."""

    def score(self, vector: FloatArray) -> object:
        """What it says of one vector."""
        ...

    def score_many(self, matrix: FloatArray) -> Sequence[object]:
        """What it says of n vectors, shape (n, p)."""
        ...


B = TypeVar("B", bound=Bound)


@dataclass(frozen=True, eq=False)
class Served(Generic[B]):
    """One model version that answers.

    Attributes:
        version: `name@version`.
        sha256: checksum of its artefact.
        role: what it does here.
        stage: where it stands in the registry; `candidate` answers only while there is no champion.
        horizon_days: what its answers are about.
        bound: the model, for vectors of the store.
        posted: the model, for features and history that come with a request.
        threshold: contact from this probability on; 0 for a CLV model.
        explainable: whether it has exact Shapley values.
    """

    version: str
    sha256: str
    role: Role
    stage: str
    horizon_days: float
    bound: B
    posted: Posted
    threshold: float = 0.0
    explainable: bool = False


@dataclass(frozen=True, eq=False)
class Line(Generic[B]):
    """Everything that answers under one model name.

    Attributes:
        champion: answers.
        canary: answers for its share of the customers, or None.
        shadows: score off the reply path.
        rollout: who is on whose side.
    """

    champion: Served[B]
    canary: Served[B] | None = None
    shadows: tuple[Served[B], ...] = ()
    rollout: RollOut | None = None

    def of(self, customer: str) -> Served[B]:
        """Who answers for a customer; always the same one while the roll-out stays as it is."""
        if self.canary is None or self.rollout is None or self.rollout.role_of(customer) != "canary":
            return self.champion
        return self.canary


@dataclass(frozen=True, eq=False)
class Lines:
    """One picture of models and store.

    Attributes:
        revision: of the registry, as it was read.
        view: vectors of the generation that the models are bound to, or None while the store is empty.
        churn: None where no churn model can answer.
        clv: likewise.
        problems: kind -> why it cannot answer, or why it still answers with an older version.
    """

    revision: str = ""
    view: CacheView | None = None
    churn: Line[BoundChurn] | None = None
    clv: Line[BoundClv] | None = None
    problems: Mapping[str, str] = field(default_factory=dict)

    def has(self, kind: Kind) -> bool:
        """Whether a model of this kind can answer."""
        return (self.churn if kind == "churn" else self.clv) is not None

    def line(self, kind: Kind) -> Line[BoundChurn] | Line[BoundClv]:
        """The models of one kind.

        Raises:
            UnavailableError: there are none that can answer; the message says why.
        """
        found = self.churn if kind == "churn" else self.clv
        if found is None:
            raise UnavailableError(
                f"no {kind} model can answer: {self.problems.get(kind, 'none is registered')}",
                hint=f"run `axiom train {kind}` and `axiom score`; /health shows every component",
            )
        return found

    @cached_property
    def as_of_text(self) -> str:
        """Cut-off of the store's features, ISO 8601; "" while it is empty."""
        return "" if self.view is None else self.view.info.as_of.isoformat()

    @property
    def store(self) -> StoreInfo | None:
        """What the store holds, None while it is empty."""
        return None if self.view is None else self.view.info

    def held(self) -> CacheView:
        """The vectors.

        Raises:
            UnavailableError: nothing was published yet.
        """
        if self.view is None:
            raise UnavailableError(
                "no features were read from the online store yet: it is empty, or away since before the start",
                hint="/health says which; `axiom score` or `axiom online sync` fill it",
            )
        return self.view
