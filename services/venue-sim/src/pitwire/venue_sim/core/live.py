"""A market that happens now at another venue: its public data, executed here on paper."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from pitwire.venue_sim.core.effects import Effects
from pitwire.venue_sim.core.exchange import Exchange
from pitwire.venue_sim.core.followed import FollowedMarket, FrameClock
from pitwire.venue_sim.core.frames import Frame, FrameError
from pitwire.venue_sim.core.market import Move
from pitwire.venue_sim.core.path import BAR_MS
from pitwire.venue_sim.core.rules import SymbolRules
from pitwire.venue_sim.core.tape import Candle, Tape
from pitwire.venue_sim.core.units import ZERO, to_decimal, to_scaled


class LiveUrls(NamedTuple):
    """Where the venue is reached; REST without /api/v3, streams without /stream."""

    rest: str
    ws: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMarket:
    """What has to be known of a live market before it can be followed: rules, and the minutes until now."""

    rules: list[SymbolRules]
    identity: str
    history: dict[str, list[Candle]] = field(default_factory=dict[str, list[Candle]])


class LiveDriver:
    """Follows a live market: frames are heard as they come, and applied by `advance`."""

    def __init__(self, live: LiveMarket, exchange: Exchange) -> None:
        self._exchange = exchange
        self.market = FollowedMarket([rules.symbol for rules in live.rules], exchange)
        self._clock = FrameClock()
        self._heard: list[Frame] = []
        for symbol, candles in live.history.items():
            tape = self.market.tapes[symbol]
            tape.extend(candles)
            # The minute that runs is made of the trades that are seen of it.
            tape.open_bar(candles[-1].open_ms + BAR_MS, candles[-1].close)
            exchange.listings[symbol].last_price = to_decimal(candles[-1].close)
        self._clock.now_ms = max(tape.last_ms() for tape in self.market.tapes.values())

    @property
    def tapes(self) -> Mapping[str, Tape]:
        """What was printed, by symbol."""
        return self.market.tapes

    @property
    def bars(self) -> int:
        """Minutes closed so far."""
        return self.market.bars

    @property
    def market_ms(self) -> int:
        """Market time of the newest frame."""
        return self._clock.now_ms

    @property
    def next_ms(self) -> int | None:
        """Nobody knows when the next frame comes."""
        return None

    @property
    def instants(self) -> int:
        """The market's newest update id."""
        return self.market.newest_id

    def time_ms(self, wall_ms: int) -> int:
        """Market time at a time of this machine's clock."""
        return self._clock.reach(wall_ms)

    def restore(self, market_ms: int) -> None:
        """The market has gone on meanwhile; only its time does not fall."""
        self._clock.now_ms = max(self._clock.now_ms, market_ms)

    def unknown(self) -> list[str]:
        """Symbols whose book needs a snapshot."""
        return [symbol for symbol, feed in self.market.feeds.items() if not feed.is_known]

    def hear(self, recv_ns: int, frame: Frame) -> None:
        """Take one frame as it comes."""
        self._clock.at(frame, recv_ns)
        self._heard.append(frame)

    def advance(self) -> tuple[list[Move], Effects]:
        """Apply what was heard: what everyone sees, and what it did to users' orders."""
        heard, self._heard = self._heard, []
        effects = Effects(self._exchange, self.market_ms)
        moves = self.market.close_due(self.market_ms)
        for frame in heard:
            moves += self.market.apply(frame, effects)
        self._exchange.revision = max(self._exchange.revision + 1, self.market.newest_id)
        return moves, effects


def read_rules(info: dict[str, Any], symbols: list[str]) -> list[SymbolRules]:
    """The rules of symbols as `exchangeInfo` gives them.

    Raises:
        FrameError: a symbol or one of its filters is missing or malformed.
    """
    listed = {entry["symbol"]: entry for entry in info.get("symbols", []) if isinstance(entry, dict)}
    missing = [symbol for symbol in symbols if symbol not in listed]
    if missing:
        raise FrameError(f"exchangeInfo does not list {', '.join(missing)}")
    try:
        return [_rules(listed[symbol]) for symbol in symbols]
    except (KeyError, TypeError, ValueError, ArithmeticError) as problem:
        raise FrameError(f"exchangeInfo lacks or misspells a filter: {problem!r}") from None


def _rules(entry: dict[str, Any]) -> SymbolRules:
    filters = {each["filterType"]: each for each in entry["filters"]}
    price, lot = filters["PRICE_FILTER"], filters["LOT_SIZE"]
    notional = filters.get("NOTIONAL") or filters["MIN_NOTIONAL"]
    market_lot = Decimal(filters["MARKET_LOT_SIZE"]["maxQty"]) if "MARKET_LOT_SIZE" in filters else ZERO
    default = SymbolRules.__dataclass_fields__
    return SymbolRules(
        symbol=entry["symbol"],
        base=entry["baseAsset"],
        quote=entry["quoteAsset"],
        tick_size=Decimal(price["tickSize"]).normalize(),
        lot_step=Decimal(lot["stepSize"]).normalize(),
        price_max=Decimal(price["maxPrice"]),
        quantity_max=Decimal(lot["maxQty"]),
        market_quantity_max=market_lot or Decimal(lot["maxQty"]),
        notional_min=Decimal(notional["minNotional"]),
        notional_max=Decimal(notional.get("maxNotional", default["notional_max"].default)),
    )


def read_klines(rows: list[Any], *, now_ms: int) -> list[Candle]:
    """One-minute candles as `klines` gives them, without the one that still runs at the venue's time.

    Raises:
        FrameError: a row is malformed, or does not follow the one before.
    """
    try:
        candles = [_candle(row) for row in rows if int(row[6]) < now_ms]
    except (IndexError, TypeError, ValueError) as problem:
        raise FrameError(f"a malformed candle: {problem!r}") from None
    for number, candle in enumerate(candles[1:], start=1):
        if candle.open_ms != candles[number - 1].open_ms + BAR_MS:
            raise FrameError(f"the candle of {candle.open_ms} does not follow the one before")
    if not candles:
        raise FrameError("no candles")
    return candles


def _candle(row: list[Any]) -> Candle:
    opened, high, low, close, volume, quote, taker, taker_quote = (
        to_scaled(str(row[n])) for n in (1, 2, 3, 4, 5, 7, 9, 10)
    )
    return Candle(int(row[0]), opened, high, low, close, volume, quote, int(row[8]), taker, taker_quote, -1, -1)
