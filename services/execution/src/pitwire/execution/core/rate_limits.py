"""What may be asked of a venue now: its limits in fixed windows, kept before the venue has to enforce them.

The venue counts the weight of requests by address and unfilled orders by account, in windows that begin at full minutes
(ten seconds, days) of its own clock. Here everything sent is counted the same way and corrected by what the venue says
it has counted. Several processes at one address keep to a share each; what the venue says is about all of them.

Whoever matters less stops earlier, so that data never takes the room of an order, and nothing that of a cancel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

SECOND_NS: Final = 1_000_000_000
PERCENT: Final = 100
BOUNDARY_NS: Final = SECOND_NS
"""So near to where two windows meet, a request counts in both: clocks differ, and it takes time to get there."""


class Lane(StrEnum):
    """What a request is for, the most important first."""

    CANCEL = "CANCEL"
    SUBMIT = "SUBMIT"
    RECONCILE = "RECONCILE"
    DATA = "DATA"


CEILING_PERCENT: Final = {Lane.CANCEL: 100, Lane.SUBMIT: 70, Lane.RECONCILE: 60, Lane.DATA: 50}
"""How much of a limit each lane may see used; 30 % are kept for cancels."""


class LimitKind(StrEnum):
    """What a venue counts."""

    REQUEST_WEIGHT = "REQUEST_WEIGHT"
    RAW_REQUESTS = "RAW_REQUESTS"
    ORDERS = "ORDERS"


class Rule(NamedTuple):
    """At most `limit` in each window of `length_ns`."""

    kind: LimitKind
    length_ns: int
    limit: int


class Report(NamedTuple):
    """The venue's own count of one window, as it stood when it answered."""

    kind: LimitKind
    length_ns: int
    counted: int


DEFAULT_RULES: Final = (
    Rule(LimitKind.REQUEST_WEIGHT, 60 * SECOND_NS, 6_000),
    Rule(LimitKind.RAW_REQUESTS, 300 * SECOND_NS, 61_000),
    Rule(LimitKind.ORDERS, 10 * SECOND_NS, 100),
    Rule(LimitKind.ORDERS, 86_400 * SECOND_NS, 200_000),
)
"""Until the venue has said what its limits are."""


@dataclass(slots=True)
class _Count:
    own: int = 0
    unreported: int = 0
    reported: int = -1
    """-1: the venue has said nothing about this window."""


class Window:
    """Counts against one rule. Order counts go down again when orders fill; weights never."""

    def __init__(self, rule: Rule, share_percent: int) -> None:
        self.rule = rule
        self._share_percent = share_percent
        self._counts: dict[int, _Count] = {}

    def wait_ns(self, lane: Lane, amount: int, venue_ns: int) -> int:
        """0 when `amount` more fits now, else how long until it may."""
        for number in self.numbers(venue_ns):
            count = self._counts.get(number, _Count())
            is_alone = not count.own and not self._total(count)
            if not is_alone and not self._fits(lane, amount, count):
                return (number + 1) * self.rule.length_ns + BOUNDARY_NS - venue_ns
        return 0

    def _fits(self, lane: Lane, amount: int, count: _Count) -> bool:
        """Order counts are of one account, which one process trades, and no cancel needs them: all of it is there."""
        if self.rule.kind is LimitKind.ORDERS:
            return self._total(count) + amount <= self.rule.limit
        ceiling = self.rule.limit * CEILING_PERCENT[lane] // PERCENT
        own_max = ceiling * self._share_percent // PERCENT
        return count.own + amount <= own_max and self._total(count) + amount <= ceiling

    def take(self, amount: int, venue_ns: int) -> tuple[int, ...]:
        """Counts it; the numbers of the windows it may fall into."""
        numbers = self.numbers(venue_ns)
        self._counts = {number: count for number, count in self._counts.items() if number >= numbers[0]}
        for number in numbers:
            count = self._counts.setdefault(number, _Count())
            count.own += amount
            count.unreported += amount
        return numbers

    def settle(self, numbers: Sequence[int], amount: int, cost: int, reported: int | None, venue_ns: int) -> None:
        """It was answered: it cost `cost` of the `amount` taken, and the venue counts `reported` in its window.

        A count is believed only where it is certain which window it is of.
        """
        for number in numbers:
            if (count := self._counts.get(number)) is not None:
                count.unreported -= amount
                count.own -= amount - cost
        number, *others = self.numbers(venue_ns)
        if reported is None or others or tuple(numbers) != (number,):
            return
        count = self._counts.setdefault(number, _Count())
        gives_back = self.rule.kind is LimitKind.ORDERS
        count.reported = reported if gives_back else max(count.reported, reported)

    def numbers(self, venue_ns: int) -> tuple[int, ...]:
        """Which windows the moment may belong to: two, where they meet."""
        first = (venue_ns - BOUNDARY_NS) // self.rule.length_ns
        last = (venue_ns + BOUNDARY_NS) // self.rule.length_ns
        return (first,) if first == last else (first, last)

    def _total(self, count: _Count) -> int:
        """What everybody at this address has used, as far as can be known."""
        if count.reported < 0:
            return count.own
        known = count.reported + count.unreported
        return known if self.rule.kind is LimitKind.ORDERS else max(known, count.own)


class Ticket(NamedTuple):
    """A request that was let through; `settle` wants it back."""

    taken: tuple[tuple[Window, tuple[int, ...], int], ...]


class RateLimits:
    """The windows of one address, or the order counts of one account. Times are monotonic nanoseconds.

    `share_percent` is what this process may use of each limit.
    """

    def __init__(self, rules: Iterable[Rule], *, share_percent: int = PERCENT) -> None:
        self._share_percent = share_percent
        self._windows: dict[tuple[LimitKind, int], Window] = {}
        self._stopped_until_ns = 0
        self._venue_ahead_ns = 0
        self.learn(rules)

    def learn(self, rules: Iterable[Rule]) -> None:
        """The venue's own limits; a window whose limit changed goes on counting."""
        for rule in rules:
            window = self._windows.get((rule.kind, rule.length_ns))
            if window is None:
                self._windows[rule.kind, rule.length_ns] = Window(rule, self._share_percent)
            else:
                window.rule = rule

    def align(self, venue_ns: int, now_ns: int) -> None:
        """The venue's clock stands at `venue_ns`."""
        self._venue_ahead_ns = venue_ns - now_ns

    def stop(self, until_ns: int) -> None:
        """Nothing at all before then: the venue said so. It never gets earlier."""
        self._stopped_until_ns = max(self._stopped_until_ns, until_ns)

    def stopped_ns(self, now_ns: int) -> int:
        """For how long nothing may be asked."""
        return max(self._stopped_until_ns - now_ns, 0)

    def wait_ns(self, lane: Lane, weight: int, now_ns: int) -> int:
        """0 when a request of this weight may leave now, else how long it has to wait at least."""
        venue_ns = now_ns + self._venue_ahead_ns
        waits = (window.wait_ns(lane, self._amount(window, weight), venue_ns) for window in self._windows.values())
        return max(self.stopped_ns(now_ns), *waits) if self._windows else self.stopped_ns(now_ns)

    def take(self, weight: int, now_ns: int) -> Ticket:
        """Counts a request that leaves now."""
        venue_ns = now_ns + self._venue_ahead_ns
        taken: list[tuple[Window, tuple[int, ...], int]] = []
        for window in self._windows.values():
            amount = self._amount(window, weight)
            taken.append((window, window.take(amount, venue_ns), amount))
        return Ticket(tuple(taken))

    def settle(self, ticket: Ticket, reports: Iterable[Report], now_ns: int, *, is_free: bool = False) -> None:
        """The answer is there, or will never be; `is_free`: it cost no weight, as orders that succeed do."""
        told = {(report.kind, report.length_ns): report.counted for report in reports}
        venue_ns = now_ns + self._venue_ahead_ns
        for window, numbers, amount in ticket.taken:
            rule = window.rule
            cost = 0 if is_free and rule.kind is LimitKind.REQUEST_WEIGHT else amount
            window.settle(numbers, amount, cost, told.get((rule.kind, rule.length_ns)), venue_ns)

    @staticmethod
    def _amount(window: Window, weight: int) -> int:
        return weight if window.rule.kind is LimitKind.REQUEST_WEIGHT else 1
