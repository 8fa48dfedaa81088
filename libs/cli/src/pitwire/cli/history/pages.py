"""Which pages of candles a stretch of time is, and where candles are missing. Times are nanoseconds from 1970."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from pitwire.common.errors import UsageError
from pitwire.common.units import NS_PER_S
from pitwire.market_data.core.ticks import interval_ns, window_start

PAGE_CANDLES: Final = 1_000
"""Rows of one answer, by Binance's rule."""


class Page(NamedTuple):
    """Candles with `from_ns` <= open time < `until_ns`."""

    from_ns: int
    until_ns: int
    candles: int


class Gap(NamedTuple):
    """So many candles in a row that nobody has, from the open time of the first on."""

    from_ns: int
    candles: int


def moment_ns(text: str, option: str) -> int:
    """2024-01-31, or 2024-01-31T12:30, in UTC unless it says otherwise."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text!r}: write it as 2024-01-31 or 2024-01-31T12:30") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * NS_PER_S


def shown(moment: int) -> str:
    """As `moment_ns` takes it."""
    return datetime.fromtimestamp(moment // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M")


def stretch(interval: str, since_ns: int, until_ns: int) -> tuple[int, int]:
    """Whole candles only: the open time of the first, and of the first that is not wanted any more."""
    length = interval_ns(interval)
    first = window_start(interval, since_ns)
    first += length if first < since_ns else 0
    return first, window_start(interval, until_ns)


def pages(interval: str, from_ns: int, until_ns: int) -> Iterator[Page]:
    """In order, each as long as one answer may be."""
    length = interval_ns(interval)
    step = PAGE_CANDLES * length
    for start in range(from_ns, until_ns, step):
        end = min(start + step, until_ns)
        yield Page(start, end, (end - start) // length)


def gaps(interval: str, from_ns: int, until_ns: int, open_times: Sequence[int]) -> list[Gap]:
    """Where candles are missing between the two; `open_times` rise."""
    length = interval_ns(interval)
    found: list[Gap] = []
    due = from_ns
    for open_time in (*open_times, until_ns):
        if open_time > due:
            found.append(Gap(due, (open_time - due) // length))
        due = max(due, open_time + length)
    return found
