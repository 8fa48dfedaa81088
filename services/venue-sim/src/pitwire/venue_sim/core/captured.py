"""A captured market: the raw frames that a real venue sent, replayed at their own times."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from pitwire.venue_sim.core.effects import Effects
from pitwire.venue_sim.core.exchange import Exchange
from pitwire.venue_sim.core.followed import FollowedMarket, FrameClock
from pitwire.venue_sim.core.frames import DepthUpdate, Frame, Print, Snapshot, Top
from pitwire.venue_sim.core.levels import Ladder
from pitwire.venue_sim.core.market import Move
from pitwire.venue_sim.core.recorded import RecordingError
from pitwire.venue_sim.core.rules import SymbolRules
from pitwire.venue_sim.core.tape import Tape
from pitwire.venue_sim.core.units import SCALE

INSTANT_FRAMES_MAX = 1000
"""Frames of one millisecond that are played in one go."""

Received = tuple[int, Frame]
"""(the receiver's clock in ns, the frame)"""


@dataclass(slots=True, kw_only=True)
class Capture:
    """A capture that was read through once: its symbols' rules, and its frames as often as they are asked for.

    `shifts` moves each symbol's prices by a fixed amount: another venue of the same market.
    """

    rules: list[SymbolRules]
    identity: str
    frames: Callable[[], Iterator[Received]]
    shifts: dict[str, Decimal]


class CaptureDriver:
    """Plays a capture. The market begins when every symbol has a book and a price."""

    def __init__(self, capture: Capture, exchange: Exchange) -> None:
        """Play what comes before the market begins.

        Raises:
            RecordingError: it never begins.
        """
        self._exchange = exchange
        self._market = FollowedMarket([rules.symbol for rules in capture.rules], exchange)
        self.tapes: dict[str, Tape] = self._market.tapes
        self._instants = _instants(shifted(capture.frames(), capture.shifts))
        self._next: tuple[int, list[Frame]] | None = next(self._instants, None)
        self.market_ms = 0
        while not self._market.is_ready:
            if self._next is None:
                raise RecordingError(
                    f"{capture.identity}: has no trade of each symbol after a depth snapshot that its updates continue"
                )
            self.advance()

    @property
    def bars(self) -> int:
        """Minutes closed so far."""
        return self._market.bars

    @property
    def next_ms(self) -> int | None:
        """Market time of the next frames, None after the last."""
        return self._next[0] if self._next is not None else None

    @property
    def instants(self) -> int:
        """The market's newest update id: the venue's own ids go on from there."""
        return self._market.newest_id

    def restore(self, market_ms: int) -> None:
        """Come to where the market was; no user's order is in the book yet."""
        while (next_ms := self.next_ms) is not None and next_ms <= market_ms:
            self.advance()
        self.market_ms = max(self.market_ms, market_ms)

    def advance(self) -> tuple[list[Move], Effects]:
        """Play the next frames: what everyone sees, and what they did to users' orders.

        Raises:
            ValueError: the capture has ended.
        """
        if self._next is None:
            raise ValueError("the capture has ended")
        self.market_ms, frames = self._next
        effects = Effects(self._exchange, self.market_ms)
        moves = self._market.close_due(self.market_ms)
        for frame in frames:
            moves += self._market.apply(frame, effects)
        self._exchange.revision = max(self._exchange.revision + 1, self._market.newest_id)
        self._next = next(self._instants, None)
        return moves, effects


def _instants(frames: Iterable[Received]) -> Iterator[tuple[int, list[Frame]]]:
    """Frames of one time together."""
    clock = FrameClock()
    time_ms, together = 0, list[Frame]()
    for recv_ns, frame in frames:
        now_ms = clock.at(frame, recv_ns)
        if together and (now_ms != time_ms or len(together) >= INSTANT_FRAMES_MAX):
            yield time_ms, together
            together = []
        time_ms = now_ms
        together.append(frame)
    if together:
        yield time_ms, together


def shifted(frames: Iterable[Received], shifts: dict[str, Decimal]) -> Iterator[Received]:
    """The frames with each symbol's prices moved; what falls to zero or below is left out."""
    if not any(shifts.values()):
        yield from frames
        return
    for recv_ns, frame in frames:
        if isinstance(frame, Snapshot | DepthUpdate):
            shift = shifts[frame.symbol or next(iter(shifts))]
            yield recv_ns, frame._replace(bids=_moved(frame.bids, shift), asks=_moved(frame.asks, shift))
        elif isinstance(frame, Top):
            shift = shifts[frame.symbol]
            yield recv_ns, frame._replace(bid=frame.bid + shift, ask=frame.ask + shift)
        elif isinstance(frame, Print):
            yield recv_ns, frame._replace(price=frame.price + int(shifts[frame.symbol] * SCALE))
        else:
            yield recv_ns, frame


def _moved(ladder: Ladder, shift: Decimal) -> Ladder:
    return [(price + shift, quantity) for price, quantity in ladder if price + shift > 0]
