"""One interface to the online store, whether it is LMDB on this machine or Redis on a cluster."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from axiom.errors import BadInputError, ConflictError, CorruptError, NotFoundError
from axiom.scoring.online.vectors import REPUBLISH, VectorLayout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from axiom.maths.arrays import FloatArray
    from axiom.settings import Settings

FORMAT = 1
Batch = tuple["Sequence[str]", "FloatArray"]
"""n customer ids with their vectors, shape (n, p)."""


class GoneError(ConflictError):
    """The generation that was asked for is no longer kept: look at `OnlineStore.info` again and ask that one."""


@dataclass(frozen=True)
class StoreInfo:
    """What the store holds now.

    Attributes:
        generation: name of this set of vectors; a new publish makes a new one.
        layout: what the numbers mean.
        as_of: cut-off of the features, UTC.
        customers: how many vectors.
        features_id: the features dataset they came from.
        published_at: when they became visible, UTC.
    """

    generation: str
    layout: VectorLayout
    as_of: datetime
    customers: int
    features_id: str
    published_at: datetime

    @classmethod
    def draft(cls, layout: VectorLayout, as_of: datetime, features_id: str, *, customers: int = 0) -> StoreInfo:
        """What to give to `publish`, which settles generation, count and time.

        Args:
            layout: what the numbers mean.
            as_of: cut-off of the features, UTC.
            features_id: the features dataset they come from.
            customers: about how many will come, to reserve space; 0: not known.
        """
        now = datetime.now(UTC)
        return cls(f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(6)}", layout, as_of, customers, features_id, now)

    def begun(self) -> StoreInfo:
        """The same under a name that no other publish has."""
        return self.draft(self.layout, self.as_of, self.features_id, customers=self.customers)

    def finished(self, customers: int) -> StoreInfo:
        """The same with the count and the time of its end.

        Raises:
            BadInputError: nobody came.
        """
        if not customers:
            raise BadInputError(f"features {self.features_id} give no vector as of {self.as_of:%Y-%m-%d}")
        return replace(self, customers=customers, published_at=datetime.now(UTC))

    def same_content(self, other: StoreInfo) -> bool:
        """Whether both are made from the same features at the same cut-off in the same layout."""
        mine = (self.features_id, self.as_of, self.layout.fingerprint)
        return mine == (other.features_id, other.as_of, other.layout.fingerprint)

    def to_json(self) -> str:
        """As JSON text."""
        body = {
            "format": FORMAT,
            "generation": self.generation,
            "layout": json.loads(self.layout.to_json()),
            "as_of": self.as_of.isoformat(),
            "customers": self.customers,
            "features_id": self.features_id,
            "published_at": self.published_at.isoformat(),
        }
        return json.dumps(body)

    @classmethod
    def from_json(cls, text: str | bytes, *, where: str) -> StoreInfo:
        """Read it back.

        Raises:
            CorruptError: the text is something else, or was written by a newer Axiom.
        """
        try:
            body = json.loads(text)
            if body["format"] != FORMAT:
                raise CorruptError(f"{where}: written by a newer Axiom", hint="upgrade Axiom, or publish again")
            return cls(
                generation=str(body["generation"]),
                layout=VectorLayout.from_json(json.dumps(body["layout"])),
                as_of=datetime.fromisoformat(body["as_of"]),
                customers=int(body["customers"]),
                features_id=str(body["features_id"]),
                published_at=datetime.fromisoformat(body["published_at"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptError(f"{where} does not describe an online store ({error})", hint=REPUBLISH) from error


class OnlineStore(Protocol):
    """Vectors by customer, in generations: readers see a whole publish or nothing of it.

    Every method raises UnavailableError where the store's server does not answer, quickly and never by hanging.
    """

    @property
    def place(self) -> str:
        """Where it is, fit for people: passwords are masked."""
        ...

    def info(self) -> StoreInfo | None:
        """What is visible now, None where nothing is. Cheap: replicas ask every second.

        Raises:
            CorruptError: the description cannot be read.
        """
        ...

    def get(self, generation: str, customer_id: str) -> FloatArray | None:
        """The read-only vector of one customer, shape (p,), or None where the generation does not have the customer.

        Raises:
            GoneError: the generation is not there any more.
            CorruptError: the record has another length or checksum than it was written with.
        """
        ...

    def get_many(self, generation: str, customer_ids: Sequence[str]) -> list[FloatArray | None]:
        """`get` of many customers, in their order, in one trip."""
        ...

    def ids(self, generation: str) -> Iterator[str]:
        """Every customer of a generation, in no particular order, read as they are asked for.

        Raises:
            GoneError: the generation is not there any more.
        """
        ...

    def count(self, generation: str) -> int:
        """How many vectors a generation really holds.

        Raises:
            GoneError: the generation is not there any more.
        """
        ...

    def publish(self, info: StoreInfo, batches: Iterable[Batch]) -> StoreInfo:
        """Write a new generation beside the visible one and, at the very end, make it the visible one.

        The generation that was visible stays readable until the next publish begins. A publish that fails leaves the
        visible generation as it was; what it had written is removed by the next one.

        Args:
            info: from `StoreInfo.draft`.
            batches: ids with vectors, each read once.

        Returns:
            `info` with its generation, the number of customers and the time.

        Raises:
            ConflictError: somebody else is publishing, or the store was opened read-only.
            BadInputError: nobody, a customer twice, or vectors of another length than the layout's.
        """
        ...

    def clear(self) -> int:
        """Remove everything; how many vectors were visible.

        Raises:
            ConflictError: somebody is publishing, or the store was opened read-only.
        """
        ...

    def ping(self) -> None:
        """Return where the store answers."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


def open_store(settings: Settings, *, readonly: bool = False) -> OnlineStore:
    """The online store of the settings: Redis where AXIOM_REDIS_URL is set, else LMDB under AXIOM_HOME.

    Connects to nothing and creates nothing yet.

    Args:
        settings: of this process.
        readonly: refuse `publish` and `clear`.

    Raises:
        MisuseError: AXIOM_REDIS_URL is not the URL of a Redis.
    """
    if settings.redis_url:
        from axiom.scoring.online.on_redis import RedisStore

        return RedisStore(settings.redis_url, readonly=readonly)
    from axiom.scoring.online.on_lmdb import LmdbStore

    return LmdbStore(settings.home / "online", readonly=readonly)


def filled(store: OnlineStore) -> StoreInfo:
    """What the store holds.

    Raises:
        NotFoundError: it is empty.
    """
    info = store.info()
    if info is None:
        raise empty(store)
    return info


def empty(store: OnlineStore) -> NotFoundError:
    """The error for a store that holds nothing, with the way out."""
    return NotFoundError(
        f"the online store {store.place} is empty",
        hint="publish the features with `axiom online sync`, or run `axiom score`",
    )


def refuse_writing(place: str) -> ConflictError:
    """The error for a change through a store that was opened to be read."""
    return ConflictError(f"the online store {place} was opened read-only")
