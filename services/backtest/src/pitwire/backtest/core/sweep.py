"""The parameter sets of a sweep: a grid, or so many drawn from it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from math import prod
from typing import Any, Final

import orjson

from pitwire.common.errors import UsageError
from pitwire.common.ids import content_hash
from pitwire.common.money import canonical

RUNS_MAX: Final = 1_000_000
VALUES_MAX: Final = 10_000
"""Values of one parameter."""

Params = dict[str, str]


def values_of(word: str) -> tuple[str, ...]:
    """`5,10,20` are three values, `10:50:5` all from 10 to 50 in steps of 5, both ends included.

    Raises:
        UsageError: no value, a range that never ends, or more than `VALUES_MAX`.
    """
    found: list[str] = []
    for part in word.split(","):
        bounds = part.split(":")
        found += [part.strip()] if len(bounds) == 1 else _range(part, bounds)
    values = tuple(dict.fromkeys(value for value in found if value))
    if not values or len(values) > VALUES_MAX:
        msg = f"{word!r}: expected values like 5,10,20 or first:last:step, at most {VALUES_MAX}"
        raise UsageError(msg)
    return values


def _range(part: str, bounds: Sequence[str]) -> list[str]:
    try:
        first, last, step = (Decimal(each) for each in (*bounds, "1")[:3])
        count = int((last - first) / step) + 1 if step > 0 else 0
    except (InvalidOperation, ValueError, OverflowError):
        count, first, step = 0, Decimal(0), Decimal(0)
    if not 0 < count <= VALUES_MAX or len(bounds) > 3:
        msg = f"{part!r}: expected first:last:step with a step above 0 and at most {VALUES_MAX} values"
        raise UsageError(msg)
    return [canonical(first + step * number) for number in range(count)]


def grid(space: Mapping[str, Sequence[str]]) -> list[Params]:
    """Every combination, the last parameter changing fastest."""
    count = prod(len(values) for values in space.values())
    if count > RUNS_MAX:
        msg = f"{count} combinations, at most {RUNS_MAX}; draw some of them with --random"
        raise UsageError(msg)
    return [dict(zip(space, chosen, strict=True)) for chosen in itertools.product(*space.values())]


def drawn(space: Mapping[str, Sequence[str]], count: int, *, seed: int) -> list[Params]:
    """`count` different combinations, the same for the same seed; all of them where there are no more."""
    total = prod(len(values) for values in space.values())
    picked: dict[int, None] = {}
    for place in itertools.count():
        if len(picked) >= min(count, total, RUNS_MAX):
            break
        picked[int(content_hash(f"{seed}:{place}".encode()), 16) % total] = None
    return [_nth(space, number) for number in picked]


def _nth(space: Mapping[str, Sequence[str]], number: int) -> Params:
    found: Params = {}
    for name, values in reversed(list(space.items())):
        number, place = divmod(number, len(values))
        found[name] = values[place]
    return {name: found[name] for name in space}


def key_of(params: Mapping[str, Any]) -> str:
    """What tells one run of a sweep from another, whatever the order of its parameters."""
    return orjson.dumps(dict(params), option=orjson.OPT_SORT_KEYS).decode()
