"""Who is answered by which version: champion, canary by sticky share, shadows beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from axiom.errors import MisuseError
from axiom.maths.assignment import position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.registry.registry import ModelVersion
    from axiom.registry.trials import Trial


@dataclass(frozen=True)
class RollOut:
    """How one model name is rolled out at one moment.

    Attributes:
        name: of the model line.
        champion: who answers, if anybody does.
        canary: who answers a share of the customers, if any.
        canary_share: that share, 0 to 1; 0 where there is no canary.
        salt: what customer ids are hashed with; another salt draws other customers.
        shadows: who is asked beside the answer, newest first.
        revision: differs whenever anything about this name does; equals `Registry.revision([name])`.
        trials: version number -> what decides about a canary or shadow, and since when it is watched.

    Raises:
        MisuseError: The share is no number from 0 to 1.
    """

    name: str
    champion: ModelVersion | None
    canary: ModelVersion | None
    canary_share: float
    salt: str
    shadows: tuple[ModelVersion, ...]
    revision: str
    trials: Mapping[int, Trial] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_share(self.canary_share)

    def role_of(self, customer_id: str) -> Literal["champion", "canary"]:
        """Who answers this customer: always the same one, until salt or share change; about a microsecond.

        A growing share only moves customers from the champion to the canary, never back.
        """
        if self.canary is None or self.canary_share <= 0.0:
            return "champion"
        return "canary" if position(customer_id, self.salt) < self.canary_share else "champion"


def check_share(share: float) -> None:
    """Refuse a share that is none.

    Raises:
        MisuseError: It is not within 0 and 1.
    """
    if not 0.0 <= share <= 1.0:
        raise MisuseError(f"a canary share of {share} is not between 0 and 1", hint="for example 0.1 for a tenth")
