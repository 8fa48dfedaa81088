"""Closed candles of one instrument and interval: each exactly once, in order, holes filled from the venue's history."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from pitwire.market_data.core.ticks import Bar, interval_ns

HELD_MAX: Final = 1_000
"""Live candles kept while history is on its way; more are dropped from the front and asked for again."""


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """Wanted: closed candles with `from_ns` <= open time < `until_ns`.

    None at the front means the venue's newest ones, as many as configured; None at the end means up to now, and then
    the newest row is not trusted to be closed.
    """

    instrument_id: str
    interval: str
    from_ns: int | None
    until_ns: int | None


@dataclass(frozen=True, slots=True)
class Closed:
    """One candle to publish; `backfilled` ones come from history and only warm strategies up."""

    bar: Bar
    backfilled: bool


@dataclass(frozen=True, slots=True)
class Hole:
    """Candles that neither the stream nor the venue's history has; `length_ns` of each."""

    instrument_id: str
    length_ns: int
    from_ns: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class BehindStore:
    """The venue closes candles that are older than what is stored: another venue, or one that began anew."""

    open_time_ns: int
    stored_ns: int


Step = Closed | Hole | BehindStore


class CandleSeries:
    """What was published so far decides what may come next. Begins by asking for history."""

    def __init__(self, instrument_id: str, interval: str, *, last_open_ns: int | None) -> None:
        self._instrument_id = instrument_id
        self._interval = interval
        self._length_ns = interval_ns(interval)
        self._next_ns = None if last_open_ns is None else last_open_ns + self._length_ns
        self._held: deque[Bar] = deque()
        self._request: HistoryRequest | None = self._ask(None)
        self._told_behind = False
        self.repeated = 0

    @property
    def request(self) -> HistoryRequest | None:
        """The history it waits for; the same until `on_history` answers it."""
        return self._request

    def on_live(self, bar: Bar) -> list[Step]:
        """A candle that just closed. Held while history is missing; a repeated one gives nothing."""
        if self._request is not None:
            if not self._held or bar.open_time_ns > self._held[-1].open_time_ns:
                self._held.append(bar)
            if len(self._held) > HELD_MAX:
                self._held.popleft()
            return []
        self._held.append(bar)
        return self._behind(bar) + self._drain()

    def on_history(self, request: HistoryRequest, bars: list[Bar]) -> list[Step]:
        """The venue's answer to `request`, oldest first. A later answer to an older request gives nothing."""
        if request != self._request:
            return []
        self._request = None
        found: list[Step] = []
        rows = bars if request.until_ns is not None else bars[:-1]
        for bar in rows:
            found += self._take(bar, backfilled=True)
        asked_until_ns = request.until_ns if request.until_ns is not None else self._next_ns
        return found + self._drain(asked_until_ns)

    def on_gap(self) -> None:
        """The stream was interrupted: closed candles may have been missed."""
        if self._request is None:
            self._request = self._ask(None)

    def _behind(self, bar: Bar) -> list[Step]:
        """Told once: a candle far before the last one is no repetition."""
        if self._told_behind or self._next_ns is None or bar.open_time_ns + 2 * self._length_ns >= self._next_ns:
            return []
        self._told_behind = True
        return [BehindStore(bar.open_time_ns, self._next_ns - self._length_ns)]

    def _drain(self, asked_until_ns: int | None = None) -> list[Step]:
        found: list[Step] = []
        while self._held:
            opens = self._held[0].open_time_ns
            known_hole = asked_until_ns is not None and opens <= asked_until_ns
            if self._next_ns is not None and opens > self._next_ns and not known_hole:
                self._request = self._ask(opens)
                return found
            found += self._take(self._held.popleft(), backfilled=False)
        return found

    def _take(self, bar: Bar, *, backfilled: bool) -> list[Step]:
        if self._next_ns is not None and bar.open_time_ns < self._next_ns:
            self.repeated += not backfilled
            return []
        found: list[Step] = []
        if self._next_ns is not None and bar.open_time_ns > self._next_ns:
            found.append(Hole(self._instrument_id, self._length_ns, self._next_ns, bar.open_time_ns))
        self._next_ns = bar.open_time_ns + self._length_ns
        found.append(Closed(bar, backfilled=backfilled))
        return found

    def _ask(self, until_ns: int | None) -> HistoryRequest:
        return HistoryRequest(self._instrument_id, self._interval, self._next_ns, until_ns)
