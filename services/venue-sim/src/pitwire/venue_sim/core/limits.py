"""Request and order limits in fixed windows of wall time (Binance Spot API, LIMITS), and who breaks them."""

from dataclasses import dataclass, field

from pitwire.venue_sim.core.errors import VenueError

MINUTE_MS = 60_000
FIVE_MINUTES_MS = 300_000
TEN_SECONDS_MS = 10_000
DAY_MS = 86_400_000
STRIKES_MAX = 10
"""Requests refused with 429 in a row before the address is banned."""
BAN_MS = 120_000
ADDRESSES_MAX = 10_000
BANNED = 418


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The venue's limits. Order counts are of unfilled orders of one account."""

    weight_per_minute: int = 6000
    orders_per_10s: int = 100
    orders_per_day: int = 200_000
    raw_requests_per_5min: int = 300_000
    connections_per_5min: int = 300

    def describe(self) -> list[dict[str, object]]:
        """As exchangeInfo shows them."""
        return [
            _rule("REQUEST_WEIGHT", "MINUTE", 1, self.weight_per_minute),
            _rule("ORDERS", "SECOND", 10, self.orders_per_10s),
            _rule("ORDERS", "DAY", 1, self.orders_per_day),
            _rule("RAW_REQUESTS", "MINUTE", 5, self.raw_requests_per_5min),
        ]


def _rule(kind: str, interval: str, number: int, limit: int) -> dict[str, object]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


@dataclass(slots=True)
class _Window:
    length_ms: int
    number: int = -1
    count: int = 0

    def roll(self, now_ms: int) -> "_Window":
        number = now_ms // self.length_ms
        if number != self.number:
            self.number, self.count = number, 0
        return self


@dataclass(slots=True)
class _Address:
    weight: _Window = field(default_factory=lambda: _Window(MINUTE_MS))
    requests: _Window = field(default_factory=lambda: _Window(FIVE_MINUTES_MS))
    connections: _Window = field(default_factory=lambda: _Window(FIVE_MINUTES_MS))
    strikes: int = 0
    banned_until_ms: int = 0


@dataclass(slots=True)
class _OrderCounts:
    ten_seconds: _Window = field(default_factory=lambda: _Window(TEN_SECONDS_MS))
    day: _Window = field(default_factory=lambda: _Window(DAY_MS))


class RateLimiter:
    """Counts weight by address and unfilled orders by account."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._addresses: dict[str, _Address] = {}
        self._orders: dict[str, _OrderCounts] = {}
        self._refused = (0, 0)

    def use(self, address: str, weight: int, *, now_ms: int) -> int:
        """Count a request; the weight used in this minute.

        Raises:
            VenueError: -1003 with status 429, or 418 for an address that went on after many of those.
        """
        if now_ms < self._refused[1]:
            status, until_ms = self._refused
            raise _banned(until_ms) if status == BANNED else _too_much_weight(self.limits.weight_per_minute, until_ms)
        state = self._address(address)
        if now_ms < state.banned_until_ms:
            raise _banned(state.banned_until_ms)
        window = state.weight.roll(now_ms)
        window.count += weight
        if window.count > self.limits.weight_per_minute:
            self._strike(state, now_ms)
            raise _too_much_weight(self.limits.weight_per_minute, (window.number + 1) * MINUTE_MS)
        requests = state.requests.roll(now_ms)
        requests.count += 1
        if requests.count > self.limits.raw_requests_per_5min:
            self._strike(state, now_ms)
            raise _too_many_requests(self.limits.raw_requests_per_5min, (requests.number + 1) * FIVE_MINUTES_MS)
        state.strikes = 0
        return window.count

    def connect(self, address: str, *, now_ms: int) -> bool:
        """Count a new WebSocket connection; may it be opened?"""
        state = self._address(address)
        window = state.connections.roll(now_ms)
        window.count += 1
        return window.count <= self.limits.connections_per_5min and now_ms >= state.banned_until_ms

    def _address(self, address: str) -> _Address:
        state = self._addresses.get(address)
        if state is None:
            if len(self._addresses) >= ADDRESSES_MAX:
                self._addresses.clear()
            state = self._addresses[address] = _Address()
        return state

    def _strike(self, state: _Address, now_ms: int) -> None:
        """A request beyond a limit; one who goes on is banned."""
        state.strikes += 1
        if state.strikes > STRIKES_MAX:
            state.strikes, state.banned_until_ms = 0, now_ms + BAN_MS
            raise _banned(state.banned_until_ms)

    def refuse_all(self, *, status: int, until_ms: int) -> None:
        """Refuse every request until a time, as after too much weight (429) or after going on with it (418)."""
        self._refused = (status, until_ms)

    def used_weight(self, address: str, *, now_ms: int) -> int:
        """The weight an address has used in this minute."""
        state = self._addresses.get(address)
        return state.weight.roll(now_ms).count if state is not None else 0

    def check_order(self, account_id: str, *, now_ms: int, orders: int = 1) -> None:
        """May the account send new orders now?

        Raises:
            VenueError: -1015 with status 429.
        """
        counts = self._counts(account_id)
        limits = self.limits
        for window, limit, period in (
            (counts.ten_seconds, limits.orders_per_10s, "10 SECOND"),
            (counts.day, limits.orders_per_day, "1 DAY"),
        ):
            if window.roll(now_ms).count + orders > limit:
                raise VenueError(
                    -1015,
                    f"Too many new orders; current limit is {limit} orders per {period}.",
                    status=429,
                    data={"serverTime": now_ms, "retryAfter": (window.number + 1) * window.length_ms},
                )

    def count_orders(self, account_id: str, change: int, *, now_ms: int) -> None:
        """New orders count up, filled ones down (never below zero)."""
        counts = self._counts(account_id)
        for window in (counts.ten_seconds, counts.day):
            window.roll(now_ms)
            window.count = max(0, window.count + change)

    def order_counts(self, account_id: str, *, now_ms: int) -> tuple[int, int]:
        """(in these ten seconds, on this day) of unfilled orders."""
        counts = self._counts(account_id)
        return counts.ten_seconds.roll(now_ms).count, counts.day.roll(now_ms).count

    def _counts(self, account_id: str) -> _OrderCounts:
        counts = self._orders.get(account_id)
        if counts is None:
            counts = self._orders[account_id] = _OrderCounts()
        return counts


def _banned(until_ms: int) -> VenueError:
    return VenueError(
        -1003,
        f"Way too much request weight used; IP banned until {until_ms}. Please use WebSocket Streams for live updates "
        "to avoid bans.",
        status=418,
        data={"retryAfter": until_ms},
    )


def _too_much_weight(limit: int, until_ms: int) -> VenueError:
    return VenueError(
        -1003,
        f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. Please use WebSocket "
        "Streams for live updates to avoid polling the API.",
        status=429,
        data={"retryAfter": until_ms},
    )


def _too_many_requests(limit: int, until_ms: int) -> VenueError:
    return VenueError(
        -1003,
        f"Too many requests; current limit is {limit} requests per 5 MINUTE. Please use WebSocket Streams for live "
        "updates to avoid polling the API.",
        status=429,
        data={"retryAfter": until_ms},
    )
