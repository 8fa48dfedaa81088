"""Mean reversion over arrays: the same wishes as `MeanReversion`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pitwire.strategy.core.arrays import NOTHING, ArrayForm, BandColumns, CloseColumn, Floats, compiled

if TYPE_CHECKING:
    from pitwire.strategy.strategies.mean_reversion import MeanReversion

Memory = tuple[float, int]
"""The stop of the last entry, and whether the mean must be reached first."""

Numbers = tuple[float, float, float, float, float]
REASONS: Final = ("stopped out", "back at the mean", "below the band")


def array_form(strategy: MeanReversion) -> ArrayForm:
    """Of this instance, with its parameters."""
    params = strategy.params
    return ArrayForm(
        history=strategy.history,
        sources=(CloseColumn(), BandColumns(params.length)),
        numbers=(
            params.entry_deviations,
            params.stop_deviations,
            params.edge_percent_min,
            float(params.risk_percent) / 100.0,
            float(params.size_percent_max) / 100.0,
        ),
        memory=(0.0, 0),
        seek=seek,
        reasons=REASONS,
    )


@compiled
def seek(
    row: int, columns: tuple[Floats, Floats, Floats], numbers: Numbers, memory: Memory, holds: bool
) -> tuple[int, float, int, Memory]:
    """As `ArrayForm` says."""
    close, middle, deviation = columns
    stop, waits = memory
    entry, stop_at, edge, risk, size = numbers
    for at in range(row, len(close)):
        price, width = close[at], deviation[at]
        if np.isnan(width) or width == 0.0:
            continue
        if holds:
            if price <= stop:
                return at, 0.0, 0, (stop, 1)
            if price >= middle[at]:
                return at, 0.0, 1, (stop, waits)
            continue
        if waits and price >= middle[at]:
            waits = 0
        if waits or price >= middle[at] - entry * width:
            continue
        if 100.0 * (middle[at] / price - 1.0) < edge:
            continue
        distance = stop_at * width
        return at, min(risk * price / distance, size), 2, (price - distance, waits)
    return len(close), NOTHING, 0, (stop, waits)
