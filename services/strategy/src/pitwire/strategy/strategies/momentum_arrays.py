"""Momentum over arrays: the same wishes as `Momentum`, found by walking from cross to cross."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pitwire.strategy.core.arrays import NOTHING, ArrayForm, EmaColumn, Floats, compiled

if TYPE_CHECKING:
    from pitwire.strategy.strategies.momentum import Momentum

CLEAR: Final = 1e-9
"""Averages further apart than this, relative to the slow one, are on the side they seem to be, whatever is rounded."""

Memory = tuple[int, int, int]
"""Whether the trend was up (-1: unknown), whether a cross upwards waits to be used, the row that ends the cooldown."""

REASONS: Final = ("averages crossed down", "crossed up beyond the threshold")


def array_form(strategy: Momentum) -> ArrayForm:
    """Of this instance, with its parameters."""
    params = strategy.params
    return ArrayForm(
        history=strategy.history,
        sources=(EmaColumn(params.fast), EmaColumn(params.slow)),
        numbers=(params.threshold_percent, float(params.size_percent) / 100.0, float(params.cooldown)),
        memory=(-1, 0, 0),
        seek=seek,
        reasons=REASONS,
    )


@compiled
def seek(
    row: int, columns: tuple[Floats, Floats], numbers: tuple[float, float, float], memory: Memory, holds: bool
) -> tuple[int, float, int, Memory]:
    """As `ArrayForm` says."""
    if holds:
        return _exit(row, columns, int(numbers[2]), memory)
    return _entry(row, columns, numbers[0], numbers[1], memory)


@compiled
def _exit(row: int, columns: tuple[Floats, Floats], cooldown: int, memory: Memory) -> tuple[int, float, int, Memory]:
    fast, slow = columns
    for at in range(row, len(fast)):
        if fast[at] <= slow[at] * (1.0 + CLEAR) and not 100.0 * (fast[at] / slow[at] - 1.0) > 0.0:
            return at, 0.0, 0, (0, 0, at + cooldown)
    return len(fast), NOTHING, 0, (1, 0, memory[2])


@compiled
def _entry(
    row: int, columns: tuple[Floats, Floats], threshold: float, share: float, memory: Memory
) -> tuple[int, float, int, Memory]:
    fast, slow = columns
    was_up, crossed, free = memory
    while row < len(fast):
        if not crossed and was_up == 0:
            while row < len(fast) and fast[row] <= slow[row]:
                row += 1
        elif not crossed and was_up == 1:
            while row < len(fast) and fast[row] > slow[row] * (1.0 + CLEAR):
                row += 1
        if row == len(fast):
            break
        gap_percent = 100.0 * (fast[row] / slow[row] - 1.0)
        if not np.isnan(gap_percent):
            is_up = 1 if gap_percent > 0.0 else 0
            if was_up >= 0 and was_up != is_up:
                crossed = is_up
            was_up = is_up
            if crossed and gap_percent >= threshold and row >= free:
                return row, share, 1, (was_up, crossed, free)
        row += 1
    return len(fast), NOTHING, 0, (was_up, crossed, free)
