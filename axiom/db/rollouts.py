"""How versions are rolled out: the canary's share and salt, and what decides about each version on trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from axiom.db.statements import insert
from axiom.db.tables import model_events, rollouts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True)
class RollOutRow:
    """How one model name is rolled out.

    Attributes:
        name: of the model line.
        canary_share: part of the customers that the canary answers, 0 to 1.
        salt: what customer ids are hashed with.
        trials: version as text -> since when it is on trial, what decides about it, its shares so far.
        updated_at: UTC.
        updated_by: who.
    """

    name: str
    canary_share: float
    salt: str
    trials: Mapping[str, Any]
    updated_at: datetime
    updated_by: str


@dataclass(frozen=True)
class Rollouts:
    """Repository of roll-outs. Who writes also records an event (`Models.note` or a move): `revision` reads those."""

    connection: Connection
    clock: Callable[[], datetime]

    def get(self, name: str) -> RollOutRow | None:
        """How a name is rolled out; None where nothing was ever said about it."""
        row = self.connection.execute(sa.select(rollouts).where(rollouts.c.name == name)).mappings().one_or_none()
        return None if row is None else RollOutRow(**row)

    def put(self, name: str, *, share: float, salt: str, trials: Mapping[str, Any], actor: str) -> None:
        """Write how a name is rolled out, over what was written before."""
        values = {
            "canary_share": share,
            "salt": salt,
            "trials": dict(trials),
            "updated_at": self.clock(),
            "updated_by": actor,
        }
        self.connection.execute(
            insert(self.connection, rollouts)
            .values(name=name, **values)
            .on_conflict_do_update(index_elements=[rollouts.c.name], set_=values)
        )

    def revision(self, names: Sequence[str]) -> str:
        """A text that differs whenever anything about these names does: stages, share, salt, rules, new versions.

        One statement over an index. Every change leaves an event, and changes of one name are serialised by its lock,
        so the last event of each name says it all.
        """
        query = (
            sa.select(model_events.c.name, sa.func.max(model_events.c.id))
            .where(model_events.c.name.in_(list(names)))
            .group_by(model_events.c.name)
            .order_by(model_events.c.name)
        )
        return ",".join(f"{name}:{last}" for name, last in self.connection.execute(query))


def forget_trial(connection: Connection, name: str, version: int, *, was_canary: bool) -> None:
    """A version left its stage: its trial ends, and the share of a canary falls to nobody.

    Otherwise a version that becomes canary again one day would find the share and the evidence of its first time.
    """
    row = connection.execute(sa.select(rollouts).where(rollouts.c.name == name)).mappings().one_or_none()
    if row is None:
        return
    trials = {key: trial for key, trial in row["trials"].items() if key != str(version)}
    share = 0.0 if was_canary else row["canary_share"]
    connection.execute(sa.update(rollouts).where(rollouts.c.name == name).values(trials=trials, canary_share=share))
