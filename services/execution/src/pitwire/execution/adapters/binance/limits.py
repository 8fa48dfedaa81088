"""Binance's limits at work: every request asks here first, and every answer, header or refusal corrects what is known.

Weights are those of the Spot API documentation (REST API, each endpoint; LIMITS). Successful orders and cancels cost
none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pitwire.common.clock import NS_PER_S, Clock
from pitwire.common.errors import DecodeError
from pitwire.execution.adapters.binance.errors import ErrorClass, Refusal
from pitwire.execution.adapters.binance.venue_clock import VenueClock
from pitwire.execution.adapters.turn import take_turn
from pitwire.execution.core.rate_limits import DEFAULT_RULES, Lane, LimitKind, RateLimits, Report, Rule, Ticket

RETRY_AFTER_DEFAULT_S: Final = 60
BAN_DEFAULT_S: Final = 120
RETRY_AFTER_MAX_S: Final = 3 * 86_400
"""The longest ban the venue announces."""

CONNECT_WEIGHT: Final = 2
ORDER_WEIGHT: Final = 1
SUBSCRIBE_WEIGHT: Final = 2
TRADES_OF_ORDER_WEIGHT: Final = 5
WEIGHTS: Final[Mapping[str, int]] = {
    "/api/v3/time": 1,
    "/api/v3/exchangeInfo": 20,
    "/api/v3/account": 20,
    "/api/v3/allOrders": 20,
    "/api/v3/myTrades": 20,
    "/api/v3/openOrders": 6,
    "/api/v3/order": 4,
    "/sapi/v1/account/apiRestrictions": 1,
}
INTERVALS: Final = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}
_HEADER: Final = re.compile(r"x-mbx-(used-weight|order-count)-([0-9]{1,4})([smhd])\Z", re.IGNORECASE)
_HEADER_KIND: Final = {"used-weight": LimitKind.REQUEST_WEIGHT, "order-count": LimitKind.ORDERS}
_HEADER_UNIT: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def address_limits(share_percent: int) -> RateLimits:
    """What one address may ask for; all accounts of this process share it."""
    return RateLimits(
        (rule for rule in DEFAULT_RULES if rule.kind is not LimitKind.ORDERS), share_percent=share_percent
    )


class Limits:
    """One account's view: the address it shares, and its own order counts."""

    def __init__(self, clock: Clock, venue_clock: VenueClock, address: RateLimits) -> None:
        self._clock = clock
        self._venue_clock = venue_clock
        self._address = address
        self._orders = RateLimits(rule for rule in DEFAULT_RULES if rule.kind is LimitKind.ORDERS)
        wall_ns, now_ns = clock.wall_ns(), clock.monotonic_ns()
        self._address.align(wall_ns, now_ns)
        self._orders.align(wall_ns, now_ns)

    # -- before a request ------------------------------------------------------------------------------------------

    def for_orders(self) -> str:
        """Why no order may be sent now; empty when one may."""
        now_ns = self._clock.monotonic_ns()
        if wait_ns := self._address.wait_ns(Lane.SUBMIT, ORDER_WEIGHT, now_ns):
            return f"rate limited for another {wait_ns / NS_PER_S:.1f} s"
        wait_ns = self._orders.wait_ns(Lane.SUBMIT, ORDER_WEIGHT, now_ns)
        return f"too many orders for another {wait_ns / NS_PER_S:.1f} s" if wait_ns else ""

    def wait_s(self, lane: Lane, weight: int) -> float:
        """For how long a request has to wait."""
        return self._address.wait_ns(lane, weight, self._clock.monotonic_ns()) / NS_PER_S

    async def turn(self, lane: Lane, weight: int, place: str) -> Ticket:
        """Waits a little for room; `RateLimited` where there is none for longer. The request leaves right after."""
        return await take_turn(self._address, self._clock, lane, weight, place)

    def take_order(self) -> tuple[Ticket, Ticket]:
        """A new order leaves now: `for_orders` was empty."""
        now_ns = self._clock.monotonic_ns()
        return self._address.take(ORDER_WEIGHT, now_ns), self._orders.take(ORDER_WEIGHT, now_ns)

    # -- after an answer -------------------------------------------------------------------------------------------

    def settle(self, ticket: Ticket, reports: Iterable[Report] = (), *, is_free: bool = False) -> None:
        """It was answered, or given up."""
        self._address.settle(ticket, reports, self._clock.monotonic_ns(), is_free=is_free)

    def settle_order(self, tickets: tuple[Ticket, Ticket], reports: Iterable[Report] = (), *, placed: bool) -> None:
        """The order was answered, or given up."""
        found, now_ns = list(reports), self._clock.monotonic_ns()
        self._address.settle(tickets[0], found, now_ns, is_free=placed)
        self._orders.settle(tickets[1], found, now_ns)

    def apply(self, refusal: Refusal, *, retry_after: str = "") -> None:
        """Heeds a refusal that names a limit; `retry_after` is the header, in seconds."""
        if refusal.kind not in (ErrorClass.RATE_LIMITED, ErrorClass.BANNED, ErrorClass.TOO_MANY_ORDERS):
            return
        now_ns = self._clock.monotonic_ns()
        wait_s: float = BAN_DEFAULT_S if refusal.kind is ErrorClass.BANNED else RETRY_AFTER_DEFAULT_S
        if retry_after.isdecimal():
            wait_s = int(retry_after)
        elif refusal.retry_at_ms and self._venue_clock.is_known(now_ns):
            wait_s = (refusal.retry_at_ms - self._venue_clock.now_ms(now_ns)) / 1000
        until_ns = now_ns + int(min(max(wait_s, 0), RETRY_AFTER_MAX_S) * NS_PER_S)
        (self._orders if refusal.kind is ErrorClass.TOO_MANY_ORDERS else self._address).stop(until_ns)

    def learn(self, rows: Any) -> None:
        """`rateLimits` of `exchangeInfo`; `DecodeError` where they cannot be read."""
        rules = [Rule(kind, length_ns, row["limit"]) for kind, length_ns, row in _rows_of(rows, "limit")]
        self._address.learn(rule for rule in rules if rule.kind is not LimitKind.ORDERS)
        self._orders.learn(rule for rule in rules if rule.kind is LimitKind.ORDERS)

    def align(self, now_ns: int) -> None:
        """The venue's time is known anew."""
        venue_ns = self._venue_clock.now_ms(now_ns) * (NS_PER_S // 1000)
        self._address.align(venue_ns, now_ns)
        self._orders.align(venue_ns, now_ns)


def reports_in(rows: Any) -> list[Report]:
    """`rateLimits` of an answer of the WebSocket API; what cannot be read says nothing."""
    try:
        return [Report(kind, length_ns, row["count"]) for kind, length_ns, row in _rows_of(rows, "count")]
    except DecodeError:
        return []


def reports_of(headers: Mapping[str, str]) -> list[Report]:
    """The counts in the headers of a REST answer."""
    found: list[Report] = []
    for name, value in headers.items():
        if (match := _HEADER.match(name)) and value.isdecimal():
            kind, number, unit = match.groups()
            length_ns = int(number) * _HEADER_UNIT[unit.lower()] * NS_PER_S
            found.append(Report(_HEADER_KIND[kind.lower()], length_ns, int(value)))
    return found


def _rows_of(rows: Any, number: str) -> list[tuple[LimitKind, int, dict[str, Any]]]:
    """Kind and length of each row; one of a kind that is not known is passed over."""
    if not isinstance(rows, list):
        raise DecodeError(subject="rateLimits", reason="not a list")
    found: list[tuple[LimitKind, int, dict[str, Any]]] = []
    for row in rows:
        if not isinstance(row, dict) or not all(_is_count(row.get(name)) for name in ("intervalNum", number)):
            raise DecodeError(subject="rateLimits", reason=f"a row without intervalNum and {number}")
        if row.get("interval") not in INTERVALS:
            raise DecodeError(subject="rateLimits", reason="interval is none of " + ", ".join(INTERVALS))
        if row.get("rateLimitType") in set(LimitKind):
            length_ns = row["intervalNum"] * INTERVALS[row["interval"]] * NS_PER_S
            found.append((LimitKind(row["rateLimitType"]), length_ns, row))
    return found


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
