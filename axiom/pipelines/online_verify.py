"""Stage: prove that the online store holds exactly what the features dataset says."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from axiom.errors import CorruptError
from axiom.pipelines.online import batches_of, layout_of, opened_store
from axiom.scoring.online.store import filled
from axiom.telemetry import progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from axiom.maths.arrays import FloatArray
    from axiom.pipelines.workspace import Workspace
    from axiom.scoring.online.store import OnlineStore, StoreInfo

EXAMPLES = 5


@dataclass(frozen=True)
class Difference:
    """One number that is not the same online as offline.

    Attributes:
        customer_id: whose.
        feature: which.
        offline: in the features dataset.
        online: in the store.
    """

    customer_id: str
    feature: str
    offline: float
    online: float


@dataclass(frozen=True)
class VerifyReport:
    """Every customer of the features dataset against the online store.

    Attributes:
        place: folder or URL of the store.
        generation: what was compared.
        features_id: with which dataset.
        as_of: at which cut-off.
        compared: vectors read from both.
        missing: customers that are not in the store.
        extra: vectors in the store that no customer of the dataset has.
        corrupt: records that could not be trusted.
        different: vectors with another bit somewhere.
        max_difference: greatest |online − offline|; infinite where one is missing and the other one not.
        examples: the first differences.
        seconds: wall time.
    """

    place: str
    generation: str
    features_id: str
    as_of: datetime
    compared: int
    missing: int
    extra: int
    corrupt: int
    different: int
    max_difference: float
    examples: tuple[Difference, ...]
    seconds: float = field(default=0.0, compare=False)

    @property
    def equal(self) -> bool:
        """Whether online is offline, bit by bit."""
        return not (self.missing or self.extra or self.corrupt or self.different)

    def require(self) -> None:
        """CorruptError unless online is offline."""
        if not self.equal:
            raise CorruptError(
                f"the online store {self.place} is not what features {self.features_id} say: {self.different:,} "
                f"vectors differ, {self.missing:,} are missing, {self.extra:,} too many, {self.corrupt:,} corrupt",
                hint="publish again: `axiom online clear`, then `axiom online sync`",
            )


def verify_online(ws: Workspace) -> VerifyReport:
    """Compare every vector of the online store with the features it was made from.

    Raises:
        NotFoundError: the store is empty, or its features dataset is gone.
        CorruptError: its layout is not that of the dataset.
        UnavailableError: Redis does not answer.
    """
    started = time.perf_counter()
    with opened_store(ws, readonly=True) as store:
        info = filled(store)
        features = ws.lake.dataset("features", info.features_id)
        layout = layout_of(features, info.as_of)
        if layout.fingerprint != info.layout.fingerprint:
            raise CorruptError(
                f"the online vectors have layout {info.layout.fingerprint}, features {info.features_id} have "
                f"{layout.fingerprint}",
                hint="publish again: `axiom online sync`",
            )
        tally = _Tally(layout.layout.names)
        with progress("verify", total=ws.lake.buckets) as bar:
            for ids, offline in batches_of(features, layout, info.as_of, ws.lake.buckets, bar.advance):
                _compare(store, info, ids, offline, tally)
        return VerifyReport(
            place=store.place,
            generation=info.generation,
            features_id=info.features_id,
            as_of=info.as_of,
            compared=tally.compared,
            missing=tally.missing,
            extra=store.count(info.generation) - tally.compared - tally.corrupt,
            corrupt=tally.corrupt,
            different=tally.different,
            max_difference=tally.max_difference,
            examples=tuple(tally.examples),
            seconds=time.perf_counter() - started,
        )


class _Tally:
    """Counts of a comparison."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.compared = self.missing = self.corrupt = self.different = 0
        self.max_difference = 0.0
        self.examples: list[Difference] = []

    def add(self, customer_id: str, offline: FloatArray, online: FloatArray) -> None:
        self.compared += 1
        unequal = offline.view(np.uint64) != online.view(np.uint64)
        if not unequal.any():
            return
        self.different += 1
        for j in np.flatnonzero(unequal).tolist():
            one, other = float(offline[j]), float(online[j])
            gap = abs(one - other) if not (math.isnan(one) or math.isnan(other)) else math.inf
            self.max_difference = max(self.max_difference, gap)
            if len(self.examples) < EXAMPLES:
                self.examples.append(Difference(customer_id, self.names[j], one, other))


def _compare(store: OnlineStore, info: StoreInfo, ids: Sequence[str], offline: FloatArray, tally: _Tally) -> None:
    for start in range(0, len(ids), 1000):
        some = ids[start : start + 1000]
        try:
            found = store.get_many(info.generation, some)
        except CorruptError:
            found = []
        if found:
            for customer_id, row, online in zip(some, offline[start:], found, strict=False):
                _count(tally, customer_id, row, online)
            continue
        for customer_id, row in zip(some, offline[start:], strict=False):
            try:
                _count(tally, customer_id, row, store.get(info.generation, customer_id))
            except CorruptError:
                tally.corrupt += 1


def _count(tally: _Tally, customer_id: str, offline: FloatArray, online: FloatArray | None) -> None:
    if online is None:
        tally.missing += 1
    else:
        tally.add(customer_id, offline, online)
