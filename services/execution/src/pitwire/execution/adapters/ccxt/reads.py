"""How things stand at a venue of ccxt: questions, each through the limits, each answer checked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from pitwire.common.clock import NS_PER_S, Clock
from pitwire.common.config import VenueConfig
from pitwire.common.errors import DecodeError, VenueTrouble
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.schemas.market import Instrument
from pitwire.execution.adapters.ccxt import words
from pitwire.execution.adapters.ccxt.exchange import BINANCE, is_limit, is_not_found, is_of_ccxt, trouble_of
from pitwire.execution.adapters.turn import take_turn
from pitwire.execution.core.rate_limits import Lane, RateLimits
from pitwire.execution.core.venue import OrderFacts, VenueOrder, VenueTrade

ROWS_MAX: Final = 1_000
PAGES_MAX: Final = 1_000
STOP_DEFAULT_S: Final = 60
STOP_MAX_S: Final = 3 * 86_400


class Reads:
    """`VenueReads` on an exchange of ccxt, which `exchange` gives: it is changed for a new one now and then."""

    def __init__(
        self,
        exchange: Callable[[], Any],
        venue: str,
        config: VenueConfig,
        instruments: InstrumentRegistry,
        clock: Clock,
        limits: RateLimits,
    ) -> None:
        self._exchange = exchange
        self._venue = venue
        self._config = config
        self._instruments = instruments
        self._clock = clock
        self._limits = limits
        self.on_malformed: Callable[[str, bytes, str], None] = _unheard
        """Who sets aside an answer that cannot be read."""

    async def ask(self, place: str, lane: Lane, call: Callable[[Any], Awaitable[Any]]) -> Any:
        """One request in its turn. Errors of ccxt go through as they are; a limit stops this address as it says."""
        ticket = await take_turn(self._limits, self._clock, lane, 1, place)
        exchange = self._exchange()
        try:
            return await call(exchange)
        except Exception as error:
            if is_limit(error):
                self._stop(exchange)
            raise
        finally:
            self._limits.settle(ticket, (), self._clock.monotonic_ns())

    def _stop(self, exchange: Any) -> None:
        """Ccxt does not heed it: the next request would go out at once."""
        named = str((exchange.last_response_headers or {}).get("Retry-After", ""))
        wait_s = min(int(named), STOP_MAX_S) if named.isdecimal() else STOP_DEFAULT_S
        self._limits.stop(self._clock.monotonic_ns() + wait_s * NS_PER_S)

    async def load_instruments(self) -> Sequence[Instrument]:
        await self._read("markets", lambda exchange: exchange.load_markets(True))
        exchange = self._exchange()
        wanted = [symbol.replace("-", "/") for symbol in self._config.instruments]
        missing = [symbol for symbol in wanted if symbol not in exchange.markets]
        if missing:
            raise VenueTrouble(f"markets: {self._venue} does not list {', '.join(missing)}")
        rows = [exchange.markets[symbol] for symbol in wanted]
        mode = exchange.precisionMode
        return self._checked("markets", rows, lambda row: words.instrument_of(row, self._venue, mode))

    async def query_order(self, instrument_id: str, client_order_id: str) -> VenueOrder | None:
        return await self._query(instrument_id, None, {"clientOrderId": client_order_id})

    async def query_venue_order(self, instrument_id: str, venue_order_id: str) -> VenueOrder | None:
        return await self._query(instrument_id, venue_order_id, {})

    async def find_in_history(self, instrument_id: str, client_order_id: str) -> VenueOrder | None:
        rows = await self._rows("fetch_orders", instrument_id, None, ROWS_MAX)
        of_id = [row for row in rows if row.get("clientOrderId") == client_order_id]
        return self._orders(instrument_id, of_id[-1:])[0] if of_id else None

    async def open_orders(self) -> Sequence[VenueOrder]:
        found: list[VenueOrder] = []
        for instrument in [each for each in self._instruments if each.venue == self._venue]:
            rows = await self._rows("fetch_open_orders", instrument.instrument_id)
            found += self._orders(instrument.instrument_id, rows)
        return found

    async def trades_of_order(self, instrument_id: str, venue_order_id: str) -> Sequence[VenueTrade]:
        symbol = self.symbol(instrument_id)
        rows = await self._read("trades", lambda each: each.fetch_order_trades(venue_order_id, symbol, None, ROWS_MAX))
        return self._trades(instrument_id, rows)

    async def trades_since(self, instrument_id: str, trade_id: int) -> Sequence[VenueTrade]:
        """From an id on where the exchange can; elsewhere the newest, which have to reach back far enough."""
        found: list[VenueTrade] = []
        for _ in range(PAGES_MAX):
            params = {"fromId": trade_id + 1} if self._config.exchange == BINANCE else {}
            rows = await self._rows("fetch_my_trades", instrument_id, None, ROWS_MAX, params)
            page = [trade for trade in self._trades(instrument_id, rows) if int(trade.trade_id) > trade_id]
            found += page
            if not params and len(page) == len(rows) == ROWS_MAX:
                raise VenueTrouble(f"trades: {instrument_id} has more since {trade_id} than are told at once")
            if not params or len(rows) < ROWS_MAX:
                return found
            trade_id = int(page[-1].trade_id)
        raise VenueTrouble(f"trades: more than {PAGES_MAX} pages of {instrument_id}")

    async def newest_trade_id(self, instrument_id: str) -> int:
        rows = await self._rows("fetch_my_trades", instrument_id, None, 1)
        return max((int(trade.trade_id) for trade in self._trades(instrument_id, rows)), default=0)

    async def balances(self) -> Mapping[str, Decimal]:
        answer = await self._read("balance", lambda exchange: exchange.fetch_balance())
        held: list[dict[str, Decimal]] = self._checked("balance", [answer.get("total") or {}], _amounts)
        return held[0]

    async def facts(self, instrument_id: str, venue_order_id: str) -> OrderFacts | None:
        """An order of which something was heard, with every trade it has."""
        order = await self.query_venue_order(instrument_id, venue_order_id)
        if order is None or not order.cum_quantity:
            return OrderFacts(order) if order is not None else None
        return OrderFacts(order, tuple(await self.trades_of_order(instrument_id, venue_order_id)))

    # -- the parts -------------------------------------------------------------------------------------------------

    def instrument(self, instrument_id: str) -> Instrument:
        """`VenueTrouble` while it is not known."""
        instrument = self._instruments.get(instrument_id)
        if instrument is None:
            raise VenueTrouble(f"{instrument_id} is not listed at {self._venue}")
        return instrument

    def symbol(self, instrument_id: str) -> str:
        """The spelling of ccxt."""
        return self.instrument(instrument_id).symbol.replace("-", "/")

    def find(self, symbol: str) -> str | None:
        """The instrument that ccxt spells so; None for one that is not configured."""
        found = [each for each in self._instruments if each.venue == self._venue]
        return next((each.instrument_id for each in found if each.symbol.replace("-", "/") == symbol), None)

    async def _query(self, instrument_id: str, order_id: str | None, params: Mapping[str, str]) -> VenueOrder | None:
        symbol = self.symbol(instrument_id)
        try:
            row = await self.ask("order", Lane.RECONCILE, lambda each: each.fetch_order(order_id, symbol, dict(params)))
        except Exception as error:  # noqa: BLE001 - its classes are not known before it is loaded; others go on
            if is_not_found(error):
                return None
            raise self._as_trouble("order", error) from None
        return self._orders(instrument_id, [row])[0]

    async def _rows(self, method: str, instrument_id: str, *more: Any) -> list[Any]:
        symbol = self.symbol(instrument_id)
        found: list[Any] = await self._read(method, lambda exchange: getattr(exchange, method)(symbol, *more))
        return found

    async def _read(self, place: str, call: Callable[[Any], Awaitable[Any]]) -> Any:
        try:
            return await self.ask(place, Lane.RECONCILE, call)
        except Exception as error:  # noqa: BLE001 - sorted by name, whatever it is
            raise self._as_trouble(place, error) from None

    @staticmethod
    def _as_trouble(place: str, error: Exception) -> Exception:
        return trouble_of(place, error) if is_of_ccxt(error) else error

    def _orders(self, instrument_id: str, rows: Sequence[Any]) -> list[VenueOrder]:
        instrument = self.instrument(instrument_id)
        return self._checked("order", rows, lambda row: words.order_of(row, instrument))

    def _trades(self, instrument_id: str, rows: Sequence[Any]) -> list[VenueTrade]:
        instrument = self.instrument(instrument_id)
        return self._checked("trade", rows, lambda row: words.trade_of(row, instrument))

    def _checked(self, place: str, rows: Sequence[Any], read: Callable[[Any], Any]) -> list[Any]:
        try:
            return [read(row) for row in rows]
        except DecodeError as error:
            self.on_malformed(place, repr(rows).encode(), error.reason)
            raise VenueTrouble(f"{place}: {error}") from None


def _unheard(*_: object) -> None:
    """Before anybody listens an answer that cannot be read is trouble, and no more."""


def _amounts(row: Mapping[str, Any]) -> dict[str, Decimal]:
    return {asset: words.number(row, asset, "balance") for asset, amount in row.items() if amount is not None}
