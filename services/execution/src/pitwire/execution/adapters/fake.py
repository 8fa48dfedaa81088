"""A venue in memory: what a real one does to orders, and what it must not be trusted with, when told to."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from enum import StrEnum
from typing import Final

from pitwire.common.clock import NS_PER_MS
from pitwire.common.enums import Liquidity, OrderStatus, OrderType, Side, TimeInForce
from pitwire.common.errors import VenueTrouble
from pitwire.common.ids import content_hash
from pitwire.common.instruments import assets_of
from pitwire.common.money import ZERO
from pitwire.common.schemas.market import Instrument
from pitwire.execution.core.venue import (
    CancelAnswer,
    Canceled,
    CancelFailed,
    InDoubt,
    NewOrder,
    NothingToCancel,
    OrderFacts,
    Placed,
    Refused,
    SubmitAnswer,
    VenueOrder,
    VenueTrade,
)
from pitwire.execution.ports import CannotSign, Capabilities, Prepared, Unsupported, VenueListener

RECV_WINDOW_MS: Final = 2_000
RICH: Final = Decimal(10**9)
"""What the account begins with of each asset."""

FEE_RATE: Final = Decimal("0.001")
EVERYTHING: Final = Capabilities(frozenset(OrderType), frozenset(TimeInForce), post_only=True)


class Fate(StrEnum):
    """What becomes of the next submit."""

    NORMAL = "NORMAL"
    REJECT = "REJECT"
    LOSE_REQUEST = "LOSE_REQUEST"
    LOSE_ANSWER = "LOSE_ANSWER"
    HOLD_ANSWER = "HOLD_ANSWER"


class FakeVenue:
    """`Venue` and `VenueReads`. MARKET and IOC orders fill whole at `price`, others rest until `fill` or a cancel."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        *,
        price: Decimal = Decimal(100),
        capabilities: Capabilities = EVERYTHING,
    ) -> None:
        self.price = price
        self.capabilities = capabilities
        self.held_assets: dict[str, Decimal] = defaultdict(lambda: RICH)
        self.orders: dict[str, VenueOrder] = {}
        self.trades: list[VenueTrade] = []
        self.fates: deque[Fate] = deque()
        self.frames: list[bytes] = []
        self.cancels: list[str] = []
        self.held: list[tuple[asyncio.Future[SubmitAnswer], SubmitAnswer]] = []
        self.link_down = ""
        self.reads_down = False
        self.stream_mute = False
        self.cancel_fails = 0
        self.cannot: Unsupported | CannotSign | None = None
        self.now_ms = 1_700_000_000_000
        self._instruments = list(instruments)
        self._prepared: dict[int, NewOrder] = {}
        self._listener: VenueListener | None = None
        self._next_id = 1

    # -- Venue -----------------------------------------------------------------------------------------------------

    @property
    def reads(self) -> FakeVenue:
        return self

    @property
    def trouble(self) -> str:
        return self.link_down

    async def run(self, listener: VenueListener) -> None:
        self._listener = listener
        listener.on_gap("connected")
        listener.on_link("CONNECTED")
        await asyncio.Event().wait()

    def prepare(self, order: NewOrder, *, now_ns: int, expires_ns: int) -> Prepared:
        if self.cannot is not None:
            raise self.cannot
        self.capabilities.check(order)
        request_id = self._take_id()
        self._prepared[request_id] = order
        digest = content_hash(repr(order).encode())
        valid_until_ns = min(now_ns + RECV_WINDOW_MS * NS_PER_MS, expires_ns)
        return Prepared(order.client_order_id, order.client_order_id.encode(), request_id, digest, valid_until_ns)

    async def send(self, prepared: Prepared) -> asyncio.Future[SubmitAnswer]:
        answer: asyncio.Future[SubmitAnswer] = asyncio.get_running_loop().create_future()
        self.frames.append(prepared.frame)
        fate = self.fates.popleft() if self.fates else Fate.NORMAL
        if fate is Fate.LOSE_REQUEST:
            answer.set_result(InDoubt("no answer"))
            return answer
        if fate is Fate.REJECT:
            answer.set_result(Refused("INSUFFICIENT_FUNDS", "-2010 Account has insufficient balance"))
            return answer
        order = self._prepared[prepared.request_id]
        if refusal := self._refusal(order):
            answer.set_result(refusal)
            return answer
        facts = self._place(order)
        if fate is Fate.HOLD_ANSWER:
            self.held.append((answer, Placed(facts)))
        else:
            answer.set_result(InDoubt("no answer") if fate is Fate.LOSE_ANSWER else Placed(facts))
        return answer

    async def cancel_order(self, instrument_id: str, client_order_id: str) -> CancelAnswer:
        self.cancels.append(client_order_id)
        if self.cancel_fails:
            self.cancel_fails -= 1
            return CancelFailed("timeout")
        order = self.orders.get(client_order_id)
        if order is None or order.status.is_terminal or order.instrument_id != instrument_id:
            return NothingToCancel()
        return Canceled(self._change(replace(order, status=OrderStatus.CANCELED)))

    async def close(self) -> None:
        return

    # -- VenueReads ------------------------------------------------------------------------------------------------

    async def load_instruments(self) -> Sequence[Instrument]:
        return list(self._instruments)

    async def query_order(self, instrument_id: str, client_order_id: str) -> VenueOrder | None:
        self._check()
        order = self.orders.get(client_order_id)
        return order if order is not None and order.instrument_id == instrument_id else None

    async def find_in_history(self, instrument_id: str, client_order_id: str) -> VenueOrder | None:
        return await self.query_order(instrument_id, client_order_id)

    async def query_venue_order(self, instrument_id: str, venue_order_id: str) -> VenueOrder | None:
        self._check()
        found = (o for o in self.orders.values() if o.venue_order_id == venue_order_id)
        return next((order for order in found if order.instrument_id == instrument_id), None)

    async def open_orders(self) -> Sequence[VenueOrder]:
        self._check()
        return [order for order in self.orders.values() if not order.status.is_terminal]

    async def trades_of_order(self, instrument_id: str, venue_order_id: str) -> Sequence[VenueTrade]:
        return [t for t in await self.trades_since(instrument_id, 0) if t.venue_order_id == venue_order_id]

    async def trades_since(self, instrument_id: str, trade_id: int) -> Sequence[VenueTrade]:
        self._check()
        return [t for t in self.trades if t.instrument_id == instrument_id and int(t.trade_id) > trade_id]

    async def newest_trade_id(self, instrument_id: str) -> int:
        return max((int(t.trade_id) for t in await self.trades_since(instrument_id, 0)), default=0)

    async def balances(self) -> dict[str, Decimal]:
        self._check()
        assets = {asset for each in self._instruments for asset in (each.base, each.quote)}
        return {asset: self.held_assets[asset] for asset in assets | self.held_assets.keys()}

    # -- what a test makes happen ------------------------------------------------------------------------------------

    def fill(self, client_order_id: str, quantity: Decimal, price: Decimal | None = None) -> OrderFacts:
        """A resting order trades as maker."""
        return self._trade(self.orders[client_order_id], quantity, price or self.price, Liquidity.MAKER)

    def add_foreign(self, order: VenueOrder) -> None:
        """An order that somebody else placed in this account."""
        self._change(order)

    def wipe(self) -> None:
        """Orders and trades are forgotten, and nobody is told."""
        self.orders.clear()
        self.trades.clear()

    def answer_held(self) -> None:
        """Gives the answers that were held back."""
        for answer, result in self.held:
            answer.set_result(result)
        self.held.clear()

    def lose_stream(self) -> None:
        """The private stream is back after a gap."""
        self.stream_mute = False
        if self._listener is not None:
            self._listener.on_gap("stream was lost")

    # -- matching --------------------------------------------------------------------------------------------------

    def _place(self, new: NewOrder) -> OrderFacts:
        order = VenueOrder(
            client_order_id=new.client_order_id,
            venue_order_id=str(self._take_id()),
            instrument_id=new.instrument_id,
            side=new.side,
            order_type=new.order_type,
            quantity=new.quantity,
            status=OrderStatus.NEW,
            cum_quantity=ZERO,
            ts_event_ns=self._tick(),
            limit_price=new.limit_price,
            stop_price=new.stop_price,
        )
        facts = self._change(order)
        if new.order_type is OrderType.MARKET or (new.time_in_force is not TimeInForce.GTC and self._crosses(new)):
            facts = self._trade(order, new.quantity, self.price, Liquidity.TAKER)
        elif new.time_in_force is not TimeInForce.GTC:
            facts = self._change(replace(order, status=OrderStatus.EXPIRED))
        return facts

    def _crosses(self, new: NewOrder) -> bool:
        limit = new.limit_price if new.limit_price is not None else self.price
        return limit >= self.price if new.side is Side.BUY else limit <= self.price

    def _refusal(self, new: NewOrder) -> Refused | InDoubt | None:
        """What any venue says no to; an id that works already is in doubt, as on Binance."""
        known = self.orders.get(new.client_order_id)
        if known is not None and not known.status.is_terminal:
            return InDoubt("-2010 Duplicate order sent.")
        if new.post_only and self._crosses(new):
            return Refused("REJECTED", "-2010 Order would immediately match and take.")
        if new.quantity * (new.limit_price or self.price) > RICH:
            return Refused("INSUFFICIENT_FUNDS", "-2010 Account has insufficient balance")
        return None

    def _trade(self, order: VenueOrder, quantity: Decimal, price: Decimal, liquidity: Liquidity) -> OrderFacts:
        trade = VenueTrade(
            trade_id=str(self._take_id()),
            venue_order_id=order.venue_order_id,
            instrument_id=order.instrument_id,
            side=order.side,
            quantity=quantity,
            price=price,
            fee=quantity * price * FEE_RATE,
            fee_currency="USDT",
            ts_event_ns=self._tick(),
            liquidity=liquidity,
        )
        self.trades.append(trade)
        base, quote = assets_of(order.instrument_id)
        self.held_assets[base] += order.side.sign * quantity
        self.held_assets[quote] -= order.side.sign * quantity * price
        self.held_assets["USDT"] -= trade.fee
        cum_quantity = order.cum_quantity + quantity
        status = OrderStatus.FILLED if cum_quantity >= order.quantity else OrderStatus.PARTIALLY_FILLED
        filled = replace(order, cum_quantity=cum_quantity, status=status, ts_event_ns=trade.ts_event_ns)
        return self._change(filled, trade)

    def _change(self, order: VenueOrder, *trades: VenueTrade) -> OrderFacts:
        self.orders[order.client_order_id] = order
        facts = OrderFacts(order, trades)
        if self._listener is not None and not self.stream_mute:
            self._listener.on_facts(facts)
        return facts

    def _check(self) -> None:
        if self.reads_down:
            raise VenueTrouble("venue does not answer")

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _tick(self) -> int:
        self.now_ms += 1
        return self.now_ms * NS_PER_MS
