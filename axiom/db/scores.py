"""Current scores, one row per customer, and the score sets they were published from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import sqlalchemy as sa

from axiom.db import score_rows
from axiom.db.tables import score_sets, scores
from axiom.errors import BadInputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa
    from sqlalchemy import Connection

Ranking = Literal["p_churn", "clv_mean", "expected_loss"]


@dataclass(frozen=True)
class Score:
    """The current score of one customer; a part that was not scored is None.

    Attributes:
        customer_id: who.
        as_of: moment the score speaks about, UTC.
        churn_model: `name@version`.
        clv_model: `name@version`.
        p_churn: probability of churn within the horizon, 0 to 1.
        p_alive: probability of being alive at `as_of`, 0 to 1.
        expected_purchases: within the horizon, >= 0.
        clv_mean: expected value within the horizon, money.
        clv_p05: 5 % quantile of the value, money.
        clv_p50: median of the value, money.
        clv_p95: 95 % quantile of the value, money.
        expected_loss: money at risk, `p_churn * clv_mean` or as the scorer defines it.
        scored_at: when it was computed, UTC.
        score_set_id: set it was published with.
    """

    customer_id: str
    as_of: datetime
    churn_model: str | None
    clv_model: str | None
    p_churn: float | None
    p_alive: float | None
    expected_purchases: float | None
    clv_mean: float | None
    clv_p05: float | None
    clv_p50: float | None
    clv_p95: float | None
    expected_loss: float | None
    scored_at: datetime
    score_set_id: str


@dataclass(frozen=True)
class ScoreSet:
    """One published batch of scores: `rows` customers at `as_of`, kept as a dataset at `dataset_path`."""

    id: str
    as_of: datetime
    rows: int
    dataset_path: str
    models: Mapping[str, Any]
    published_at: datetime


@dataclass(frozen=True)
class Scores:
    """Repository of scores and score sets."""

    connection: Connection
    clock: Callable[[], datetime]

    def replace_scores(
        self,
        score_set_id: str,
        batches: Iterable[Mapping[str, Sequence[Any]] | pa.Table | pa.RecordBatch],
        *,
        as_of: datetime,
        dataset_path: str,
        models: Mapping[str, Any],
    ) -> ScoreSet:
        """Replace all current scores by those in `batches`, and note the set.

        A set that was published before changes nothing and reads nothing, so a repeated job is harmless.

        Args:
            score_set_id: names the set; the same job gives the same id.
            batches: columns of `Score` without `score_set_id`; `customer_id` and `scored_at` are
                required, `as_of` defaults to the set's, others to NULL; NaN is NULL; naive times are UTC.
            as_of: moment the scores speak about.
            dataset_path: the immutable dataset in the lake.
            models: which versions scored, e.g. `{"churn": "churn@3"}`.

        Raises:
            BadInputError: Unknown or missing columns, infinite numbers, a customer that is null or occurs twice.
        """
        self._lock()
        if published := self._set(score_set_id):
            return published
        self.connection.execute(sa.delete(scores))
        try:
            rows = score_rows.write(self.connection, score_set_id, as_of, batches)
        except self.connection.dialect.loaded_dbapi.IntegrityError as error:
            raise BadInputError(
                f"score set {score_set_id!r} has a customer twice or a required value missing: "
                f"{str(error).splitlines()[0]}"
            ) from error
        self.connection.execute(
            sa.insert(score_sets).values(
                id=score_set_id,
                as_of=as_of,
                rows=rows,
                dataset_path=dataset_path,
                models=dict(models),
                published_at=self.clock(),
            )
        )
        return self.get_set(score_set_id)

    def get(self, customer_id: str) -> Score:
        """The current score of one customer.

        Raises:
            NotFoundError: This customer has none.
        """
        query = sa.select(scores).where(scores.c.customer_id == customer_id)
        row = self.connection.execute(query).mappings().one_or_none()
        if row is None:
            raise NotFoundError(f"customer {customer_id!r} has no score", hint="run `axiom score`")
        return Score(**cast("dict[str, Any]", row))

    def top(self, limit: int, *, by: Ranking = "expected_loss", offset: int = 0) -> list[Score]:
        """Customers with the largest `by` first; those without it last."""
        order = (scores.c[by].desc().nulls_last(), scores.c.customer_id)
        query = sa.select(scores).order_by(*order).limit(limit).offset(offset)
        return [Score(**cast("dict[str, Any]", row)) for row in self.connection.execute(query).mappings()]

    def count(self) -> int:
        """Customers with a current score."""
        return self.connection.execute(sa.select(sa.func.count()).select_from(scores)).scalar_one()

    def sets(self, limit: int = 100) -> list[ScoreSet]:
        """Published sets, newest first; the first one is current."""
        query = sa.select(score_sets).order_by(score_sets.c.published_at.desc(), score_sets.c.id).limit(limit)
        return [ScoreSet(**cast("dict[str, Any]", row)) for row in self.connection.execute(query).mappings()]

    def get_set(self, score_set_id: str) -> ScoreSet:
        """One published set.

        Raises:
            NotFoundError: No such set.
        """
        found = self._set(score_set_id)
        if found is None:
            raise NotFoundError(f"there is no score set {score_set_id!r}")
        return found

    def _set(self, score_set_id: str) -> ScoreSet | None:
        query = sa.select(score_sets).where(score_sets.c.id == score_set_id)
        row = self.connection.execute(query).mappings().one_or_none()
        return None if row is None else ScoreSet(**cast("dict[str, Any]", row))

    def _lock(self) -> None:
        # Readers keep seeing the old scores; only a second publisher waits.
        if self.connection.dialect.name == "postgresql":
            self.connection.execute(sa.text("LOCK TABLE scores IN SHARE ROW EXCLUSIVE MODE"))
