"""How records reach the strategies: the same way in a live process and in a replay of what it was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from pitwire.common import codec, subjects, topology
from pitwire.common.bus.port import Record
from pitwire.common.errors import DecodeError, InvariantBroken
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.order_book import OrderBook
from pitwire.common.schemas.ledger import LeaderChanged, LedgerEvent
from pitwire.common.schemas.market import BookUpdate, Candle, Instrument, Quote, Trade
from pitwire.strategy.core.desk import Desk, as_covered
from pitwire.strategy.core.history import in_time_order
from pitwire.strategy.core.outputs import Cause, Outputs
from pitwire.strategy.core.runner import Runner

TickModel = type[Quote] | type[Trade] | type[BookUpdate]
TICKS: Final[tuple[tuple[str, Callable[[str], str], TickModel], ...]] = (
    ("on_quote", subjects.quote, Quote),
    ("on_trade", subjects.trade, Trade),
    ("on_book", subjects.book, BookUpdate),
)
_MODELS: Final = {subjects.tail(subject_of("BTC-USDT.x")): model for _, subject_of, model in TICKS}


class Sink(Protocol):
    """Where it goes what strategies answer, and what could not be read; neither may wait."""

    def put(self, outputs: Outputs) -> None: ...

    def set_aside(self, record: Record, reason: str, stream: str) -> None: ...


class Deliverer:
    """All desks of one process. What it is told, in that order, is all that decides: it waits for nothing."""

    def __init__(self, desks: Sequence[Desk], registry: InstrumentRegistry, sink: Sink) -> None:
        self.desks = tuple(desks)
        self._registry = registry
        self._sink = sink
        self._books: dict[str, OrderBook] = {}

    def runners(self) -> list[Runner]:
        """Whom events may still reach."""
        return [runner for desk in self.desks for runner in desk.active()]

    def instrument(self, record: Record) -> None:
        try:
            self._registry.put(codec.decode(Instrument, record.data, subject=record.subject))
        except DecodeError as error:
            self._sink.set_aside(record, error.reason, topology.INSTRUMENTS.name)

    def journal(self, desk: Desk, record: Record, now_ns: int) -> None:
        """What cannot be read stops the strategies of this account, and of no other."""
        try:
            message = codec.decode_known(record.subject, record.schema, record.data)
        except DecodeError as error:
            self._sink.set_aside(record, error.reason, topology.OMS.name)
            if subjects.tokens(subjects.HALT, record.subject) is not None:
                desk.on_undecodable_halt(record.sequence)
            else:
                self._sink.put(desk.stop(f"{record.subject} {record.sequence}: {error.reason}"))
            return
        try:
            if record.subject == subjects.ledger(desk.state.account) and isinstance(
                message, LedgerEvent | LeaderChanged
            ):
                cause = Cause(
                    now_ns=now_ns,
                    ts_event_ns=desk.state.marks_ts_market_ns,
                    subject=record.subject,
                    sequence=record.sequence,
                    trace=record.trace,
                )
                self._sink.put(desk.on_ledger(record.sequence, message, record.data, cause))
            elif (covered := as_covered(message)) is not None:
                desk.on_covered(record.sequence, covered)
        except InvariantBroken as error:
            self._sink.put(desk.stop(str(error)))

    def history(self, candles: Sequence[Candle], now_ns: int) -> None:
        """Stored candles, before anything live."""
        cause = Cause(now_ns)
        for runner in self.runners():
            self._sink.put(runner.warm_up(in_time_order(candles), cause))

    def decoded_candle(self, record: Record) -> Candle | None:
        try:
            return codec.decode(Candle, record.data, subject=record.subject)
        except DecodeError as error:
            self._sink.set_aside(record, error.reason, topology.CANDLES.name)
            return None

    def candle(self, record: Record, candle: Candle, now_ns: int) -> None:
        cause = _cause(record, now_ns, candle.epoch, candle.sequence, candle.close_time_ns)
        for runner in self.runners():
            self._sink.put(runner.on_candle(candle, cause))

    def tick(self, record: Record, now_ns: int) -> None:
        """A quote, a trade or a book update; a book is shown whole, and not while it has a gap."""
        try:
            tick = codec.decode(_MODELS[subjects.tail(record.subject)], record.data, subject=record.subject)
        except DecodeError as error:
            self._sink.set_aside(record, error.reason, "")
            return
        shown: Quote | Trade | OrderBook
        if isinstance(tick, BookUpdate):
            shown = self._books.setdefault(tick.instrument_id, OrderBook(tick.instrument_id))
            if not shown.on_update(tick):
                return
        else:
            shown = tick
        cause = _cause(record, now_ns, tick.epoch, tick.sequence, tick.ts_event_ns)
        for runner in self.runners():
            self._sink.put(runner.on_tick(shown, cause))

    def wall_time(self, desk: Desk, now_ns: int) -> bool:
        """Whether an intent was given up."""
        outputs = desk.on_wall_time(now_ns)
        self._sink.put(outputs)
        return bool(outputs.alarms)


def _cause(record: Record, now_ns: int, epoch: str, sequence: int, ts_event_ns: int) -> Cause:
    return Cause(now_ns, ts_event_ns, record.subject, epoch, sequence, record.trace)
