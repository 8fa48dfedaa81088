"""What the venue is asked to find out how things stand: definitions, orders, trades. Safe to repeat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from pitwire.common.config import VenueConfig
from pitwire.common.errors import DecodeError, VenueTrouble
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.schemas.market import Instrument
from pitwire.execution.adapters.binance import frames
from pitwire.execution.adapters.binance.account import ACCOUNT
from pitwire.execution.adapters.binance.limits import TRADES_OF_ORDER_WEIGHT, Limits
from pitwire.execution.adapters.binance.rest import Refused, Rest
from pitwire.execution.adapters.binance.signing import Params, type_word
from pitwire.execution.core.venue import NewOrder, VenueOrder, VenueTrade
from pitwire.execution.ports import CannotSign, Unsupported

ROWS_MAX: Final = 1_000
PAGES_MAX: Final = 1_000
NO_SUCH_ORDER: Final = -2013


class Reads:
    """`VenueReads` on Binance."""

    def __init__(
        self, rest: Rest, limits: Limits, venue: str, config: VenueConfig, instruments: InstrumentRegistry
    ) -> None:
        self._rest = rest
        self._limits = limits
        self._venue = venue
        self._config = config
        self._instruments = instruments
        self._offered: dict[str, frozenset[str]] = {}
        self.on_malformed: Callable[[str, bytes, str], None] = _unheard
        """Who sets aside an answer that cannot be read."""

    def find(self, venue_symbol: str) -> str | None:
        """The instrument that the venue spells so; None for one that is not configured."""
        instrument = self._instruments.by_venue_symbol(self._venue, venue_symbol)
        return instrument.instrument_id if instrument else None

    def symbol(self, instrument_id: str) -> str:
        """The venue's spelling; `VenueTrouble` while it is not known."""
        instrument = self._instruments.get(instrument_id)
        if instrument is None:
            raise VenueTrouble(f"{instrument_id} is not listed at {self._venue}")
        return instrument.venue_symbol

    async def load_instruments(self) -> Sequence[Instrument]:
        """The venue spells a symbol as base and quote without a dash; what comes back says what it is itself."""
        wanted = set(self._config.instruments)
        names = ",".join(f"%22{symbol.replace('-', '')}%22" for symbol in self._config.instruments)
        answer = await self._rest.public("/api/v3/exchangeInfo", {"symbols": f"%5B{names}%5D"})
        rows = _rows(answer.get("symbols") if isinstance(answer, dict) else None, "exchangeInfo")
        try:
            self._limits.learn(answer.get("rateLimits", []))
            found = [frames.instrument_of(row, self._venue) for row in rows]
        except DecodeError as error:
            raise self._malformed("exchangeInfo", answer, error) from None
        self._offered = {each.instrument_id: frames.offered_types(row) for each, row in zip(found, rows, strict=True)}
        listed = [instrument for instrument in found if instrument.symbol in wanted]
        if len(listed) < len(wanted):
            missing = sorted(wanted - {instrument.symbol for instrument in listed})
            raise VenueTrouble(f"exchangeInfo: {self._venue} does not list {', '.join(missing)}")
        return listed

    def check_offered(self, order: NewOrder) -> None:
        """Raises `Unsupported` for an order type that this instrument is not traded with."""
        offered = self._offered.get(order.instrument_id)
        wanted = type_word(order)
        if offered and wanted not in offered:
            raise Unsupported(f"{order.instrument_id} is not traded with {wanted} orders; nothing was sent")

    async def query_order(self, instrument_id: str, client_order_id: str) -> VenueOrder | None:
        return await self._query({"symbol": self.symbol(instrument_id), "origClientOrderId": client_order_id})

    async def query_venue_order(self, instrument_id: str, venue_order_id: str) -> VenueOrder | None:
        return await self._query({"symbol": self.symbol(instrument_id), "orderId": venue_order_id})

    async def find_in_history(self, instrument_id: str, client_order_id: str) -> VenueOrder | None:
        params: Params = {"symbol": self.symbol(instrument_id), "limit": ROWS_MAX}
        rows = _rows(await self._signed("/api/v3/allOrders", params), "allOrders")
        of_id = (row for row in reversed(rows) if isinstance(row, dict) and row.get("clientOrderId") == client_order_id)
        return next((self._order(row) for row in of_id), None)

    async def open_orders(self) -> Sequence[VenueOrder]:
        found: list[VenueOrder] = []
        for instrument in list(self._instruments):
            if instrument.venue == self._venue:
                answer = await self._signed("/api/v3/openOrders", {"symbol": instrument.venue_symbol})
                found += [self._order(row) for row in _rows(answer, "openOrders")]
        return found

    async def trades_of_order(self, instrument_id: str, venue_order_id: str) -> Sequence[VenueTrade]:
        params: Params = {"symbol": self.symbol(instrument_id), "orderId": venue_order_id, "limit": ROWS_MAX}
        return await self._trades(params, weight=TRADES_OF_ORDER_WEIGHT)

    async def trades_since(self, instrument_id: str, trade_id: int) -> Sequence[VenueTrade]:
        found: list[VenueTrade] = []
        for _ in range(PAGES_MAX):
            page = await self._trades({"symbol": self.symbol(instrument_id), "fromId": trade_id + 1, "limit": ROWS_MAX})
            found += page
            if len(page) < ROWS_MAX:
                return found
            trade_id = int(page[-1].trade_id)
        raise VenueTrouble(f"myTrades: more than {PAGES_MAX} pages of {instrument_id}")

    async def newest_trade_id(self, instrument_id: str) -> int:
        page = await self._trades({"symbol": self.symbol(instrument_id), "limit": 1})
        return int(page[-1].trade_id) if page else 0

    async def balances(self) -> Mapping[str, Decimal]:
        answer = await self._signed(ACCOUNT, {"omitZeroBalances": "true"})
        rows = _rows(answer.get("balances") if isinstance(answer, dict) else None, "account")
        try:
            return dict(frames.balance_of(row) for row in rows)
        except DecodeError as error:
            raise self._malformed("account", answer, error) from None

    async def _query(self, params: Params) -> VenueOrder | None:
        try:
            row = await self._signed("/api/v3/order", params)
        except Refused as refused:
            if refused.refusal.code == NO_SUCH_ORDER:
                return None
            raise
        return self._order(row)

    async def _trades(self, params: Params, *, weight: int = 0) -> list[VenueTrade]:
        rows = _rows(await self._signed("/api/v3/myTrades", params, weight=weight), "myTrades")
        try:
            return [frames.trade_of(row, self.find) for row in rows]
        except (DecodeError, frames.OtherInstrument) as error:
            raise self._malformed("myTrades", rows, error) from None

    def _order(self, row: Any) -> VenueOrder:
        try:
            return frames.order_of(row, "order", self.find)
        except (DecodeError, frames.OtherInstrument) as error:
            raise self._malformed("order", row, error) from None

    def _malformed(self, place: str, answer: Any, error: Exception) -> VenueTrouble:
        self.on_malformed(place, repr(answer).encode(), str(error))
        return VenueTrouble(f"{place}: {error}")

    async def _signed(self, path: str, params: Params, *, weight: int = 0) -> Any:
        try:
            return await self._rest.signed(path, params, weight=weight)
        except CannotSign as error:
            raise VenueTrouble(str(error)) from None


def _unheard(*_: object) -> None:
    """Before anybody listens an answer that cannot be read is trouble, and no more."""


def _rows(answer: Any, place: str) -> list[Any]:
    if not isinstance(answer, list):
        raise VenueTrouble(f"{place}: the answer is not a list")
    return answer
