"""The table a challenger reads: the features of a cut-off, and what the RFM summary says in other words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.training.catalogue.encoder import Encoder, learn_encoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from axiom.maths.arrays import FloatArray
    from axiom.training.clv.rows import RfmArrays
    from axiom.training.clv_challengers.family import Family

PACE, FRESHNESS, YOUTH, MONEY = "rfm_pace", "rfm_freshness", "rfm_youth", "rfm_money"
OF_RFM = ("x", "t_x", "T", "mean_spend", "rfm_silence", PACE, FRESHNESS, YOUTH, MONEY)


def design(rfm: RfmArrays, features: pa.Table | None, days: float) -> pa.Table:
    """Features and RFM columns of n customers; where both have a name, the RFM summary's column stands.

    Added are the silence T - t_x, and four numbers that a linear model can use as they are: the pace, repeat purchases
    expected in the horizon at the past rate, days x/(T + days), shrunk for who is young; the freshness,
    days/(silence + days); the youth, days/(T + days); and the money spent at that pace, 0 where it is unknown.

    Args:
        rfm: summaries.
        features: n rows, or None.
        days: the horizon.
    """
    import pyarrow as pa

    silence = rfm.T - rfm.t_x
    pace = days * rfm.x / (rfm.T + days)
    columns: dict[str, FloatArray] = {
        "x": rfm.x,
        "t_x": rfm.t_x,
        "T": rfm.T,
        "mean_spend": np.where(rfm.spenders, rfm.mean_spend, np.nan),
        "rfm_silence": silence,
        PACE: pace,
        FRESHNESS: days / (silence + days),
        YOUTH: days / (rfm.T + days),
        MONEY: np.where(rfm.spenders, pace * rfm.mean_spend, 0.0),
    }
    own = pa.table(columns)
    if features is not None:
        for name in features.column_names:
            if name not in OF_RFM:
                own = own.append_column(name, _plain(features.column(name)))
    return own


def pooled(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of several origins; a column that one of them lacks is missing there."""
    import pyarrow as pa

    return pa.concat_tables(tables, promote_options="permissive").combine_chunks()


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text instead of dictionaries, whose codes differ between origins."""
    import pyarrow as pa

    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


@dataclass(frozen=True, eq=False)
class Reader:
    """From the table to the columns that a mean is learnt from.

    Attributes:
        raw: columns taken as they are, first.
        encoder: makes the others; None where the family reads no others.
    """

    raw: tuple[str, ...]
    encoder: Encoder | None

    @classmethod
    def learn(cls, table: pa.Table, family: Family) -> tuple[Reader, tuple[str, ...]]:
        """A reader, and warnings that name dropped columns.

        Raises:
            BadInputError: no column varies, or one is neither numbers nor text.
        """
        if not family.others:
            return cls(family.raw, None), ()
        others = table.drop_columns(list(family.raw))
        encoder, _, _, warnings = learn_encoder(others, impute=family.linear, scale=family.linear)
        if warnings:
            # Without the dropped columns, so that a forecast does not ask for them.
            used = sorted(set(encoder.source.tolist()))
            kept = others.select([encoder.layout.names[j] for j in used])
            encoder, *_ = learn_encoder(kept, impute=family.linear, scale=family.linear)
        return cls(family.raw, encoder), warnings

    @property
    def features(self) -> tuple[str, ...]:
        """The columns it needs besides the RFM summary."""
        if self.encoder is None:
            return ()
        return tuple(name for name in self.encoder.layout.names if name not in OF_RFM)

    def read(self, table: pa.Table) -> FloatArray:
        """Columns of n rows, shape (n, k).

        Raises:
            BadInputError: a column is missing or has another type than in training.
        """
        first = [table.column(name).to_numpy() for name in self.raw]
        rest = [] if self.encoder is None else [self.encoder.transform(self.encoder.layout.matrix(table))]
        return np.column_stack([*first, *rest])
