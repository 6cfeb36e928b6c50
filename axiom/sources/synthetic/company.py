"""What a generator hands over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class SyntheticCompany:
    """A company, or one block of its customers: what it would know, and apart from it what is true.

    Attributes:
        name: population it was drawn from: `users`, `lifecycle`, `retail` or `shop`.
        tables: canonical entities (`customers`, `events`, `transactions`) that the population has. Rows are sorted by
            customer and time.
        truth: what no company knows: `customers` (latent parameters and fate, one row each) and for `shop` and
            `retail` also `future` (purchases after the observed window). Never ingest these.
        parameters: everything that determines the content, as plain JSON values.
    """

    name: str
    tables: dict[str, pa.Table]
    truth: dict[str, pa.Table]
    parameters: dict[str, Any]
