"""Rows of the outcome log as a lineup and the user's rules see them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from rlfa.lineup.segments import Fields
from rlfa.lineup.voting import Rows
from rlfa.outcomes import log


def feature_names(table: pa.Table) -> tuple[str, ...]:
    """Of the features that days of the log hold."""
    return tuple(c.removeprefix(log.FEATURE) for c in table.column_names if c.startswith(log.FEATURE))


def rows_in(table: pa.Table, fields: Fields) -> Rows:
    """The rows of closed days, in their order.

    Args:
        table: of the log.
        fields: columns of the features; one that the log lacks is missing everywhere.
    """
    features = np.full((len(table), len(fields.names)), np.nan, np.float32)
    for j, name in enumerate(fields.names):
        if log.FEATURE + name in table.column_names:
            features[:, j] = table[log.FEATURE + name].to_numpy()
    entities = [c for c in table.column_names if c.startswith(log.ENTITY)]
    return Rows(
        tx_hash=table["tx_hash"].to_numpy(),
        event_time=table["event_time"].to_numpy(),
        amount=table["amount"].to_numpy(),
        features=features,
        fields=fields,
        entities={c.removeprefix(log.ENTITY): table[c].to_numpy() for c in entities},
    )
