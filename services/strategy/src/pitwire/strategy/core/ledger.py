"""A strategy's own share of its account: the account's fold, cut down to one name, with what is not decided yet."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from pitwire.common import money
from pitwire.common.enums import Side
from pitwire.common.instruments import InstrumentRegistry, assets_of, quantity_for, tradable_quantity
from pitwire.common.money import ONE, ZERO
from pitwire.common.order_state import OrderState
from pitwire.common.portfolio import AccountView
from pitwire.common.positions import Position
from pitwire.common.schemas.market import Instrument
from pitwire.strategy.core.intents import IntentBook
from pitwire.strategy.core.sizing import Holding


class SubLedger:
    """Implements `Portfolio`. `prices` are the newest this strategy saw, so the same events give the same equity.

    Capital and equity are in the account's quote currency. What is in another one is converted at the newest price of
    the strategy's own instrument for it, which the configuration demands (`PitwireConfig`).
    """

    def __init__(
        self,
        *,
        strategy: str,
        capital: Decimal,
        instruments: tuple[str, ...],
        account: AccountView,
        registry: InstrumentRegistry,
        intents: IntentBook,
    ) -> None:
        self._strategy = strategy
        self._capital = capital
        self._instruments = instruments
        self._account = account
        self._registry = registry
        self._intents = intents
        self.prices: dict[str, Decimal] = {}
        self._foreign = {each: quote for each in instruments if (quote := assets_of(each)[1]) != account.quote}
        self._sellable: tuple[Position, Instrument, Decimal | None] | None = None

    @property
    def capital(self) -> Decimal:
        registered = self._account.strategy_capital(self._strategy)
        return registered or self._capital

    @property
    def equity(self) -> Decimal:
        equity = self.capital
        for instrument_id in self._instruments:
            position = self.position(instrument_id)
            pnl = position.total_pnl(self.prices.get(instrument_id))
            if self._foreign and instrument_id in self._foreign:
                pnl = money.product(pnl, self.rate(self._foreign[instrument_id]) or ZERO)
            for asset, paid in position.other_fees:
                pnl = money.difference(pnl, money.product(paid, self.rate(asset) or ZERO))
            equity = money.total(equity, pnl)
        return equity

    def rate(self, asset: str) -> Decimal | None:
        """What one unit is worth in the account's quote currency; None where no price says.

        By the newest price of an own instrument, else (a fee in a third asset) as the account's ledger last recorded.
        """
        if asset == self._account.quote:
            return ONE
        wanted = asset, self._account.quote
        own = (self.prices.get(each) for each in self._instruments if assets_of(each) == wanted)
        return next((price for price in own if price is not None), None) or self._account.wealth.rate(asset)

    @property
    def instruments(self) -> Sequence[str]:
        return self._instruments

    def instrument(self, instrument_id: str) -> Instrument | None:
        return self._registry.get(instrument_id)

    def position(self, instrument_id: str) -> Position:
        return self._account.position(self._strategy, instrument_id)

    def working_quantity(self, instrument_id: str, side: Side | None = None) -> Decimal:
        if side is None:
            buys, sells = (self.working_quantity(instrument_id, each) for each in (Side.BUY, Side.SELL))
            return money.difference(buys, sells)
        open_quantity = self._account.working_quantity(self._strategy, instrument_id, side)
        return money.total(open_quantity, self._intents.open_quantity(instrument_id, side))

    def working_orders(self, instrument_id: str = "") -> Sequence[OrderState]:
        return tuple(
            order
            for order in self._account.working_orders()
            if order.strategy == self._strategy and instrument_id in {"", order.instrument_id}
        )

    def holds(self, instrument_id: str) -> bool:
        position = self._account.position(self._strategy, instrument_id)
        if not position.quantity:
            return False
        instrument = self._registry.get(instrument_id)
        if instrument is None:
            return True
        least = self._least_price(position, instrument)
        if not least:
            return least is not None
        price = self.prices.get(instrument_id)
        return price is None or price >= least

    def _least_price(self, position: Position, instrument: Instrument) -> Decimal | None:
        """The price from which on the position is worth the venue's minimum; None where it is dust at any price.

        Asked with every candle while something is held, so the last answer is kept.
        """
        known = self._sellable
        if known is not None and known[0] is position and known[1] is instrument:
            return known[2]
        quantity = tradable_quantity(instrument, position.quantity)
        least = money.ratio_up(instrument.min_notional, quantity) if quantity else None
        self._sellable = position, instrument, least
        return least

    def is_working(self, instrument_id: str) -> bool:
        if self._account.exposure.works(self._strategy, instrument_id):
            return True
        return self._intents.holds_order_on(instrument_id)

    def quantity_for(self, instrument_id: str, value: Decimal, price: Decimal) -> Decimal:
        instrument = self._registry.get(instrument_id)
        if instrument is None:
            return ZERO
        if self._foreign and instrument_id in self._foreign:
            rate = self.rate(self._foreign[instrument_id])
            if rate is None:
                return ZERO
            value = money.ratio(value, rate)
        return quantity_for(instrument, value=value, price=price)

    def holding(self, instrument_id: str) -> Holding:
        return Holding(
            self.position(instrument_id).quantity,
            self.working_quantity(instrument_id, Side.BUY),
            self.working_quantity(instrument_id, Side.SELL),
        )
