"""`retail`: one wide table of 70 columns, as an export of a shop's till looks: useful, sensitive, stale and empty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from axiom.sources.synthetic.shop import Shop
from axiom.sources.synthetic.wide import personal_columns, purchase_columns, stale_columns, with_gaps

if TYPE_CHECKING:
    from axiom.sources.synthetic.recipe import Block, Tables


@dataclass(frozen=True)
class Retail(Shop):
    """5,000 customers who buy oftener than those of `shop`; `transactions` has 70 columns.

    The first five are canonical; the others describe the purchase, the person (personal data), or nothing at all.
    """

    customers: int = 5_000
    r: float = 0.8
    alpha: float = 4.0
    a: float = 0.8
    b: float = 6.0
    late_share: float = 0.01

    def draw(self, block: Block) -> tuple[Tables, Tables]:
        """Tables and truth of `shop`, with the purchases widened."""
        tables, truth = super().draw(block)
        narrow = tables["transactions"]
        codes = narrow["customer_id"].combine_chunks().dictionary_encode()
        # Every customer has a first purchase and rows are sorted, so codes count the customers of the block.
        buyer = codes.indices.to_numpy().astype(np.int64)
        amount = narrow["amount"].to_numpy()
        person = {name: column.take(pa.array(buyer)) for name, column in personal_columns(block).items()}
        wide = dict(zip(narrow.column_names, narrow.columns, strict=True))
        wide |= purchase_columns(block.rng, amount) | person | stale_columns(block.rng, len(amount))
        tables["transactions"] = with_gaps(block.rng, pa.table(wide))
        return tables, truth
